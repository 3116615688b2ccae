"""What a trained model answers, whatever it was loaded from."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError, named, quoted
from kerastextzoo.evaluation import Evaluation, evaluate_probabilities
from kerastextzoo.label_sets import Label, as_tuple
from kerastextzoo.splits import label_ids

_SHOWN = 5


class AnswerWarning(UserWarning):
    """Every text has its answer, but some answers mean little."""


class Answering(ABC):
    """A trained model that answers texts.

    Attributes:
        directory: Where it was loaded from.
        label_names: The classes, in the order of the probabilities.
    """

    directory: Path
    label_names: list[str]

    @property
    @abstractmethod
    def thresholds(self) -> npt.NDArray[np.float32] | None:
        """From which probability each class is given, `(classes,)`; None unless multi-label."""

    @abstractmethod
    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return class probabilities `(texts, classes)`, classes in the order of `label_names`."""

    def predict(self, texts: Sequence[str]) -> list[Label]:
        """Return the most probable label of each text; of a multi-label run, a tuple of labels."""
        return self.choose(self.predict_proba(texts))

    def choose(self, probabilities: npt.NDArray[np.float32]) -> list[Label]:
        """Return what `predict` answers, given what `predict_proba` gave."""
        names = self.label_names
        if self.thresholds is None:
            return [names[best] for best in probabilities.argmax(axis=1)]
        given = probabilities >= self.thresholds
        return [tuple(names[place] for place in np.flatnonzero(row)) for row in given]

    def evaluate(self, data: Dataset) -> Evaluation:
        """Compare the answers with true labels; one that training did not see counts as wrong.

        Raises:
            InputError: The data is multi-label, and the run is not.

        Warns:
            AnswerWarning: There are such labels, or texts whose answer means little.
        """
        if data.multi_label and self.thresholds is None:
            raise InputError(
                f"{data.name}: several labels a row; got {named(self.directory)}, which gives one; "
                "train on such data, or give one label a row"
            )
        unseen = data.label_counts
        for name in self.label_names:
            del unseen[name]
        names = [*self.label_names, *sorted(unseen)]
        if unseen:
            shown = ", ".join(f"{quoted(name)} ({n})" for name, n in unseen.most_common(_SHOWN))
            more = ", ..." if len(unseen) > _SHOWN else ""
            several = self.thresholds is not None and not data.multi_label
            hint = ", unless label_separator is to part them" if several else ""
            texts = sum(not unseen.keys().isdisjoint(as_tuple(label)) for label in data.labels)
            warnings.warn(
                f"{data.name}: {texts} of {len(data)} texts have labels that training "
                f"lacks: {shown}{more}; they count as wrong{hint}",
                AnswerWarning,
                stacklevel=2,
            )
        probabilities = self.predict_proba(data.texts)
        padded = np.pad(probabilities, ((0, 0), (0, len(unseen))))
        if self.thresholds is None:
            return evaluate_probabilities(padded, label_ids(data.labels, names), names)
        truth = label_ids(data.as_multi_label().labels, names)
        never = np.ones(len(unseen), np.float32)
        thresholds = np.concatenate([self.thresholds, never]).tolist()
        return evaluate_probabilities(padded, truth, names, thresholds)

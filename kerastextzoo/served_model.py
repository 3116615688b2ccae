"""A SavedModel as `export` writes it, asked for answers as a run is.

A SavedModel is a program: when it answers, it may read and write whatever its user may. A manifest
tells damage, not where it comes from. So it is loaded only for who says that it is trusted.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kerastextzoo.answering import Answering
from kerastextzoo.errors import InputError, named
from kerastextzoo.export import KIND
from kerastextzoo.storage import MANIFEST, verify

_GRAPH = "saved_model.pb"
_TEXTS_AT_ONCE = 256


def is_served_model(directory: Path) -> bool:
    """Say whether a folder holds a SavedModel; nothing of it is read."""
    return (directory / _GRAPH).exists()


class ServedModel(Answering):
    """A SavedModel, loaded from its folder.

    Args:
        directory: What `export` wrote.
        trust: Whether the user knows who made it.

    Raises:
        InputError: It is not trusted, has changed, or is none that `export` writes.
    """

    def __init__(self, directory: str | Path, *, trust: bool) -> None:
        self.directory = Path(directory)
        if not trust:
            raise InputError(
                f"{named(directory)} is a SavedModel, and a SavedModel is a program: it may read "
                "and write files when it answers; give the run it was made of, or --trust if you "
                "know who made it"
            )
        if (self.directory / MANIFEST).exists():
            verify(self.directory, KIND)
        try:
            # Kept: without it the signatures have no variables.
            self._loaded = tf.saved_model.load(str(directory))
            self._serve = self._loaded.signatures["serving_default"]
            told = {name: tensor.numpy() for name, tensor in self._labels().items()}
            outputs = self._serve.structured_outputs
            arguments = [*self._serve.structured_input_signature[1]]
        except (OSError, ValueError, KeyError, IndexError, tf.errors.OpError) as error:
            why = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise self._unknown(why) from None
        if arguments != ["texts"] or "probabilities" not in outputs or "labels" not in told:
            raise self._unknown(f"it takes {arguments} and gives {sorted(outputs)}")
        self.label_names = [name.decode() for name in told["labels"]]
        self._thresholds = told.get("thresholds")

    @property
    def thresholds(self) -> npt.NDArray[np.float32] | None:
        """From which probability each class is given, `(classes,)`; None unless multi-label."""
        return self._thresholds

    def _labels(self) -> dict[str, tf.Tensor]:
        answer: dict[str, tf.Tensor] = self._loaded.signatures["labels"]()
        return answer

    def _unknown(self, why: str) -> InputError:
        return InputError(f"{named(self.directory)} is no SavedModel of 'export': {why}")

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return class probabilities `(texts, classes)`, classes in the order of `label_names`."""
        parts = [np.zeros((0, len(self.label_names)), np.float32)]
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = tf.constant(texts[start : start + _TEXTS_AT_ONCE], tf.string)
            parts.append(self._serve(texts=part)["probabilities"].numpy())
        return np.concatenate(parts)

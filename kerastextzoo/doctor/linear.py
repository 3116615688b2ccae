"""A quick linear model of the inputs, which tells what can be learned without the network."""

import itertools
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.program import pick

_MOST_ROWS = 4_000
_FOLDS = 3
_PADDING = 0


class LinearProbe:
    """Tokens, or means of features, to classes: naive Bayes by word, else logistic regression.

    Args:
        case: With classes.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self.rows = (
            case.trains[:_MOST_ROWS]
            if len(case.trains) <= _MOST_ROWS
            else (np.sort(np.random.default_rng(case.seed).permutation(case.trains)[:_MOST_ROWS]))
        )

    @cached_property
    def usable(self) -> bool:
        """Whether the inputs are anything that it can read."""
        return self._features(self.case.program.x, self.rows[:2]) is not None

    def held_out(self) -> float:
        """Return the mean accuracy of the classes on rows that it was not fitted to."""
        from sklearn.metrics import balanced_accuracy_score
        from sklearn.model_selection import StratifiedKFold, cross_val_predict

        classes = self._classes(self.rows)
        folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=self.case.seed)
        features = self._features(self.case.program.x, self.rows)
        guessed = cross_val_predict(self._model(), features, classes, cv=folds)
        return float(balanced_accuracy_score(classes, guessed))

    def on_validation(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the guesses for the validation data, and its classes."""
        x, y = self.case.program.validation_data or (None, None)
        classes = self.case.classes_of(np.asarray(y))
        if classes is None:
            raise ValueError("validation labels without classes")
        rows = np.arange(len(classes))[:_MOST_ROWS]
        model = self._model().fit(
            self._features(self.case.program.x, self.rows), self._classes(self.rows)
        )
        return model.predict(self._features(x, rows)), classes[rows]

    def _classes(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        if self.case.classes is None:
            raise ValueError("labels without classes")
        return self.case.classes[rows]

    def _model(self) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.naive_bayes import MultinomialNB
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if self.case.tokens is not None or self._is_text:
            return MultinomialNB(fit_prior=False)
        return make_pipeline(
            StandardScaler(), LogisticRegression(max_iter=200, class_weight="balanced")
        )

    @property
    def _is_text(self) -> bool:
        return bool(_first(self.case.program.x).dtype.kind in "UOS")

    def _features(self, x: Any, rows: npt.NDArray[np.int64]) -> Any:
        """Return `(rows, features)`: counts of words and of pairs of words, or means over steps."""
        array = _first(pick(x, rows))
        if array.dtype.kind in "UOS":
            return _counts([_as_text(text).split() for text in array.reshape(len(array))])
        if self.case.tokens is not None:
            return _counts([[f"{i}" for i in text if i != _PADDING] for text in array.astype(int)])
        if array.dtype.kind not in "fiu":
            return None
        wide = np.nan_to_num(array.astype(np.float32))
        return wide.reshape(len(wide), -1) if wide[0].size <= 5_000 else wide.mean(1)  # noqa: PLR2004


def _first(x: Any) -> npt.NDArray[Any]:
    import keras

    return np.asarray(keras.tree.flatten(x)[0])


def _as_text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _counts(texts: Sequence[Sequence[str]]) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    counting = HashingVectorizer(
        analyzer=lambda words: [*words, *map(" ".join, itertools.pairwise(words))],
        n_features=2**16,
        alternate_sign=False,
        norm=None,
    )
    return counting.transform(texts)

"""Models without a network: the floor that a network must clear to be worth its time.

All of them count words, alone and in pairs (Chinese: characters). To add one, write a class with
`fit(counts, classes)`, `predict(counts)` and `decision_function(counts)` and give it a line in
`_LINEAR`. For multi-label data one of each is fitted a class.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.evaluation import choose_thresholds
from kerastextzoo.splits import LabelIds, Splits, label_ids
from kerastextzoo.text import choose_tokenizer

MAJORITY = "majority class"
_SMOOTHING = 1.0


@dataclass(frozen=True, eq=False)
class Baseline:
    """A fitted model without a network.

    Attributes:
        name: What the tables call it.
        answers: Class ids of the `validation` texts, and of the `test` texts, if any; for
            multi-label data which text is given which class, `(texts, classes)`.
        seconds: Wall-clock time of counting words and fitting.
        milliseconds: Of one answer, from the raw text.
        parameters: Numbers that were fitted.
    """

    name: str
    answers: dict[str, npt.NDArray[Any]]
    seconds: float
    milliseconds: float
    parameters: int


def fit_baselines(splits: Splits, *, refit: bool = False) -> Iterator[Baseline]:
    """Fit the majority class, TF-IDF with two linear models, and NB-SVM, with default settings.

    For multi-label data the thresholds of the linear models are chosen on the validation texts, as
    those of a network are, unless they have learned from these.

    Args:
        splits: The data.
        refit: Whether they learn from the validation texts, too, as networks that are refitted do.

    Example:
        >>> from kerastextzoo.data import Dataset
        >>> from kerastextzoo.splits import make_splits
        >>> texts = tuple(f"a {w} film {n}" for n in range(20) for w in ("good", "bad"))
        >>> splits = make_splits(Dataset("films", texts, ("pos", "neg") * 20), seed=0)
        >>> [baseline.name for baseline in fit_baselines(splits)][:2]
        ['majority class', 'TF-IDF + linear SVM']
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    known = (splits.train, splits.validation) if refit else (splits.train,)
    texts = [text for part in known for text in part.texts]
    truth = label_ids([each for part in known for each in part.labels], splits.label_names)
    parts = {"validation": splits.validation}
    if splits.test is not None:
        parts["test"] = splits.test
    several = splits.multi_label
    common = int((truth.sum(axis=0) if several else np.bincount(truth)).argmax())
    one = np.eye(len(splits.label_names), dtype=bool)[common] if several else np.int32(common)
    answers = {name: np.array([one] * len(part)) for name, part in parts.items()}
    yield Baseline(MAJORITY, answers, 0.0, 0.0, 1)

    counter = TfidfVectorizer(
        analyzer=choose_tokenizer(splits.train.texts), ngram_range=(1, 2), sublinear_tf=True
    )
    counted, counting = _timed(counter.fit_transform, texts)
    counts, reading = _timed(_of_each, counter.transform, {k: p.texts for k, p in parts.items()})
    for name, kind in _LINEAR.items():
        if several:
            model, fitting = _timed(_OneAClass(kind).fit, counted, truth)
            scores, answering = _timed(_of_each, model.decision_function, counts)
            thresholds = _thresholds(scores["validation"], splits, refit=refit)
            answers = {part: given >= thresholds for part, given in scores.items()}
        else:
            model, fitting = _timed(kind().fit, counted, truth)
            found, answering = _timed(_of_each, model.predict, counts)
            answers = {part: given.astype(np.int32) for part, given in found.items()}
        yield Baseline(
            name=name,
            answers=answers,
            seconds=counting + fitting,
            milliseconds=1000 * (reading + answering) / sum(map(len, parts.values())),
            parameters=model.coef_.size + model.intercept_.size,
        )


def _thresholds(scores: Any, splits: Splits, *, refit: bool) -> npt.NDArray[np.float32]:
    if refit:
        return np.zeros(len(splits.label_names), np.float32)
    truth = label_ids(splits.validation.labels, splits.label_names)
    return choose_thresholds(scores, truth, usual=0.0)


def _timed(work: Callable[..., Any], *given: Any) -> tuple[Any, float]:
    """Return what the work gives, and its seconds."""
    started = time.monotonic()
    return work(*given), time.monotonic() - started


def _of_each(work: Callable[[Any], Any], parts: dict[str, Any]) -> dict[str, Any]:
    return {name: work(part) for name, part in parts.items()}


class _NaiveBayesSVM:
    """A linear SVM over the words of a text, each scaled by how much it speaks for the class.

    Wang and Manning 2012, https://aclanthology.org/P12-2018.
    """

    def fit(self, counts: Any, classes: npt.NDArray[np.int32]) -> "_NaiveBayesSVM":
        from sklearn.svm import LinearSVC

        present = counts.sign()
        weights, biases = [], []
        for one in range(1, classes.max() + 1) if classes.max() == 1 else range(classes.max() + 1):
            for_it, against = (
                np.asarray(present[rows].sum(axis=0)).ravel() + _SMOOTHING
                for rows in (classes == one, classes != one)
            )
            ratio = np.log(for_it / for_it.sum()) - np.log(against / against.sum())
            model = LinearSVC(random_state=0).fit(present.multiply(ratio).tocsr(), classes == one)
            weights.append(model.coef_[0] * ratio)
            biases.append(model.intercept_)
        self.coef_, self.intercept_ = np.array(weights), np.concatenate(biases)
        return self

    def decision_function(self, counts: Any) -> npt.NDArray[np.float64]:
        scores: npt.NDArray[np.float64] = counts.sign() @ self.coef_.T + self.intercept_
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, counts: Any) -> npt.NDArray[np.int64]:
        scores = self.decision_function(counts)
        return np.asarray(scores > 0 if scores.ndim == 1 else scores.argmax(axis=1), np.int64)


class _OneAClass:
    """For multi-label data: a linear model for each class, of the texts with it and without it."""

    def __init__(self, kind: Callable[[], Any]) -> None:
        self.kind = kind

    def fit(self, counts: Any, truth: LabelIds) -> "_OneAClass":
        # A class of all texts leaves nothing to learn.
        columns = [column.astype(np.int32) for column in truth.T]
        self.models = [None if one.all() else self.kind().fit(counts, one) for one in columns]
        learned = [model for model in self.models if model is not None]
        nothing = [np.zeros((0, counts.shape[1]))]
        self.coef_ = np.concatenate(nothing + [model.coef_ for model in learned])
        self.intercept_ = np.ones(len(learned))
        return self

    def decision_function(self, counts: Any) -> npt.NDArray[np.float64]:
        always = np.ones(counts.shape[0])
        scores = [model.decision_function(counts) if model else always for model in self.models]
        return np.stack(scores, axis=1)


def _linear_svm() -> Any:
    from sklearn.svm import LinearSVC

    return LinearSVC(random_state=0)


def _logistic_regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10.0, max_iter=200)


_LINEAR = {
    "TF-IDF + linear SVM": _linear_svm,
    "TF-IDF + logistic regression": _logistic_regression,
    "NB-SVM": _NaiveBayesSVM,
}

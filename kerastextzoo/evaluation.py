"""How good the answers are: accuracy, F1, a table by class, the confusion matrix.

In multi-label data each class is given to the texts whose probability reaches its threshold;
`choose_thresholds` finds the thresholds.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.errors import InputError, nearest, quoted

#: What a search or an early stop may go by, and which way is better.
OBJECTIVES = {
    "val_accuracy": "max",
    "val_macro_f1": "max",
    "val_micro_f1": "max",
    "val_loss": "min",
}
_MULTI_LABEL_ALONE = "val_micro_f1"
# Fewer texts of a class don't say where its threshold should be.
_FEWEST_FOR_A_THRESHOLD = 5
_USUAL_THRESHOLD = 0.5

Numbers = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]


def check_objective(name: str, *, multi_label: bool | None = None) -> str:
    """Return the name of an objective that exists.

    Args:
        name: What was asked for.
        multi_label: Whether the data is; None where nobody knows yet.

    Raises:
        InputError: It is unknown, or not for such data.
    """
    if name not in OBJECTIVES:
        low = ", ".join(known for known, way in OBJECTIVES.items() if way == "min")
        raise InputError(
            f"no objective {quoted(name)}; {nearest(name, OBJECTIVES)}; "
            f"higher is better, but for {low} lower is"
        )
    if multi_label is False and name == _MULTI_LABEL_ALONE:
        raise InputError(
            f"objective {name} is for multi-label data; with one label a row micro F1 is the "
            "accuracy: give val_accuracy"
        )
    return name


def choose_objective(name: str | None, *, multi_label: bool) -> str:
    """Return the name of an objective, checked; None: the usual one for such data.

    Example:
        >>> choose_objective(None, multi_label=True), choose_objective(None, multi_label=False)
        ('val_micro_f1', 'val_accuracy')

    Raises:
        InputError: It is unknown, or not for such data.
    """
    usual = _MULTI_LABEL_ALONE if multi_label else "val_accuracy"
    return check_objective(name or usual, multi_label=multi_label)


def objectives(*, multi_label: bool) -> list[str]:
    """Return the names of the objectives there are for such data.

    Example:
        >>> objectives(multi_label=False)
        ['val_accuracy', 'val_macro_f1', 'val_loss']
    """
    return [name for name in OBJECTIVES if multi_label or name != _MULTI_LABEL_ALONE]


def best_by(objective: str) -> Callable[..., Any]:
    """Return `max` or `min`, which finds the best value of an objective.

    Example:
        >>> best_by("val_loss")(0.5, 0.7)
        0.5
    """
    return max if OBJECTIVES[objective] == "max" else min


@dataclass(frozen=True)
class Evaluation:
    """Answers against truth.

    Attributes:
        accuracy: Share of texts whose most probable class is the true one; in multi-label data of
            those whose classes are exactly the true ones.
        macro_f1: Mean F1 over all classes, whether they occur or not.
        loss: Mean negative logarithm of the true class's probability; in multi-label data mean
            binary cross-entropy over texts and classes.
        n: Texts.
        per_class: For each class `label`, `precision`, `recall`, `f1`, `support`.
        confusion: Texts by true class (row) and answer (column), in the order of `per_class`; in
            multi-label data one such table a class, of texts without it and with it.
        micro_f1: In multi-label data, F1 over all texts and classes together.
        thresholds: In multi-label data, the probability from which each class is given.
    """

    accuracy: float
    macro_f1: float
    loss: float
    n: int
    per_class: list[dict[str, Any]]
    confusion: list[list[Any]]
    micro_f1: float | None = None
    thresholds: list[float] | None = None

    @property
    def multi_label(self) -> bool:
        """Whether a text may have any number of classes."""
        return self.thresholds is not None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON; those that don't apply left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def objective(self, name: str) -> float:
        """Return the value of a name in `objectives`."""
        check_objective(name, multi_label=self.multi_label)
        return float(getattr(self, name.removeprefix("val_")))


def evaluate_probabilities(
    probabilities: Numbers,
    label_ids: Integers,
    label_names: Sequence[str],
    thresholds: Sequence[float] | None = None,
) -> Evaluation:
    """Compare probabilities `(texts, classes)` with the truth.

    Args:
        probabilities: The answers.
        label_ids: True class ids `(texts,)`, or in multi-label data 0 and 1 `(texts, classes)`.
        label_names: The classes in order.
        thresholds: In multi-label data, from which probability a class is given; None: those that
            `choose_thresholds` finds on these texts.

    Example:
        >>> answers = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> evaluate_probabilities(answers, np.array([0, 1, 1]), ["a", "b"]).confusion
        [[1, 0], [1, 1]]
        >>> truth = np.array([[1, 0], [1, 1], [0, 0]])
        >>> round(evaluate_probabilities(answers, truth, ["a", "b"], [0.5, 0.5]).micro_f1, 3)
        0.667
    """
    from sklearn.metrics import confusion_matrix

    if label_ids.ndim > 1:
        return _evaluate_label_sets(probabilities, label_ids, label_names, thresholds)
    answers = probabilities.argmax(axis=1)
    classes = range(len(label_names))
    per_class = _by_class(label_ids, answers, label_names)
    true_class = probabilities[np.arange(len(label_ids)), label_ids].astype(np.float64)
    return Evaluation(
        accuracy=float(np.mean(answers == label_ids)),
        macro_f1=float(np.mean([row["f1"] for row in per_class])),
        loss=float(-np.log(np.maximum(true_class, np.finfo(np.float32).tiny)).mean()),
        n=len(label_ids),
        per_class=per_class,
        confusion=confusion_matrix(label_ids, answers, labels=classes).tolist(),
    )


def _evaluate_label_sets(
    probabilities: Numbers,
    truth: Integers,
    label_names: Sequence[str],
    thresholds: Sequence[float] | None,
) -> Evaluation:
    from sklearn.metrics import multilabel_confusion_matrix

    given = choose_thresholds(probabilities, truth) if thresholds is None else thresholds
    chosen = probabilities >= np.asarray(given, np.float32)
    per_class = _by_class(truth, chosen.astype(np.int8), label_names)
    of_truth = np.where(truth > 0, probabilities, 1 - probabilities).astype(np.float64)
    return Evaluation(
        accuracy=float(np.mean((chosen == (truth > 0)).all(axis=1))),
        macro_f1=float(np.mean([row["f1"] for row in per_class])),
        loss=float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean()),
        n=len(truth),
        per_class=per_class,
        confusion=multilabel_confusion_matrix(truth, chosen.astype(np.int8)).tolist(),
        micro_f1=micro_f1(truth, chosen),
        thresholds=[float(threshold) for threshold in given],
    )


def _by_class(truth: Integers, answers: Integers, names: Sequence[str]) -> list[dict[str, Any]]:
    from sklearn.metrics import precision_recall_fscore_support

    figures = precision_recall_fscore_support(
        truth, answers, labels=range(len(names)), zero_division=0
    )
    return [
        {
            "label": name,
            "precision": float(p),
            "recall": float(r),
            "f1": float(f),
            "support": int(s),
        }
        for name, p, r, f, s in zip(names, *figures, strict=True)
    ]


def macro_f1(truth: Integers, answers: Integers, classes: int) -> float:
    """Return the mean F1 over all classes, whether they occur or not.

    Example:
        >>> macro_f1(np.array([0, 1, 1]), np.array([0, 1, 1]), classes=4)
        0.5
    """
    from sklearn.metrics import f1_score

    return float(f1_score(truth, answers, labels=range(classes), average="macro", zero_division=0))


def micro_f1(truth: Integers, chosen: npt.NDArray[np.bool_]) -> float:
    """Return F1 over all texts and classes together, 0 where there is nothing to find.

    Example:
        >>> micro_f1(np.array([[1, 0], [1, 1]]), np.array([[True, False], [True, False]]))
        0.8
    """
    hits = int((chosen & (truth > 0)).sum())
    return 2 * hits / max(int(chosen.sum()) + int(truth.sum()), 1)


def choose_thresholds(
    scores: Numbers, truth: Integers, usual: float = _USUAL_THRESHOLD
) -> npt.NDArray[np.float32]:
    """Choose for each class the score from which it is given, so that its F1 is best.

    Where several are as good, the nearest to the usual one is taken. Classes of fewer than 5 texts
    share the threshold that is best for the F1 over all texts and classes together.

    Args:
        scores: Probabilities or other scores, `(texts, classes)`.
        truth: 1 where a text has the class, else 0, `(texts, classes)`.
        usual: The threshold where there is nothing to go by.

    Example:
        >>> scores = np.array([[0.375], [0.125]] * 9)
        >>> choose_thresholds(scores, np.array([[1], [0]] * 9)).tolist()
        [0.25]
    """
    common = _best_threshold(scores.ravel(), truth.ravel(), usual)
    enough = truth.sum(axis=0) >= _FEWEST_FOR_A_THRESHOLD
    found = [
        _best_threshold(scores[:, place], truth[:, place], usual) if own else common
        for place, own in enumerate(enough)
    ]
    return np.array(found, np.float32)


def _best_threshold(scores: Numbers, truth: Integers, usual: float) -> float:
    total = int(truth.sum())
    if not total:
        return usual
    order = np.argsort(-scores, kind="stable")
    scores = scores[order].astype(np.float32)
    f1 = 2 * np.cumsum(truth[order], dtype=np.int64) / (np.arange(1, len(order) + 1) + total)
    # The threshold lies between a score and the next lower one; there is none between equal ones.
    upper, lower = scores, np.append(scores[1:], -np.inf).astype(np.float32)
    best = (f1 >= f1[upper > lower].max() - 1e-12) & (upper > lower)
    upper, lower = upper[best], lower[best]
    middle = np.where(np.isfinite(lower), (upper + lower) / 2, upper).astype(np.float32)
    # Rounded to float32, the middle of two neighbours may be the lower one.
    middle = np.where(middle > lower, middle, upper)
    found = np.where((lower < usual) & (usual <= upper), np.float32(usual), middle)
    return float(found[np.abs(found - usual).argmin()])

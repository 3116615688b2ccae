"""How good the answers are: accuracy, macro-F1, a table by class, the confusion matrix."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.errors import InputError, nearest, quoted

#: What a search or an early stop may go by, and which way is better.
OBJECTIVES = {"val_accuracy": "max", "val_macro_f1": "max", "val_loss": "min"}


def check_objective(name: str) -> str:
    """Return the name of an objective that exists.

    Raises:
        InputError: It is unknown.
    """
    if name not in OBJECTIVES:
        low = ", ".join(known for known, way in OBJECTIVES.items() if way == "min")
        raise InputError(
            f"no objective {quoted(name)}; {nearest(name, OBJECTIVES)}; "
            f"higher is better, but for {low} lower is"
        )
    return name


@dataclass(frozen=True)
class Evaluation:
    """Answers against truth.

    Attributes:
        accuracy: Share of texts whose most probable class is the true one.
        macro_f1: Mean F1 over all classes, whether they occur or not.
        loss: Mean negative logarithm of the true class's probability.
        n: Texts.
        per_class: For each class `label`, `precision`, `recall`, `f1`, `support`.
        confusion: Texts by true class (row) and answer (column), in the order of `per_class`.
    """

    accuracy: float
    macro_f1: float
    loss: float
    n: int
    per_class: list[dict[str, Any]]
    confusion: list[list[int]]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        return asdict(self)

    def objective(self, name: str) -> float:
        """Return the value of `val_accuracy`, `val_macro_f1` or `val_loss`."""
        return float(getattr(self, check_objective(name).removeprefix("val_")))


def evaluate_probabilities(
    probabilities: npt.NDArray[np.floating[Any]],
    label_ids: npt.NDArray[np.int32],
    label_names: Sequence[str],
) -> Evaluation:
    """Compare probabilities `(texts, classes)` with true class ids `(texts,)`.

    Example:
        >>> answers = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
        >>> evaluate_probabilities(answers, np.array([0, 1, 1]), ["a", "b"]).confusion
        [[1, 0], [1, 1]]
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    answers = probabilities.argmax(axis=1)
    classes = range(len(label_names))
    precision, recall, f1, support = precision_recall_fscore_support(
        label_ids, answers, labels=classes, zero_division=0
    )
    true_class = probabilities[np.arange(len(label_ids)), label_ids].astype(np.float64)
    rows = zip(label_names, precision, recall, f1, support, strict=True)
    return Evaluation(
        accuracy=float(np.mean(answers == label_ids)),
        macro_f1=float(np.mean(f1)),
        loss=float(-np.log(np.maximum(true_class, np.finfo(np.float32).tiny)).mean()),
        n=len(label_ids),
        per_class=[
            {
                "label": name,
                "precision": float(p),
                "recall": float(r),
                "f1": float(f),
                "support": int(s),
            }
            for name, p, r, f, s in rows
        ],
        confusion=confusion_matrix(label_ids, answers, labels=classes).tolist(),
    )

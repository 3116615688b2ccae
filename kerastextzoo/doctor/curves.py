"""What the figures of the epochs tell, while a model trains or afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found

Figures = Mapping[str, float]

_STANDSTILL = 3
_FEWEST_STEPS = 30
_WORSE = 3
_EARLY = 2
# By so much of itself the loss moves, where it moves at all.
_MOVED = 0.01
_LUCK = 0.1
_DEAD = 1e-3
_ACCURACIES = (
    "accuracy",
    "acc",
    "sparse_categorical_accuracy",
    "categorical_accuracy",
    "binary_accuracy",
)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What answers reach that know the sizes of the classes alone; None where nobody knows.

    Attributes:
        loss: Cross-entropy.
        accuracy: Share of right answers.

    Example:
        >>> Guess.of_shares([0.5, 0.25, 0.25]).accuracy
        0.5
    """

    loss: float | None = None
    accuracy: float | None = None

    @classmethod
    def of_shares(cls, shares: npt.ArrayLike) -> "Guess":
        """Guess one class a row, by the share of each."""
        known = np.asarray(shares, np.float64)
        known = known[known > 0]
        return cls(loss=float(-(known * np.log(known)).sum()), accuracy=float(known.max()))

    @classmethod
    def of_questions(cls, shares: npt.ArrayLike) -> "Guess":
        """Guess each class for itself, by its share of the rows."""
        known = np.clip(np.asarray(shares, np.float64), 1e-7, 1 - 1e-7)
        entropies = known * np.log(known) + (1 - known) * np.log(1 - known)
        return cls(loss=float(-entropies.mean()))

    @classmethod
    def of_case(cls, case: Case) -> "Guess":
        """Guess the labels of a program."""
        kind = case.loss_form.kind if "crossentropy" in case.loss_form.name else "own"
        if case.labels == "several":
            return cls.of_questions(case.program.y.mean(0)) if kind == "binary" else cls()
        if case.classes is None or not len(case.classes):
            return cls()
        shares = np.unique(case.classes, return_counts=True)[1] / len(case.classes)
        one = cls.of_shares(shares)
        if kind == "own":
            return cls(accuracy=one.accuracy)
        if kind == "binary" and case.labels == "one-hot":
            return cls(loss=cls.of_questions(shares).loss, accuracy=one.accuracy)
        return one


def accuracy_in(figures: Figures, prefix: str = "") -> float | None:
    """Return the share of right answers among the figures of an epoch.

    Example:
        >>> accuracy_in({"loss": 0.7, "acc": 0.5})
        0.5
    """
    names = [prefix + name for name in _ACCURACIES]
    return next((figures[name] for name in names if name in figures), None)


def find_standstill(
    history: Sequence[Figures],
    guess: Guess,
    *,
    first_loss: float | None = None,
    steps: int | None = None,
) -> Finding | None:
    """Tell of a loss that has not moved over three epochs, and is that of guessing.

    Args:
        history: The figures of each epoch.
        guess: What guessing gives.
        first_loss: Of the first batch, to go by where that is unknown.
        steps: So far; None: enough.

    Example:
        >>> still = [{"loss": 0.693, "accuracy": 0.5}] * 3
        >>> find_standstill(still, Guess.of_shares([0.5, 0.5])).code
        'no-movement'
    """
    losses = [figures["loss"] for figures in history[-_STANDSTILL:] if "loss" in figures]
    if len(losses) < _STANDSTILL or (steps is not None and steps < _FEWEST_STEPS):
        return None
    if max(losses) - min(losses) > _MOVED * max(map(abs, losses)):
        return None
    if not _guesses(losses[-1], accuracy_in(history[-1]), guess, first_loss):
        return None
    return found("no-movement", start=losses[0], end=losses[-1])


def _guesses(loss: float, accuracy: float | None, guess: Guess, first_loss: float | None) -> bool:
    if accuracy is not None and guess.accuracy is not None:
        # Weights that never moved may be right now and then; smoothed labels cost something.
        leeway = _LUCK if guess.loss is None else 3 * _LUCK
        if accuracy > guess.accuracy + leeway * (1 - guess.accuracy):
            return False
        if guess.loss is None:
            return True
    known = guess.loss if guess.loss is not None else first_loss
    return known is not None and abs(loss) >= (1 - 5 * _MOVED) * abs(known) > 0


def find_over_fitting(history: Sequence[Figures]) -> Finding | None:
    """Tell of validation that was best at the start, and of three epochs that are clearly worse."""
    losses = [figures.get("val_loss", np.nan) for figures in history]
    if len(losses) <= _WORSE or not np.all(np.isfinite(losses)):
        return None
    best = int(np.argmin(losses))
    at_best, last = history[best], history[-1]
    worse = min(losses[-_WORSE:]) > losses[best] + 0.1 * abs(losses[best])
    fits = last["loss"] < (1 - 10 * _MOVED) * at_best["loss"]
    # Where answers get surer, the loss may rise while more of them are right.
    before, after = (accuracy_in(figures, "val_") for figures in (at_best, last))
    rises = before is not None and after is not None and after > before
    if best >= _EARLY or not worse or not fits or rises:
        return None
    return found(
        "over-fitting",
        best_epoch=best + 1,
        start=at_best["loss"],
        end=last["loss"],
        validation_loss=losses[best],
        last_validation_loss=losses[-1],
    )


def find_dead_rate(history: Sequence[Figures], epochs: int, steps: int) -> Finding | None:
    """Tell of a learning rate that is at nothing long before the end, where it may well be.

    Args:
        history: The figures of each epoch, with the `learning_rate` at its end.
        epochs: Of the whole training.
        steps: Of an epoch.
    """
    rates = [figures["learning_rate"] for figures in history if "learning_rate" in figures]
    for epoch, rate in enumerate(rates, 1):
        highest = max(rates[:epoch])
        if epochs - epoch >= max(1, epochs / 10) and rate < _DEAD * highest:
            return found(
                "learning-rate-dies",
                first=highest,
                last=rate,
                dead_after=epoch,
                steps_of_an_epoch=steps,
            )
    return None

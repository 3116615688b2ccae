"""What was written has to answer as the run does."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.errors import KerasTextZooError

if TYPE_CHECKING:
    from kerastextzoo.run import Run

TOLERANCE = 1e-5
_TEXTS_AT_ONCE = 256


def by_length(texts: Sequence[str], lengths: Sequence[int]) -> Iterator[list[str]]:
    """Give texts in batches of similar length, so that little is padding."""
    order = np.argsort(lengths, kind="stable")
    for start in range(0, len(order), _TEXTS_AT_ONCE):
        yield [texts[row] for row in order[start : start + _TEXTS_AT_ONCE]]


def check_probabilities(
    found: npt.NDArray[Any], wanted: npt.NDArray[np.float32], *, one_label: bool, what: str
) -> None:
    """Refuse probabilities `(texts, classes)` that differ, or that don't sum to 1.

    Raises:
        KerasTextZooError: They are not those of the run.
    """
    if found.shape != wanted.shape:
        raise KerasTextZooError(f"{what} gives {found.shape} for probabilities {wanted.shape}")
    difference = np.abs(found - wanted).max(initial=0.0)
    # Not "greater": a NaN must fail as well.
    if not difference <= TOLERANCE:
        raise KerasTextZooError(
            f"{what} differs from the run by {difference:.2g}; allowed {TOLERANCE}"
        )
    if one_label:
        off = np.abs(found.astype(np.float64).sum(axis=1) - 1).max(initial=0.0)
        if not off <= TOLERANCE:
            raise KerasTextZooError(
                f"the probabilities of {what} miss a sum of 1 by {off:.2g}; allowed {TOLERANCE}"
            )


def compare(
    run: "Run", batches: Iterator[list[str]], answer: Callable[[list[str]], Any], what: str
) -> None:
    """Compare answers to batches of texts with those of the run.

    Raises:
        KerasTextZooError: They differ.
    """
    for texts in batches:
        wanted = run.predict_proba(texts)
        check_probabilities(
            np.asarray(answer(texts)), wanted, one_label=run.thresholds is None, what=what
        )

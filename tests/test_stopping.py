"""Which trials are stopped early."""

import math

import pytest

from kerastextzoo.tuning.stopping import find_hopeless, find_hurdles

# Four trials of five epochs; the best so far counts, so the dip of the last one does not.
RISING = [
    [0.1, 0.2, 0.3, 0.4, 0.5],
    [0.3, 0.4, 0.5, 0.6, 0.7],
    [0.4, 0.5, 0.6, 0.7, 0.8],
    [0.5, 0.6, 0.9, 0.2, 0.2],
]


def test_the_first_epochs_stop_nobody() -> None:
    hurdles = find_hurdles(RISING, "val_accuracy")
    assert hurdles[:3] == [None] * 3
    assert all(find_hopeless(hurdles, epoch, 0.0, "val_accuracy") is None for epoch in (1, 2, 3))
    assert find_hopeless(hurdles, 4, 0.0, "val_accuracy")


def test_the_worst_of_four_is_hopeless() -> None:
    hurdles = find_hurdles(RISING, "val_accuracy")
    hopeless = [find_hopeless(hurdles, 5, max(scores), "val_accuracy") for scores in RISING]
    assert [reason is None for reason in hopeless] == [False, True, True, True]


def test_a_loss_is_better_where_it_is_lower() -> None:
    falling = [[1 - score for score in scores] for scores in RISING]
    hurdles = find_hurdles(falling, "val_loss")
    hopeless = [find_hopeless(hurdles, 5, min(scores), "val_loss") for scores in falling]
    assert [reason is None for reason in hopeless] == [False, True, True, True]


def test_of_few_trials_none_is_hopeless() -> None:
    assert find_hurdles(RISING[:3], "val_accuracy") == []
    assert find_hurdles([], "val_accuracy") == []


def test_trials_that_ended_before_do_not_count() -> None:
    """Where fewer than four were as long, there is no hurdle."""
    shorter = [*RISING[:3], RISING[3][:4]]
    hurdles = find_hurdles(shorter, "val_accuracy")
    assert len(hurdles) == 4
    assert find_hopeless(hurdles, 5, 0.0, "val_accuracy") is None


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_a_score_that_is_no_number_sets_no_hurdle(score: float) -> None:
    diverged = [*RISING, [score] * 5]
    assert find_hurdles(diverged, "val_loss") == find_hurdles(RISING, "val_loss")


def test_a_larger_share_stops_more() -> None:
    half = find_hurdles(RISING, "val_accuracy", free_epochs=0, share=0.5)
    quarter = find_hurdles(RISING, "val_accuracy", free_epochs=0, share=0.25)
    pairs = zip(half, quarter, strict=True)
    assert all(one is not None and other is not None and one > other for one, other in pairs)

"""How much each setting mattered: what decides is found, what does not is told from it."""

import math
from typing import Any

import numpy as np
import pytest

from kerastextzoo.tuning.importance import importances
from kerastextzoo.tuning.trials import Trial


def searched(count: int, score: Any, models: tuple[str, ...] = ("cnn",)) -> list[Trial]:
    """Return made-up trials whose score is a function of their settings and a little noise."""
    rng = np.random.default_rng(1)
    trials = []
    for number in range(count):
        model = models[number % len(models)]
        values = {
            "learning_rate": float(10 ** rng.uniform(-4, -2)),
            "embedding": str(rng.choice(["frozen", "fine_tuned", "random"])),
            "batch_size": int(rng.choice([32, 64, 128])),
            f"{model}/units": int(rng.integers(1, 65)),
            "constant": 1,
        }
        found = float(score(model, values) + rng.normal(0, 0.003))
        known: dict[str, Any] = {"model": model, "values": values, "score": found}
        trials.append(Trial(id=number, status="completed", seconds=1.0, **known))
    return trials


def by_rate(model: str, values: dict[str, Any]) -> float:
    return 0.9 - 0.1 * abs(math.log10(values["learning_rate"]) + 3)


def by_embedding(model: str, values: dict[str, Any]) -> float:
    return {"frozen": 0.7, "random": 0.8, "fine_tuned": 0.9}[values["embedding"]]


def by_model(model: str, values: dict[str, Any]) -> float:
    return 0.9 if model == "lstm" else 0.8


@pytest.mark.parametrize(
    ("score", "models", "decides"),
    [
        (by_rate, ("cnn",), "learning_rate"),
        (by_embedding, ("cnn",), "embedding"),
        # Settings that only the better model has don't take its place.
        (by_model, ("cnn", "lstm", "dpcnn"), "model"),
    ],
)
def test_the_setting_that_decides_is_found(
    score: Any, models: tuple[str, ...], decides: str
) -> None:
    found = importances(searched(40, score, models), "val_accuracy")
    assert found.index[0] == decides
    assert found[decides] > 0.85
    assert found.sum() == pytest.approx(1)
    assert found.is_monotonic_decreasing
    assert found.name == "val_accuracy"
    assert "constant" not in found


def test_the_same_trials_give_the_same_importances() -> None:
    trials = searched(20, by_rate)
    one, two = (importances(trials, "val_accuracy") for _ in range(2))
    assert one.equals(two)


def test_nothing_is_said_of_few_scores_or_of_chance() -> None:
    failed = [Trial(id=9, status="failed", score=None, seconds=0.0, values={})] * 9
    assert importances([*searched(7, by_embedding), *failed], "val_accuracy").empty
    assert not importances([*searched(8, by_embedding), *failed], "val_accuracy").empty
    assert importances(searched(40, lambda model, values: 0.9), "val_accuracy").empty
    alike = [
        Trial(id=i, status="completed", score=0.5, seconds=1, values={"a": i}) for i in range(9)
    ]
    assert importances(alike, "val_accuracy").empty

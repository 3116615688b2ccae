"""The picture of a search, of any size, of one model or several."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from kerastextzoo import plots


def made_up(count: int, models: tuple[str, ...] = ("cnn",)) -> list[dict[str, Any]]:
    """Return trials as records have them; each tenth failed, the others score by learning rate."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(count):
        model = models[number % len(models)]
        prefix = f"{model}/" if len(models) > 1 else ""
        rate = float(10 ** rng.uniform(-4, -2))
        values = {
            "learning_rate": rate,
            "embedding": str(rng.choice(["frozen", "random"])),
            f"{prefix}units": int(rng.integers(1, 65)),
        }
        score = None if number % 10 == 9 else 0.9 - (np.log10(rate) + 3) ** 2 / 10
        status = "failed" if score is None else "stopped" if number % 4 == 1 else "completed"
        record = {"id": number, "status": status, "score": score, "model": model, "values": values}
        trials.append(record)
    return trials


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Draw a search; return its panels: scores, importances and settings."""
    figures: list[Figure] = []
    save = plots._save

    def kept(figure: Figure, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(plots, "_save", kept)

    def draw(trials: list[dict[str, Any]], *rest: Any, objective: str = "val_accuracy") -> Any:
        plots.draw_search(trials, objective, tmp_path / "search.png", *rest)
        assert (tmp_path / "search.png").read_bytes().startswith(b"\x89PNG")
        assert [path.name for path in tmp_path.iterdir()] == ["search.png"]
        return figures[-1].axes

    return draw


def points(axes: Axes, label: str) -> list[tuple[float, float]]:
    (line,) = [line for line in axes.lines if str(line.get_label()).startswith(label)]
    return [(float(x), float(y)) for x, y in np.asarray(line.get_xydata())]


def ticks(axes: Axes, place: int) -> dict[str, float]:
    """Return the labels on an axis of the settings and their heights."""
    found = {text.get_text(): text.get_position() for text in axes.texts}
    at = [text for text in axes.texts if place - 0.5 < text.get_position()[0] < place]
    return {text.get_text(): found[text.get_text()][1] for text in at}


@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
def test_scores_by_trial_and_the_best_so_far(drawn: Any, objective: str) -> None:
    trials = made_up(30)
    scores, settings = drawn(trials[::-1], objective=objective)
    way = max if objective == "val_accuracy" else min
    completed = [each for each in trials if each["status"] == "completed"]
    found = points(scores, "completed")
    assert [x for x, _ in found] == [each["id"] for each in completed]
    assert [x for x, _ in points(scores, "failed")] == [9, 19, 29]
    assert [y for _, y in points(scores, "best so far")] == [
        way(each["score"] for each in trials[: number + 1] if each["score"] is not None)
        for number in range(30)
    ]
    lines = [c for c in settings.collections if isinstance(c, LineCollection)]
    assert sum(len(c.get_segments()) for c in lines) == 27


@pytest.mark.parametrize("count", [1, 3, 30, 300])
@pytest.mark.parametrize("models", [("cnn",), ("cnn", "lstm")])
def test_any_number_of_trials_can_be_drawn(drawn: Any, count: int, models: tuple[str, ...]) -> None:
    assert len(drawn(made_up(count, models))) == (1 if count == 1 else 2)


def test_values_stand_on_their_axes(drawn: Any) -> None:
    trials = made_up(3)
    for trial, rate, embedding in zip(
        trials, (0.0001, 0.001, 0.01), ("frozen", "random", "frozen"), strict=True
    ):
        trial["values"] = {"learning_rate": rate, "embedding": embedding, "layers": 2}
    _, settings = drawn(trials)
    # What is the same in all has no axis.
    names = [label.get_text() for label in settings.get_xticklabels()]
    assert names == ["learning_\nrate", "embedding", "val_\naccuracy"]
    assert ticks(settings, 1) == {"frozen": 0, "random": 1}
    rates = ticks(settings, 0)
    assert (rates["0.0001"], rates["0.001"], rates["0.01"]) == (0, 0.5, 1)


def test_what_a_model_does_not_have_is_said(drawn: Any) -> None:
    _, settings = drawn(made_up(20, ("cnn", "lstm")))
    names = [label.get_text() for label in settings.get_xticklabels()]
    assert names[0] == "model"
    assert "not set" not in ticks(settings, 0)
    assert "not set" in ticks(settings, names.index("cnn/\nunits"))


def test_importances_are_drawn_where_there_are_some(drawn: Any) -> None:
    trials = made_up(20)
    shares = {"embedding": 0.1, "learning_rate": 0.7, "units": 0.2}
    _, bars, _ = drawn(trials, shares)
    names = [label.get_text() for label in bars.get_yticklabels()]
    assert names == ["learning_rate", "units", "embedding"]
    assert bars.yaxis_inverted()
    assert len(drawn(trials, {})) == 2


def test_of_many_settings_those_that_matter_are_drawn(drawn: Any) -> None:
    trials = made_up(20)
    for trial in trials:
        trial["values"] |= {f"other{place}": trial["id"] % 3 for place in range(30)}
    shares = {name: place / 1000 for place, name in enumerate(trials[0]["values"])}
    _, _, settings = drawn(trials, shares)
    names = [label.get_text() for label in settings.get_xticklabels()]
    assert names == [*(f"other{place}" for place in range(16, 30)), "val_\naccuracy"]
    assert "19 more settings not drawn" in settings.get_title()


def test_a_trial_that_is_far_out_does_not_squeeze_the_others(drawn: Any) -> None:
    trials = made_up(30)
    trials[0]["score"] = -50.0
    scores, _ = drawn(trials)
    assert scores.get_ylim()[0] > 0
    assert scores.get_xlabel() == "trial (1 worse than drawn)"

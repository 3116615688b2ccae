"""What a report shows of a search: its trials, and their settings as parallel coordinates."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import pandas as pd

from kerastextzoo.console import settings_in_words
from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.records import read_record
from kerastextzoo.report.figures import draw_scores, shortened
from kerastextzoo.report.svg import Canvas, told
from kerastextzoo.storage import read_json

_MOST_SETTINGS = 14
# More different numbers than these have an axis to scale.
_MOST_VALUES = 8
_LEFT, _STEP, _RIGHT = 88, 104, 60
_TOP, _BOTTOM, _NOT_SET = 60, 316, 342
_NAME = 14
_SHADES = 5


def describe_search(folder: Path) -> dict[str, Any]:
    """Return what the page shows of the search in a folder."""
    # It brings KerasTuner, which takes its time.
    from kerastextzoo.tuning.importance import importances
    from kerastextzoo.tuning.trials import ranked, read_trial

    search = read_record(folder / "search.json")
    objective = search["objective"]
    found = [read_trial(path.parent) for path in (folder / "trials").glob("*/trial.json")]
    trials = ranked([trial for trial in found if trial], objective)
    shares = {str(name): float(share) for name, share in importances(trials, objective).items()}
    told_of = [trial.as_dict() for trial in trials]
    finalists = folder / "finalists.json"
    return {
        "objective": objective,
        "tuner": search.get("tuner"),
        "stopped": search.get("stopped"),
        "count": len(trials),
        "failed": sum(trial.status == "failed" for trial in trials),
        "scores": draw_scores(told_of, objective),
        "settings": draw_settings(told_of, objective, shares),
        "importances": sorted(shares.items(), key=lambda each: -each[1])[:_MOST_SETTINGS],
        "trials": [{**trial, "told": _told_of(trial, told_of)} for trial in told_of],
        "finalists": read_json(finalists) if finalists.exists() else [],
        "winner": read_json(folder / "trial.json")["id"]
        if (folder / "trial.json").exists()
        else None,
    }


def _told_of(trial: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> str:
    """Return what a trial's settings are apart from the first of its model, or why it failed."""
    if trial["status"] == "failed":
        return str(trial["cause"])
    same = [other for other in trials if other["model"] == trial["model"]]
    first = min(same, key=lambda other: other["id"])["values"]
    drawn = {name: value for name, value in trial["values"].items() if first.get(name) != value}
    return settings_in_words(drawn, trial["model"]) or "the defaults"


def draw_settings(
    trials: Sequence[Mapping[str, Any]], objective: str, shares: Mapping[str, float]
) -> str | None:
    """Draw a line for each trial through its values, an axis each; None where nothing differs.

    Args:
        trials: As `Trial.as_dict` tells of them, best first.
        objective: What they are ranked by.
        shares: How much each setting mattered; of too many those are drawn that mattered most.
    """
    scored = [trial for trial in trials if trial["score"] is not None]
    table = pd.DataFrame([{"model": each["model"], **each["values"]} for each in scored])
    table = table.loc[:, table.nunique() > 1]
    if table.empty:
        return None
    known = table.count().sort_values(ascending=False, kind="stable").index
    first = sorted(known, key=lambda name: -shares.get(str(name), 0))[:_MOST_SETTINGS]
    columns = [column for name, column in table.items() if name in first]
    width = _LEFT + _STEP * len(columns) + _RIGHT
    label = f"settings of {len(scored)} trials by {objective}, the best marked"
    canvas = Canvas(width, _NOT_SET + 14, label)
    ranks = _ranks(scored, objective)
    heights = [_heights(column, ranks) for column in columns]
    heights.append(_score_heights(scored, objective))
    # The best last, on top of the others.
    for place in reversed(range(len(scored))):
        points = [(float(_LEFT + _STEP * at), each[place]) for at, (each, _) in enumerate(heights)]
        shade = min(int(ranks[place] * _SHADES), _SHADES - 1)
        style = "chosen" if place == 0 else f"trial shade{shade}"
        canvas.line(points, style, _hint(scored[place], objective))
    names = [*(str(column.name) for column in columns), objective]
    for at, (name, (_, marks)) in enumerate(zip(names, heights, strict=True)):
        _draw_axis(canvas, _LEFT + _STEP * at, name, marks)
    return str(canvas)


def _ranks(scored: Sequence[Mapping[str, Any]], objective: str) -> list[float]:
    """Return from 0 to 1 how many of the others each trial is better than."""
    sign = 1 if OBJECTIVES[objective] == "max" else -1
    scores = pd.Series([sign * float(trial["score"]) for trial in scored])
    return (scores.rank(method="average") / len(scores)).tolist()


def _hint(trial: Mapping[str, Any], objective: str) -> str:
    settings = settings_in_words(trial["values"], trial["model"])
    return f"trial {trial['id']}: {objective} {trial['score']:.4f}\n{settings}"


Heights = tuple[list[float], dict[str, float]]


def _at(share: float) -> float:
    return round(_BOTTOM + share * (_TOP - _BOTTOM), 1)


def _heights(column: "pd.Series[Any]", ranks: Sequence[float]) -> Heights:
    """Return how high each value stands, and the labels of the axis."""
    values = sorted(column.dropna().unique(), key=lambda value: (isinstance(value, str), value))
    log = column.name == "learning_rate"
    if isinstance(values[-1], str) or not (log or len(values) > _MOST_VALUES):
        steps = max(len(values) - 1, 1)
        places = {value: place / steps for place, value in enumerate(values)}
        spread = min(0.08, 0.5 / len(values))
        # Trials of the same value side by side, or they would hide each other.
        stand = [
            _NOT_SET if _is_missing(value) else _at(places[value] + spread * (rank - 0.5))
            for value, rank in zip(column, ranks, strict=True)
        ]
        marks = {_word(value): _at(share) for value, share in places.items()}
        return stand, _with_not_set(column, marks)
    numbers = [float(value) for value in values]
    low, high = (
        (math.log10(numbers[0]), math.log10(numbers[-1]))
        if log
        else (
            numbers[0],
            numbers[-1],
        )
    )
    stand = [
        _NOT_SET
        if _is_missing(value)
        else _at(((math.log10(value) if log else float(value)) - low) / (high - low))
        for value in column
    ]
    at = [low + share * (high - low) for share in (0, 0.25, 0.5, 0.75, 1)]
    words = [f"{10**mark:.2g}" if log else f"{mark:.3g}" for mark in at]
    marks = {word: _at(share) for word, share in zip(words, (0, 0.25, 0.5, 0.75, 1), strict=True)}
    return stand, _with_not_set(column, marks)


def _with_not_set(column: "pd.Series[Any]", marks: dict[str, float]) -> dict[str, float]:
    return {**marks, "not set": _NOT_SET} if column.isna().any() else marks


def _score_heights(scored: Sequence[Mapping[str, Any]], objective: str) -> Heights:
    scores = pd.Series([float(trial["score"]) for trial in scored])
    # Those that are far out would squeeze the others.
    low, high = scores.quantile([0.25, 0.75])
    fence = 3 * (high - low)
    best_is_high = OBJECTIVES[objective] == "max"
    if fence and best_is_high:
        scores = scores.clip(lower=low - fence)
    elif fence:
        scores = scores.clip(upper=high + fence)
    bottom, top = (scores.min(), scores.max()) if best_is_high else (scores.max(), scores.min())
    span = (top - bottom) or 1.0
    stand = [_at((score - bottom) / span) for score in scores]
    marks = {f"{bottom + share * span:.4g}": _at(share) for share in (0, 0.25, 0.5, 0.75, 1)}
    return stand, marks


def _is_missing(value: object) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN alone differs from itself


def _word(value: object) -> str:
    return told(value) if isinstance(value, float) else str(value)


def _draw_axis(canvas: Canvas, x: float, name: str, marks: Mapping[str, float]) -> None:
    canvas.line([(x, _TOP), (x, _BOTTOM)], "axis")
    words = name.replace("/", "/ ").replace("_", " ")
    lines = wrap(words, _NAME, max_lines=3, placeholder="…")
    for number, part in enumerate(lines):
        canvas.text(x, 14 + 14 * number, shortened(part, _NAME), "middle strong", name)
    for word, height in marks.items():
        canvas.text(x - 5, height + 4, shortened(word, 12), "end halo", word)

"""The pictures of a training and of a comparison."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kerastextzoo.evaluation import best_by
from kerastextzoo.report.svg import Axis, Canvas, told

_WIDTH, _HEIGHT = 380, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 368, 30, 218
_ROW = 36
_LONGEST_NAME = 34

History = Sequence[Mapping[str, float]]


def draw_curve(history: History, figure: str, best_epoch: int) -> str:
    """Draw one figure by epoch, training beside validation, the best epoch marked.

    Args:
        history: One entry an epoch; those of an ensemble say of which `member`.
        figure: `loss`, `accuracy` or `micro_f1`.
        best_epoch: Counted from 1.
    """
    names = {"train": figure, "valid": f"val_{figure}"}
    label = figure.replace("_", " ")
    values = [row[name] for row in history for name in names.values() if name in row]
    x = Axis.over([row["epoch"] for row in history], _LEFT, _RIGHT)
    y = Axis.over(values, _BOTTOM, _TOP)
    last = {name: history[-1].get(name) for name in names.values()}
    ends = ", ".join(f"{name} {told(each)}" for name, each in last.items() if each is not None)
    canvas = Canvas(_WIDTH, _HEIGHT, f"{label} by epoch; in the last epoch {ends}")
    canvas.axes(x, y, "epoch", label, whole=True, percent=figure != "loss")
    canvas.line([(x.at(best_epoch), _BOTTOM), (x.at(best_epoch), _TOP)], "mark", "best epoch")
    for member in sorted({row.get("member", 0) for row in history}):
        part = [row for row in history if row.get("member", 0) == member]
        for style, name in names.items():
            there = [row for row in part if math.isfinite(row.get(name, math.nan))]
            points = [(row["epoch"], row[name]) for row in there]
            canvas.line([(x.at(epoch), y.at(value)) for epoch, value in points], style)
            for epoch, value in points:
                hint = f"epoch {epoch:g}: {name} {value:.4f}"
                canvas.add("circle", f"dot {style}", hint, cx=x.at(epoch), cy=y.at(value), r=3.2)
    canvas.legend([("training", "train"), ("validation", "valid")], _RIGHT, 14)
    return str(canvas)


def draw_reliability(bins: Sequence[Mapping[str, float]]) -> str:
    """Draw how often answers of some probability were right, and how many answers there are."""
    x, y = Axis(0, 1, _LEFT, _RIGHT), Axis(0, 1, _BOTTOM, _TOP)
    most = max(each["answers"] for each in bins)
    words = "; ".join(f"{each['probability']:.0%} sure, {each['right']:.0%} right" for each in bins)
    canvas = Canvas(_WIDTH, _HEIGHT, f"reliability: {words}")
    canvas.axes(x, y, "probability of the answer", "share that is right", percent=True)
    canvas.line([(x.at(0), y.at(0)), (x.at(1), y.at(1))], "mark", "as sure as right")
    for each in bins:
        place, height = x.at(each["probability"]), 60 * each["answers"] / most
        hint = (
            f"{each['answers']:,} answers, {each['probability']:.1%} sure on average: "
            f"{each['right']:.1%} right"
        )
        canvas.add(
            "rect", "bar faint", hint, x=place - 9, y=_BOTTOM - height, width=18, height=height
        )
        canvas.line([(place, y.at(each["probability"])), (place, y.at(each["right"]))], "gap")
        canvas.add("circle", "dot valid", hint, cx=place, cy=y.at(each["right"]), r=5)
    canvas.line([(x.at(each["probability"]), y.at(each["right"])) for each in bins], "valid")
    return str(canvas)


def draw_lengths(lengths: Mapping[str, Any], max_length: int) -> str:
    """Draw how long the training texts are, and where they are cut."""
    width, counts = lengths["width"], lengths["texts"]
    x = Axis(0, width * len(counts), _LEFT, _RIGHT)
    y = Axis(0, max(counts) * 1.05, _BOTTOM, _TOP)
    median = lengths["percentiles"]["50"]
    canvas = Canvas(_WIDTH, _HEIGHT, f"lengths of the training texts, half of them up to {median}")
    canvas.axes(x, y, "tokens of a text", "texts")
    step = (x.end - x.start) / len(counts)
    for place, count in enumerate(counts):
        first, last = place * width, (place + 1) * width - 1
        which = f"{first}" if first == last else f"{first} to {last}"
        canvas.add(
            "rect",
            "bar",
            f"{count:,} texts of {which} tokens",
            x=x.start + place * step,
            y=y.at(count),
            width=max(step - 1, 0.5),
            height=_BOTTOM - y.at(count),
        )
    if max_length <= x.high:
        canvas.line([(x.at(max_length), _BOTTOM), (x.at(max_length), _TOP)], "mark", "cut here")
        canvas.text(x.at(max_length) - 4, _TOP + 6, f"cut at {max_length}", "end soft")
    return str(canvas)


def draw_leaderboard(entries: Sequence[Mapping[str, Any]]) -> str:
    """Draw the score of each entry, best first, and its 95 % interval beside the best."""
    score = "micro_f1" if "micro_f1" in entries[0] else "accuracy"
    best, bottom = entries[0][score], _TOP + _ROW * len(entries)
    intervals = [(best - each["behind"][1], best - each["behind"][0]) for each in entries]
    ends = [end for interval in intervals for end in interval]
    x = Axis.over([*(each[score] for each in entries), *ends], 12, _RIGHT)
    words = ", ".join(f"{each['model']} {each[score]:.1%}" for each in entries)
    canvas = Canvas(_WIDTH, bottom + 40, f"{score.replace('_', ' ')}: {words}")
    for value in x.ticks():
        canvas.line([(x.at(value), bottom), (x.at(value), _TOP - 6)], "grid")
        canvas.text(x.at(value), bottom + 16, f"{100 * value:g} %", "middle")
    canvas.text((x.start + x.end) / 2, bottom + 33, score.replace("_", " "), "middle soft")
    for place, (entry, (low, high)) in enumerate(zip(entries, intervals, strict=True)):
        height = _TOP + _ROW * (place + 0.75)
        style = "linear" if entry["run"] is None else "valid"
        hint = f"{entry['model']}: {entry[score]:.2%}, 95 % interval {low:.2%} to {high:.2%}"
        canvas.text(12, height - 10, shortened(entry["model"]), "halo", hint)
        canvas.line([(x.at(low), height), (x.at(high), height)], f"wide {style}", hint)
        canvas.add("circle", f"dot {style}", hint, cx=x.at(entry[score]), cy=height, r=5)
    canvas.legend([("network", "valid"), ("linear", "linear")], _RIGHT, 14)
    return str(canvas)


def draw_scores(trials: Sequence[Mapping[str, Any]], objective: str) -> str:
    """Draw the score of each trial by its number, and the best so far."""
    ordered = sorted(trials, key=lambda trial: trial["id"])
    scored = [trial for trial in ordered if trial["score"] is not None]
    pick = best_by(objective)
    x = Axis.over([trial["id"] for trial in ordered], _LEFT, _RIGHT)
    y = Axis.over([trial["score"] for trial in scored], _BOTTOM, _TOP)
    best = pick(scored, key=lambda trial: trial["score"])
    canvas = Canvas(_WIDTH, _HEIGHT, f"{objective} by trial; best {best['score']:.4f}")
    canvas.axes(x, y, "trial", objective, whole=True)
    way, so_far = list[tuple[float, float]](), None
    for trial in scored:
        level = trial["score"] if so_far is None else pick(so_far, trial["score"])
        if so_far is not None:
            way.append((x.at(trial["id"]), y.at(so_far)))
        way.append((x.at(trial["id"]), y.at(level)))
        so_far = level
    if so_far is not None:
        canvas.line([*way, (x.at(ordered[-1]["id"]), y.at(so_far))], "best")
    for trial in ordered:
        place, known = x.at(trial["id"]), trial["score"] is not None
        hint = f"trial {trial['id']}, {trial['status']}: {trial['score'] if known else 'no score'}"
        style = {"completed": "valid", "stopped": "linear"}.get(trial["status"], "bad")
        height = y.at(trial["score"]) if known else _BOTTOM - 5
        canvas.add("circle", f"dot {style}", hint, cx=place, cy=height, r=3.6)
    statuses = {"completed": "valid", "stopped": "linear", "failed": "bad"}
    there = {trial["status"] for trial in ordered}
    named = [(name, style) for name, style in statuses.items() if name in there]
    canvas.legend([*named, ("best", "best")], _RIGHT, 14)
    return str(canvas)


def shortened(name: str, most: int = _LONGEST_NAME) -> str:
    """Return a name that fits beside a picture.

    Example:
        >>> shortened("soc.religion.christian", 12)
        'soc.religio…'
    """
    return name if len(name) <= most else f"{name[: most - 1]}…"

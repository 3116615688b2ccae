"""Pictures of a training, of its mistakes and of a search, as PNG files."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kerastextzoo.evaluation import OBJECTIVES, Evaluation
from kerastextzoo.storage import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kerastextzoo.inspection import Inspection

_MOST_NAMED_CLASSES = 40
_PANELS_A_ROW = 4
_MOST_BARS = 50


def _figure(width: float, height: float) -> "Figure":
    # Not pyplot: no window, no global state, nothing left open.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def write_history(history: Sequence[dict[str, float]], path: Path) -> None:
    """Write one row an epoch."""
    pd.DataFrame(history).to_csv(path, index=False)


def draw_curves(history: Sequence[dict[str, float]], best_epoch: int, path: Path) -> None:
    """Draw loss and accuracy by epoch, training beside validation, the best epoch marked.

    An ensemble has a pair of curves for each member. For multi-label data it is micro F1 in place
    of accuracy, in training at the threshold 0.5.
    """
    table = pd.DataFrame(history)
    score = "micro_f1" if "micro_f1" in table else "accuracy"
    members = [part for _, part in table.groupby("member")] if "member" in table else [table]
    figure = _figure(9, 3.5)
    for axes, name in zip(figure.subplots(1, 2), ("loss", score), strict=True):
        for number, part in enumerate(members):
            for column, color in ((name, "tab:blue"), (f"val_{name}", "tab:orange")):
                label = "validation" if column.startswith("val_") else "training"
                label += ", at 0.5" if column == "micro_f1" else ""
                axes.plot(
                    part["epoch"],
                    part[column],
                    marker=".",
                    color=color,
                    label=None if number else label,
                )
        axes.axvline(best_epoch, color="grey", linestyle=":", label="best epoch")
        axes.set(xlabel="epoch", ylabel=name)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    figure.savefig(path, dpi=120)


def draw_answers(evaluation: Evaluation, folder: Path) -> None:
    """Draw `confusion.png`, or for multi-label data `classes.png`."""
    if evaluation.multi_label:
        draw_classes(evaluation, folder / "classes.png")
    else:
        draw_confusion(evaluation, folder / "confusion.png")


def draw_classes(evaluation: Evaluation, path: Path) -> None:
    """Draw precision and recall of each class, the largest class at the top."""
    rows = sorted(evaluation.per_class, key=lambda row: -row["support"])[:_MOST_NAMED_CLASSES]
    figure = _figure(7, 1.5 + 0.3 * len(rows))
    axes = figure.subplots()
    places = np.arange(len(rows))
    for name, shift in (("precision", -0.2), ("recall", 0.2)):
        axes.barh(places + shift, [row[name] for row in rows], 0.4, label=name)
    # A dollar sign would start a formula.
    names = [f"{row['label']} ({row['support']})".replace("$", r"\$") for row in rows]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), title=f"micro F1 {evaluation.micro_f1:.1%} of {evaluation.n} texts")
    left_out = len(evaluation.per_class) - len(rows)
    if left_out:
        axes.set_xlabel(f"{left_out} smaller classes not drawn")
    axes.legend()
    _save(figure, path)


def draw_confusion(evaluation: Evaluation, path: Path) -> None:
    """Draw the share of each true class (row) that got each answer (column)."""
    names = [str(row["label"]) for row in evaluation.per_class]
    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(3.5 + 0.45 * len(names), 20)
    figure = _figure(size + 1, size)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(xlabel="answer", ylabel="true class")
    axes.set_title(f"accuracy {evaluation.accuracy:.1%} of {evaluation.n} texts")
    if len(names) <= _MOST_NAMED_CLASSES:
        axes.set_xticks(range(len(names)), names, rotation=60, ha="right")
        axes.set_yticks(range(len(names)), names)
        for (row, column), share in np.ndenumerate(shares):
            ink = "white" if share > 0.5 else "black"  # noqa: PLR2004
            axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=ink, fontsize=8)
    figure.savefig(path, dpi=120)


def draw_search(trials: Sequence[dict[str, Any]], objective: str, path: Path) -> None:
    """Draw the score of each completed trial over its number and over each of its settings."""
    scored = [trial for trial in trials if trial["score"] is not None]
    scores = [trial["score"] for trial in scored]
    best = (max if OBJECTIVES[objective] == "max" else min)(scores, default=None)
    colors = ["tab:orange" if score == best else "tab:blue" for score in scores]
    panels = {"trial": [trial["id"] for trial in scored]}
    for name in scored[0]["values"] if scored else []:
        panels[name] = [trial["values"][name] for trial in scored]
    rows = -(-len(panels) // _PANELS_A_ROW)
    figure = _figure(3.2 * _PANELS_A_ROW, 2.6 * rows)
    grid = np.atleast_1d(figure.subplots(rows, _PANELS_A_ROW, sharey=True)).ravel()
    for axes, (name, values) in zip(grid, panels.items(), strict=False):
        axes.set(xlabel=name)
        if name == "learning_rate":
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter("")
            axes.scatter(values, scores, c=colors)
        else:
            # Settings are drawn from few values: each has its place, evenly spaced.
            places = sorted(set(values))
            axes.scatter([places.index(value) for value in values], scores, c=colors)
            axes.set_xticks(range(len(places)), [str(place) for place in places])
            axes.margins(x=0.15)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[::_PANELS_A_ROW]:
        axes.set_ylabel(objective)
    figure.savefig(path, dpi=120)


def draw_inspection(found: "Inspection", path: Path) -> None:
    """Draw the lengths of texts, with the proposed cut, beside the sizes of their classes."""
    figure = _figure(11, max(3.5, 0.22 * min(len(found.classes), _MOST_NAMED_CLASSES)))
    lengths, classes = figure.subplots(1, 2)
    cut = found.proposal["max_length"]
    # The longest few would squeeze all others into one bar.
    shown = int(max(cut, found.percentiles["99"]) * 1.25)
    beyond = int((found.lengths > shown).sum())
    # Bars of whole numbers, or some would stand for more lengths than others.
    width = -(-shown // _MOST_BARS)
    edges = np.arange(0, shown + width + 1, width) - 0.5
    lengths.hist(found.lengths[found.lengths <= shown], bins=edges)
    lengths.axvline(cut, color="tab:orange", label=f"--max-length {cut}")
    lengths.set(xlabel=f"tokens of a text ({beyond} longer texts not drawn)", ylabel="texts")
    lengths.legend()
    largest = list(found.classes.items())[:_MOST_NAMED_CLASSES]
    places = range(len(largest))
    classes.barh(places, [count for _, count in largest])
    # A dollar sign would start a formula.
    names = [name[:30].replace("$", r"\$") for name, _ in largest]
    classes.set_yticks(places, names)
    classes.invert_yaxis()
    left_out = len(found.classes) - len(largest)
    classes.set(xlabel=f"texts ({left_out} smaller classes not drawn)" if left_out else "texts")
    _save(figure, path)


def _save(figure: "Figure", path: Path) -> None:
    drawn = io.BytesIO()
    with warnings.catch_warnings():
        # Matplotlib's own font lacks Chinese; the bars are right all the same.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(drawn, dpi=120, format="png")
    write_atomically(path, drawn.getvalue())


def draw_leaderboard(entries: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the accuracy of each entry, best first, and what it may be by chance.

    For multi-label data, micro F1 in place of accuracy.
    """
    score = "micro_f1" if "micro_f1" in entries[0] else "accuracy"
    figure = _figure(7, 1 + 0.35 * len(entries))
    axes = figure.subplots()
    best = entries[0][score]
    for place, entry in enumerate(entries):
        low, high = entry["behind"]
        colour = "tab:grey" if entry["run"] is None else "tab:blue"
        axes.plot(entry[score], place, "o", color=colour)
        axes.plot([best - high, best - low], [place, place], color=colour)
    axes.set(xlabel=f"{score.replace('_', ' ')}, and its 95 % interval beside the best")
    axes.set_yticks(range(len(entries)), [entry["model"] for entry in entries])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=120)

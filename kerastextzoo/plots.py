"""Pictures of a training, of its mistakes and of a search, as PNG files."""

import io
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from kerastextzoo.evaluation import OBJECTIVES, Evaluation
from kerastextzoo.storage import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from kerastextzoo.inspection import Inspection

_MOST_NAMED_CLASSES = 40
_MOST_BARS = 50
_MOST_SETTINGS = 14
# More different numbers than these have an axis to scale in the picture of a search.
_MOST_VALUES = 8
_NOT_SET = -0.15
_SPREAD = 0.06
_BEST = "tab:orange"
_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "PingFang SC",
    "Hiragino Sans GB",
    "Microsoft YaHei",
    "SimHei",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Arial Unicode MS",
)


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
    _save(figure, path)


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
    names = [_as_text(f"{row['label']} ({row['support']})") for row in rows]
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
    names = [_as_text(row["label"]) for row in evaluation.per_class]
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
    _save(figure, path)


def draw_search(
    trials: Sequence[dict[str, Any]],
    objective: str,
    path: Path,
    importances: Mapping[str, float] | None = None,
) -> None:
    """Draw a search: scores by trial, how much each setting mattered, and the settings by score.

    Args:
        trials: What `Trial.as_dict` gives, in any order.
        objective: What they are ranked by.
        path: Of the PNG file.
        importances: By setting, as `kerastextzoo.tuning.importance.importances` gives them; left
            out where there are none.
    """
    shares = sorted(((each, name) for name, each in (importances or {}).items()), reverse=True)
    scored = [trial for trial in trials if trial["score"] is not None]
    settings = pd.DataFrame([{"model": each["model"], **each["values"]} for each in scored])
    settings = settings.loc[:, settings.nunique() > 1]
    # Of too many those that matter most, else those that most trials have.
    known = settings.count().sort_values(ascending=False, kind="stable").index
    first = [name for _, name in shares if name in settings] or list(known)
    drawn = [name for name in settings if name in first[:_MOST_SETTINGS]]
    rows = 2 if drawn else 1
    figure = _figure(max(11, 2 + 1.25 * len(drawn)), 3.6 + 4.4 * (rows - 1))
    above, *below = figure.subfigures(rows, 1, squeeze=False, height_ratios=[3.6, 4.4][:rows])[:, 0]
    left, *right = above.subplots(
        1, 1 + bool(shares), squeeze=False, width_ratios=[2, 1][: 1 + bool(shares)]
    )[0]
    _draw_scores(left, trials, objective)
    for axes in right:
        _draw_importances(axes, shares[:_MOST_SETTINGS])
    for part in below:
        scores = pd.Series([trial["score"] for trial in scored], dtype=float)
        left_out = len(settings.columns) - len(drawn)
        _draw_settings(part.subplots(), settings[drawn], scores, objective, left_out)
    _save(figure, path)


def _draw_scores(axes: "Axes", trials: Sequence[dict[str, Any]], objective: str) -> None:
    """Draw the score of each trial by its number, and the best so far."""
    table = pd.DataFrame(trials, columns=["id", "status", "score"]).set_index("id").sort_index()
    scores = table["score"].astype(float)
    shown = _without_far_out(scores, objective)
    for status, color in (("completed", "tab:blue"), ("stopped", "tab:grey")):
        part = shown[(table["status"] == status) & shown.notna()]
        if len(part):
            axes.plot(part, "o", markersize=4, color=color, alpha=0.7, label=status)
    failed = table.index[scores.isna()]
    if len(failed):
        low = axes.get_xaxis_transform()
        axes.plot(failed, [0.03] * len(failed), "x", color="tab:red", transform=low, label="failed")
    if len(failed) < len(table):
        highest = OBJECTIVES[objective] == "max"
        best = int(table.index[int(scores.argmax() if highest else scores.argmin())])
        so_far = (shown.cummax() if highest else shown.cummin()).ffill()
        axes.step(so_far.index, so_far, where="post", color="black", lw=1, label="best so far")
        label = f"best: {scores[best]:.4f}, trial {best}"
        axes.plot(best, scores[best], "*", markersize=13, color=_BEST, label=label)
    moved = int((shown != scores)[scores.notna()].sum())
    axes.set(xlabel=f"trial ({moved} worse than drawn)" if moved else "trial", ylabel=objective)
    axes.margins(y=0.12)
    axes.locator_params(axis="x", integer=True)
    axes.grid(axis="y", alpha=0.3)
    axes.set_xlim(-0.5, table.index.max() + 0.5)
    axes.legend(fontsize=8, ncols=5, loc="lower left", bbox_to_anchor=(0, 1), frameon=False)


def _without_far_out(scores: "pd.Series[float]", objective: str) -> "pd.Series[float]":
    """Move the scores that are far out on the worse side nearer, or they would squeeze the rest."""
    low, high = scores.quantile([0.25, 0.75])
    fence = 3 * (high - low)
    if fence == 0:
        return scores
    if OBJECTIVES[objective] == "max":
        return scores.clip(lower=low - fence)
    return scores.clip(upper=high + fence)


def _draw_importances(axes: "Axes", shares: Sequence[tuple[float, str]]) -> None:
    bars = axes.barh([name for _, name in shares], [share for share, _ in shares])
    axes.bar_label(bars, [f"{share:.0%}" for share, _ in shares], padding=3, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.tick_params(axis="y", labelsize=8)
    axes.xaxis.set_visible(False)
    axes.set_title("importance", fontsize=10)


def _draw_settings(
    axes: "Axes",
    settings: pd.DataFrame,
    scores: "pd.Series[float]",
    objective: str,
    left_out: int,
) -> None:
    """Draw a line for each trial through its values, an axis each, in the colour of its score."""
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    shown = _without_far_out(scores, objective)
    shown = shown if OBJECTIVES[objective] == "max" else -shown
    low, high = shown.min(), shown.max()
    quality = (shown - low) / (high - low) if high > low else shown * 0 + 1
    rank = quality.rank(pct=True) - 0.5
    heights = []
    for place, (name, column) in enumerate(settings.items()):
        found, ticks = _heights(column, rank, log=name == "learning_rate")
        if found.isna().any():
            ticks["not set"] = _NOT_SET
        heights.append(found.fillna(_NOT_SET + _SPREAD * rank))
        _draw_axis(axes, place, ticks)
    scale = {f"{abs(low + at * (high - low)):.4g}": at for at in np.linspace(0, 1, 5)}
    heights.append(quality)
    _draw_axis(axes, len(heights) - 1, scale)
    # The best last, on top of the others.
    lines = np.stack(heights, axis=1)[quality.argsort(kind="stable")]
    lines = np.stack([np.broadcast_to(np.arange(len(heights)), lines.shape), lines], axis=2)
    colors = colormaps["viridis_r"](np.sort(rank) + 0.5)
    alpha = float(np.clip(30 / len(lines), 0.3, 0.9))
    axes.add_collection(LineCollection(list(lines[:-1]), colors=colors[:-1], alpha=alpha))
    axes.add_collection(LineCollection(list(lines[-1:]), colors=_BEST, linewidths=2.5))
    bottom = _NOT_SET if settings.isna().any(axis=None) else 0
    axes.set(xlim=(-0.6, len(heights) - 0.8), ylim=(bottom - 0.05, 1.05))
    # Long names on several lines.
    names = [str(name).replace("/", "/\n").replace("_", "_\n") for name in settings]
    axes.set_xticks(range(len(heights)), [*names, objective.replace("_", "_\n")], fontsize=9)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.yaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    note = f"; {left_out} more settings not drawn" if left_out else ""
    axes.set_title(
        f"settings of {len(lines)} trials, the better the darker, the best orange{note}",
        fontsize=10,
    )


def _heights(
    column: "pd.Series[Any]", rank: "pd.Series[float]", *, log: bool
) -> "tuple[pd.Series[float], dict[str, float]]":
    """Return how high on an axis from 0 to 1 each value stands, and its labels."""
    values = sorted(column.dropna().unique(), key=lambda value: (isinstance(value, str), value))
    if isinstance(values[-1], str) or not (log or len(values) > _MOST_VALUES):
        places = dict(zip(values, np.linspace(0, 1, len(values)), strict=True))
        # Trials of the same value side by side, the better higher: they would hide each other.
        heights = column.map(places).astype(float) + min(_SPREAD, 0.5 / len(places)) * rank
        return heights, {_told(value): height for value, height in places.items()}
    numbers = column.astype(float)
    if log:
        numbers = numbers.map(math.log10)
    low, high = numbers.min(), numbers.max()
    marks = {at: low + at * (high - low) for at in np.linspace(0, 1, 5)}
    labels = {f"{10**mark:.2g}" if log else f"{mark:.3g}": at for at, mark in marks.items()}
    return (numbers - low) / (high - low), labels


def _told(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _draw_axis(axes: "Axes", place: int, ticks: Mapping[str, float]) -> None:
    axes.plot([place, place], [0, 1], color="black", lw=0.8)
    for label, height in ticks.items():
        axes.text(
            place - 0.04,
            height,
            label,
            fontsize=8,
            ha="right",
            va="center",
            zorder=5,
            bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.5},
        )


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
    names = [_as_text(name[:30]) for name, _ in largest]
    classes.set_yticks(places, names)
    classes.invert_yaxis()
    left_out = len(found.classes) - len(largest)
    classes.set(xlabel=f"texts ({left_out} smaller classes not drawn)" if left_out else "texts")
    _save(figure, path)


def _as_text(name: object) -> str:
    """Return a name that stands as it is: a dollar sign would start a formula."""
    return str(name).replace("$", r"\$")


def _use_installed_fonts(figure: "Figure") -> None:
    """Let what Matplotlib's own font lacks, such as Chinese, be drawn by one of the system's."""
    from matplotlib.font_manager import get_font_names
    from matplotlib.text import Text

    known = set(get_font_names())
    families = ["DejaVu Sans", *(name for name in _CHINESE_FONTS if name in known)]
    for text in figure.findobj(Text):
        text.set_fontfamily(families)


def _save(figure: "Figure", path: Path) -> None:
    _use_installed_fonts(figure)
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
    _save(figure, path)

"""Draw the table of results: each model's test accuracy beside the best linear model's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_COLUMNS = 3
_LINE = 0.24
_CHOSEN = "tab:orange"
_OTHER = "tab:blue"


@dataclass(frozen=True)
class Panel:
    """What is drawn of one data set.

    Attributes:
        models: By model, the mean of its test accuracy and the standard deviation, in %.
        linear: The mean of the best linear model, in %; None: there is none.
        chosen: The model that validation texts prefer.
    """

    models: Mapping[str, tuple[float, float]]
    linear: float | None
    chosen: str


def draw_results(panels: Mapping[str, Panel], path: Path) -> None:
    """Draw a panel for each data set, the best model at the top, as SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    rows = [list(panels.items())[at : at + _COLUMNS] for at in range(0, len(panels), _COLUMNS)]
    heights = [max(len(panel.models) for _, panel in row) * _LINE + 0.9 for row in rows]
    # Letters as text and the same names each time: the file changes only where a figure does.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "results"}):
        figure = Figure(figsize=(13, sum(heights)), layout="constrained")
        grid = figure.subplots(len(rows), _COLUMNS, height_ratios=heights, squeeze=False)
        for line, row in zip(grid, rows, strict=True):
            for axes in line[len(row) :]:
                axes.set_visible(False)
            for axes, (name, panel) in zip(line, row, strict=False):
                ranked = sorted(panel.models.items(), key=lambda each: each[1][0])
                for place, (model, (mean, spread)) in enumerate(ranked):
                    color = _CHOSEN if model == panel.chosen else _OTHER
                    axes.errorbar(mean, place, xerr=spread, fmt="o", color=color, capsize=2)
                if panel.linear is not None:
                    axes.axvline(panel.linear, color="grey", linestyle="--", linewidth=1)
                axes.set_yticks(range(len(ranked)), [model for model, _ in ranked], fontsize=8)
                axes.set_title(name, fontsize=11)
                axes.grid(axis="x", alpha=0.3)
        figure.supxlabel(
            "test accuracy in %, mean and standard deviation over seeds; orange: what validation "
            "texts prefer; dashed: the best linear model",
            fontsize=9,
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})

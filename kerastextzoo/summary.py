"""What a person or a program is told of a run and of a search."""

from typing import TYPE_CHECKING, Any

from kerastextzoo.console import table

if TYPE_CHECKING:
    from rich.table import Table

    from kerastextzoo.run import Run
    from kerastextzoo.tuning import SearchResult


def run_as_dict(run: "Run") -> dict[str, Any]:
    """Return the JSON keys of `train` and `tune`."""
    record = run.record
    return {
        "run": str(run.directory),
        "model": record["model"],
        "seed": record["seed"],
        "metrics": record["metrics"],
        "seconds": record["seconds"],
    }


def describe_run(run: "Run", baseline: dict[str, Any] | None = None) -> list[str]:
    """Return a run's figures in lines, beside the linear model's where it is given."""
    metrics, record = run.metrics, run.record
    lines = [
        f"{record['model']:<12}validation accuracy {metrics['val_accuracy']:.4f} "
        f"(epoch {record['best_epoch']} of {record['epochs']}, {record['parameters']:,} parameters)"
    ]
    if "test_accuracy" in metrics:
        lines.append(
            f"test        accuracy {metrics['test_accuracy']:.4f}, "
            f"macro-F1 {metrics['test_macro_f1']:.4f}"
        )
    if baseline and "test_accuracy" in metrics:
        lead = metrics["test_accuracy"] - baseline["test_accuracy"]
        verdict = f"is {lead:+.2%} ahead of" if lead > 0 else "is not better than"
        lines += [
            f"linear      accuracy {baseline['test_accuracy']:.4f}, "
            f"macro-F1 {baseline['test_macro_f1']:.4f} "
            f"({baseline['model']}, {baseline['seconds']:.0f} s)",
            f"            the network {verdict} the linear model",
        ]
    return [*lines, f"run         {run.directory}"]


def per_class(run: "Run") -> "Table":
    """Lay out precision, recall and F1 by class, on the test texts where there are any."""
    parts = run.evaluation
    name = "test" if "test" in parts else "validation"
    return class_table(parts[name].per_class, title=f"{name} texts by class")


def class_table(rows: "list[dict[str, Any]]", title: str = "") -> "Table":
    """Lay out the rows of `Evaluation.per_class`."""
    columns = ("class", "precision", "recall", "f1", "texts")
    cells = [
        (
            row["label"],
            *(f"{row[name]:.3f}" for name in ("precision", "recall", "f1")),
            row["support"],
        )
        for row in rows
    ]
    return table(columns, cells, title=title)


def leaderboard(result: "SearchResult") -> "Table":
    """Lay the trials out, best first, each with the settings that differ from the defaults."""
    # The first trial of a search is the defaults.
    defaults = next(trial.values for trial in result.trials if trial.id == 0)
    rows = []
    for trial in result.trials:
        drawn = {k: v for k, v in trial.values.items() if v != defaults[k]}
        told = " ".join(
            f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
            for name, value in drawn.items()
        )
        rows.append(
            (
                trial.id,
                trial.error or told or "the defaults",
                None if trial.score is None else f"{trial.score:.4f}",
                f"{trial.seconds:.0f}",
            )
        )
    columns = ("trial", "settings that differ from the defaults", result.objective, "seconds")
    return table(columns, rows, title="leaderboard")

"""Gathers what a run, a search or a comparison recorded, and writes the page."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from kerastextzoo.answers import calibration_error
from kerastextzoo.builders import get_spec
from kerastextzoo.doctor import Finding
from kerastextzoo.errors import InputError, named
from kerastextzoo.evaluation import Evaluation
from kerastextzoo.report import figures
from kerastextzoo.report.searching import describe_search
from kerastextzoo.report.tables import (
    describe_confusion,
    describe_errors,
    describe_settings,
    interval,
)
from kerastextzoo.run import Run, versions
from kerastextzoo.storage import MANIFEST, read_json, write_atomically, write_json
from kerastextzoo.templates import templates_of
from kerastextzoo.text import TextConfig
from kerastextzoo.training import TrainingConfig

if TYPE_CHECKING:
    from kerastextzoo.comparing import Leaderboard

REPORT = "report.html"
COMPARISON = "comparison.json"
_BOARD = "leaderboard.json"
_MARK = b'<meta name="generator" content="kerastextzoo'
_HEAD = 400


def write_report(directory: str | Path, to: str | Path | None = None) -> Path:
    """Write the page of a run, a search or a comparison, whole or not at all.

    It holds everything that it shows: no script, no network. The run stays as it was: its manifest
    does not know the page.

    Args:
        directory: What `train`, `tune` or `compare` wrote.
        to: The file; None: `report.html` in the folder. A report that is there is replaced.

    Returns:
        The file.

    Raises:
        InputError: The folder is neither, or the file can't be written or is no report.
    """
    directory = Path(directory)
    if (directory / _BOARD).is_file() and not (directory / MANIFEST).is_file():
        content = _describe_comparison(directory)
    else:
        content = _describe_run(Run(directory))
    target = check_target(directory / REPORT if to is None else to)
    # Half of a pair, which JSON may hold, is no character that a file can.
    write_atomically(target, _render(content).encode("utf-8", "replace"))
    return target


def write_comparison(folder: Path, board: "Leaderboard", command: str | None = None) -> None:
    """Keep how a run did beside the linear models, and what a user typed, for its page."""
    write_json(folder / COMPARISON, {**board.as_dict(), "command": command})


def check_target(path: str | Path) -> Path:
    """Return `path` if a report can be written there; nothing but a report is replaced.

    Raises:
        InputError: It can't.
    """
    target = Path(path)
    if "\0" in str(target):
        raise InputError(f"{named(target)}: a file's name can't hold NUL; choose another --out")
    folder = target.absolute().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{named(target)}: can't write into {named(folder)}; give another --out")
    if target.is_dir():
        raise InputError(f"{named(target)} is a folder; --out takes the file to write")
    if target.exists() and _MARK not in target.read_bytes()[:_HEAD]:
        raise InputError(f"{named(target)} exists already and is no report; give another --out")
    return target


def _render(content: Mapping[str, Any]) -> str:
    environment = templates_of("kerastextzoo.report")
    environment.filters["percent"] = lambda share, digits=1: (
        f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"
    )
    environment.filters["count"] = lambda number: f"{number:,}"
    return environment.get_template("page.html").render(content)


def _describe_run(run: Run) -> dict[str, Any]:
    record, folder = run.record, run.directory
    evaluations = run.evaluation
    part = "test" if "test" in evaluations else "validation"
    answers, searched = run.answers, (folder / "search.json").is_file()
    compared = read_json(folder / COMPARISON) if (folder / COMPARISON).is_file() else None
    return {
        "kind": "search" if searched else "run",
        "title": f"{record['model']} on {record['data']['name']}",
        "folder": str(folder),
        "record": record,
        "part": part,
        "figures": _figures(evaluations[part]),
        "validation": _figures(evaluations["validation"]),
        "board": compared and _describe_board(compared),
        "command": (compared or {}).get("command") or record.get("command"),
        "curves": _curves(run),
        "per_class": evaluations[part].per_class,
        "multi_label": evaluations[part].multi_label,
        "given": evaluations[part].confusion if evaluations[part].multi_label else None,
        "confusion": None
        if evaluations[part].multi_label
        else describe_confusion(evaluations[part]),
        "calibration": answers and _calibration(answers),
        "errors": answers and describe_errors(answers, run.label_names),
        "lengths": _lengths(record),
        "findings": [_finding(told) for told in record.get("findings", ())],
        "search": describe_search(folder) if searched else None,
        "settings": _settings(record),
        "runs": None,
        "written_by": versions(),
    }


def _figures(evaluation: Evaluation) -> dict[str, Any]:
    most = max((row["support"] for row in evaluation.per_class), default=0)
    return {
        "accuracy": evaluation.accuracy,
        "interval": interval(evaluation.accuracy, evaluation.n),
        "macro_f1": evaluation.macro_f1,
        "micro_f1": evaluation.micro_f1,
        "loss": evaluation.loss,
        "n": evaluation.n,
        "largest": None if evaluation.multi_label else most / max(evaluation.n, 1),
    }


def _describe_board(told: Mapping[str, Any]) -> dict[str, Any]:
    entries = told["leaderboard"]
    return {**told, "picture": figures.draw_leaderboard(entries)}


def _curves(run: Run) -> list[str]:
    table = pd.read_csv(run.directory / "history.csv")
    history = [
        {str(name): float(value) for name, value in row.items()} for _, row in table.iterrows()
    ]
    score = "micro_f1" if "micro_f1" in history[0] else "accuracy"
    best = run.record["best_epoch"]
    return [figures.draw_curve(history, name, best) for name in ("loss", score)]


def _calibration(answers: Mapping[str, Any]) -> dict[str, Any]:
    bins = answers["reliability"]
    total = sum(each["answers"] for each in bins)
    lead = sum(each["answers"] * (each["probability"] - each["right"]) for each in bins) / total
    return {
        "error": calibration_error(bins),
        "lead": lead,
        "bins": bins,
        "texts": answers["texts"],
        "picture": figures.draw_reliability(bins),
    }


def _lengths(record: Mapping[str, Any]) -> dict[str, Any] | None:
    lengths = record["data"].get("lengths")
    most = record["text"]["max_length"]
    return lengths and {**lengths, "picture": figures.draw_lengths(lengths, most)}


def _finding(told: Mapping[str, Any]) -> dict[str, Any]:
    # The words that the command line has for its numbers.
    _, *lines = str(Finding(**told)).splitlines()
    return {**told, "lines": [line.strip().split("  ", 1) for line in lines]}


def _settings(record: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {
        "settings": get_spec(record["model"]).config(),
        "training": TrainingConfig(),
        "text": TextConfig(),
    }
    return {
        {"settings": "model"}.get(name, name): describe_settings(
            record[name], config.model_dump(mode="json")
        )
        for name, config in defaults.items()
    }


def _describe_comparison(folder: Path) -> dict[str, Any]:
    board = read_json(folder / _BOARD)
    # Where they are now, not where they were written.
    names = [entry["model"] for entry in board["leaderboard"] if entry["run"] is not None]
    runs = [Run(folder / name) for name in names if (folder / name / MANIFEST).is_file()]
    return {
        "kind": "comparison",
        "title": f"comparison on {runs[0].record['data']['name']}" if runs else "comparison",
        "folder": str(folder),
        "record": runs[0].record if runs else None,
        "part": board["part"],
        "board": _describe_board(board),
        "command": board.get("command"),
        "runs": [_short(run) for run in runs],
        "classes": _by_class(runs, board["part"]),
        "written_by": versions(),
    }


def _short(run: Run) -> dict[str, Any]:
    return {
        "name": run.directory.name,
        "record": run.record,
        "curves": _curves(run),
        "settings": {
            kind: [each for each in settings if each[2]]
            for kind, settings in _settings(run.record).items()
        },
        "findings": [_finding(told) for told in run.record.get("findings", ())],
    }


def _by_class(runs: list[Run], part: str) -> list[dict[str, Any]]:
    """Return F1 by class, a column for each run."""
    tables = [run.evaluation[part].per_class for run in runs]
    return [
        {
            "label": rows[0]["label"],
            "support": rows[0]["support"],
            "f1": [row["f1"] for row in rows],
        }
        for rows in zip(*tables, strict=True)
    ]

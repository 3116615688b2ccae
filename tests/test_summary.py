"""What a person is told of a search that has ended."""

from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.table import Table

from kerastextzoo.summary import finalists, leaderboard


def trial(number: int, score: float | None, **known: Any) -> SimpleNamespace:
    usual: dict[str, Any] = {
        "model": "cnn",
        "status": "completed",
        "cause": None,
        "seconds": 2.4,
        "values": {},
    }
    return SimpleNamespace(**{**usual, "id": number, "score": score, **known})


def search(trials: list[Any], best: int, again: list[Any] | None = None) -> Any:
    winner = next(each for each in trials if each.id == best)
    return SimpleNamespace(
        trials=trials, best=winner, finalists=again or [], objective="val_accuracy"
    )


def lines(table: Table) -> list[list[str]]:
    """Return the rows of a table as they are printed, cell by cell."""
    console = Console(width=150)
    with console.capture() as captured:
        console.print(table)
    rows = [line for line in captured.get().splitlines() if "│" in line]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in rows]


def test_leaderboard_tells_what_differs_and_why_a_trial_failed() -> None:
    trials = [
        trial(2, 0.91, values={"filters": 64, "learning_rate": 0.00123}),
        trial(0, 0.9, values={"filters": 128, "learning_rate": 0.001}),
        trial(3, 0.5, values={"filters": 32, "learning_rate": 0.001}, status="stopped"),
        trial(1, None, values={"filters": 8}, status="failed", cause="MemoryError: none left"),
    ]
    # Over several seeds another than the first may win.
    assert lines(leaderboard(search(trials, best=0))) == [
        ["2", "filters=64 learning_rate=0.00123", "completed", "0.9100", "2"],
        ["0", "the defaults", "winner", "0.9000", "2"],
        ["3", "filters=32", "stopped", "0.5000", "2"],
        ["1", "MemoryError: none left", "failed", "-", "2"],
    ]


def test_leaderboard_of_several_models_measures_each_by_its_own_defaults() -> None:
    shared = {"batch_size": 64}
    trials = [
        trial(3, 0.9, model="lstm", values={"model": "lstm", "lstm/units": 32, **shared}),
        trial(1, 0.8, model="lstm", values={"model": "lstm", "lstm/units": 64, **shared}),
        trial(0, 0.7, values={"model": "cnn", "cnn/filters": 64, **shared}),
        trial(2, 0.6, values={"model": "cnn", "cnn/filters": 64, "batch_size": 32}),
    ]
    assert [row[:3] for row in lines(leaderboard(search(trials, best=3)))] == [
        ["3", "lstm", "units=32"],
        ["1", "lstm", "the defaults"],
        ["0", "cnn", "the defaults"],
        ["2", "cnn", "batch_size=32"],
    ]


def test_finalists_are_shown_where_there_are_several_trainings() -> None:
    trials = [trial(0, 0.9), trial(1, 0.88, model="lstm")]
    first = SimpleNamespace(trial=trials[0], scores=(0.9, 0.8), mean=0.85, error=0.05)
    second = SimpleNamespace(trial=trials[1], scores=(0.88, 0.86), mean=0.87, error=0.01)
    (table,) = finalists(search(trials, best=1, again=[first, second]))
    assert lines(table) == [
        ["0", "cnn", "0.9000 0.8000", "0.8500 ± 0.0500", ""],
        ["1", "lstm", "0.8800 0.8600", "0.8700 ± 0.0100", "winner"],
    ]
    alone = SimpleNamespace(trial=trials[0], scores=(0.9,), mean=0.9, error=0.0)
    assert finalists(search(trials, best=0, again=[alone])) == []

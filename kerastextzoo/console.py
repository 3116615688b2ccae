"""What the command line shows: progress and notes on standard error, results on standard output."""

import json
import os
import signal
import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

_WIDTH_OF_A_FILE = 150
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 130
_STYLES = {"running": "cyan", "stopped": "dim", "failed": "red"}
# A table's head and the line under it, how many are left out, and the cursor.
_LINES_BESIDE_ROWS = 4


class Screen:
    """One command's output, and what interrupts it.

    The first Ctrl-C or SIGTERM ends the command in good order, a second one at once.

    Args:
        quiet: Show results, warnings and errors alone.
        as_json: Standard output gets exactly one JSON object.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self._errors = Console(stderr=True, highlight=False, soft_wrap=True)
        results = Console(highlight=False, soft_wrap=True)
        width = None if results.is_terminal else _WIDTH_OF_A_FILE
        self._results = Console(highlight=False, soft_wrap=True, width=width)
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            # On a narrow terminal the note gives way, not the bar.
            TextColumn(
                "{task.fields[note]}",
                table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
            ),
            expand=True,
            console=self._errors,
        )
        self._trials: Sequence[Any] = ()
        self._live = Live(console=self._errors, get_renderable=self._seen, refresh_per_second=10)
        self._interrupted = False
        self._tasks: dict[str, TaskID] = {}
        self._notes: dict[str, str] = {}

    def __enter__(self) -> "Screen":
        self._shown_before = warnings.showwarning
        warnings.showwarning = self._show_warning  # type: ignore[assignment]
        self._dropped_before = sys.unraisablehook
        sys.unraisablehook = self._dropped
        self._handlers = {number: signal.signal(number, self._interrupt) for number in _SIGNALS}
        if self._errors.is_terminal and not self.quiet:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        warnings.showwarning = self._shown_before
        sys.unraisablehook = self._dropped_before

    def _interrupt(self, *_: object) -> NoReturn:
        if self._interrupted:
            os._exit(_INTERRUPTED)
        self._interrupted = True
        raise KeyboardInterrupt

    def _dropped(self, dropped: Any) -> None:
        # An interrupt in a callback that can't raise; `track` raises it again.
        if not issubclass(dropped.exc_type, KeyboardInterrupt):
            self._dropped_before(dropped)

    def _show_warning(self, message: Warning | str, category: type[Warning], *_: Any) -> None:
        # Ours are for the user; those of the libraries below are for their developers.
        if category.__module__.startswith("kerastextzoo"):
            self._errors.print(f"warning: {message}", markup=False)

    def note(self, text: str) -> None:
        """Tell one thing on standard error."""
        if not self.quiet:
            self._errors.print(text, markup=False)

    def track(self, what: str, done: int, total: int, note: str = "") -> None:
        """Move a bar; where nobody watches a terminal, print each new note instead."""
        if self._interrupted:
            # The first time it came where Python or TensorFlow drops exceptions.
            raise KeyboardInterrupt
        if not self._errors.is_terminal and note and note != self._notes.get(what):
            self._notes[what] = note
            self.note(f"{what}: {note}")
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what, total=total, note=note)
        task = self._tasks[what]
        self._bars.update(task, completed=done, total=total, note=note)
        if done >= total:
            self._bars.remove_task(self._tasks.pop(what))
            if self._errors.is_terminal and note:
                self.note(f"{what}: {note}")

    def show(self, rows: Sequence[Any]) -> None:
        """Show the trials of a search above the bars, where somebody watches a terminal.

        Args:
            rows: What `kerastextzoo.tuning.tune` gives to its `view`, the best first. Where they
                don't fit, those that run stay and the worst go.
        """
        self._trials = rows
        if self._live.is_started:
            self._live.refresh()

    def _seen(self) -> Group:
        bars = self._bars.get_renderable()
        if not self._trials:
            return Group(bars)
        room = self._errors.height - len(self._bars.tasks) - _LINES_BESIDE_ROWS
        return Group(*_trial_table(self._trials, max(1, room)), bars)

    def _stop(self) -> None:
        self._trials = ()
        self._live.stop()

    def result(self, content: dict[str, Any], *lines: object) -> None:
        """Give the result: the JSON object, or lines and tables for people."""
        self._stop()
        if self.as_json:
            sys.stdout.write(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
            return
        for line in lines:
            if isinstance(line, str):
                # As it is: rich would turn a TAB between columns into spaces.
                sys.stdout.write(line + "\n")
            else:
                self._results.print(line)


def _trial_table(rows: Sequence[Any], room: int) -> list[Table | str]:
    running = [row for row in rows if row.status == "running"]
    ended = [row for row in rows if row.status != "running"]
    shown = [*ended[: max(0, room - len(running))], *running][:room]
    made = Table(box=SIMPLE_HEAD, show_edge=False, expand=True)
    for name in ("trial", "status", "settings that differ", "score", "epoch", "time", "left"):
        number = name not in {"status", "settings that differ"}
        # On a narrow terminal the settings give way.
        ratio, overflow = (1, "ellipsis") if name == "settings that differ" else (None, "fold")
        made.add_column(
            name,
            justify="right" if number else "left",
            no_wrap=True,
            ratio=ratio,
            overflow=overflow,  # type: ignore[arg-type]
        )
    told = dict(zip([row.id for row in rows], differing(rows), strict=True))
    for row in shown:
        made.add_row(
            str(row.id),
            row.status,
            told[row.id],
            "-" if row.score is None else f"{row.score:.4f}",
            f"{row.epoch}/{row.epochs}",
            _clock(row.seconds),
            "" if row.left is None else _clock(row.left),
            style=_STYLES.get(row.status),
        )
    left_out = len(rows) - len(shown)
    return [made, f"  and {left_out} more"] if left_out else [made]


def differing(rows: Sequence[Any]) -> list[str]:
    """Return for each trial in words the settings that are not the same in all, and its model.

    Args:
        rows: Trials, with their `model` and `values`.

    Example:
        >>> from types import SimpleNamespace
        >>> one = SimpleNamespace(model="cnn", values={"filters": 64, "learning_rate": 1e-3})
        >>> two = SimpleNamespace(model="cnn", values={"filters": 64, "learning_rate": 3.16e-4})
        >>> differing([one, two])
        ['learning_rate=0.001', 'learning_rate=0.000316']
    """
    every = [{"model": row.model, **row.values} for row in rows]
    found: dict[str, set[Any]] = {}
    for values in every:
        for name, value in values.items():
            found.setdefault(name, set()).add(value)
    return [
        settings_in_words(
            {name: value for name, value in values.items() if len(found[name]) > 1}, row.model
        )
        for row, values in zip(rows, every, strict=True)
    ]


def settings_in_words(values: Mapping[str, object], model: str) -> str:
    """Return settings in one line; the names of a model's own say of which it is no more.

    Example:
        >>> settings_in_words({"cnn/filters": 64, "dropout": 0.1}, "cnn")
        'filters=64 dropout=0.1'
    """
    return " ".join(
        f"{name.removeprefix(f'{model}/')}="
        + (f"{value:.3g}" if isinstance(value, float) else str(value))
        for name, value in values.items()
    )


def _clock(seconds: float) -> str:
    """Return minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """Lay rows out for people; numbers stand on the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    made = Table(title=title or None, title_justify="left", header_style="bold")
    for index, column in enumerate(columns):
        numeric = all(
            row[index].replace(".", "").replace("-", "").replace(",", "").isdigit() for row in cells
        )
        made.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        made.add_row(*row)
    return made


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)

"""What the command line shows: progress and notes on standard error, results on standard output."""

import json
import os
import signal
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

_WIDTH_OF_A_FILE = 150
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_INTERRUPTED = 130


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
            disable=quiet or not self._errors.is_terminal,
        )
        self._interrupted = False
        self._tasks: dict[str, TaskID] = {}
        self._notes: dict[str, str] = {}

    def __enter__(self) -> "Screen":
        self._shown_before = warnings.showwarning
        warnings.showwarning = self._show_warning  # type: ignore[assignment]
        self._dropped_before = sys.unraisablehook
        sys.unraisablehook = self._dropped
        self._handlers = {number: signal.signal(number, self._interrupt) for number in _SIGNALS}
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
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

    def result(self, content: dict[str, Any], *lines: object) -> None:
        """Give the result: the JSON object, or lines and tables for people."""
        self._bars.stop()
        if self.as_json:
            sys.stdout.write(json.dumps(content, ensure_ascii=False, allow_nan=False) + "\n")
            return
        for line in lines:
            if isinstance(line, str):
                # As it is: rich would turn a TAB between columns into spaces.
                sys.stdout.write(line + "\n")
            else:
                self._results.print(line)


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

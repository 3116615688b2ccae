"""Compare how long two ways to do one thing take: in turns, A B A B, because machines are noisy."""

import argparse
import json
import statistics
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Pair:
    """Two measurements of one piece of work: timings unless `unit` says otherwise.

    Attributes:
        work: What is done.
        ours: Seconds of one call, or what else it takes, the median of the blocks.
        theirs: Seconds of the other way, likewise.
        ratio: How many times faster ours is: the median over the blocks, each with its neighbour.
        lowest: The smallest ratio of a block.
        highest: The largest.
        goal: The least ratio asked for; None: no goal.
        unit: In which the table tells ours and theirs.
        scale: How many of it are one second, or one of what else it takes.
    """

    work: str
    ours: float
    theirs: float
    ratio: float
    lowest: float
    highest: float
    goal: float | None = None
    unit: str = "ms"
    scale: float = 1e3

    @classmethod
    def of(
        cls,
        work: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        *,
        goal: float | None = None,
        unit: str = "ms",
        scale: float = 1e3,
    ) -> "Pair":
        """Return the pair of some blocks, each of ours with its neighbour."""
        ratios = [slow / fast for fast, slow in zip(ours, theirs, strict=True)]
        return cls(
            work=work,
            ours=statistics.median(ours),
            theirs=statistics.median(theirs),
            ratio=statistics.median(ratios),
            lowest=min(ratios),
            highest=max(ratios),
            goal=goal,
            unit=unit,
            scale=scale,
        )

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        return (
            self.work,
            f"{self.ours * self.scale:.1f} {self.unit}",
            f"{self.theirs * self.scale:.1f} {self.unit}",
            f"{self.ratio:.2f}x",
            f"{self.lowest:.2f} - {self.highest:.2f}",
            "" if self.goal is None else f"at least {self.goal:g}x",
        )


@dataclass(frozen=True)
class Figure:
    """A measured number with nothing to be compared with.

    Attributes:
        work: What was measured.
        value: The median of the blocks.
        unit: Of the values.
        lowest: The smallest value of a block.
        highest: The largest.
        goal: What is asked for, in words.
    """

    work: str
    value: float
    unit: str
    lowest: float
    highest: float
    goal: str

    @classmethod
    def of(cls, work: str, values: Sequence[float], unit: str, goal: str) -> "Figure":
        """Return the figure of some blocks."""
        return cls(work, statistics.median(values), unit, min(values), max(values), goal)

    def row(self) -> tuple[str, ...]:
        """Return the cells of the table."""
        blocks = f"{self.lowest:.2f} - {self.highest:.2f}"
        return self.work, "", "", f"{self.value:.2f}{self.unit}", blocks, self.goal


def compare(
    work: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    blocks: int = 7,
    calls: int = 5,
    goal: float | None = None,
) -> Pair:
    """Time two callables in turns.

    Each must have done its work when it returns.

    Args:
        work: What is done, for the table.
        ours: One way.
        theirs: The other.
        blocks: How often each is timed; the first block of each, a warm-up, comes on top.
        calls: Calls of a block.
        goal: The least ratio asked for.

    Example:
        >>> compare("sums", lambda: sum(range(9)), lambda: sum(range(99_999))).ratio > 1
        True
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(blocks + 1):
        for way, taken in zip((ours, theirs), seconds, strict=True):
            started = time.perf_counter()
            for _ in range(calls):
                way()
            taken.append((time.perf_counter() - started) / calls)
    mine, other = (taken[1:] for taken in seconds)
    return Pair.of(work, mine, other, goal=goal)


def show(
    found: Sequence[Pair | Figure],
    *,
    ours: str = "kerastextzoo",
    theirs: str = "the other way",
    as_json: bool = False,
) -> None:
    """Print what was measured as a table, or as one JSON list."""
    if as_json:
        print(json.dumps([asdict(entry) for entry in found]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("work", ours, theirs, "measured", "of all blocks", "goal")
    for entry in found:
        table.add_row(*entry.row())
    Console().print(table)


def read_arguments(description: str | None, *files: str, **numbers: int) -> argparse.Namespace:
    """Read the arguments of a benchmark: its files, `--json`, and numbers with their defaults."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    for name in files:
        parser.add_argument(name, type=Path)
    for name, default in {"blocks": 7, **numbers}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    return arguments

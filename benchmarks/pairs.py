"""Compare how long two ways to do one thing take: in turns, A B A B, because machines are noisy."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Pair:
    """Two timings of one piece of work.

    Attributes:
        work: What is done.
        ours: Seconds of one call, the median of the blocks.
        theirs: Seconds of the other way, likewise.
        ratio: How many times faster ours is: the median over the blocks, each with its neighbour.
        lowest: The smallest ratio of a block.
        highest: The largest.
        goal: The least ratio asked for; None: no goal.
    """

    work: str
    ours: float
    theirs: float
    ratio: float
    lowest: float
    highest: float
    goal: float | None = None


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
    ratios = [slow / fast for fast, slow in zip(mine, other, strict=True)]
    return Pair(
        work=work,
        ours=statistics.median(mine),
        theirs=statistics.median(other),
        ratio=statistics.median(ratios),
        lowest=min(ratios),
        highest=max(ratios),
        goal=goal,
    )


def show(pairs: Sequence[Pair], *, ours: str, theirs: str, as_json: bool = False) -> None:
    """Print the pairs as a table, or as one JSON list."""
    if as_json:
        print(json.dumps([asdict(pair) for pair in pairs]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("work", ours, theirs, "ratio", "of all blocks", "goal")
    for pair in pairs:
        table.add_row(
            pair.work,
            f"{pair.ours * 1e3:.1f} ms",
            f"{pair.theirs * 1e3:.1f} ms",
            f"{pair.ratio:.2f}x",
            f"{pair.lowest:.2f} - {pair.highest:.2f}",
            "" if pair.goal is None else f"{pair.goal:.2f}x",
        )
    Console().print(table)


def read_arguments(description: str | None) -> argparse.Namespace:
    """Read what every benchmark takes: `--blocks`, `--calls` and `--json`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--blocks", type=int, default=7, help="timed blocks of each way")
    parser.add_argument("--calls", type=int, default=5, help="calls of a block")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    return parser.parse_args()

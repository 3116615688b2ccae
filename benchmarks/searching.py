"""A search against stock KerasTuner: the same trials, data, seed and epochs.

    python -m benchmarks.searching isear/all.tsv.gz --trials 12 --epochs 5
    python -m benchmarks.searching --trials 12               # the built-in texts
    python -m benchmarks.searching --memory-trials 300       # memory alone, most trials stand-ins

KerasTuner's RandomSearch is given the settings that our oracle proposes, and trains them as
`benchmarks.stock_search` says. Neither stops a trial early (`--stop-early`: ours does, as it is
used). Each runs in a process of its own, ours first in each block; data and word vectors are ready
when the clock starts, and ours stops once the winner is a run. A trial is idle from the end of the
last training to the end of its first step, the making of its graph included.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.pairs import Figure, Pair, show
from benchmarks.stand_in import stand_in
from benchmarks.stock_search import (
    MODELS,
    OBJECTIVE,
    StockTraining,
    prepare,
    run_stock_tuner,
)
from kerastextzoo.tuning import LocalProcesses, Trial, find_specs, tune
from kerastextzoo.tuning.oracles import Oracle
from kerastextzoo.tuning.space import JointSpace

# Until so many trials have ended, memory is that of what is loaded and made once.
_WARM = 10


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is searched.

    Attributes:
        path: The data; None: the built-in texts.
        model: A name in `MODELS`.
        trials: How many.
        epochs: Of each.
        seed: Of proposals and trainings.
        stop_early: Whether our search may stop a trial before all its epochs.
        stand_in: Whether all trials of ours but the first train nothing.
    """

    path: Path | None
    model: str
    trials: int
    epochs: int
    seed: int
    stop_early: bool = False
    stand_in: bool = False

    @property
    def fixed(self) -> dict[str, object]:
        """The settings that are not searched."""
        patience = {} if self.stop_early else {"patience": self.epochs}
        return {"epochs": self.epochs, **patience}


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a search took.

    Attributes:
        seconds: In all.
        bytes: On disk at its end.
        memory: Resident bytes of the process that searches, by number of trials that have ended.
        epochs: Of all trials together.
        best: The best score.
        idle: Share of the time from the first step to the end of the last training in which no
            trial trains; None where nobody knows.
        waiting: The part of it before the process of the next trial is there.
    """

    seconds: float
    bytes: int
    memory: dict[int, int]
    epochs: int
    best: float
    idle: float | None = None
    waiting: float | None = None


def resident() -> int:
    """Return how many bytes of this process are in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def search_ours(plan: Plan, out: Path) -> Spent:
    """Search with `tune`."""
    warnings.simplefilter("ignore")
    preparation = prepare(plan.path)
    proposals = propose(plan, preparation.config.max_length)
    memory: dict[int, int] = {}

    def see(rows: Sequence[Any]) -> None:
        memory[sum(row.status != "running" for row in rows)] = resident()

    started = time.monotonic()
    found = tune(
        preparation,
        plan.model,
        out,
        max_trials=plan.trials,
        fixed=plan.fixed,
        seed=plan.seed,
        objective=OBJECTIVE,
        early_stopping=plan.stop_early,
        executor=LocalProcesses(1, stand_in) if plan.stand_in else "local",
        view=see,
    )
    seconds = time.monotonic() - started
    trials = sorted(found.trials, key=lambda trial: trial.id)
    if [trial.values for trial in trials] != proposals:
        raise SystemExit("the search drew other settings than its oracle proposed")
    if failed := [trial.cause for trial in trials if trial.status == "failed"]:
        raise SystemExit(f"{len(failed)} trials failed, the first: {failed[0]}")
    idle, waiting = (None, None) if plan.stand_in else _idle_shares(trials)
    return Spent(
        seconds=seconds,
        bytes=size_of(out),
        memory=memory,
        epochs=sum(len(trial.history) for trial in trials),
        best=max(trial.score or 0 for trial in trials),
        idle=idle,
        waiting=waiting,
    )


def _idle_shares(trials: Sequence[Trial]) -> tuple[float | None, float | None]:
    """Return the share of the time between two trainings, and that before the next process."""
    times = [trial.times for trial in trials]
    pairs = list(pairwise(times))
    whole = times[-1]["trained"] - times[0]["first_step"]
    if not pairs:
        return None, None
    idle = sum(following["first_step"] - one["trained"] for one, following in pairs)
    waiting = sum(following["started"] - one["trained"] for one, following in pairs)
    return idle / whole, waiting / whole


def search_stock(plan: Plan, out: Path) -> Spent:
    """Search with KerasTuner."""
    warnings.simplefilter("ignore")
    preparation = prepare(plan.path)
    length = preparation.config.max_length
    training = StockTraining(preparation, epochs=plan.epochs, seed=plan.seed)
    memory: dict[int, int] = {}
    started = time.monotonic()
    tuner = run_stock_tuner(
        training,
        space_of(plan, length),
        out,
        trials=propose(plan, length),
        ended=lambda number: memory.update({number: resident()}),
    )
    seconds = time.monotonic() - started
    trials = list(tuner.oracle.trials.values())
    if any(trial.status != "COMPLETED" for trial in trials) or len(trials) != plan.trials:
        raise SystemExit(f"trials of KerasTuner: {[trial.status for trial in trials]}")
    return Spent(
        seconds=seconds,
        bytes=size_of(out),
        memory=memory,
        epochs=plan.trials * plan.epochs,
        best=max(float(trial.score) for trial in trials),
    )


def space_of(plan: Plan, max_length: int) -> JointSpace:
    """Return what is searched."""
    return JointSpace(find_specs(plan.model), plan.fixed, max_length=max_length)


def propose(plan: Plan, max_length: int) -> list[dict[str, Any]]:
    """Return the values of every trial."""
    space = space_of(plan, max_length)
    oracle = Oracle("random", space, OBJECTIVE, plan.trials, plan.seed, max_epochs=plan.epochs)
    proposals = [oracle.ask() for _ in range(plan.trials)]
    return [proposal.values for proposal in proposals if proposal]


def alone(search: Callable[[Plan, Path], Spent], plan: Plan) -> Spent:
    """Run a search in a process of its own, and delete what it leaves."""
    context = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(1, mp_context=context) as pool,
    ):
        return pool.submit(search, plan, Path(folder) / "search").result()


def memory_figures(of: str, memory: dict[int, int]) -> list[Figure]:
    """Return how much memory there was, and how fast it grew."""
    known = sorted((trials, used / 1e6) for trials, used in memory.items() if trials)
    warm = [each for each in known if each[0] >= _WARM] or known
    trials, used = zip(*warm, strict=True)
    goal = "flat" if of == "our" else ""
    figures = [
        Figure.of(f"memory of {of} process, trials {trials[0]} to {trials[-1]}", used, " MB", goal)
    ]
    if trials[-1] - trials[0] >= _WARM:
        slope = 100 * statistics.linear_regression(trials, used).slope
        figures.append(Figure.of(f"growth of {of} process, 100 trials", [slope], " MB", goal))
    return figures


def measure(plan: Plan, blocks: int) -> list[Pair | Figure]:
    """Compare the two searches."""
    ours, theirs = list[Spent](), list[Spent]()
    for _ in range(blocks):
        for found, search in ((ours, search_ours), (theirs, search_stock)):
            found.append(alone(search, plan))
            print(search.__name__, found[-1], file=sys.stderr)
    hourly = [[3600 * plan.trials / each.seconds for each in found] for found in (ours, theirs)]
    idle = [each.idle * 100 for each in ours if each.idle is not None]
    waiting = [each.waiting * 100 for each in ours if each.waiting is not None]
    return [
        Pair.of(
            "a trial",
            [each.seconds / plan.trials for each in ours],
            [each.seconds / plan.trials for each in theirs],
            goal=3,
            unit="s",
            scale=1,
        ),
        Figure.of("our trials an hour", hourly[0], "", ""),
        Figure.of("stock trials an hour", hourly[1], "", ""),
        Pair.of(
            "on disk at the end",
            [each.bytes for each in ours],
            [each.bytes for each in theirs],
            goal=5,
            unit="MB",
            scale=1e-6,
        ),
        *([Figure.of("idle between two of our trainings", idle, " %", "below 15 %")] * bool(idle)),
        *([Figure.of("- until the next process is there", waiting, " %", "")] * bool(waiting)),
        *memory_figures("our", ours[-1].memory),
        *memory_figures("the stock", theirs[-1].memory),
        Figure.of("best accuracy of ours", [each.best * 100 for each in ours], " %", ""),
        Figure.of("best accuracy of stock", [each.best * 100 for each in theirs], " %", ""),
    ]


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?", help="left out: the built-in texts")
    parser.add_argument("--model", choices=MODELS, default="cnn")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blocks", type=int, default=1, help="searches of each, in turns")
    parser.add_argument("--stop-early", action="store_true", help="let ours stop hopeless trials")
    parser.add_argument("--memory-trials", type=int, help="only the memory of ours over so many")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args()
    plan = Plan(
        path=options.file,
        model=options.model,
        trials=options.trials,
        epochs=options.epochs,
        seed=options.seed,
        stop_early=options.stop_early,
    )
    found: Sequence[Pair | Figure]
    if options.memory_trials:
        spent = alone(search_ours, replace(plan, trials=options.memory_trials, stand_in=True))
        print(json.dumps(spent.memory), file=sys.stderr)
        found = memory_figures("our", spent.memory)
    else:
        found = measure(plan, options.blocks)
    show(found, theirs="stock KerasTuner", as_json=options.json)


if __name__ == "__main__":
    main()

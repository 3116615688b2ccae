"""A search is killed again and again; it must end as if it had never been.

    python -m benchmarks.kills --kills 300     # at random moments, a full disk now and then
    python -m benchmarks.kills --boundaries    # before each write of a 4-trial search, and half-way

SIGKILL goes to the search and to the process of its trial at once. After each kill it goes on with
`resume`. At its end the table of trials and the weights of the winner are compared, bit for bit,
with those of a search that was left alone; and no trial may have been started that had ended.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from benchmarks.writes import PLAN, count_writes, counted
from kerastextzoo.data import load_dataset
from kerastextzoo.errors import InputError
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run
from kerastextzoo.splits import Splits, make_splits
from kerastextzoo.text import TextConfig
from kerastextzoo.tuning import LocalProcesses, tune
from kerastextzoo.tuning.executors import start_server
from kerastextzoo.tuning.worker import Job, work

TRIALS = 4
FIXED = {"epochs": 2, "filters": 8, "dense_units": 0, "embedding": "random", "batch_size": "64"}
_TEXTS_A_CLASS = 60
_DISK_FULL = 28
_SHARE_OF_FULL_DISKS = 0.1
_MOST_STUCK = 3
_SERVER: Any = forkserver._forkserver


def make_small_splits() -> Splits:
    """Return a small part of the built-in texts."""
    corpus = load_dataset()
    rows = [
        row
        for name in ("numpy", "python", "tensorflow")
        for row in [r for r, label in enumerate(corpus.labels) if label == name][:_TEXTS_A_CLASS]
    ]
    return make_splits(corpus.subset(rows), seed=0)


def search(splits: Splits, out: Path, run: Callable[[Job], None] = work) -> None:
    """Begin a search, or go on with it."""
    resume = (out / "search.json").exists()
    # Kept on disk from the first search on: TensorFlow must not have run where a process is copied.
    preparation = Preparation(splits, TextConfig(min_count=1), cache=True)
    tune(
        preparation,
        "cnn",
        out,
        max_trials=TRIALS,
        fixed=FIXED,
        resume=resume,
        executor=LocalProcesses(1, run),
    )


def begin(splits: Splits, out: Path, run: Callable[[Job], None] = work) -> int:
    """Begin or go on in a process of its own; return its number."""
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        # The server of the trials' processes is this one's elder brother, not its child.
        for place in (forkserver, _SERVER):
            setattr(place, "ensure_running", lambda: None)  # noqa: B010
        with out.with_suffix(".log").open("a") as log:
            os.dup2(log.fileno(), 1), os.dup2(log.fileno(), 2)
        if run is counted:
            count_writes(out)
        search(splits, out, run)
        status = 0
    except InputError as error:
        status = _DISK_FULL if "the disk is full" in str(error) else 1
        print(error, file=sys.stderr)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(status)


def kill(process: int) -> None:
    """Kill a search and the process of its trial."""
    trials = _trials()
    os.kill(process, signal.SIGKILL)
    for trial in trials:
        try:
            os.kill(trial, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os.waitpid(process, 0)
    while _trials():
        time.sleep(0.01)


def _trials() -> list[int]:
    """Return the processes of trials: children of the server."""
    server = _SERVER._forkserver_pid
    children = Path(f"/proc/{server}/task/{server}/children")
    return [int(number) for number in children.read_text("utf-8").split()]


@dataclass
class Outcome:
    """What became of the searches.

    Attributes:
        kills: How often one was killed, or ended because the disk was full.
        searches: How many came to their end.
        lost: Trials that had ended and were gone after a kill.
        repeated: Trials that were started though they had ended.
        different: Searches that ended with another table or other weights.
        stuck: Searches that could not go on.
    """

    kills: int = 0
    searches: int = 0
    lost: int = 0
    repeated: int = 0
    different: int = 0
    stuck: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was lost."""
        return not (self.lost or self.repeated or self.different or self.stuck)


def fingerprint(out: Path) -> str:
    """Return a digest of the table of trials and of the winner's weights."""
    told = []
    for path in sorted(out.glob("trials/*/trial.json")):
        trial = json.loads(path.read_text("utf-8"))
        for epoch in trial["history"]:
            del epoch["seconds"]
        told.append({name: trial[name] for name in trial if name not in ("seconds", "times")})
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    for weight in Run(out).model.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()


def ended(out: Path) -> dict[str, int]:
    """Return the trials that have ended, and when their record was written."""
    records = out.glob("trials/*/trial.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in records}


def compare_ended(before: dict[str, int], after: dict[str, int], outcome: Outcome) -> None:
    """Count what was lost or written again."""
    outcome.lost += len(before.keys() - after.keys())
    outcome.repeated += sum(after.get(name, written) != written for name, written in before.items())


def judge(process: int, out: Path, wanted: str, outcome: Outcome) -> None:
    """Look at a search that came to its end."""
    _, status = os.waitpid(process, 0)
    outcome.searches += 1
    if status:
        told = out.with_suffix(".log").read_text("utf-8", "replace").strip().splitlines()
        outcome.stuck.append(told[-1] if told else f"status {status}")
    elif _fingerprint_elsewhere(out) != wanted:
        outcome.different += 1


def _fingerprint_elsewhere(out: Path) -> str:
    """Return the fingerprint, computed in a process that the next search is not a copy of."""
    read, write = os.pipe()
    process = os.fork()
    if not process:
        try:
            os.write(write, fingerprint(out).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        found = answer.read()
    os.waitpid(process, 0)
    return found


def kill_at_random(splits: Splits, folder: Path, kills: int, seed: int) -> Outcome:
    """Kill searches at random moments until there were so many kills."""
    rng, outcome = random.Random(seed), Outcome()  # noqa: S311
    wanted, seconds = _left_alone(splits, folder)
    number = 0
    while outcome.kills < kills and len(outcome.stuck) < _MOST_STUCK:
        out = folder / f"random-{number}"
        number += 1
        while True:
            before = ended(out)
            process = begin(splits, out)
            full = rng.random() < _SHARE_OF_FULL_DISKS
            most = rng.choice([0, 1000, 20_000])
            # Between two kills there is time for an epoch, or nothing would ever be done.
            until = time.monotonic() + rng.uniform(0.02, seconds / 2)
            while time.monotonic() < until and not _is_over(process):
                time.sleep(0.01)
            if full and not _is_over(process):
                _fill_disk(process, most)
                until = time.monotonic() + seconds
                while time.monotonic() < until and not _is_over(process):
                    time.sleep(0.01)
            if _is_over(process):
                result = os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
                if result and result.si_status == _DISK_FULL:
                    os.waitpid(process, 0)
                    outcome.kills += 1
                    continue
                compare_ended(before, ended(out), outcome)
                judge(process, out, wanted, outcome)
                break
            kill(process)
            outcome.kills += 1
            compare_ended(before, ended(out), outcome)
        print(f"{outcome.kills} kills, {outcome}", file=sys.stderr, flush=True)
        shutil.rmtree(out, ignore_errors=True)
    return outcome


def _left_alone(splits: Splits, folder: Path) -> tuple[str, float]:
    """Run a search without a kill; return its fingerprint and its seconds."""
    out, started = folder / "alone", time.monotonic()
    _, status = os.waitpid(begin(splits, out), 0)
    if status:
        raise SystemExit(out.with_suffix(".log").read_text("utf-8"))
    return _fingerprint_elsewhere(out), time.monotonic() - started


def _is_over(process: int) -> bool:
    options = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return os.waitid(os.P_PID, process, options) is not None


def _fill_disk(process: int, most: int) -> None:
    """Let no file of the search and its trial grow beyond so many bytes, as on a full disk."""
    for each in (process, *_trials()):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(each, resource.RLIMIT_FSIZE, (most, most))


# Kills at the boundaries of writes.


def kill_at_boundaries(splits: Splits, folder: Path, every: int = 1) -> Outcome:
    """Kill a search before each of its writes, or every n-th, and half-way through files."""
    outcome = Outcome()
    wanted, _ = _left_alone(splits, folder)
    total = _try_point(splits, folder, -1, half=False, wanted=wanted, outcome=outcome)
    for half in (False, True):
        for at in range(half, total, every):
            _try_point(splits, folder, at, half=half, wanted=wanted, outcome=outcome)
            print(f"{at + 1}/{total} {outcome}", file=sys.stderr, flush=True)
    return outcome


def _try_point(
    splits: Splits, folder: Path, at: int, *, half: bool, wanted: str, outcome: Outcome
) -> int:
    """Kill a search at its write of that number, and let it go on; return its writes."""
    with tempfile.TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as name:
        place = Path(name)
        out = place / "search"
        (place / PLAN).write_text(json.dumps({"at": at, "half": half}), "utf-8")
        process = begin(splits, out, counted)
        while not (place / "killed").exists() and not _is_over(process):
            time.sleep(0.01)
        if (place / "killed").exists():
            kill(process)
            outcome.kills += 1
            before = ended(out)
            process = begin(splits, out)
            while not _is_over(process):
                time.sleep(0.02)
            compare_ended(before, ended(out), outcome)
        judge(process, out, wanted, outcome)
        return (place / "events.log").stat().st_size


def main() -> None:
    """Kill, count and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--boundaries", action="store_true")
    parser.add_argument("--every", type=int, default=1)
    options = parser.parse_args()
    start_server()
    splits = make_small_splits()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["KERASTEXTZOO_CACHE"] = str(folder / "cache")
        started = time.monotonic()
        outcome = (
            kill_at_boundaries(splits, folder, options.every)
            if options.boundaries
            else kill_at_random(splits, folder, options.kills, options.seed)
        )
    print(f"{outcome}, {time.monotonic() - started:.0f} seconds")
    raise SystemExit(0 if outcome.good else 1)


if __name__ == "__main__":
    main()

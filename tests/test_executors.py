"""Processes of trials: their own, dying alone, ending with the search."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stand_ins import die, exit_early, tell, tell_and_wait

from kerastextzoo.tuning.executors import Ended, InThisProcess, LocalProcesses
from kerastextzoo.tuning.worker import Job

MOST_SECONDS = 60


def job(folder: Path, number: int = 0) -> Job:
    return Job(
        id=number,
        folder=folder / str(number),
        data=folder,
        model="cnn",
        values={},
        settings={},
        training={},
        seed=1,
        objective="val_accuracy",
    )


def told(folder: Path, number: int = 0) -> Any:
    """Return what a stand-in left, once it is there."""
    path = folder / str(number) / "told.json"
    wait_until(path.exists)
    return json.loads(path.read_text("utf-8"))


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + MOST_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def ends(executor: LocalProcesses, number: int) -> list[Ended]:
    """Wait for so many jobs to end."""
    found: list[Ended] = []
    wait_until(lambda: len(found.__iadd__(executor.wait(0.1))) >= number)
    return found


def lives(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.fixture
def local() -> Iterator[Callable[..., LocalProcesses]]:
    made = []

    def make(workers: int, run: Callable[[Job], None]) -> LocalProcesses:
        made.append(LocalProcesses(workers, run))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def test_each_job_has_a_process_of_its_own(
    local: Callable[..., LocalProcesses], tmp_path: Path
) -> None:
    executor = local(2, tell)
    for number in range(2):
        executor.start(job(tmp_path, number))
    assert {each.folder for each in ends(executor, 2)} == {tmp_path / "0", tmp_path / "1"}
    found = [told(tmp_path, number) for number in range(2)]
    assert len({os.getpid(), *(each["process"] for each in found)}) == 3
    assert {each["cores"] for each in found} == {max(1, len(os.sched_getaffinity(0)) // 2)}


@pytest.mark.parametrize(
    ("run", "number", "said"),
    [
        (die, 0, "its process was ended by signal 9: killed"),
        (die, 1, "its process was ended by signal 11: segmentation fault"),
        (exit_early, 0, "its process ended with status 3"),
    ],
)
def test_a_process_that_dies_harms_nobody_and_leaves_its_cause(
    local: Callable[..., LocalProcesses],
    tmp_path: Path,
    run: Callable[[Job], None],
    number: int,
    said: str,
) -> None:
    executor = local(1, run)
    executor.start(job(tmp_path, number))
    (ended,) = ends(executor, 1)
    assert (ended.cause, ended.out_of_memory) == (said, False)
    executor.run = tell
    executor.start(job(tmp_path, 7))
    assert ends(executor, 1)[0].cause is None
    log = (tmp_path / str(number) / "log.txt").read_text("utf-8")
    assert ("Segmentation fault" in log) == ("signal 11" in said)


def test_closing_ends_what_runs(local: Callable[..., LocalProcesses], tmp_path: Path) -> None:
    executor = local(1, tell_and_wait)
    executor.start(job(tmp_path))
    process = told(tmp_path)["process"]
    executor.close()
    wait_until(lambda: not lives(process))


SEARCH = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from stand_ins import tell_and_wait
from test_executors import job
from kerastextzoo.tuning.executors import LocalProcesses
# There is no guard against being run as a module: a child must not run this once more.
executor = LocalProcesses(1, tell_and_wait)
executor.start(job(Path(sys.argv[1])))
time.sleep(300)
"""


def test_no_process_outlives_a_killed_search(tmp_path: Path) -> None:
    script = tmp_path / "search.py"
    script.write_text(SEARCH, "utf-8")
    command = [sys.executable, str(script), str(tmp_path), str(Path(__file__).parent)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as search:
        process = told(tmp_path)["process"]
        assert lives(process)
        search.send_signal(signal.SIGKILL)
        wait_until(lambda: not lives(process))


def test_in_this_process_a_job_is_done_at_once(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    executor = InThisProcess(tell)
    executor.start(job(tmp_path))
    assert executor.wait(0) == [Ended(tmp_path / "0")]
    assert told(tmp_path)["process"] == os.getpid()

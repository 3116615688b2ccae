"""Trials on a real Ray cluster: two nodes on this machine, started and stopped here."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import ray_jobs

from kerastextzoo.errors import InputError
from kerastextzoo.tuning import ray_executor
from kerastextzoo.tuning.executors import Ended
from kerastextzoo.tuning.ray_executor import RayTasks, share
from kerastextzoo.tuning.worker import Job

needs_ray = pytest.mark.skipif(
    find_spec("ray") is None or sys.platform != "linux", reason="needs Ray, on Linux"
)
# Most of it goes by while nodes and TensorFlow start.
SECONDS_TO_START = 120.0
DRIVER = """
import sys
from pathlib import Path
import ray_jobs
from test_ray import make_job
from kerastextzoo.tuning.ray_executor import RayTasks
executor = RayTasks(2, run=ray_jobs.note)
for number in range(2):
    executor.start(make_job(Path(sys.argv[1]), number, seconds=600))
while True:
    executor.wait(1)
"""


def make_job(folder: Path, number: int = 0, **values: Any) -> Job:
    return Job(
        id=number,
        folder=folder / f"{number:04}",
        data=folder,
        model="cnn",
        values=values,
        settings={},
        training={},
        seed=1,
        objective="val_accuracy",
    )


@dataclass(frozen=True)
class Note:
    """What the process of a job wrote down."""

    pid: int
    parent: int
    cores: int
    raylet: int
    gpus: str


def read_note(job: Job, executor: RayTasks | None = None) -> Note:
    """Wait for what the process of a job writes when it starts."""
    path = job.folder / "note.txt"
    wait_until(
        lambda: path.exists() or bool(executor and executor.wait(0.1)),
        SECONDS_TO_START,
    )
    pid, parent, cores, raylet, gpus = path.read_text("utf-8").split()
    return Note(int(pid), int(parent), int(cores), int(raylet), gpus)


def wait_until(happened: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < until, f"not within {seconds} seconds"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])


def take_ended(executor: RayTasks, jobs: int = 1, seconds: float = SECONDS_TO_START) -> list[Ended]:
    ended: list[Ended] = []
    wait_until(lambda: len(ended.__iadd__(executor.wait(0.5))) >= jobs, seconds)
    return ended


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """A token that the driver and the nodes share, and where they find this package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
        patch.delenv("RAY_ADDRESS", raising=False)
        yield dict(os.environ)


class Cluster(NamedTuple):
    """An address, and the processes that hold each node."""

    address: str
    nodes: list[subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def cluster(environment: dict[str, str]) -> Iterator[Cluster]:
    """Two nodes, each with one core and what it takes for a GPU."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    each = "--num-cpus=1 --num-gpus=1 --object-store-memory=80000000 --disable-usage-stats --block"
    nodes: list[subprocess.Popen[bytes]] = []
    # A socket's path must be short.
    with tempfile.TemporaryDirectory(dir="/tmp", ignore_cleanup_errors=True) as folder:
        try:
            for where in (
                ["--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false"],
                [f"--address={address}"],
            ):
                log = Path(folder, f"node{len(nodes)}.log")
                command = [sys.executable, "-m", "ray.scripts.scripts", "start"]
                with log.open("wb") as output:
                    node = subprocess.Popen(
                        [*command, *where, *each.split()],
                        cwd=folder,
                        env=environment,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                nodes.append(node)
                wait_until(lambda log=log: b"started" in log.read_bytes(), SECONDS_TO_START)  # type: ignore[misc]
            yield Cluster(address, nodes)
        finally:
            for node in reversed(nodes):
                node.terminate()
            for node in nodes:
                try:
                    node.wait(20)
                except subprocess.TimeoutExpired:
                    os.killpg(node.pid, signal.SIGKILL)


@needs_ray
@pytest.mark.parametrize("own", [False, True], ids=["cluster", "own"])
def test_jobs_end_with_a_driver_that_is_killed(
    own: bool, cluster: Cluster, environment: dict[str, str], tmp_path: Path
) -> None:
    there = {} if own else {"RAY_ADDRESS": cluster.address}
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path)], env={**environment, **there}
    )
    try:
        notes = [read_note(make_job(tmp_path, number)) for number in range(2)]
        assert all(runs(note.pid) for note in notes)
    finally:
        driver.kill()
        driver.wait()
    wait_until(lambda: not any(runs(note.pid) for note in notes), 15)
    wait_until(lambda: not any(runs(note.parent) for note in notes), 15)


@pytest.fixture(scope="module")
def executor(cluster: Cluster) -> Iterator[RayTasks]:
    executor = RayTasks(2, address=cluster.address, run=ray_jobs.note)
    yield executor
    executor.close()


@needs_ray
def test_two_jobs_run_at_once_in_processes_of_their_own_each_on_its_node(
    executor: RayTasks, tmp_path: Path
) -> None:
    notes = [str(tmp_path / f"{number:04}" / "note.txt") for number in range(2)]
    jobs = [make_job(tmp_path, number, awaits=notes) for number in range(2)]
    for job in jobs:
        executor.start(job)
    ended = take_ended(executor, 2)
    first, second = map(read_note, jobs)
    assert sorted(ended, key=lambda each: each.folder) == [Ended(job.folder) for job in jobs]
    assert len({os.getpid(), first.pid, second.pid}) == 3
    assert first.raylet != second.raylet
    assert (first.cores, first.gpus) == (second.cores, second.gpus) == (1, "0")
    assert sorted(path.name for path in jobs[0].folder.iterdir()) == ["log.txt", "note.txt"]


@needs_ray
@pytest.mark.parametrize(
    ("value", "cause"), [("killed", "signal 9: killed"), ("raises", "status 1")]
)
def test_a_process_that_dies_is_told_and_the_next_one_starts_at_once(
    executor: RayTasks, tmp_path: Path, value: str, cause: str
) -> None:
    executor.start(make_job(tmp_path, 0, **{value: True}))
    (ended,) = take_ended(executor)
    assert cause in str(ended.cause)
    assert not ended.out_of_memory
    executor.start(make_job(tmp_path, 1))
    assert take_ended(executor, seconds=10) == [Ended(tmp_path / "0001")]


@needs_ray
def test_the_log_of_a_job_says_why_it_failed(executor: RayTasks, tmp_path: Path) -> None:
    job = make_job(tmp_path, raises=True)
    executor.start(job)
    take_ended(executor)
    assert "OSError: no luck" in (job.folder / "log.txt").read_text("utf-8")


@needs_ray
def test_a_worker_that_is_killed_takes_its_job_along_and_is_replaced(
    executor: RayTasks, tmp_path: Path
) -> None:
    job = make_job(tmp_path, 0, seconds=600)
    executor.start(job)
    note = read_note(job, executor)
    os.kill(parent_of(note.parent), signal.SIGKILL)
    (ended,) = take_ended(executor, seconds=15)
    assert str(ended.cause).startswith("its worker was lost: ")
    wait_until(lambda: not runs(note.pid), 5)
    executor.start(make_job(tmp_path, 1))
    assert take_ended(executor) == [Ended(tmp_path / "0001")]


@needs_ray
def test_a_job_that_takes_too_long_is_ended_and_the_next_one_runs(
    executor: RayTasks, tmp_path: Path
) -> None:
    job = make_job(tmp_path, 0, seconds=600)
    executor.start(job)
    note = read_note(job, executor)
    executor.kill(job)
    (ended,) = take_ended(executor, seconds=15)
    assert ended.folder == job.folder
    wait_until(lambda: not runs(note.pid), 5)
    executor.start(make_job(tmp_path, 1))
    assert take_ended(executor) == [Ended(tmp_path / "0001")]


@needs_ray
def test_a_node_that_does_not_see_the_folder_is_named(executor: RayTasks) -> None:
    # What this path means depends on the process that asks.
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        executor.start(make_job(Path("/proc/self/cwd", Path(folder).name)))
        with pytest.raises(InputError, match=r"^node [\d.]+ .* all nodes share"):
            take_ended(executor)


@needs_ray
def test_relative_folders_are_those_of_the_driver(
    executor: RayTasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    executor.start(make_job(Path("trials")))
    assert take_ended(executor) == [Ended(Path("trials/0000"))]
    assert (tmp_path / "trials/0000/note.txt").exists()


@needs_ray
def test_more_than_a_node_has_is_refused(executor: RayTasks, cluster: Cluster) -> None:
    with pytest.raises(InputError, match="takes 3 CPUs and 1 GPUs"):
        RayTasks(1, address=cluster.address, cpus_per_trial=3)


@needs_ray
def test_the_last_node_goes_on_when_the_other_is_lost(
    executor: RayTasks, cluster: Cluster, tmp_path: Path
) -> None:
    jobs = [make_job(tmp_path, number, seconds=600) for number in range(2)]
    for job in jobs:
        executor.start(job)
    notes = {os.getsid((note := read_note(job, executor)).raylet): (job, note) for job in jobs}
    first, second = (notes[node.pid] for node in cluster.nodes)
    os.kill(second[1].raylet, signal.SIGKILL)
    (ended,) = take_ended(executor, seconds=60)
    assert ended.folder == second[0].folder
    assert str(ended.cause).startswith("its worker was lost: ")
    wait_until(lambda: not runs(second[1].pid), 5)
    os.kill(first[1].pid, signal.SIGKILL)
    assert [each.folder for each in take_ended(executor)] == [first[0].folder]
    # More than there is room for now: one waits for the other.
    later = [make_job(tmp_path, number) for number in (2, 3)]
    for job in later:
        executor.start(job)
    assert take_ended(executor, 2) == [Ended(job.folder) for job in later]
    assert {read_note(job).raylet for job in later} == {first[1].raylet}


@needs_ray
def test_a_cluster_that_does_not_answer_is_refused_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    began = time.monotonic()
    with pytest.raises(InputError, match=r"^the Ray cluster at '127.0.0.1:1' can't be used: .*"):
        RayTasks(address="127.0.0.1:1")
    assert time.monotonic() - began < 15


def test_without_ray_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_executor, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=re.escape("pip install 'kerastextzoo[ray]'")):
        RayTasks()


@pytest.mark.parametrize(
    ("nodes", "workers", "given", "expected"),
    [
        ([(8, 0)], 2, {}, (4, 0)),
        ([(8, 0), (4, 0)], 3, {}, (4, 0)),
        ([(1, 0), (1, 0)], 1, {}, (1, 0)),
        ([(2, 0)], 5, {}, (1, 0)),
        ([(16, 4)], 2, {}, (8, 2)),
        ([(16, 4), (16, 2)], 3, {}, (8, 2)),
        ([(16, 1), (32, 0)], 1, {}, (16, 1)),
        ([(16, 1), (32, 0)], 2, {}, (1, 1)),
        ([(16, 1), (32, 0)], 2, {"gpus": 0}, (16, 0)),
        ([(16, 4)], 2, {"cpus": 3}, (3, 2)),
    ],
)
def test_each_worker_has_as_much_as_all_can_have(
    nodes: list[tuple[int, int]], workers: int, given: dict[str, int], expected: tuple[int, int]
) -> None:
    resources = [dict(zip(("CPU", "GPU"), node, strict=True)) for node in nodes]
    assert share(resources, workers, **given) == expected

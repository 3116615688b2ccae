"""Where trials run: each in a process of its own, so that none can harm the search or another.

A process is a copy of one that has loaded TensorFlow once (where the system can do that), so it
starts at once, and gives all memory back at its end. It ends when the search does, however that is
killed.
"""

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

import keras

from kerastextzoo.distribution import count_gpus
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.storage import is_disk_full
from kerastextzoo.tuning.worker import Job, work

EXECUTORS = ("local", "ray")
_OUT_OF_MEMORY = Path("/sys/fs/cgroup/memory.events")
_NO_ROOM = 74  # as sysexits.h has it: a failed write
_NAMES = {
    signal.SIGKILL: "killed",
    signal.SIGSEGV: "segmentation fault",
    signal.SIGABRT: "aborted",
    signal.SIGBUS: "bus error",
    signal.SIGTERM: "terminated",
}


@dataclass(frozen=True)
class Ended:
    """The process of a trial has ended.

    Attributes:
        folder: Of its job.
        cause: What killed the process, in one line; None if it ended by itself.
        out_of_memory: Whether the system killed it for its memory.
        disk_full: Whether it had no room to write.
    """

    folder: Path
    cause: str | None = None
    out_of_memory: bool = False
    disk_full: bool = False


class Executor(Protocol):
    """Runs jobs, some at once."""

    @property
    def slots(self) -> int:
        """How many jobs can run at once."""
        ...

    def start(self, job: Job) -> None:
        """Start a job."""
        ...

    def wait(self, seconds: float) -> list[Ended]:
        """Return the jobs that have ended, after so many seconds at the latest."""
        ...

    def kill(self, job: Job) -> None:
        """End a job that takes too long; `wait` returns it."""
        ...

    def close(self) -> None:
        """End all that runs."""
        ...


class InThisProcess:
    """Runs each job right here, where a debugger sees it; nothing else is safe from it."""

    slots = 1

    def __init__(self, run: Callable[[Job], None] = work) -> None:
        self.run = run
        self._ended: list[Ended] = []

    def start(self, job: Job) -> None:
        """Run a job to its end."""
        # As in a process of its own: names count from 0, and the graphs before are gone.
        policy = keras.config.dtype_policy()
        keras.utils.clear_session()
        keras.config.set_dtype_policy(policy)
        job.folder.mkdir(parents=True, exist_ok=True)
        self.run(job)
        self._ended.append(Ended(job.folder))

    def wait(self, seconds: float) -> list[Ended]:
        """Return the jobs that have ended."""
        ended, self._ended = self._ended, []
        return ended

    def kill(self, job: Job) -> None:
        """Do nothing: no job runs while another one asks."""

    def close(self) -> None:
        """Do nothing."""


class LocalProcesses:
    """Runs each job in a process of its own on this machine.

    Cores and GPUs are divided between the workers.

    Args:
        workers: Jobs at once.
        run: What a process does with its job.
    """

    def __init__(self, workers: int = 1, run: Callable[[Job], None] = work) -> None:
        self.slots = workers
        self.run = run
        self._running: dict[Path, tuple[Any, Connection, int, int]] = {}
        self._cores = max(1, _cores() // workers)
        self._gpus = count_gpus()
        self._context = start_server()

    def start(self, job: Job) -> None:
        """Start a job."""
        taken = {slot for _, _, slot, _ in self._running.values()}
        slot = next(number for number in range(self.slots) if number not in taken)
        own = job
        if self.slots > 1:
            gpus = tuple(range(slot, self._gpus, self.slots)) if self._gpus else None
            own = replace(job, cores=self._cores, gpus=gpus)
        # The worker reads its end, and sees when nobody holds the other one any more.
        theirs, ours = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_in_child, args=(self.run, own, theirs))
        with _without_main():
            process.start()
        theirs.close()
        self._running[job.folder] = (process, ours, slot, _count_killed())

    def wait(self, seconds: float) -> list[Ended]:
        """Return the jobs that have ended, after so many seconds at the latest."""
        ready = wait([process.sentinel for process, *_ in self._running.values()], seconds)
        ended = []
        for folder, (process, ours, _, killed) in list(self._running.items()):
            if process.sentinel in ready:
                process.join()
                ours.close()
                del self._running[folder]
                out_of_memory = process.exitcode == -signal.SIGKILL and _count_killed() > killed
                cause = _cause(process.exitcode, out_of_memory)
                ended.append(Ended(folder, cause, out_of_memory, process.exitcode == _NO_ROOM))
                process.close()
        return ended

    def kill(self, job: Job) -> None:
        """End a job that takes too long; `wait` returns it."""
        process, *_ = self._running[job.folder]
        process.kill()

    def close(self) -> None:
        """End all that runs."""
        for process, ours, *_ in self._running.values():
            process.kill()
            process.join()
            ours.close()
        self._running.clear()


def kill_late(
    executor: Executor, running: Iterable[tuple[Job, float]], seconds: float | None
) -> list[Job]:
    """End the jobs that take longer than any may.

    Args:
        executor: Where they run.
        running: Jobs, and when by `time.monotonic` each was started.
        seconds: How long each may take; None: for ever.

    Returns:
        Those that were ended.
    """
    now = time.monotonic()
    late = [job for job, since in running if seconds is not None and now - since > seconds]
    for job in late:
        executor.kill(job)
    return late


def start_server() -> Any:
    """Load TensorFlow in the process that those of the trials are copies of, in the background."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["kerastextzoo.tuning.worker"])
    # TensorFlow writes lines to it that no setting stops; a trial has a file of its own.
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        forkserver.ensure_running()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
    return context


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the script that was started, which a child would otherwise run once more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _in_child(run: Callable[[Job], None], job: Job, life: Connection) -> None:
    # Whoever started the search decides about interrupts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(life,), daemon=True).start()
    job.folder.mkdir(parents=True, exist_ok=True)
    with (job.folder / "log.txt").open("ab") as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
    faulthandler.enable()
    try:
        run(job)
    except Exception as error:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(_NO_ROOM if is_disk_full(error) else 1)


def _end_with(life: Connection) -> None:
    """End this process at once when the one that started it is gone."""
    try:
        life.recv_bytes()
    except (EOFError, OSError):
        os._exit(1)


def _cause(exitcode: int, out_of_memory: bool) -> str | None:
    if exitcode == 0:
        return None
    if out_of_memory:
        return "killed by the system: out of memory"
    if exitcode > 0:
        return f"its process ended with status {exitcode}"
    number = -exitcode
    return f"its process was ended by signal {number}: {_NAMES.get(number, 'unknown')}"  # type: ignore[call-overload]


def make_executor(executor: str | Executor, workers: int) -> Executor:
    """Return an executor by its name: `local` or `ray`.

    Raises:
        InputError: There is no such executor.
    """
    if not isinstance(executor, str):
        return executor
    if executor == "ray":
        from kerastextzoo.tuning.ray_executor import RayTasks

        return RayTasks(workers)
    if executor != "local":
        raise InputError(f"no executor {quoted(executor)}; {nearest(executor, EXECUTORS)}")
    return LocalProcesses(workers)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _count_killed() -> int:
    """Return how many processes of this container the system has killed for their memory."""
    try:
        lines = _OUT_OF_MEMORY.read_text("utf-8").splitlines()
    except OSError:
        return 0
    counts = dict(line.split() for line in lines if len(line.split()) == 2)  # noqa: PLR2004
    return int(counts.get("oom_kill", 0))

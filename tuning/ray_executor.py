"""Trials on a Ray cluster: each in a process of its own, on whatever node has room.

A search keeps a Ray actor for each of its workers, which holds cores and GPUs and has TensorFlow
loaded. A trial is one call of it, in a copy of a process beside it, as on one machine: it starts at
once, and gives all memory back.
"""

import logging
import multiprocessing
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.util import find_spec
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from kerastextzoo.errors import InputError, quoted
from kerastextzoo.run import versions
from kerastextzoo.tuning.executors import Ended
from kerastextzoo.tuning.worker import Job, work

_EXTRA = "pip install 'kerastextzoo[ray]'"
_OBJECT_STORE_BYTES = 100 * 1024**2  # next to nothing goes through it
_MARKER = ".seen"
# What a network file system may take to show a new file.
_SECONDS_TO_BE_SEEN = 5.0
_SECONDS_TO_END = 10.0
_SECONDS_TO_ANSWER = 5.0


@dataclass(frozen=True)
class _Worker:
    """An actor, and the cores that its jobs may use."""

    actor: Any
    cores: int


class RayTasks:
    """Runs each job in a process of its own on a Ray cluster.

    The nodes need this package and the same versions of what it computes with, and must see the
    folder of the search under the same path; both is checked when a node is first used. A worker
    that dies, alone or with its node, is replaced on a node that is left.

    Args:
        workers: Jobs at once.
        address: Of a cluster, `host:port`; None: that of `RAY_ADDRESS`, or else one that is started
            on this machine and ends with the search.
        cpus_per_trial: CPUs of the cluster that a job takes; None: as many as each can have.
        gpus_per_trial: GPUs likewise; None: at least one where there are any.
        run: What a process does with its job.

    Raises:
        InputError: Ray is not installed, no cluster answers, or no node has room for a job.
    """

    def __init__(
        self,
        workers: int = 1,
        *,
        address: str | None = None,
        cpus_per_trial: int | None = None,
        gpus_per_trial: int | None = None,
        run: Callable[[Job], None] = work,
    ) -> None:
        require_library()
        self.slots = workers
        self.run = run
        self._asked = cpus_per_trial, gpus_per_trial
        self._token = secrets.token_hex()
        self._waiting: deque[Job] = deque()
        self._idle: list[_Worker] = []
        # By the answer to come.
        self._starting: dict[Any, _Worker] = {}
        self._running: dict[Any, tuple[Job, _Worker]] = {}
        self._connected = _connect(address)
        self._actor_class = _actor_class()
        try:
            self._check_room()
            for _ in range(workers):
                self._start_worker()
        except BaseException:
            self._disconnect()
            raise

    def start(self, job: Job) -> None:
        """Start a job; it waits where others have taken the cluster.

        Raises:
            OSError: The folder of the job can't be written.
        """
        job.folder.mkdir(parents=True, exist_ok=True)
        (job.folder / _MARKER).write_text(self._token, "utf-8")
        self._waiting.append(job)
        self._hand_out()

    def wait(self, seconds: float) -> list[Ended]:
        """Return the jobs that have ended, after so many seconds at the latest.

        Raises:
            InputError: A node doesn't see the folder of the search, or has other versions.
        """
        import ray

        answers = [*self._running, *self._starting]
        if not answers:
            return []
        ray.wait(answers, timeout=seconds)
        ready, _ = ray.wait(answers, num_returns=len(answers), timeout=0)
        ended = [found for answer in ready if (found := self._take(answer))]
        self._hand_out()
        return ended

    def kill(self, job: Job) -> None:
        """End a job that takes too long; `wait` returns it."""
        import ray

        for running, worker in self._running.values():
            if running.folder == job.folder:
                ray.kill(worker.actor)

    def close(self) -> None:
        """End all that runs."""
        import ray

        if not ray.is_initialized():
            return
        running = [worker for _, worker in self._running.values()]
        for worker in [*running, *self._starting.values(), *self._idle]:
            ray.kill(worker.actor)
        if self._running:
            answers = [*self._running]
            ray.wait(answers, num_returns=len(answers), timeout=_SECONDS_TO_END)
        for left in (self._waiting, self._running, self._starting, self._idle):
            left.clear()
        self._disconnect()

    def _hand_out(self) -> None:
        """Give jobs to workers; one that finds no room yet has none, so that none waits for it."""
        import ray

        while self._waiting and self._idle:
            job, worker = self._waiting.popleft(), self._idle.pop()
            # A node starts its processes in another folder.
            own = replace(
                job,
                folder=job.folder.absolute(),
                data=job.data.absolute(),
                continues=job.continues and job.continues.absolute(),
                cores=worker.cores,
            )
            told = ray.cloudpickle.dumps((self.run, own))
            marker = str(own.folder / _MARKER)
            answer = worker.actor.run.remote(marker, self._token, versions(), told)
            self._running[answer] = (job, worker)

    def _take(self, answer: Any) -> Ended | None:
        """Take what a worker answers; return the end of its job, if that is what it is."""
        import ray

        if answer in self._starting:
            job, worker = None, self._starting.pop(answer)
        else:
            job, worker = self._running.pop(answer)
        try:
            told = ray.get(answer)
        except ray.exceptions.RayError as error:
            ray.kill(worker.actor)
            self._start_worker()
            # A worker that can't start takes a job along, lest the search wait for ever.
            if not job and self._waiting:
                job = self._waiting.popleft()
            if not job:
                return None
            out_of_memory = isinstance(error, ray.exceptions.OutOfMemoryError)
            ended = Ended(job.folder, f"its worker was lost: {_essence(error)}", out_of_memory)
        else:
            self._idle.append(worker)
            if not job:
                return None
            refusal, found = told
            if refusal:
                raise InputError(refusal)
            ended = replace(found, folder=job.folder)
        (job.folder / _MARKER).unlink(missing_ok=True)
        return ended

    def _check_room(self) -> None:
        cpus, gpus = self._share()
        if not _count_room(_nodes(), cpus, gpus):
            raise InputError(
                f"a trial takes {cpus} CPUs and {gpus} GPUs, and no node of the Ray cluster has as "
                "many; add a node, or lower cpus_per_trial and gpus_per_trial"
            )

    def _share(self) -> tuple[int, int]:
        """Return the CPUs and GPUs that a job takes of the nodes there are now."""
        return share(_nodes(), self.slots, *self._asked)

    def _start_worker(self) -> None:
        cpus, gpus = self._share()
        options = {"num_cpus": cpus, "num_gpus": gpus, "scheduling_strategy": "SPREAD"}
        worker = _Worker(self._actor_class.options(**options).remote(), cpus)
        self._starting[worker.actor.load.remote()] = worker

    def _disconnect(self) -> None:
        import ray

        if self._connected:
            ray.shutdown()


def require_library() -> None:
    """Refuse to go on without Ray.

    Raises:
        InputError: It is not installed.
    """
    if find_spec("ray") is None:
        raise InputError(f"a search on a cluster needs Ray; {_EXTRA}")


def share(
    nodes: Sequence[Mapping[str, float]],
    workers: int,
    cpus: int | None = None,
    gpus: int | None = None,
) -> tuple[int, int]:
    """Return the most CPUs and GPUs that each worker can have at once, at least one CPU.

    Args:
        nodes: What each has of `CPU` and `GPU`.
        workers: Jobs at once.
        cpus: CPUs of a job, if they are given.
        gpus: GPUs of a job, if they are given.

    Example:
        >>> share([{"CPU": 8}, {"CPU": 4}], workers=3)
        (4, 0)
        >>> share([{"CPU": 16, "GPU": 4}], workers=2)
        (8, 2)
    """
    most_cpus, most_gpus = (
        int(max((node.get(kind, 0) for node in nodes), default=0)) for kind in ("CPU", "GPU")
    )
    if gpus is None:
        fitting = (
            n for n in range(most_gpus, 0, -1) if _count_room(nodes, cpus or 1, n) >= workers
        )
        gpus = next(fitting, min(1, most_gpus))
    if cpus is None:
        fitting = (n for n in range(most_cpus, 0, -1) if _count_room(nodes, n, gpus) >= workers)
        cpus = next(fitting, 1)
    return cpus, gpus


def _count_room(nodes: Sequence[Mapping[str, float]], cpus: int, gpus: int) -> int:
    """Return how many jobs the nodes have room for at once."""
    wanted = {kind: number for kind, number in (("CPU", cpus), ("GPU", gpus)) if number}
    return sum(
        min(int(node.get(kind, 0) // number) for kind, number in wanted.items()) for node in nodes
    )


def _nodes() -> list[dict[str, float]]:
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _connect(address: str | None) -> bool:
    """Connect to a cluster; return whether that was left to do."""
    # Ray tells of dead workers on standard output, and reads this when it is imported.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    import ray

    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS")
    quiet = {"logging_level": logging.ERROR, "log_to_driver": False}
    if not address:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(
            address="local",
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            **quiet,
        )
        return True
    try:
        _knock(address)
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise InputError(
            f"the Ray cluster at {quoted(address)} can't be used: {_essence(error)}; start it with "
            "`ray start --head`, give its address and token, or leave the address out"
        ) from None
    return True


def _knock(address: str) -> None:
    """Try the port, which Ray itself does for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), _SECONDS_TO_ANSWER).close()


def _actor_class() -> Any:
    """Return the class of the actors.

    It is made here for Ray to send its code, not its name: a node that lacks this package can then
    say so.
    """
    import ray

    class Trials:
        """Runs the jobs of one slot, one after the other."""

        def load(self) -> None:
            """Load TensorFlow here and where jobs are copied from, at the same time."""
            if "forkserver" in multiprocessing.get_all_start_methods():
                multiprocessing.get_context("forkserver").set_forkserver_preload(
                    ["kerastextzoo.tuning.worker"]
                )
                forkserver.ensure_running()
            with suppress(ImportError):
                import kerastextzoo.tuning.executors  # noqa: F401

        def run(
            self, marker: str, token: str, expected: dict[str, str], told: bytes
        ) -> tuple[str | None, Any]:
            """Run a job; return why this node can't, or how the job's process ended."""
            refusal = self.refusal(Path(marker), token, expected)
            if refusal:
                node = ray.util.get_node_ip_address()
                return f"node {node} of the Ray cluster {refusal}", None
            from kerastextzoo.tuning.executors import LocalProcesses

            run, job = ray.cloudpickle.loads(told)
            local = LocalProcesses(1, run)
            local.start(job)
            while not (ended := local.wait(_SECONDS_TO_END)):
                pass
            return None, ended[0]

        def refusal(self, marker: Path, token: str, expected: dict[str, str]) -> str | None:
            """Return why this node can't run jobs."""
            try:
                from kerastextzoo.run import versions
            except ImportError as error:
                return f"can't import kerastextzoo: {error}; install it there"
            others = [
                f"{name} {version}, not {expected.get(name)}"
                for name, version in versions().items()
                if version != expected.get(name)
            ]
            if others:
                return f"has {others[0]}; install the same versions on all nodes"
            until = time.monotonic() + _SECONDS_TO_BE_SEEN
            while not (marker.exists() and marker.read_text("utf-8") == token):
                if time.monotonic() > until:
                    return (
                        f"doesn't see the folder {str(marker.parent)!r} of this machine; put the "
                        "search on a file system that all nodes share under the same path"
                    )
                time.sleep(0.1)
            return None

    return ray.remote(Trials)


def _essence(error: BaseException) -> str:
    """Return the first sentence of the last line of a message."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1].split(". ")[0].strip().rstrip(".")

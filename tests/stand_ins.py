"""What stands in for the training of a trial, in processes that the tests start."""

import os
import signal
import time
from typing import Any

from kerastextzoo.storage import write_json
from kerastextzoo.training import Fitted, TrainingDivergedError, fit
from kerastextzoo.tuning import worker
from kerastextzoo.tuning.worker import CHECKPOINT, Job, work


def tell(job: Job) -> None:
    """Leave the number of this process and the cores it was given."""
    write_json(job.folder / "told.json", {"process": os.getpid(), "cores": job.cores})


def tell_and_wait(job: Job) -> None:
    """Leave the same, and wait for the test."""
    tell(job)
    time.sleep(300)


def hang(job: Job) -> None:
    """Let the first one hang and the others fail."""
    return tell_and_wait(job) if job.id == 0 else never(job)


def die(job: Job) -> None:
    """End as a fault in a library does."""
    os.kill(os.getpid(), signal.SIGSEGV if job.id % 2 else signal.SIGKILL)


def exit_early(job: Job) -> None:
    """End without a result."""
    os._exit(3)


def fail(job: Job) -> None:
    """Train trials 0 and 5 as they are; let 1 to 4 fail, each in its way."""

    def faulty(*arguments: Any, **options: Any) -> Fitted:
        checkpoint = options["checkpoint"]
        if job.id == 1:
            raise TrainingDivergedError("the loss is not finite\nsecond line")
        if job.id == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        if job.id == 3 and not checkpoint.exists():
            options["judge"] = lambda epoch, best: os.kill(os.getpid(), signal.SIGKILL)
        if job.id == 4 and arguments[3].batch_size > 16:
            raise MemoryError("no memory left")
        return fit(*arguments, **options)

    worker.fit = faulty  # type: ignore[attr-defined]
    work(job)


def never(job: Job) -> None:
    """Let every trial fail."""

    def faulty(*arguments: Any, **options: Any) -> Fitted:
        raise ValueError("never")

    worker.fit = faulty  # type: ignore[attr-defined]
    work(job)


def slowly(job: Job) -> None:
    """Train with long epochs."""
    judge = worker.judge_of

    def slow(job: Job, news: Any) -> Any:
        ask = judge(job, news)

        def wait(epoch: int, best: float) -> str | None:
            time.sleep(0.5)
            return ask(epoch, best)

        return wait

    worker.judge_of = slow
    work(job)


def checkpointed(folder: Any) -> bool:
    """Say whether some trial of a search is under way."""
    return any(folder.glob(f"trials/*/{CHECKPOINT}"))

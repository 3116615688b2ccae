"""The best few trials again, with other seeds: so that the winner is not luck."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.progress import Track
from kerastextzoo.tuning.executors import Executor, kill_late
from kerastextzoo.tuning.trials import Trial, read_trial
from kerastextzoo.tuning.worker import Job

MOST_FINALISTS = 3
_SECONDS_OF_A_LOOK = 0.5


@dataclass(frozen=True, kw_only=True)
class Finalist:
    """One of the best trials, trained again with other seeds.

    Attributes:
        trial: The trial.
        scores: The objective of each training, the trial's own first.
    """

    trial: Trial
    scores: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Of the scores."""
        return statistics.mean(self.scores)

    @property
    def error(self) -> float:
        """The standard error of the mean; 0 where there is one score."""
        several = len(self.scores) > 1
        return statistics.stdev(self.scores) / len(self.scores) ** 0.5 if several else 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON."""
        told = {"mean": self.mean, "standard_error": self.error}
        return {"trial": self.trial.id, "scores": list(self.scores), **told}


def train_again(
    jobs: Sequence[Job],
    executor: Executor,
    *,
    deadline: float | None,
    trial_timeout: float | None,
    track: Track,
) -> None:
    """Run the jobs that have no result yet, as long as there is time.

    A process that dies leaves no result, and is not started again.

    Args:
        jobs: What is to be trained.
        executor: Where it runs.
        deadline: When by `time.monotonic` the last one has to end; None: never.
        trial_timeout: Seconds after which a job is killed; None: never.
        track: Progress.
    """
    queue = [job for job in jobs if not read_trial(job.folder)]
    total = len(queue)
    running = dict[Path, tuple[Job, float]]()
    while queue or running:
        while queue and len(running) < executor.slots:
            now = time.monotonic()
            left = None if deadline is None else deadline - now
            if left is not None and left <= 0:
                queue.clear()
                break
            job = replace(queue.pop(0), seconds=left)
            running[job.folder] = (job, now)
            executor.start(job)
        kill_late(executor, running.values(), trial_timeout)
        for ended in executor.wait(_SECONDS_OF_A_LOOK):
            del running[ended.folder]
        track("training the best again", total - len(queue) - len(running), total, "")
    track("training the best again", total, total, "")


def winner(finalists: Sequence[Finalist], objective: str) -> Finalist:
    """Return the best, or the cheapest of those that may be as good by chance."""
    sign = 1 if OBJECTIVES[objective] == "max" else -1
    best = max(finalists, key=lambda each: sign * each.mean)
    alike = [
        each
        for each in finalists
        if sign * (best.mean - each.mean) <= (best.error**2 + each.error**2) ** 0.5
    ]
    # With one training each nothing is known of chance, and the error is 0.
    return min(alike, key=lambda each: (each.trial.multiply_adds or 0, each.trial.id))

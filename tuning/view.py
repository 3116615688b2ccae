"""What there is to see of a search while it runs."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerastextzoo.tuning.trials import Trial
from kerastextzoo.tuning.worker import PROGRESS, Job


@dataclass(frozen=True, kw_only=True)
class Row:
    """What is seen of a trial while the search runs.

    Attributes:
        id: Of the trial.
        status: `running`, or that of the trial.
        model: A model of the zoo.
        values: What the search drew.
        score: So far.
        epoch: So far.
        epochs: At most.
        seconds: Since it started, or of its epochs.
        left: Seconds until its end at the latest, as far as one can tell.
    """

    id: int
    status: str
    model: str
    values: Mapping[str, Any]
    score: float | None
    epoch: int
    epochs: int
    seconds: float
    left: float | None = None


View = Callable[[Sequence[Row]], None]


def ended_row(trial: Trial) -> Row:
    """Return what is seen of a trial that has ended."""
    return Row(
        id=trial.id,
        status=trial.status,
        model=trial.model,
        values=trial.values,
        score=trial.score,
        epoch=len(trial.history),
        epochs=trial.config["training"]["epochs"],
        seconds=trial.seconds,
    )


def running_row(job: Job, since: float) -> Row:
    """Return what is seen of a trial that runs since then, by `time.monotonic`."""
    try:
        news: dict[str, Any] = json.loads((job.folder / PROGRESS).read_text("utf-8"))
    except (OSError, ValueError):
        news = {}
    seconds, done, total = time.monotonic() - since, news.get("done", 0), news.get("total", 0)
    return Row(
        id=job.id,
        status="running",
        model=job.model,
        values=job.values,
        score=news.get("score"),
        epoch=news.get("epoch", 0),
        epochs=job.until or job.training["epochs"],
        seconds=seconds,
        left=seconds * (total - done) / done if done else None,
    )

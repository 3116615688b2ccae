"""One trial in a process of its own: what it is told, and what it leaves in its folder.

`checkpoint.npz` is where a training goes on after a break, `model` the run of a trial that is among
the best, `trial.json` the end. `progress.json` tells how far it is, for people alone.
"""

import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras

from kerastextzoo.builders import get_spec
from kerastextzoo.checkpoints import is_damaged
from kerastextzoo.cost import count_multiply_adds
from kerastextzoo.distribution import is_out_of_memory, take_share
from kerastextzoo.records import damaged_of, write_record
from kerastextzoo.run import write_run
from kerastextzoo.storage import is_disk_full
from kerastextzoo.stored_preparation import StoredPreparation
from kerastextzoo.training import Fitted, TrainingConfig, fit
from kerastextzoo.tuning.stopping import find_hopeless
from kerastextzoo.tuning.trials import MODEL, RECORD, Trial, is_better

_STATE = "checkpoint"
CHECKPOINT = f"{_STATE}.npz"
PROGRESS = "progress.json"
_SECONDS_BETWEEN_NEWS = 0.5
_COUNTED_STEPS = 100


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the process of a trial is told.

    Attributes:
        id: Of the trial.
        folder: Of the trial.
        data: What `kerastextzoo.stored_preparation.store` wrote.
        model: A model of the zoo.
        values: What the search drew.
        settings: Of the model.
        training: Of the training.
        seed: Of weights, order and dropout.
        objective: What trials are ranked by.
        strategy: As for `kerastextzoo.training.fit`.
        until: The epoch after which it ends, to be continued; None: when training ends.
        continues: The folder of the trial that it goes on from.
        hurdles: What the best score so far must not be behind, by epoch.
        seconds: After which it ends in any case, late by an epoch at most.
        save_from: A model that scores worse is not saved; None: every model is.
        save: Whether to save the model at all.
        halvings: How often the batch is halved from the start.
        cores: Threads to compute with; None: as many as there are.
        gpus: Numbers of the GPUs to use; None: all.
        watch: As for `kerastextzoo.training.fit`.
    """

    id: int
    folder: Path
    data: Path
    model: str
    values: Mapping[str, Any]
    settings: Mapping[str, Any]
    training: Mapping[str, Any]
    seed: int
    objective: str
    strategy: str = "none"
    until: int | None = None
    continues: Path | None = None
    hurdles: tuple[float | None, ...] = ()
    seconds: float | None = None
    save_from: float | None = None
    save: bool = True
    halvings: int = 0
    cores: int | None = None
    gpus: tuple[int, ...] | None = None
    watch: bool = True


def work(job: Job) -> None:
    """Train a trial and record how it ended; what training raises is recorded as well."""
    job.folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(job.folder / MODEL, ignore_errors=True)
    take_share(job.cores, job.gpus)
    try:
        trial = _train(job)
    except Exception as error:
        if is_disk_full(error):
            # No fault of the trial's: it goes on once there is room.
            raise
        # For whoever wants to see where; the record has one line.
        (job.folder / "error.txt").write_text(traceback.format_exc(), "utf-8")
        cause = f"{type(error).__name__}: {_essence(str(error))}"
        trial = _trial(job, job.training, status="failed", score=None, seconds=0.0, cause=cause)
    write_record(job.folder / RECORD, trial.record())
    if job.until is None:
        (job.folder / CHECKPOINT).unlink(missing_ok=True)
    if job.continues:
        (job.continues / CHECKPOINT).unlink(missing_ok=True)
    (job.folder / PROGRESS).unlink(missing_ok=True)


def _trial(job: Job, training: Mapping[str, Any], **found: Any) -> Trial:
    return Trial(
        id=job.id,
        values=dict(job.values),
        model=job.model,
        config={"model": dict(job.settings), "training": dict(training)},
        seed=job.seed,
        **found,
    )


def _train(job: Job) -> Trial:
    preparation = StoredPreparation(job.data)
    settings = get_spec(job.model).config.parse(job.settings)
    config = TrainingConfig.parse(job.training)
    for _ in range(job.halvings):
        config = halved(config)
    begun = job.continues and job.continues / CHECKPOINT
    # Without it, as after the end of a search, the training is the same from its start.
    if begun and begun.exists() and not (job.folder / CHECKPOINT).exists():
        partial = job.folder / f".{CHECKPOINT}.tmp"
        shutil.copyfile(begun, partial)
        partial.replace(job.folder / CHECKPOINT)
    for path in job.folder.glob(f"{_STATE}*.npz"):
        if is_damaged(path):
            # From the start it comes to the same.
            path.replace(damaged_of(path))
    news = News(job.folder / PROGRESS)
    news.note_time("started")
    while True:
        try:
            fitted = fit(
                preparation,
                job.model,
                settings,
                config,
                seed=job.seed,
                objective=job.objective,
                strategy=job.strategy,
                track=news.track,
                checkpoint=job.folder / CHECKPOINT,
                judge=judge_of(job, news),
                watch=job.watch,
            )
            break
        except Exception as error:
            # TensorFlow has one name for no memory and no room on a disk.
            if is_disk_full(error) or not is_out_of_memory(error) or config.batch_size == 1:
                raise
        config = halved(config)
        (job.folder / CHECKPOINT).unlink(missing_ok=True)
        keras.utils.clear_session()
    news.note_time("trained")
    return _end(job, preparation, settings, config, fitted, news.times)


def _end(
    job: Job,
    preparation: StoredPreparation,
    settings: Any,
    config: TrainingConfig,
    fitted: Fitted,
    times: dict[str, float],
) -> Trial:
    score = fitted.validation.objective(job.objective)
    paused = fitted.stopped == _PAUSE
    trial = _trial(
        job,
        config.model_dump(mode="json"),
        status="stopped" if fitted.stopped and not paused else "completed",
        score=score,
        seconds=round(sum(epoch["seconds"] for epoch in fitted.history), 3),
        cause=None if paused else fitted.stopped,
        best_epoch=fitted.best_epoch,
        parameters=int(fitted.model.count_params()),
        multiply_adds=_multiply_adds(fitted.model),
        history=fitted.history,
        times=times,
    )
    known = job.save_from
    if job.save and (known is None or not is_better(known, score, job.objective)):
        write_run(
            job.folder / MODEL,
            preparation,
            fitted,
            settings=settings,
            config=config,
            seed=job.seed,
            objective=job.objective,
            strategy=job.strategy,
            extra={RECORD: trial.as_dict()},
        )
    return trial


def _multiply_adds(model: keras.Model) -> int:
    return count_multiply_adds(model, _COUNTED_STEPS) // _COUNTED_STEPS


def halved(config: TrainingConfig) -> TrainingConfig:
    """Return settings of half the memory and the same steps, as near as can be.

    Example:
        >>> half = halved(TrainingConfig(batch_size=64))
        >>> half.batch_size, half.accumulation
        (32, 2)
    """
    smaller: dict[str, object] = {
        "batch_size": max(1, config.batch_size // 2),
        "accumulation": config.accumulation * 2,
    }
    if config.batch_tokens:
        smaller["batch_tokens"] = max(1, config.batch_tokens // 2)
    return config.replace(**smaller)


_PAUSE = "paused"


def judge_of(job: Job, news: "News") -> Callable[[int, float], str | None]:
    """Return what says, after each epoch of a training, why to stop it now."""
    started = time.monotonic()

    def judge(epoch: int, best: float) -> str | None:
        news.tell(epoch=epoch, score=best, now=True)
        if job.until is not None and epoch >= job.until:
            return _PAUSE
        if reason := find_hopeless(job.hurdles, epoch, best, job.objective):
            return reason
        if job.seconds is not None and time.monotonic() - started > job.seconds:
            return f"the budget was spent in epoch {epoch}"
        return None

    return judge


@dataclass
class News:
    """How far a trial is, in a file that is replaced now and then."""

    path: Path
    told: dict[str, Any] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    at: float = 0.0

    def note_time(self, what: str) -> None:
        """Note when something first happened."""
        self.times.setdefault(what, round(time.time(), 3))

    def track(self, what: str, done: int, total: int, note: str = "") -> None:
        """Tell how far training is."""
        self.note_time("first_step")
        self.tell(done=done, total=total, note=note)

    def tell(self, *, now: bool = False, **news: Any) -> None:
        """Add to what is told; on disk now, or soon."""
        self.told |= news
        if now or time.monotonic() - self.at > _SECONDS_BETWEEN_NEWS:
            self.at = time.monotonic()
            partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
            partial.write_text(json.dumps(self.told), "utf-8")
            partial.replace(self.path)


def _essence(message: str) -> str:
    """Return the line that tells most: TensorFlow puts it after a heading and a stack."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if lines and lines[0].startswith("Graph execution error"):
        return max(lines[1:], key=len, default=lines[0])
    return lines[0] if lines else "no message"

"""What TensorBoard shows of a search: each trial's curves, and all trials in its HParams table.

TensorBoard finds the names and the kinds of the settings in what the trials wrote, so nothing is
written for the search as a whole, and trials appear while it runs.
"""

import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from kerastextzoo.tuning.trials import Trial


def log_trial(folder: Path, trial: Trial, objective: str) -> None:
    """Write the event file of a trial that has ended, in place of what is there of it.

    `tensorboard --logdir FOLDER` then shows a curve for each entry of its history, its settings
    beside `best_` and the objective's name in the table, and why it was stopped or failed.

    Args:
        folder: Of the event files of a search; the trial's are in a folder of its own there.
        trial: The trial.
        objective: What trials are ranked by.
    """
    target = folder / f"{trial.id:04d}"
    # Not in the folder itself: TensorBoard would take it for one more trial.
    stage = folder.with_name(f".{folder.name}-{target.name}.tmp")
    shutil.rmtree(stage, ignore_errors=True)
    with closing(EventFileWriter(str(stage))) as writer:
        for event in _events(trial, objective):
            writer.add_event(event)
    shutil.rmtree(target, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    stage.rename(target)


def _events(trial: Trial, objective: str) -> Iterator[Event]:
    end = time.time()
    at = start = end - sum(epoch.get("seconds", 0) for epoch in trial.history)
    values: dict[str, Any] = {**trial.values, "model": trial.model}
    settings = hparams_pb(values, trial_id=f"{trial.id:04d}", start_time_secs=start)
    yield Event(wall_time=start, summary=settings)
    for epoch in trial.history:
        at += epoch.get("seconds", 0)
        # Each member of an ensemble has epochs of its own.
        suffix = f"/member_{int(epoch['member'])}" if "member" in epoch else ""
        for name in epoch.keys() - {"epoch", "member"}:
            curve = scalar_pb(name + suffix, epoch[name])
            yield Event(wall_time=at, step=int(epoch["epoch"]), summary=curve)
    if trial.score is not None:
        score = scalar_pb(f"best_{objective}", trial.score)
        yield Event(wall_time=end, step=trial.best_epoch or 0, summary=score)
    if trial.cause:
        yield Event(wall_time=end, summary=text_pb("cause", trial.cause))
    failed = trial.status == "failed"
    status = api_pb2.STATUS_FAILURE if failed else api_pb2.STATUS_SUCCESS
    # Made of TensorFlow's classes, where the others are of TensorBoard's.
    ended = Summary.FromString(session_end_pb(status, end).SerializeToString())
    yield Event(wall_time=end, summary=ended)

"""The learning rate over the whole training, and what takes a step's effect away."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found
from kerastextzoo.doctor.program import copy_optimizer

_MOST_POINTS = 20_000
_DEAD = 1e-3
_SHARE_DEAD = 0.5
_CLIPPED = 0.01
_EPSILONS = 10
_DECAYED = 0.05
_CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")


def check_schedule(case: Case) -> Iterator[Finding]:
    """Follow the learning rate to the end of the training."""
    rates = rates_of(case)
    if rates is None:
        return
    best = float(rates.max())
    alive = np.flatnonzero(rates >= _DEAD * best)
    dead = 1 - (alive[-1] + 1) / len(rates) if best > 0 else 1.0
    if dead > _SHARE_DEAD:
        after = (alive[-1] + 1) / len(rates) * case.program.epochs if best > 0 else 0.0
        yield found(
            "learning-rate-dies",
            first=float(rates[0]),
            last=float(rates[-1]),
            dead_after=float(after),
            epochs=case.program.epochs,
            steps_of_an_epoch=case.program.steps_an_epoch,
        )


def peak_rate(case: Case) -> float:
    """Return the largest learning rate of the training."""
    rates = rates_of(case)
    if rates is None:
        return float(keras.ops.convert_to_numpy(case.program.model.optimizer.learning_rate))
    return float(rates.max())


def rates_of(case: Case) -> npt.NDArray[np.float64] | None:
    """Return the learning rate along the steps of the training; None if it never changes."""
    program = case.program
    schedule = getattr(program.model.optimizer, "_learning_rate", None)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        steps = program.epochs * program.steps_an_epoch
        at = np.unique(np.linspace(0, steps - 1, _MOST_POINTS).astype(int))
        try:
            told = keras.ops.convert_to_numpy(schedule(keras.ops.convert_to_tensor(at, "float32")))
        except Exception:
            told = np.zeros(0)
        if told.shape != at.shape:
            told = np.array([float(schedule(int(step))) for step in at[:: max(1, len(at) // 500)]])
        return np.asarray(told, np.float64)
    rehearsed = case.rehearsal
    return None if rehearsed is None else rehearsed.rates


def check_reset(case: Case) -> Iterator[Finding]:
    """Check that the optimizer is the same from epoch to epoch."""
    rehearsed = case.rehearsal
    if rehearsed is not None and rehearsed.resets:
        yield found("optimizer-reset", times=rehearsed.resets, epochs=rehearsed.epochs)


def check_clip(case: Case) -> Iterator[Finding]:
    """Check that clipping leaves enough of a step."""
    optimizer, slopes = case.program.model.optimizer, case.slopes
    if slopes is None or not np.isfinite(slopes.norm) or not slopes.norm:
        return
    for name in _CLIPS:
        limit = getattr(optimizer, name, None)
        if limit is None:
            continue
        before = [gradient for *_, gradient in slopes.weights if gradient is not None]
        largest = max(float(np.abs(part).max()) for part in before)
        whole = largest if name == "clipvalue" else slopes.norm
        kept = min(1.0, float(limit) / whole)
        # An optimizer that divides by the gradient's size undoes the clip, down to its epsilon.
        epsilon = getattr(optimizer, "epsilon", None)
        if epsilon is not None and not isinstance(optimizer, keras.optimizers.SGD):
            kept = 1.0 if kept * largest > _EPSILONS * float(epsilon) else kept
        if kept < _CLIPPED:
            yield found("clip-too-small", clip=name, share=kept, norm=whole, limit=float(limit))
            return


def check_decay(case: Case) -> Iterator[Finding]:
    """Check that nothing pulls the weights to 0 harder than the loss pulls elsewhere."""
    optimizer, slopes = case.program.model.optimizer, case.slopes
    steps = case.program.epochs * case.program.steps_an_epoch
    decay = getattr(optimizer, "weight_decay", None)
    if decay:
        left = float(np.exp(-float(decay) * peak_rate(case) * steps))
        # Adam's steps of one learning rate hold a weight at most at 1 / decay.
        held = 1 / float(decay)
        if left < _DECAYED and held < 1:
            told = f"{left:.1e} of a start is left after {steps} steps"
            yield found(
                "weight-decay-too-strong", decay=f"weight_decay={decay:g}", detail=told, left=left
            )
            return
    if slopes is not None and slopes.penalty > max(slopes.loss, 1e-6):
        told = f"the penalty is {slopes.penalty:.3g}, the loss {slopes.loss:.3g}"
        yield found(
            "weight-decay-too-strong",
            decay="a regularizer",
            detail=told,
            penalty=slopes.penalty,
            loss=slopes.loss,
        )


def plain_copy(optimizer: Any) -> Any:
    """Return the optimizer at a constant rate, without what takes a step's effect away."""
    copied = copy_optimizer(optimizer, **dict.fromkeys(_CLIPS))
    # AdamW takes a number alone.
    copied.weight_decay = 0.0 if getattr(copied, "weight_decay", None) else None
    return copied

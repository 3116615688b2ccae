"""The callbacks of a training, called as `fit` would, without a single step."""

import copy
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.program import Program, copy_optimizer

_MOST_BATCHES = 5_000
_FEWEST_RESETS = 2


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What callbacks did.

    Attributes:
        rates: The learning rate at each of the batches that were played.
        resets: How often a new optimizer took the place of the old one.
        epochs: That were played.
    """

    rates: npt.NDArray[np.float64]
    resets: int
    epochs: int


class _Stage:
    """What callbacks find in the place of the model: its names, and what they may change."""

    def __init__(self, model: keras.Model, optimizer: Any) -> None:
        self._model, self.optimizer, self.stop_training = model, optimizer, False

    def compile(self, optimizer: Any = "rmsprop", *_: Any, **__: Any) -> None:
        """Take the optimizer."""
        self.optimizer = keras.optimizers.get(optimizer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


def rehearse(program: Program) -> Rehearsal | None:
    """Play the callbacks through; None if there are none, or none that can be copied."""
    callbacks = [_copied(callback) for callback in program.callbacks]
    kept = [callback for callback in callbacks if callback is not None]
    if not kept:
        return None
    model, optimizer = program.model, program.model.optimizer
    rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    stage = _Stage(model, copy_optimizer(optimizer))
    for callback in kept:
        callback._model = stage
        callback.params = {"epochs": program.epochs, "steps": program.steps_an_epoch, "verbose": 0}
    every = max(1, program.epochs * program.steps_an_epoch // _MOST_BATCHES)
    rates: list[float] = []
    resets = 0
    try:
        _each(kept, "on_train_begin")
        for epoch in range(program.epochs):
            before = stage.optimizer, model.optimizer
            _each(kept, "on_epoch_begin", epoch)
            for batch in range(0, program.steps_an_epoch, every):
                _each(kept, "on_train_batch_begin", batch)
                rates.append(float(keras.ops.convert_to_numpy(stage.optimizer.learning_rate)))
                _each(kept, "on_train_batch_end", batch)
            _each(kept, "on_epoch_end", epoch)
            resets += before != (stage.optimizer, model.optimizer)
    finally:
        # A callback may know the model by another way than its own `model`.
        if model.optimizer is not optimizer:
            model.optimizer = optimizer
        if float(keras.ops.convert_to_numpy(optimizer.learning_rate)) != rate:
            optimizer.learning_rate = rate
    return Rehearsal(np.array(rates), resets if resets >= _FEWEST_RESETS else 0, program.epochs)


def _each(callbacks: list[Any], event: str, *place: int) -> None:
    # A loss that falls by a little gives callbacks that wait for one no reason to act.
    loss = 1.0 / (1 + sum(place))
    logs = {"loss": loss, "val_loss": loss, "accuracy": 1 - loss, "val_accuracy": 1 - loss}
    for callback in callbacks:
        getattr(callback, event)(*place, logs if place else None)


def _copied(callback: Any) -> Any:
    """Return a copy of a callback that writes nothing; None of any other."""
    writes = (
        keras.callbacks.ModelCheckpoint,
        keras.callbacks.TensorBoard,
        keras.callbacks.CSVLogger,
        keras.callbacks.BackupAndRestore,
        keras.callbacks.RemoteMonitor,
        keras.callbacks.SwapEMAWeights,
        keras.callbacks.EarlyStopping,
    )
    if isinstance(callback, writes):
        return None
    try:
        return copy.deepcopy(callback)
    except Exception:
        return None

"""What happens around the batches of a training: order, progress, validation, the best weights."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from kerastextzoo.batching import TrainingBatches
from kerastextzoo.evaluation import OBJECTIVES, Evaluation, objectives
from kerastextzoo.progress import Track

# Averaging costs a pass over all weights; so many steps share one.
_STEPS_A_SHARE = 10


class Pace(keras.callbacks.Callback):
    """Sets the order of each epoch's texts, and shows how far training is."""

    def __init__(self, batches: TrainingBatches, what: str, epochs: int, track: Track) -> None:
        super().__init__()
        self.batches, self.what, self.epochs, self.track = batches, what, epochs, track
        self.steps = len(batches)
        self.epoch = 0
        self.note = ""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Tell the batches which epoch they are for."""
        self.epoch = self.batches.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Show the step."""
        # The last step waits for the validation, which may be the end.
        done = self.epoch * self.steps + batch
        self.track(self.what, done, self.epochs * self.steps, self.note)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the figures."""
        shown = "val_micro_f1" if "val_micro_f1" in logs else "val_accuracy"
        figures = [
            f"{name} {logs[name]:.4f}" for name in ("loss", "val_loss", shown) if name in logs
        ]
        self.note = " ".join([f"epoch {epoch + 1}/{self.epochs}", *figures])

    def on_train_end(self, logs: Any = None) -> None:
        """Show the end."""
        self.track(self.what, self.epochs * self.steps, self.epochs * self.steps, self.note)


class AverageWeights(keras.callbacks.Callback):
    """Keeps the running mean of the weights in another model of the same shape.

    After step t the mean moves towards the weights by 1 - min(decay, (1 + t) / (10 + t)), so that
    it is not held back by the start. With a decay of 0, and for what is not trained, such as the
    statistics of a batch normalisation, the weights are copied at the end of each epoch.

    Args:
        averaged: The model that holds the mean.
        decay: Share of the mean that a step keeps, 0 to 1.
        accumulation: Batches of one step.

    Reference:
        Polyak and Juditsky 1992, https://doi.org/10.1137/0330046
    """

    def __init__(self, averaged: keras.Model, decay: float, accumulation: int = 1) -> None:
        super().__init__()
        self.averaged, self.decay, self.accumulation = averaged, decay, accumulation
        self.batches = self.shared = 0

    @property
    def step(self) -> int:
        """Steps so far."""
        return self.batches // self.accumulation

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Count the batch, and move the mean now and then."""
        self.batches += 1
        if self.decay and self.step - self.shared == _STEPS_A_SHARE:
            self._share()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Bring the mean up to date, and copy what has none."""
        if self.decay:
            self._share()
        which = "non_trainable_weights" if self.decay else "weights"
        pairs = zip(getattr(self.averaged, which), getattr(self.model, which), strict=True)
        for copy, weight in pairs:
            copy.assign(weight)

    def _share(self) -> None:
        kept = min(self.decay, (1 + self.step) / (10 + self.step)) ** (self.step - self.shared)
        self.shared = self.step
        pairs = zip(self.averaged.trainable_weights, self.model.trainable_weights, strict=True)
        for mean, weight in pairs:
            mean.assign(mean + (weight - mean) * (1 - kept))


class Validate(keras.callbacks.Callback):
    """Evaluates after each epoch, by the same code that evaluates a saved run.

    Args:
        evaluate: Evaluates the model that is to be saved on the validation texts.
        multi_label: Whether the data is.

    Attributes:
        evaluation: Of the last epoch; None before, and where the loss is not finite.
    """

    def __init__(self, evaluate: Callable[[], Evaluation], *, multi_label: bool) -> None:
        super().__init__()
        self.evaluate = evaluate
        self.objectives = objectives(multi_label=multi_label)
        self.started = time.monotonic()
        self.evaluation: Evaluation | None = None

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Start the clock."""
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate."""
        if np.isfinite(logs["loss"]):
            self.evaluation = self.evaluate()
            logs.update({name: self.evaluation.objective(name) for name in self.objectives})
        else:
            self.evaluation = None
            logs.update(dict.fromkeys(self.objectives, float("nan")))
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        logs["learning_rate"] = float(rate)
        logs["seconds"] = round(time.monotonic() - self.started, 3)


class Record(keras.callbacks.Callback):
    """Keeps the figures of every epoch in `history`."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[dict[str, float]] = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Note the figures."""
        figures = {name: float(figure) for name, figure in logs.items()}
        self.history.append({"epoch": epoch + 1, **figures})


class KeepBest(keras.callbacks.Callback):
    """Stops when validation no longer improves, and gives a model the weights of the best epoch.

    Args:
        judged: The model that is evaluated after each epoch.
        objective: Which figure of the epoch counts.
        patience: Epochs without a better one after which training stops.
    """

    def __init__(self, judged: keras.Model, objective: str, patience: int) -> None:
        super().__init__()
        self.judged, self.objective, self.patience = judged, objective, patience
        self.sign = 1 if OBJECTIVES[objective] == "max" else -1
        self.best = -np.inf
        self.best_epoch: int | None = None
        self.weights: list[Any] = []

    @property
    def figure(self) -> float:
        """The objective in the best epoch."""
        return self.best * self.sign

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the weights if they are the best."""
        score = logs[self.objective] * self.sign
        if score > self.best:
            self.best, self.best_epoch = score, epoch + 1
            self.weights = self.judged.get_weights()
        elif epoch + 1 - (self.best_epoch or 0) >= self.patience:
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Give the best weights back."""
        if self.best_epoch is not None:
            self.judged.set_weights(self.weights)


class KeepChosen(KeepBest):
    """Keeps the weights of the epoch that was found out before to be the best.

    Args:
        judged: The model whose weights they are.
        objective: Which figure of the epoch counted.
        chosen: The epoch, counted from 1.
    """

    def __init__(self, judged: keras.Model, objective: str, chosen: int) -> None:
        super().__init__(judged, objective, patience=chosen)
        self.chosen = chosen

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keep the weights if it is the epoch."""
        if epoch + 1 == self.chosen and np.isfinite(logs["loss"]):
            self.best, self.best_epoch = 0.0, self.chosen
            self.weights = self.judged.get_weights()


class AskJudge(keras.callbacks.Callback):
    """Asks after each epoch whether training is to stop now, and notes the `reason`.

    Args:
        judge: The epoch, counted from 1, and the best objective so far to a reason, or None.
        best: Knows the best objective.
        epochs: Of the whole training, after which there is nothing to stop.
    """

    def __init__(
        self, judge: Callable[[int, float], str | None], best: KeepBest, epochs: int
    ) -> None:
        super().__init__()
        self.judge, self.best, self.epochs = judge, best, epochs
        self.reason: str | None = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Ask."""
        if self.stops(epoch + 1, ended=self.model.stop_training):
            self.model.stop_training = True

    def stops(self, epoch: int, *, ended: bool) -> bool:
        """Ask about an epoch, and say whether training stops there; one that has ended does."""
        reason = self.judge(epoch, self.best.figure)
        if not ended and epoch < self.epochs:
            self.reason = reason
        return ended or self.reason is not None

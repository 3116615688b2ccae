"""Mistakes that kept real programs from learning, made on purpose: to be shown, found and cured.

A recipe names them in the setting `mistakes`; no default and no search ever does. To add one, give
it a line in `MISTAKES` and in `MistakeName`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from kerastextzoo.batching import TrainingBatches

MistakeName = Literal[
    "last_padded_step",
    "not_shuffled",
    "rounded_probabilities",
    "schedule_stepped_by_batch",
    "sigmoid_after_softmax",
    "softmax_twice",
]
# By which a schedule that is meant for epochs multiplies the learning rate.
_EPOCH_DECAY = 0.9


@dataclass(frozen=True)
class Mistake:
    """What one mistake changes; the rest is as it should be.

    Attributes:
        network: The network and the longest text, in tokens, to another network.
        answers: The probabilities to what the loss takes for them.
        learning_rate: A number to a schedule.
        batches: Batches to batches in another order.
        hide_padding: Whether layers are told which steps are padding.
    """

    network: Callable[[keras.Model, int], keras.Model] = lambda network, max_length: network
    answers: Callable[[Any], Any] = lambda answers: answers
    learning_rate: Callable[[Any], Any] = lambda rate: rate
    batches: Callable[[TrainingBatches], TrainingBatches] = lambda batches: batches
    hide_padding: bool = True


def combine(names: Sequence[MistakeName]) -> Mistake:
    """Return several mistakes as one.

    Example:
        >>> combine([]).learning_rate(0.1)
        0.1
    """
    chosen = [MISTAKES[name] for name in names]

    def network(built: keras.Model, max_length: int) -> keras.Model:
        for mistake in chosen:
            built = mistake.network(built, max_length)
        return built

    def one_after_another(part: str) -> Callable[[Any], Any]:
        def change(value: Any) -> Any:
            for mistake in chosen:
                value = getattr(mistake, part)(value)
            return value

        return change

    return Mistake(
        network=network,
        answers=one_after_another("answers"),
        learning_rate=one_after_another("learning_rate"),
        batches=one_after_another("batches"),
        hide_padding=all(mistake.hide_padding for mistake in chosen),
    )


def _sigmoid_after_softmax(network: keras.Model, max_length: int) -> keras.Model:
    squashed = keras.layers.Activation("sigmoid", dtype="float32")(network.output)
    return keras.Model(network.input, squashed, name=network.name)


def _last_padded_step(network: keras.Model, max_length: int) -> keras.Model:
    """Pad every text to the longest."""
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    padded = ops.pad(tokens, [[0, 0], [0, max_length]])[:, :max_length]
    return keras.Model(tokens, network(padded), name=network.name)


def _rounded(probabilities: Any) -> Any:
    # A step function is flat: its gradient is zero, which TensorFlow leaves out and then refuses.
    return ops.round(probabilities) + 0 * probabilities + keras.config.epsilon()


def _schedule_stepped_by_batch(rate: float) -> Any:
    return keras.optimizers.schedules.ExponentialDecay(rate, 1, _EPOCH_DECAY)


class _ByClass(TrainingBatches):
    """Batches in the order of a file that is sorted by class, the same in each epoch."""

    def plan(self) -> list[npt.NDArray[np.int64]]:
        order = np.argsort(self.label_ids, kind="stable")
        return [order[at : at + self.batch_size] for at in range(0, len(order), self.batch_size)]


def _not_shuffled(batches: TrainingBatches) -> TrainingBatches:
    return _ByClass(
        batches.texts, batches.label_ids, batch_size=batches.batch_size, seed=batches.seed
    )


MISTAKES: dict[MistakeName, Mistake] = {
    "last_padded_step": Mistake(network=_last_padded_step, hide_padding=False),
    "not_shuffled": Mistake(batches=_not_shuffled),
    "rounded_probabilities": Mistake(answers=_rounded),
    "schedule_stepped_by_batch": Mistake(learning_rate=_schedule_stepped_by_batch),
    "sigmoid_after_softmax": Mistake(network=_sigmoid_after_softmax),
    "softmax_twice": Mistake(answers=ops.softmax),
}

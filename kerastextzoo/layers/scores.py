"""Probabilities of one model, moved by the scores of another."""

from typing import Any

import keras
from keras import ops

from kerastextzoo.layers._masks import register

# An optimizer that changes weights by a thousandth a step changes the factor by a hundredth of it.
_HASTE = 10.0


@register
class ShiftByScores(keras.layers.Layer):
    """Adds a multiple of scores to the logarithms of probabilities, or to their logits.

    Probabilities and scores, both `(batch, classes)`, to probabilities `(batch, classes)`. The
    factor is `gain * exp(10 * rise)`, where training changes the weight `rise`, so that it can keep
    up with the layers beside it. No mask in or out.

    Args:
        gain: The factor to start from.
        multi_label: Whether each probability stands on its own; else they sum to 1.

    Example:
        >>> even, scores = ops.array([[0.5, 0.5]]), ops.array([[1.0, -1.0]])
        >>> ShiftByScores(2.0)([even, scores]).numpy().round(3).tolist()
        [[0.9819999933242798, 0.017999999225139618]]
    """

    def __init__(self, gain: float = 1.0, multi_label: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gain = gain
        self.multi_label = multi_label

    def build(self, input_shape: Any) -> None:
        """Make the weight that moves the factor."""
        self.rise = self.add_weight(shape=(), name="rise", initializer="zeros")

    def call(self, inputs: Any) -> Any:
        """Shift the first by the second."""
        probabilities, scores = inputs
        # A probability of 0 could never be moved.
        least = keras.config.epsilon()
        probabilities = ops.clip(probabilities, least, 1 - least)
        shift = self.gain * ops.exp(_HASTE * self.rise) * scores
        if self.multi_label:
            odds = ops.log(probabilities) - ops.log(1 - probabilities)
            return ops.sigmoid(odds + shift)
        return ops.softmax(ops.log(probabilities) + shift)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """As many classes as there were."""
        return input_shape[0]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "gain": self.gain, "multi_label": self.multi_label}

"""Tokens and their places to vectors."""

import math
from typing import Any

import keras
from keras import ops

from kerastextzoo.layers._masks import register


@register
class RowEmbedding(keras.layers.Embedding):
    """An embedding that reads the rows of its tokens, and no other.

    `(batch, steps)` to `(batch, steps, features)`. It computes what `keras.layers.Embedding` does,
    with the same arguments and weights. Keras reads the whole table first, which TensorFlow copies
    once a row has been updated: at every batch, of training and of prediction alike. With
    `mask_zero` it hides id 0.

    Example:
        >>> RowEmbedding(50, 4)(ops.ones((2, 5), "int32")).shape
        TensorShape([2, 5, 4])
    """

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        """Make a weight that mixed precision leaves whole: only rows are cast."""
        return super().add_weight(*args, **{**kwargs, "autocast": False})

    def call(self, inputs: Any) -> Any:
        """Look the tokens up."""
        table = self.embeddings
        # The variable itself, out of Keras's wrapper, which would read it.
        rows = ops.take(getattr(table, "value", table), ops.cast(inputs, "int32"), axis=0)
        return ops.cast(rows, self.compute_dtype)


@register
class SinusoidalPositions(keras.layers.Layer):
    """Adds to each step where it stands, as waves of many lengths.

    `(batch, steps, features)` in and out. Feature 2i of step t gets sin(t / 10000^(2i/features)),
    feature 2i + 1 the cosine. There is nothing to learn, so that no text is too long. Steps are
    counted from the first, masked or not. The mask goes through.

    Example:
        >>> SinusoidalPositions()(ops.ones((2, 5, 4))).shape
        TensorShape([2, 5, 4])

    Reference:
        Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Add the waves."""
        features = inputs.shape[-1]
        steps = ops.arange(ops.shape(inputs)[1], dtype="float32")
        rates = ops.exp(ops.arange(0, features, 2, dtype="float32") * -(math.log(1e4) / features))
        angles = ops.expand_dims(steps, -1) * rates
        waves = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
        waves = ops.reshape(waves, (-1, 2 * rates.shape[0]))[:, :features]
        return inputs + ops.cast(waves, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Nothing changes."""
        return input_shape


# Products of what is left of a division by them fit in 31 bits; cubes modulo them repeat nothing.

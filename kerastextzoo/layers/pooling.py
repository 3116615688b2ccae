"""Many steps to few, or to one vector, padding left out."""

from typing import Any

import keras
from keras import ops

from kerastextzoo.layers._masks import hide, register


@register
class MaskedMaxPooling1D(keras.layers.Layer):
    """The largest value of each window of steps, windows counted from the first step.

    `(batch, steps, features)` to `(batch, ceil(steps / strides), features)`. Masked steps never
    win; a window of masked steps alone is zero and masked.

    Args:
        pool_size: Steps of a window.
        strides: Steps from one window to the next; None: `pool_size`.

    Example:
        >>> MaskedMaxPooling1D(2)(ops.ones((2, 5, 4))).shape
        TensorShape([2, 3, 4])
    """

    def __init__(self, pool_size: int = 2, strides: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = pool_size if strides is None else strides
        self.supports_masking = True

    def _pool(self, inputs: Any) -> Any:
        # Padded on the right alone: Keras centres 'same' padding, so that windows would move
        # with the length of the batch.
        padding = [[0, 0], [0, self.pool_size - 1], [0, 0]]
        padded = ops.pad(inputs, padding, constant_values=-float("inf"))
        window, strides = (self.pool_size,), (self.strides,)
        return ops.max_pool(padded, window, strides, padding="valid", data_format="channels_last")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Pool, reading masked steps as minus infinity."""
        if mask is None:
            return self._pool(inputs)
        pooled = self._pool(hide(inputs, mask, -float("inf")))
        return hide(pooled, self.compute_mask(inputs, mask), 0.0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """A window is seen when any of its steps is."""
        if mask is None:
            return None
        seen = ops.cast(ops.expand_dims(mask, -1), "float32")
        return ops.squeeze(self._pool(seen), -1) > 0

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Steps are divided by the strides and rounded up."""
        batch, steps, features = input_shape
        return batch, None if steps is None else -(-steps // self.strides), features

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "pool_size": self.pool_size, "strides": self.strides}


class _GlobalPooling(keras.layers.Layer):
    """Makes one vector of all steps: `(batch, steps, features)` to `(batch, features)`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """No step is left to mask."""
        return

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The steps go."""
        return input_shape[0], input_shape[2]


@register
class MaskedGlobalMaxPooling1D(_GlobalPooling):
    """The largest value of each feature over the whole text.

    `(batch, steps, features)` to `(batch, features)`. Masked steps never win; a text that is all
    padding gives zeros. The mask ends here.

    Example:
        >>> MaskedGlobalMaxPooling1D()(ops.ones((2, 5, 4))).shape
        TensorShape([2, 4])
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Take the maximum over the steps that are seen."""
        if mask is None:
            return ops.max(inputs, axis=1)
        largest = ops.max(hide(inputs, mask, -float("inf")), axis=1)
        return ops.where(ops.any(mask, axis=1, keepdims=True), largest, ops.zeros_like(largest))


@register
class MaskedGlobalAveragePooling1D(_GlobalPooling):
    """The mean of each feature over the whole text.

    `(batch, steps, features)` to `(batch, features)`. Masked steps do not count; a text that is
    all padding gives zeros, where Keras's own layer gives NaN. The mask ends here.

    Example:
        >>> MaskedGlobalAveragePooling1D()(ops.ones((2, 5, 4))).shape
        TensorShape([2, 4])
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Take the mean over the steps that are seen."""
        if mask is None:
            return ops.mean(inputs, axis=1)
        seen = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        total = ops.sum(hide(inputs, mask, 0.0), axis=1)
        return total / ops.cast(ops.maximum(seen, 1), inputs.dtype)


@register
class MaskedAttentionPooling1D(_GlobalPooling):
    """A mean over the whole text in which each step has the weight that a learned vector gives it.

    `(batch, steps, features)` to `(batch, features)`: the steps h_t are weighted by the softmax of
    w . tanh(h_t). Masked steps have no weight; a text that is all padding gives zeros. The mask
    ends here.

    Example:
        >>> MaskedAttentionPooling1D()(ops.ones((2, 5, 4))).shape
        TensorShape([2, 4])

    Reference:
        Zhou et al. 2016, https://aclanthology.org/P16-2034
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the vector that steps are compared with."""
        self.query = self.add_weight(
            shape=(input_shape[-1],), name="query", initializer="glorot_uniform"
        )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Weight the steps and add them up."""
        scores = ops.sum(ops.tanh(inputs) * self.query, axis=-1, keepdims=True)
        scores = ops.cast(scores, "float32")
        if mask is not None:
            # Finite: the softmax of minus infinities alone would be NaN.
            scores = hide(scores, mask, -1e30)
        weights = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))
        if mask is not None:
            weights = hide(weights, mask, 0.0)
        # The strongest step has 1, so that only a text without steps has less.
        weights = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
        return ops.sum(inputs * ops.cast(weights, inputs.dtype), axis=1)

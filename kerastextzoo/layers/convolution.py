"""Convolution that does not see padding."""

from typing import Any

import keras

from kerastextzoo.layers._masks import hide, register


@register
class MaskedConv1D(keras.layers.Conv1D):
    """A convolution over time to which padding looks like the edge of the text.

    `(batch, steps, features)` to `(batch, steps, filters)`. Masked steps count as zeros, as the
    steps beyond either end do, so more padding never changes an answer. The mask goes through.

    Example:
        >>> MaskedConv1D(8, 3)(keras.ops.ones((2, 5, 4))).shape
        TensorShape([2, 5, 8])
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        if kwargs.setdefault("padding", "same") != "same":
            raise ValueError(f"MaskedConv1D keeps the length: padding must be 'same', got {kwargs}")
        super().__init__(filters, kernel_size, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Convolve; masked steps are read as zeros."""
        return super().call(inputs if mask is None else hide(inputs, mask, 0.0))

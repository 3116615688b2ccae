"""Keras optimizers that treat a token which occurs twice in a batch like any other weight.

The gradient of an embedding comes as one slice for each occurrence of a token. Keras squares and
clips these slices one by one, which gives wrong updates with Adam, RMSprop and every clip; here
they are summed first. Nothing is registered: models are saved without their optimizer.
"""

from collections.abc import Sequence
from typing import Any, Literal

import keras

OptimizerName = Literal["adam", "adamw", "nadam", "rmsprop", "sgd"]


class _SummedGradients:
    """Mixed into an optimizer: sums the slices of each row before anything else sees them."""

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> Any:
        """Update the variables."""
        return super().apply([_summed(gradient) for gradient in grads], trainable_variables)  # type: ignore[misc]


def _summed(gradient: Any) -> Any:
    if keras.backend.backend() != "tensorflow":
        return gradient
    import tensorflow as tf

    # Slices of one row are added up when they become part of the whole table.
    sliced = isinstance(gradient, tf.IndexedSlices)
    return tf.convert_to_tensor(gradient) if sliced else gradient


class _Adam(_SummedGradients, keras.optimizers.Adam): ...


class _AdamW(_SummedGradients, keras.optimizers.AdamW): ...


class _Nadam(_SummedGradients, keras.optimizers.Nadam): ...


class _RMSprop(_SummedGradients, keras.optimizers.RMSprop): ...


class _SGD(_SummedGradients, keras.optimizers.SGD): ...


_OPTIMIZERS: dict[str, Any] = {
    "adam": _Adam,
    "adamw": _AdamW,
    "nadam": _Nadam,
    "rmsprop": _RMSprop,
    "sgd": _SGD,
}


def create_optimizer(
    name: OptimizerName = "adam", learning_rate: float = 1e-3, clip_norm: float | None = None
) -> keras.optimizers.Optimizer:
    """Make an optimizer with exact embedding updates.

    Args:
        name: adam, adamw, nadam, rmsprop or sgd.
        learning_rate: Step size.
        clip_norm: Largest norm of the gradient of all weights together.

    Example:
        >>> create_optimizer("adam", 0.01).learning_rate.numpy().round(3)
        np.float32(0.01)
    """
    return _OPTIMIZERS[name](learning_rate, global_clipnorm=clip_norm, name=name)

"""What the layers share: their registration with Keras, and how a mask hides steps."""

from typing import Any

import keras
from keras import ops

register = keras.saving.register_keras_serializable(package="kerastextzoo")


def hide(inputs: Any, mask: Any, value: float) -> Any:
    """Put `value` at every masked step of `(batch, steps, features)`."""
    return ops.where(ops.expand_dims(mask, -1), inputs, ops.cast(value, inputs.dtype))

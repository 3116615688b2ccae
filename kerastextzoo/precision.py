"""In which floating-point numbers a training computes; what is saved computes in float32."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import keras

Precision = Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"]
# The first NVIDIA GPUs with units for half precision.
_FAST_HALVES = (7, 0)


def choose_precision(precision: Precision) -> str:
    """Return the name of a Keras dtype policy.

    auto is mixed_float16 where every GPU of this machine has units for it, else float32.

    Example:
        >>> choose_precision("mixed_bfloat16")
        'mixed_bfloat16'
    """
    if precision != "auto":
        return precision
    import tensorflow as tf

    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    capabilities = [detail.get("compute_capability", (0, 0)) for detail in details]
    return "mixed_float16" if capabilities and min(capabilities) >= _FAST_HALVES else "float32"


@contextmanager
def computing_in(policy: str) -> Iterator[None]:
    """Build models with a dtype policy, and set the one before again."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)

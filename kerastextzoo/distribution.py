"""Which devices one training uses: the `tf.distribute` strategies that work, by name."""

import functools
from typing import TYPE_CHECKING

from kerastextzoo.errors import InputError, nearest, quoted

if TYPE_CHECKING:
    import tensorflow as tf

STRATEGIES = ("none", "mirrored")
_REFUSED = {
    "multi_worker": "training fails with more than one worker in the supported Keras",
    "multiworker": "training fails with more than one worker in the supported Keras",
    "parameter_server": "Keras 3 does not support it",
    "data_parallel": "on TensorFlow Keras accepts it and does nothing",
}


def check_strategy(name: str) -> str:
    """Return the name of a strategy that exists.

    Raises:
        InputError: It is unknown, or known not to work.
    """
    if name in _REFUSED:
        raise InputError(f"strategy {quoted(name)}: {_REFUSED[name]}; use none or mirrored")
    if name not in STRATEGIES:
        raise InputError(f"no strategy {quoted(name)}; {nearest(name, STRATEGIES)}")
    return name


def open_strategy(name: str) -> "tf.distribute.Strategy":
    """Return the strategy; build and compile the model in its `scope()`.

    `none` is the default device, `mirrored` all GPUs of this machine, or its logical CPU devices
    where there is no GPU.
    """
    import tensorflow as tf

    return tf.distribute.get_strategy() if check_strategy(name) == "none" else _mirrored()


@functools.cache
def _mirrored() -> "tf.distribute.Strategy":
    # One for the life of the process: a second one on the same devices mixes its reductions up
    # with those of the first.
    import tensorflow as tf

    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return tf.distribute.MirroredStrategy([device.name for device in devices])

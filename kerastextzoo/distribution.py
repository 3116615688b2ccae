"""Which devices one training uses: a share of the machine, or several by `tf.distribute`."""

import ctypes.util
import functools
import os
from collections.abc import Sequence
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


def take_share(cores: int | None = None, gpus: Sequence[int] | None = None) -> None:
    """Use no more of the machine than is given, before anything is computed in this process.

    Args:
        cores: Threads to compute with; None: as many as there are.
        gpus: Numbers of the GPUs to use; None: all. None of them takes more memory than it needs.
    """
    import tensorflow as tf

    if cores is not None:
        tf.config.threading.set_intra_op_parallelism_threads(cores)
        tf.config.threading.set_inter_op_parallelism_threads(min(2, cores))
    if gpus is not None:
        devices = tf.config.list_physical_devices("GPU")
        tf.config.set_visible_devices([devices[number] for number in gpus], "GPU")
    for device in tf.config.get_visible_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)


def describe_device() -> str:
    """Say what this process computes with, and why it is no GPU if it is none."""
    import tensorflow as tf

    if gpus := tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details
        names = sorted({details(gpu).get("device_name", "unknown") for gpu in gpus})
        return f"{len(gpus)} x GPU ({', '.join(names)})"
    return f"CPU ({_why_no_gpu()})"


def _why_no_gpu() -> str:
    import tensorflow as tf

    if not tf.test.is_built_with_cuda():
        return "this build of TensorFlow uses no GPU"
    if tf.config.list_physical_devices("GPU"):
        return "the GPUs of this machine are left to others"
    if os.environ.get("CUDA_VISIBLE_DEVICES") in {"", "-1"}:
        return "CUDA_VISIBLE_DEVICES hides all GPUs"
    if ctypes.util.find_library("cuda") is None:
        return "there is no NVIDIA driver"
    return "TensorFlow lacks what it needs for the GPU: pip install 'kerastextzoo[cuda]'"


def count_gpus() -> int:
    """Return how many GPUs this machine has."""
    import tensorflow as tf

    return len(tf.config.list_physical_devices("GPU"))


def is_out_of_memory(error: Exception) -> bool:
    """Say whether there was too little memory, of the machine or of a GPU.

    Example:
        >>> is_out_of_memory(MemoryError()), is_out_of_memory(ValueError())
        (True, False)
    """
    import tensorflow as tf

    return isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)

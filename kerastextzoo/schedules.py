"""How the learning rate changes over a training: up from nothing at first, then down to nothing.

A schedule counts steps, of which the training has a known number; it cannot take an epoch for a
step or the other way round.
"""

from typing import Any, Literal

import keras
from keras import ops

Decay = Literal["none", "linear", "cosine"]


class WarmUpAndDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises to its peak in a straight line, and falls to zero.

    Args:
        peak: The highest learning rate.
        steps: Steps of the whole training; after them the rate is 0 unless `decay` is none.
        warm_up: Share of the steps in which the rate rises, 0 to 1.
        decay: none, linear, or cosine, which falls slowly at first and at the end.

    Example:
        >>> schedule = WarmUpAndDecay(0.1, steps=100, warm_up=0.1, decay="linear")
        >>> [round(float(schedule(step)), 3) for step in (0, 4, 9, 55, 100)]
        [0.01, 0.05, 0.1, 0.05, 0.0]
    """

    def __init__(
        self, peak: float, steps: int, warm_up: float = 0.0, decay: Decay = "none"
    ) -> None:
        self.peak, self.steps, self.warm_up, self.decay = peak, steps, warm_up, decay

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        rising = self.warm_up * self.steps
        rise = ops.minimum((step + 1) / max(rising, 1.0), 1.0)
        done = ops.clip((step - rising) / max(self.steps - rising, 1.0), 0.0, 1.0)
        if self.decay == "cosine":
            left = (1 + ops.cos(done * 3.141592653589793)) / 2
        else:
            left = 1 - done if self.decay == "linear" else ops.ones_like(done)
        return self.peak * rise * left

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {
            "peak": self.peak,
            "steps": self.steps,
            "warm_up": self.warm_up,
            "decay": self.decay,
        }

"""Which trials are stopped early: those that further epochs are not likely to save.

A trial is held beside what the others had at the same epoch. The first epochs do not count: they
tell of the learning rate and the size of the batch, not of what a trial comes to.

References:
    Golovin et al. 2017, https://doi.org/10.1145/3097983.3098043 (the median in place of a share)
"""

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.tuning.trials import is_better

#: Epochs after which no trial is stopped.
FREE_EPOCHS = 3
#: A trial is hopeless that does worse than all but this share of the trials before it.
HOPELESS_SHARE = 0.25
_FEWEST = 4


def find_hurdles(
    histories: Sequence[Sequence[float]],
    objective: str,
    *,
    free_epochs: int = FREE_EPOCHS,
    share: float = HOPELESS_SHARE,
) -> list[float | None]:
    """Return by epoch what the best score of a trial must reach; None where any will do.

    Args:
        histories: Scores of the trials so far, by epoch.
        objective: What they are scores of.
        free_epochs: Epochs after which no trial is stopped.
        share: Of the trials that did worse than their hurdle. With fewer than four there is none.

    Example:
        >>> histories = [[0.5, 0.6, 0.7, level] for level in (0.7, 0.8, 0.8, 0.9)]
        >>> find_hurdles(histories, "val_accuracy", share=0.5)
        [None, None, None, 0.8]
    """
    upwards = OBJECTIVES[objective] == "max"
    curves = [list(accumulate(scores, max if upwards else min)) for scores in histories]
    hurdles: list[float | None] = []
    for epoch in range(max(map(len, curves), default=0)):
        there = [curve[epoch] for curve in curves if len(curve) > epoch]
        finite = [score for score in there if math.isfinite(score)]
        if len(finite) < _FEWEST:
            break
        hurdle = np.quantile(finite, share if upwards else 1 - share)
        hurdles.append(None if epoch < free_epochs else float(hurdle))
    return hurdles


def find_hopeless(
    hurdles: Sequence[float | None], epoch: int, best: float, objective: str
) -> str | None:
    """Say why a trial is hopeless whose best score after an epoch, counted from 1, is this one.

    Example:
        >>> find_hopeless([None, 0.6], 2, 0.5, "val_accuracy")
        'hopeless: 0.5000 after epoch 2, most trials had 0.6000 or better'
        >>> find_hopeless([None, 0.6], 1, 0.1, "val_accuracy")
    """
    hurdle = hurdles[epoch - 1] if epoch <= len(hurdles) else None
    if hurdle is None or not is_better(hurdle, best, objective):
        return None
    return f"hopeless: {best:.4f} after epoch {epoch}, most trials had {hurdle:.4f} or better"

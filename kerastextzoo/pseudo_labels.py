"""Self-training: a model labels the texts that it is sure of, and another learns from them, too.

References:
    Yarowsky 1995, https://aclanthology.org/P95-1026
    Lee 2013, Pseudo-Label (ICML workshop on challenges in representation learning)
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

#: The probability from which on a label counts.
SURE = 0.9


class PseudoLabels(NamedTuple):
    """What a model says of texts without labels, where it is sure."""

    rows: npt.NDArray[np.int64]
    """The texts, counted from 0, `(texts,)`."""
    label_ids: npt.NDArray[np.int32]
    """Their classes `(texts,)`; of multi-label data 0 and 1, `(texts, classes)`."""


class SelfTraining(NamedTuple):
    """How a model came to learn from texts without labels."""

    texts: int
    """Those that were read."""
    learned: int
    """Those that it learned from; 0 where that did not help, or where it was sure of none."""
    fingerprint: str
    """A SHA-256 over what a model reads of them."""


def choose_sure(probabilities: npt.NDArray[np.floating], *, multi_label: bool) -> PseudoLabels:
    """Label the texts of which a model is sure; in multi-label data it has to be of every class.

    Args:
        probabilities: Its answers, `(texts, classes)`.
        multi_label: Whether a text may have any number of labels.

    Example:
        >>> choose_sure(np.array([[0.95, 0.05], [0.6, 0.4]]), multi_label=False)
        PseudoLabels(rows=array([0]), label_ids=array([0], dtype=int32))
    """
    if multi_label:
        sure = (np.maximum(probabilities, 1 - probabilities) >= SURE).all(axis=1)
        labels = probabilities > 1 / 2
    else:
        sure = probabilities.max(axis=1) >= SURE
        labels = probabilities.argmax(axis=1)
    rows = np.flatnonzero(sure)
    return PseudoLabels(rows, labels[rows].astype(np.int32))

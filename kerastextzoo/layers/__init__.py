"""Keras layers of this package: masks honoured, any Keras model can use them.

This is the only package with classes registered with Keras. To add a layer, register it, keep an
attribute for each argument of `__init__`, chain `get_config`, and say what it does with the mask.
"""

from kerastextzoo.kernels import explain_kernel
from kerastextzoo.layers.convolution import MaskedConv1D
from kerastextzoo.layers.embedding import RowEmbedding, SinusoidalPositions
from kerastextzoo.layers.ngrams import HashedNGrams, LinearNGrams
from kerastextzoo.layers.pooling import (
    MaskedAttentionPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    MaskedMaxPooling1D,
)
from kerastextzoo.layers.recurrent import DropConnectLSTM, ResLSTM
from kerastextzoo.layers.scores import ShiftByScores

__all__ = [
    "DropConnectLSTM",
    "HashedNGrams",
    "LinearNGrams",
    "MaskedAttentionPooling1D",
    "MaskedConv1D",
    "MaskedGlobalAveragePooling1D",
    "MaskedGlobalMaxPooling1D",
    "MaskedMaxPooling1D",
    "ResLSTM",
    "RowEmbedding",
    "ShiftByScores",
    "SinusoidalPositions",
    "explain_kernel",
]

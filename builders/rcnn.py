"""Recurrent CNN: each word with its left and right context, the strongest response of each feature.

Lai et al. 2015, https://doi.org/10.1609/aaai.v29i1.9513. The contexts are the states of a
bidirectional LSTM, which have read the word itself as well.
"""

import keras

from kerastextzoo.builders._parts import (
    RecurrentDropoutConfig,
    bidirectional_lstm,
    classify,
    draw_dropouts,
    embed,
    recurrent_dropout,
)
from kerastextzoo.layers import MaskedGlobalMaxPooling1D
from kerastextzoo.spec import Count, SearchSpace, Task


class RCNNConfig(RecurrentDropoutConfig):
    """Settings of `rcnn`."""

    units: Count = 128
    """Width of the left and of the right context."""
    filters: Count = 128
    """Features made of each word and its contexts."""


def build(config: RCNNConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(RCNNConfig(units=8), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    read = bidirectional_lstm(config.units, return_sequences=True, **recurrent_dropout(config))
    words = keras.layers.Concatenate()([read(vectors), vectors])
    words = keras.layers.Dense(config.filters, activation="tanh")(words)
    features = MaskedGlobalMaxPooling1D()(words)
    return classify(config, task, tokens, features, name="rcnn")


def search_space(space: SearchSpace) -> RCNNConfig:
    """Draw settings.

    Units and filters 32, 64, 96 ... 256; recurrent dropout 0 or 0.2; dropouts in steps of 0.1.
    """
    return RCNNConfig.parse(
        {
            "units": space.Int("units", 32, 256, step=32, default=128),
            "recurrent_dropout": space.Choice("recurrent_dropout", [0.0, 0.2], default=0.0),
            "filters": space.Int("filters", 32, 256, step=32, default=128),
            **draw_dropouts(space),
        }
    )

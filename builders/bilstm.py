"""Bidirectional LSTM: stacked layers read the text from both ends, their last states decide.

Graves and Schmidhuber 2005, https://doi.org/10.1016/j.neunet.2005.06.042; layer normalisation as
in Ba et al. 2016, https://arxiv.org/abs/1607.06450.
"""

import keras

from kerastextzoo.builders._parts import (
    ReadoutConfig,
    bidirectional_lstm,
    classify,
    draw_recurrent,
    embed,
    read_states,
)
from kerastextzoo.spec import Count, SearchSpace, Task


class BiLSTMConfig(ReadoutConfig):
    """Settings of `bilstm`."""

    layers: Count = 2
    """Bidirectional layers, one above the other."""
    layer_norm: bool = True
    """Whether to normalise the last states before the classes."""


def build(config: BiLSTMConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(BiLSTMConfig(units=8), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    states = read_states(config, bidirectional_lstm, vectors)
    if config.layer_norm:
        states = keras.layers.LayerNormalization()(states)
    return classify(config, task, tokens, states, name="bilstm")


def search_space(space: SearchSpace) -> BiLSTMConfig:
    """Draw settings: 1 or 2 layers, layer normalisation or not, and what `draw_recurrent` says."""
    return BiLSTMConfig.parse(
        {
            **draw_recurrent(space, most_layers=2, layers=2),
            "layer_norm": space.Boolean("layer_norm", default=True),
        }
    )

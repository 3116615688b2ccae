"""Stacked LSTM: reads the text in order, the state after its last real token decides.

Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735; recurrent dropout as
in Merity et al. 2017, https://arxiv.org/abs/1708.02182, or, form `state`, as in Gal and Ghahramani
2016, https://arxiv.org/abs/1512.05287.
"""

import keras

from kerastextzoo.builders._parts import (
    ReadoutConfig,
    classify,
    draw_recurrent,
    embed,
    lstm_layer,
    read_states,
)
from kerastextzoo.spec import SearchSpace, Task


class LSTMConfig(ReadoutConfig):
    """Settings of `lstm`."""


def build(config: LSTMConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(LSTMConfig(layers=2), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    state = read_states(config, lstm_layer, vectors)
    return classify(config, task, tokens, state, name="lstm")


def search_space(space: SearchSpace) -> LSTMConfig:
    """Draw settings: 1 or 2 layers, and what `draw_recurrent` says."""
    return LSTMConfig.parse(draw_recurrent(space, most_layers=2))

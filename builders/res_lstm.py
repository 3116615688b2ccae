"""Residual LSTM: each state carries its input along, so that deep stacks and early words survive.

Kim, El-Khamy, Lee 2017, https://arxiv.org/abs/1701.03360. The layer is `ResLSTM`, which any Keras
model can use. Where `units` is the embedding's width, the residual needs no weights.
"""

import keras

from kerastextzoo.builders._parts import ReadoutConfig, classify, draw_recurrent, embed, read_states
from kerastextzoo.layers import ResLSTM
from kerastextzoo.spec import SearchSpace, Task


class ResLSTMConfig(ReadoutConfig):
    """Settings of `res_lstm`."""


def build(config: ResLSTMConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(ResLSTMConfig(units=8), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    state = read_states(config, ResLSTM, vectors)
    return classify(config, task, tokens, state, name="res_lstm")


def search_space(space: SearchSpace) -> ResLSTMConfig:
    """Draw settings: 1 to 3 layers, and what `draw_recurrent` says."""
    return ResLSTMConfig.parse(draw_recurrent(space, most_layers=3))

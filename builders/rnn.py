"""Plain recurrent network: a tanh layer reads the text in order, nothing helps it to remember.

Elman 1990, https://doi.org/10.1207/s15516709cog1402_1. It is here to be compared with: its
gradient fades over long texts, which is what `lstm` was made against.
"""

from typing import Literal

import keras

from kerastextzoo.builders._parts import ReadoutConfig, classify, draw_recurrent, embed, read_states
from kerastextzoo.spec import SearchSpace, Task


class RNNConfig(ReadoutConfig):
    """Settings of `rnn`."""

    recurrent_dropout_form: Literal["state"] = "state"
    """state: hide features of the state, drawn for each text, the same at every step."""


def build(config: RNNConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(RNNConfig(layers=2), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    state = read_states(config, keras.layers.SimpleRNN, vectors)
    return classify(config, task, tokens, state, name="rnn")


def search_space(space: SearchSpace) -> RNNConfig:
    """Draw settings: 1 or 2 layers, and what `draw_recurrent` says."""
    return RNNConfig.parse(draw_recurrent(space, most_layers=2))

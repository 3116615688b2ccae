"""Bidirectional LSTM with attention: every step counts, by a weight that the model learns to give.

Zhou et al. 2016, https://aclanthology.org/P16-2034. Both directions are added up, steps are
weighted, and the tanh of the weighted sum decides.
"""

import keras

from kerastextzoo.builders._parts import (
    RecurrentConfig,
    bidirectional_lstm,
    classify,
    draw_recurrent,
    embed,
    stack,
)
from kerastextzoo.layers import MaskedAttentionPooling1D
from kerastextzoo.spec import SearchSpace, Task


class BiLSTMAttentionConfig(RecurrentConfig):
    """Settings of `bilstm_attention`."""


def build(config: BiLSTMAttentionConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> task = Task(vocabulary_size=50, num_classes=3)
        >>> build(BiLSTMAttentionConfig(units=8), task).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    states = stack(config, bidirectional_lstm, vectors, return_sequences=True)
    features = keras.layers.Activation("tanh")(MaskedAttentionPooling1D()(states))
    return classify(config, task, tokens, features, name="bilstm_attention")


def search_space(space: SearchSpace) -> BiLSTMAttentionConfig:
    """Draw settings: 1 or 2 layers, and what `draw_recurrent` says."""
    return BiLSTMAttentionConfig.parse(draw_recurrent(space, most_layers=2))

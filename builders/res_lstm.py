"""Residual LSTM: each state carries its input along, so that deep stacks and early words survive.

Kim, El-Khamy, Lee 2017, https://arxiv.org/abs/1701.03360. The layer is `ResLSTM`, which any Keras
model can use.
"""

import keras

from kerastextzoo.builders._parts import classify, embed
from kerastextzoo.layers import ResLSTM
from kerastextzoo.spec import Count, ModelConfig, Rate, SearchSpace, Task


class ResLSTMConfig(ModelConfig):
    """Settings of `res_lstm`."""

    layers: Count = 1
    """ResLSTM layers, one above the other."""
    units: Count = 128
    """Width of each layer's state; equal to the embedding's width, the residual is the identity."""
    recurrent_dropout: Rate = 0.0
    """Share of the state hidden from the gates, the same at every step (slower)."""


def build(config: ResLSTMConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(ResLSTMConfig(units=8), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, states = embed(config, task)
    for layer in range(1, config.layers + 1):
        states = ResLSTM(
            config.units,
            recurrent_dropout=config.recurrent_dropout,
            return_sequences=layer < config.layers,
        )(states)
        if layer < config.layers:
            states = keras.layers.Dropout(config.dropout)(states)
    return classify(config, task, tokens, states, name="res_lstm")


def search_space(space: SearchSpace) -> ResLSTMConfig:
    """Draw settings.

    1 to 3 layers; units 32, 64, 96 ... 256; recurrent dropout 0 or 0.2; dropouts in steps of 0.1.
    """
    return ResLSTMConfig.parse(
        {
            "layers": space.Int("layers", 1, 3, default=1),
            "units": space.Int("units", 32, 256, step=32, default=128),
            "recurrent_dropout": space.Choice("recurrent_dropout", [0.0, 0.2], default=0.0),
            "embedding_dropout": space.Choice(
                "embedding_dropout", [0.0, 0.1, 0.2, 0.3, 0.4], default=0.2
            ),
            "dropout": space.Choice("dropout", [0.2, 0.3, 0.4, 0.5, 0.6], default=0.5),
        }
    )

"""Stacked LSTM: reads the text in order, the state after its last real token decides.

Hochreiter and Schmidhuber 1997, https://doi.org/10.1162/neco.1997.9.8.1735; recurrent dropout as
in Gal and Ghahramani 2016, https://arxiv.org/abs/1512.05287.
"""

import keras

from kerastextzoo.builders._parts import classify, embed
from kerastextzoo.spec import Count, ModelConfig, Rate, SearchSpace, Task


class LSTMConfig(ModelConfig):
    """Settings of `lstm`."""

    layers: Count = 1
    """LSTM layers, one above the other."""
    units: Count = 128
    """Width of each layer's state."""
    recurrent_dropout: Rate = 0.0
    """Share of the state hidden from the gates, the same at every step (slower)."""


def build(config: LSTMConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(LSTMConfig(layers=2), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, states = embed(config, task)
    for layer in range(1, config.layers + 1):
        states = keras.layers.LSTM(
            config.units,
            recurrent_dropout=config.recurrent_dropout,
            return_sequences=layer < config.layers,
        )(states)
        if layer < config.layers:
            states = keras.layers.Dropout(config.dropout)(states)
    return classify(config, task, tokens, states, name="lstm")


def search_space(space: SearchSpace) -> LSTMConfig:
    """Draw settings.

    1 or 2 layers; units 32, 64, 96 ... 256; recurrent dropout 0 or 0.2; dropouts in steps of 0.1.
    """
    return LSTMConfig.parse(
        {
            "layers": space.Int("layers", 1, 2, default=1),
            "units": space.Int("units", 32, 256, step=32, default=128),
            "recurrent_dropout": space.Choice("recurrent_dropout", [0.0, 0.2], default=0.0),
            "embedding_dropout": space.Choice(
                "embedding_dropout", [0.0, 0.1, 0.2, 0.3, 0.4], default=0.2
            ),
            "dropout": space.Choice("dropout", [0.2, 0.3, 0.4, 0.5, 0.6], default=0.5),
        }
    )

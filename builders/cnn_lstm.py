"""CNN-LSTM: convolutions read phrases, pooling shortens the text, an LSTM reads what is left.

Shortening the sequence is what lets an LSTM learn from long texts. One kernel with
`batch_norm` is Conv1D -> BatchNorm -> ReLU -> MaxPool -> LSTM; several kernels give one such
branch each, joined before the classes. Zhou et al. 2015, https://arxiv.org/abs/1511.08630.
"""

from typing import Any

import keras

from kerastextzoo.builders._parts import (
    RecurrentDropoutConfig,
    classify,
    draw_dropouts,
    embed,
    lstm_layer,
    recurrent_dropout,
)
from kerastextzoo.layers import MaskedConv1D, MaskedMaxPooling1D
from kerastextzoo.spec import Count, Counts, Rate, SearchSpace, Task


class CNNLSTMConfig(RecurrentDropoutConfig):
    """Settings of `cnn_lstm`."""

    kernel_sizes: Counts = (3,)
    """Widths of the kernels, in tokens; each has its own branch."""
    filters: Count = 128
    """Feature maps of each kernel width."""
    batch_norm: bool = True
    """Whether to normalise between the convolution and its ReLU."""
    pool_size: Count = 2
    """Steps that become one before the LSTM; 10 to 20 for texts of hundreds of tokens."""
    branch_dropout: Rate = 0.2
    """Share of features dropped between pooling and LSTM."""
    units: Count = 128
    """Width of each LSTM's state."""


def build(config: CNNLSTMConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(CNNLSTMConfig(), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    branches = [_branch(config, size, vectors) for size in config.kernel_sizes]
    features = branches[0] if len(branches) == 1 else keras.layers.Concatenate()(branches)
    return classify(config, task, tokens, features, name="cnn_lstm")


def _branch(config: CNNLSTMConfig, kernel_size: int, vectors: Any) -> Any:
    # Every step keeps the mask: pooling shortens it with the text, the LSTM ends it.
    phrases = MaskedConv1D(config.filters, kernel_size, use_bias=not config.batch_norm)(vectors)
    if config.batch_norm:
        phrases = keras.layers.BatchNormalization()(phrases)
    phrases = keras.layers.ReLU()(phrases)
    phrases = MaskedMaxPooling1D(config.pool_size)(phrases)
    phrases = keras.layers.Dropout(config.branch_dropout)(phrases)
    return lstm_layer(config.units, **recurrent_dropout(config))(phrases)


def search_space(space: SearchSpace) -> CNNLSTMConfig:
    """Draw settings.

    Kernel sizes of 3, 5, 2-3, 2-3-6 or 3-5; filters 32, 64, 96 ... 256; batch normalisation or
    not; pools of 1, 2 or 4 steps; units 32, 64, 96 ... 256; dropouts in steps of 0.1.
    """
    return CNNLSTMConfig.parse(
        {
            "kernel_sizes": space.Choice(
                "kernel_sizes", ["3", "5", "2,3", "2,3,6", "3,5"], default="3"
            ),
            "filters": space.Int("filters", 32, 256, step=32, default=128),
            "batch_norm": space.Boolean("batch_norm", default=True),
            "pool_size": space.Choice("pool_size", [1, 2, 4], default=2),
            "branch_dropout": space.Choice(
                "branch_dropout", [0.0, 0.1, 0.2, 0.3, 0.4], default=0.2
            ),
            "units": space.Int("units", 32, 256, step=32, default=128),
            **draw_dropouts(space),
        }
    )

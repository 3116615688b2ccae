"""Transformer encoder: in each block every word looks at every other, the mean of them decides.

Vaswani et al. 2017, https://arxiv.org/abs/1706.03762; normalisation at the start of each branch as
in Xiong et al. 2020, https://arxiv.org/abs/2002.04745, which trains without a warm-up. Positions
are computed for the length at hand, so that no text is too long.
"""

from typing import Any

import keras

from kerastextzoo.builders._parts import classify, draw_dropouts, embed
from kerastextzoo.layers import MaskedGlobalAveragePooling1D, SinusoidalPositions
from kerastextzoo.spec import Count, ModelConfig, Rate, SearchSpace, Task


class TransformerConfig(ModelConfig):
    """Settings of `transformer`."""

    blocks: Count = 1
    """Blocks of attention and feed-forward layers, one above the other."""
    heads: Count = 4
    """Ways in which a word looks at the others; each has its share of the units."""
    units: Count = 128
    """Width of each step."""
    feed_forward_units: Count = 256
    """Width between the two dense layers of each block."""
    block_dropout: Rate = 0.1
    """Share of features dropped at the end of each branch of a block."""


def build(config: TransformerConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(TransformerConfig(units=8), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    steps = SinusoidalPositions()(keras.layers.Dense(config.units)(vectors))
    for _ in range(config.blocks):
        steps = _add(config, steps, _attend(config, keras.layers.LayerNormalization()(steps)))
        steps = _add(config, steps, _feed_forward(config, keras.layers.LayerNormalization()(steps)))
    steps = keras.layers.LayerNormalization()(steps)
    features = MaskedGlobalAveragePooling1D()(steps)
    return classify(config, task, tokens, features, name="transformer")


def _add(config: TransformerConfig, steps: Any, branch: Any) -> Any:
    return keras.layers.Add()([steps, keras.layers.Dropout(config.block_dropout)(branch)])


def _attend(config: TransformerConfig, steps: Any) -> Any:
    # Keras hides masked steps from every head. Without biases: that of the keys has no effect.
    width = -(-config.units // config.heads)
    return keras.layers.MultiHeadAttention(config.heads, width, use_bias=False)(steps, steps)


def _feed_forward(config: TransformerConfig, steps: Any) -> Any:
    wide = keras.layers.Dense(config.feed_forward_units, activation="gelu")(steps)
    return keras.layers.Dense(config.units)(wide)


def search_space(space: SearchSpace) -> TransformerConfig:
    """Draw settings.

    1 to 3 blocks; 1, 2, 4 or 8 heads; units 32, 64, 96 ... 256; feed-forward layers of 128, 256 or
    512 units; dropout in blocks of 0, 0.1, 0.2 or 0.3, other dropouts in steps of 0.1.
    """
    return TransformerConfig.parse(
        {
            "blocks": space.Int("blocks", 1, 3, default=1),
            "heads": space.Choice("heads", [1, 2, 4, 8], default=4),
            "units": space.Int("units", 32, 256, step=32, default=128),
            "feed_forward_units": space.Choice("feed_forward_units", [128, 256, 512], default=256),
            "block_dropout": space.Choice("block_dropout", [0.0, 0.1, 0.2, 0.3], default=0.1),
            **draw_dropouts(space),
        }
    )

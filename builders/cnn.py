"""Multi-kernel CNN: each kernel width looks for its own phrases, the strongest of each counts.

Kim 2014, https://arxiv.org/abs/1408.5882. One embedding feeds all kernels.
"""

import keras

from kerastextzoo.builders._parts import classify, draw_dropouts, embed
from kerastextzoo.layers import MaskedConv1D, MaskedGlobalMaxPooling1D
from kerastextzoo.spec import Count, Counts, ModelConfig, SearchSpace, Task


class CNNConfig(ModelConfig):
    """Settings of `cnn`."""

    kernel_sizes: Counts = (2, 3, 4)
    """Widths of the kernels, in tokens."""
    filters: Count = 128
    """Feature maps of each kernel width."""


def build(config: CNNConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(CNNConfig(), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    phrases = [
        MaskedGlobalMaxPooling1D()(MaskedConv1D(config.filters, size, activation="relu")(vectors))
        for size in config.kernel_sizes
    ]
    features = phrases[0] if len(phrases) == 1 else keras.layers.Concatenate()(phrases)
    return classify(config, task, tokens, features, name="cnn")


def search_space(space: SearchSpace) -> CNNConfig:
    """Draw settings.

    Kernel sizes of 2-3, 2-3-4, 3-4-5, 2-3-6 or 2-4-6-8; filters 32, 64, 96 ... 256; dropouts in
    steps of 0.1; a dense layer of 0 or 128 units.
    """
    return CNNConfig.parse(
        {
            "kernel_sizes": space.Choice(
                "kernel_sizes", ["2,3", "2,3,4", "3,4,5", "2,3,6", "2,4,6,8"], default="2,3,4"
            ),
            "filters": space.Int("filters", 32, 256, step=32, default=128),
            **draw_dropouts(space),
            "dense_units": space.Choice("dense_units", [0, 128], default=0),
        }
    )

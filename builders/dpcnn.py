"""Deep pyramid CNN: blocks of convolutions, each on half the steps of the one before.

Johnson and Zhang 2017, https://aclanthology.org/P17-1052. Activation comes before each
convolution, and a shortcut passes over each pair. The number of blocks is a setting, not a matter
of the text's length: what the last block leaves, the maximum over time takes.
"""

from typing import Any

import keras

from kerastextzoo.builders._parts import classify, draw_dropouts, embed
from kerastextzoo.layers import MaskedConv1D, MaskedGlobalMaxPooling1D, MaskedMaxPooling1D
from kerastextzoo.spec import Count, ModelConfig, SearchSpace, Task


class DPCNNConfig(ModelConfig):
    """Settings of `dpcnn`."""

    filters: Count = 128
    """Feature maps of every convolution."""
    kernel_size: Count = 3
    """Width of every convolution, in tokens, then in steps."""
    blocks: Count = 3
    """Blocks that halve the steps; each doubles how far a feature sees."""


def build(config: DPCNNConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> build(DPCNNConfig(), Task(vocabulary_size=50, num_classes=3)).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    regions = MaskedConv1D(config.filters, config.kernel_size)(vectors)
    steps = _convolve_twice(config, regions)
    for _ in range(config.blocks):
        steps = _convolve_twice(config, MaskedMaxPooling1D(3, strides=2)(steps))
    features = MaskedGlobalMaxPooling1D()(steps)
    return classify(config, task, tokens, features, name="dpcnn")


def _convolve_twice(config: DPCNNConfig, steps: Any) -> Any:
    # Every layer passes the mask on, and the sum of two steps with one mask keeps it.
    convolved = steps
    for _ in range(2):
        convolved = keras.layers.ReLU()(convolved)
        convolved = MaskedConv1D(config.filters, config.kernel_size)(convolved)
    return keras.layers.Add()([steps, convolved])


def search_space(space: SearchSpace) -> DPCNNConfig:
    """Draw settings.

    Filters 32, 64, 96 ... 256; kernels of 3 or 5; 1 to 6 blocks; dropouts in steps of 0.1; a dense
    layer of 0 or 128 units.
    """
    return DPCNNConfig.parse(
        {
            "filters": space.Int("filters", 32, 256, step=32, default=128),
            "kernel_size": space.Choice("kernel_size", [3, 5], default=3),
            "blocks": space.Int("blocks", 1, 6, default=3),
            **draw_dropouts(space),
            "dense_units": space.Choice("dense_units", [0, 128], default=0),
        }
    )

"""What a model costs: multiply-adds, counted from its weights, without running it.

They are the floor of its time: a machine that reaches so many in a second needs at least so long.
Look-ups, activations and sums are left out; they take time, but no products.
"""

import math
from typing import Any

import keras


def count_multiply_adds(model: keras.Model, steps: int, *, training: bool = False) -> int:
    """Count the multiply-adds of one text.

    Each matrix of weights is taken once for each position that its layer reads; attention compares
    all positions with each other on top. Training computes the gradient of the weights as well,
    unless they are frozen, and that of what the layer reads, unless nothing below it learns. Of an
    ensemble, or of a network beside a linear model, the networks are counted: the rest looks up.

    Args:
        model: A Functional model from token ids `(batch, steps)`, or from vectors
            `(batch, steps, features)`, whose own cost is not counted.
        steps: Tokens of the text.
        training: Whether to count a training step or an answer.

    Example:
        >>> tokens = keras.Input((None,), dtype="int32")
        >>> vectors = keras.layers.Embedding(9, 4)(tokens)
        >>> model = keras.Model(tokens, keras.layers.LSTM(8)(vectors))
        >>> count_multiply_adds(model, 10) == 10 * (4 + 8) * 4 * 8
        True
    """
    if networks := [layer for layer in model.layers if isinstance(layer, keras.Model)]:
        return sum(count_multiply_adds(each, steps, training=training) for each in networks)
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)]
    reads = [keras.tree.flatten(layer.input) for layer in layers]
    text = keras.KerasTensor((1, steps, *model.inputs[0].shape[2:]), model.inputs[0].dtype)
    shapes = keras.Function(model.inputs, reads).compute_output_spec([text])
    learned: set[int] = set()
    total = 0
    for layer, inputs, (given, *_) in zip(layers, reads, shapes, strict=True):
        learns = bool(layer.trainable_weights)
        below = any(id(tensor) in learned for tensor in inputs)
        if learns or below:
            learned |= {id(tensor) for tensor in keras.tree.flatten(layer.output)}
        passes = 1 + (training and learns) + (training and below)
        total += passes * _products(layer, math.prod(given.shape[1:-1]))
    return total


def _products(layer: Any, positions: int) -> int:
    if isinstance(layer, keras.layers.Embedding):
        return 0
    products: int = positions * sum(math.prod(w.shape) for w in layer.weights if len(w.shape) > 1)
    if isinstance(layer, keras.layers.MultiHeadAttention):
        config = layer.get_config()
        width = config["key_dim"] + (config["value_dim"] or config["key_dim"])
        products += positions * positions * config["num_heads"] * width
    return products

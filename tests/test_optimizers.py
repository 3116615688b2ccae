"""Optimizers: tokens that repeat, rows that a batch leaves out, clips, devices, scaled losses."""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest

from kerastextzoo import optimizers
from kerastextzoo.layers import RowEmbedding
from kerastextzoo.optimizers import (
    EmbeddingUpdates,
    LazyAdam,
    LazyAdamW,
    OptimizerName,
    create_optimizer,
)
from kerastextzoo.schedules import WarmUpAndDecay

ROOT = Path(__file__).resolve().parent.parent
TABLE = np.random.default_rng(0).normal(size=(6, 5)).astype("float32")
BATCHES = [[[1, 1, 1, 2]], [[3, 3, 0, 1]], [[4, 4, 4, 4]], [[2, 3, 1, 1]], [[5, 0, 1, 5]]]


def _table_after(model_input: str, optimizer: keras.optimizers.Optimizer) -> np.ndarray:
    """Train an embedding on repeated tokens, by look-up or by one-hot product."""
    tokens = np.array([[1, 1, 1, 2], [2, 3, 1, 1], [4, 4, 4, 4]])
    ids = keras.Input((4,), dtype="int32")
    if model_input == "look-up":
        layer = keras.layers.Embedding(6, 5, weights=[TABLE])
        vectors = layer(ids)
    else:
        layer = keras.layers.Dense(5, use_bias=False)
        vectors = layer(keras.ops.one_hot(ids, 6))
        layer.set_weights([TABLE])
    outputs = keras.layers.Dense(
        2, activation="softmax", kernel_initializer=keras.initializers.GlorotUniform(1)
    )(keras.layers.Flatten()(vectors))
    model = keras.Model(ids, outputs)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    with warnings.catch_warnings():
        # TensorFlow warns that Keras makes slices dense when it clips them.
        warnings.simplefilter("ignore")
        model.fit(tokens, np.array([0, 1, 0]), epochs=5, shuffle=False, verbose=0)
    return np.array(layer.get_weights()[0])


@pytest.mark.parametrize("clip_norm", [None, 0.1], ids=["no clip", "clip"])
@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_dense_updates_of_repeated_tokens_are_those_of_a_dense_product(
    name: OptimizerName, clip_norm: float | None
) -> None:
    looked_up, product = (
        _table_after(way, create_optimizer(name, 0.05, clip_norm, "dense"))
        for way in ("look-up", "product")
    )
    np.testing.assert_allclose(looked_up, product, atol=1e-5)


@pytest.mark.parametrize("updates", ["rows", "stock"])
@pytest.mark.parametrize("name", get_args(OptimizerName))
def test_two_batches_accumulated_are_one_of_twice_the_size(
    name: OptimizerName, updates: EmbeddingUpdates
) -> None:
    tokens = np.random.default_rng(0).integers(0, 6, (64 * 3, 4))
    labels = tokens[:, 0] % 2
    ids = keras.Input((4,), dtype="int32")
    start = keras.Model(
        ids,
        keras.layers.Dense(2, activation="softmax")(
            keras.layers.Flatten()(RowEmbedding(6, 5)(ids))
        ),
    )
    weights = []
    for size, accumulation in ((64, 1), (32, 2)):
        model = keras.models.clone_model(start)
        model.set_weights(start.get_weights())
        kind: EmbeddingUpdates = updates if accumulation > 1 else "dense"
        optimizer = create_optimizer(name, 0.05, 0.1, kind, accumulation)
        model.compile(optimizer, "sparse_categorical_crossentropy")
        model.fit(tokens, labels, batch_size=size, epochs=4, shuffle=False, verbose=0)
        assert int(optimizer.iterations) == 12
        weights.append(model.get_weights())
    for one, two in zip(*weights, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_keras_asks_a_schedule_for_the_rate_of_a_batch_not_of_a_step() -> None:
    """When this fails, the schedule of a training with accumulation has to count steps."""
    schedule = WarmUpAndDecay(1.0, steps=10, decay="linear")
    optimizer = create_optimizer("sgd", schedule, accumulation=2)
    weight = keras.Variable(np.zeros(1, np.float32))
    optimizer.build([weight])
    for _ in range(5):
        optimizer.apply([np.ones(1, np.float32)])
    assert float(optimizer.learning_rate) == 0.5
    # The mean of two gradients, at the rate of the second.
    np.testing.assert_allclose(weight, -0.9 - 0.7, rtol=1e-6)


@pytest.mark.parametrize("name", ["adam", "rmsprop"])
def test_stock_keras_still_needs_this(name: OptimizerName) -> None:
    """When this fails, Keras sums the slices itself and `dense` can go."""
    looked_up, product = (
        _table_after(way, create_optimizer(name, 0.05, None, "stock"))
        for way in ("look-up", "product")
    )
    assert np.abs(looked_up - product).max() > 1e-2


def _loss_gradient(weights: np.ndarray, tokens: list[list[int]]) -> np.ndarray:
    """Of sum(E[tokens] ** 2 * place), as a table: repeated tokens add up."""
    gradient = np.zeros_like(weights)
    for row in tokens:
        for place, token in enumerate(row):
            gradient[token] += 2 * weights[token] * (place + 1)
    return gradient


def _plain_rows(
    batches: list[list[list[int]]],
    *,
    rate: float,
    decay: float = 0.0,
    clip_norm: float | None = None,
) -> np.ndarray:
    """The definition: Adam with b1 = 0 over the whole table, then the rest is put back."""
    weights, square = TABLE.astype("float64"), np.zeros((6, 5))
    for step, tokens in enumerate(batches, start=1):
        before = weights.copy(), square.copy()
        gradient = _loss_gradient(weights, tokens)
        if clip_norm:
            gradient *= min(1.0, clip_norm / np.sqrt((gradient**2).sum()))
        weights = weights - rate * decay * weights
        square = 0.999 * square + 0.001 * gradient**2
        stride = rate * np.sqrt(1 - 0.999**step)
        weights = weights - stride * gradient / (np.sqrt(square) + 1e-7)
        left_out = np.setdiff1d(np.arange(6), np.array(tokens))
        for now, then in zip((weights, square), before, strict=True):
            now[left_out] = then[left_out]
    return weights


class SquaredRows(keras.Model):
    """Trains a table to minimise what `_loss_gradient` is the gradient of."""

    def __init__(self, **policy: Any) -> None:
        super().__init__()
        self.embedding = RowEmbedding(6, 5, weights=[TABLE], **policy)

    def call(self, tokens: Any) -> Any:
        return self.embedding(tokens)

    def compute_loss(self, x: Any, y: Any, y_pred: Any, *_: Any, **__: Any) -> Any:
        places = keras.ops.arange(1.0, 1.0 + y_pred.shape[1])[:, None]
        return keras.ops.sum(keras.ops.cast(y_pred, "float32") ** 2 * places)


def _trained(
    optimizer: keras.optimizers.Optimizer,
    batches: list[list[list[int]]],
    *,
    jit_compile: bool = False,
    **policy: Any,
) -> SquaredRows:
    model = SquaredRows(**policy)
    model.compile(optimizer, jit_compile=jit_compile)
    for tokens in batches:
        model.train_on_batch(np.array(tokens))
    return model


@pytest.mark.parametrize("clip_norm", [None, 0.5], ids=["no clip", "clip"])
@pytest.mark.parametrize(("name", "decay"), [("adam", 0.0), ("adamw", 0.004)])
def test_updates_by_row_are_adam_on_the_rows_of_the_batch(
    name: OptimizerName, decay: float, clip_norm: float | None
) -> None:
    model = _trained(create_optimizer(name, 0.05, clip_norm, "rows"), BATCHES)
    wanted = _plain_rows(BATCHES, rate=0.05, decay=decay, clip_norm=clip_norm)
    np.testing.assert_allclose(model.get_weights()[0], wanted, atol=2e-6)


def test_rows_that_a_batch_leaves_out_keep_weights_and_squares() -> None:
    optimizer = LazyAdamW(0.05, weight_decay=0.1)
    model = _trained(optimizer, BATCHES[:2])
    square = optimizer._velocities[0]
    before = [np.array(part) for part in (*model.get_weights(), square)]
    model.train_on_batch(np.array([[4, 4, 0, 4]]))
    for now, then in zip((*model.get_weights(), square), before, strict=True):
        changed = (np.array(now) != then).any(axis=1)
        assert changed.tolist() == [True, False, False, False, True, False]


@pytest.mark.parametrize(
    "kinds",
    [(LazyAdam, optimizers._Adam), (LazyAdamW, optimizers._AdamW)],
    ids=["adam", "adamw"],
)
def test_a_batch_that_touches_every_row_gets_the_dense_update(
    kinds: tuple[type[keras.optimizers.Adam], ...],
) -> None:
    batches = [[[0, 1, 2, 3, 4, 5, 5, 5]], [[5, 4, 3, 2, 1, 0, 0, 1]]] * 3
    rows, dense = (
        _trained(kind(0.05, beta_1=0.0, name="adam"), batches).get_weights()[0] for kind in kinds
    )
    np.testing.assert_allclose(rows, dense, atol=1e-6)
    assert np.abs(rows - TABLE).max(axis=1).min() > 1e-2


@pytest.mark.parametrize("settings", [{}, {"amsgrad": True}], ids=["adam", "amsgrad"])
@pytest.mark.parametrize("decay", [None, 0.01])
def test_dense_gradients_get_the_updates_of_keras_to_the_bit(
    decay: float | None, settings: dict[str, bool]
) -> None:
    tables = []
    for kind in (LazyAdam, keras.optimizers.Adam):
        weight = keras.Variable(TABLE)
        optimizer = kind(0.05, weight_decay=decay, global_clipnorm=0.5, **settings)
        for step in range(4):
            optimizer.apply([keras.ops.sin(weight * (step + 1))], [weight])
        tables.append(np.array(weight))
    np.testing.assert_array_equal(tables[0], tables[1])


def test_excluded_tables_do_not_decay() -> None:
    optimizer = LazyAdamW(0.05, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["embeddings"])
    got = _trained(optimizer, BATCHES).get_weights()[0]
    np.testing.assert_allclose(got, _plain_rows(BATCHES, rate=0.05), atol=2e-6)


@pytest.mark.parametrize("clip", [{"clipnorm": 0.5}, {"clipvalue": 0.5}], ids=["norm", "value"])
def test_every_clip_sees_the_summed_rows(clip: dict[str, float]) -> None:
    batches = [[[0, 1, 2, 3, 4, 5, 5, 5]]] * 3
    rows = _trained(LazyAdam(0.05, **clip), batches).get_weights()[0]
    weight = keras.Variable(TABLE)
    dense = keras.optimizers.Adam(0.05, beta_1=0.0, **clip)
    for tokens in batches:
        dense.apply([_loss_gradient(np.array(weight), tokens)], [weight])
    np.testing.assert_allclose(rows, np.array(weight), atol=1e-5)


@pytest.mark.parametrize("kind", [LazyAdam, LazyAdamW])
def test_updates_by_row_compile_with_xla(kind: type[LazyAdam]) -> None:
    compiled, plain = (
        _trained(kind(0.05, global_clipnorm=0.5), BATCHES, jit_compile=jit).get_weights()[0]
        for jit in (True, False)
    )
    np.testing.assert_allclose(compiled, plain, atol=1e-6)


@pytest.mark.filterwarnings("ignore:Converting sparse IndexedSlices")
def test_updates_by_row_under_a_scaled_loss() -> None:
    scaled = keras.optimizers.LossScaleOptimizer(LazyAdam(0.05), initial_scale=64.0)
    got = _trained(scaled, BATCHES, dtype="mixed_float16").get_weights()[0]
    # Half-precision answers make half-precision gradients.
    np.testing.assert_allclose(got, _plain_rows(BATCHES, rate=0.05), atol=2e-3)
    assert int(scaled.inner_optimizer.iterations) == len(BATCHES)


PROGRAM = """
import json
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy
from kerastextzoo import optimizers
from kerastextzoo.layers import RowEmbedding
from kerastextzoo.optimizers import create_optimizer
# Rows 1 and 2 come on both devices, and more than once on each; rows 0 and 7 never.
tokens = numpy.array([[1, 1, 2], [2, 3, 3], [1, 2, 2], [4, 5, 6]] * 2)
table = numpy.random.default_rng(0).normal(size=(8, 4)).astype("float32")
def trained(strategy):
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([
            keras.Input((3,), dtype="int32"), RowEmbedding(8, 4, weights=[table]),
            keras.layers.Flatten(), keras.layers.Dense(2, activation="softmax")])
        model.compile(create_optimizer("adamw", 0.05, None, "rows"),
                      "sparse_categorical_crossentropy")
    model.fit(tokens, numpy.arange(8) % 2, batch_size=4, epochs=3, shuffle=False, verbose=0)
    return model.get_weights()
mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
one, two = trained(tf.distribute.get_strategy()), trained(mirrored)
print(json.dumps({
    "replicas": mirrored.num_replicas_in_sync,
    "difference": max(float(numpy.abs(a - b).max()) for a, b in zip(one, two)),
    "moved": numpy.abs(two[0] - table).max(axis=1).tolist(),
}))
"""


def test_two_devices_update_rows_as_one_does() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", PROGRAM]
    found = subprocess.run(command, capture_output=True, env=environment, text=True, check=False)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout.splitlines()[-1])
    assert said["replicas"] == 2
    assert said["difference"] < 1e-5
    assert [move > 1e-2 for move in said["moved"]] == [False] + [True] * 6 + [False]


def test_row_embedding_is_an_embedding() -> None:
    ours, stock = (
        kind(6, 5, mask_zero=True, weights=[TABLE])
        for kind in (RowEmbedding, keras.layers.Embedding)
    )
    tokens = np.array([[3, 0, 5], [1, 1, 0]])
    np.testing.assert_array_equal(ours(tokens), stock(tokens))
    np.testing.assert_array_equal(ours.compute_mask(tokens), stock.compute_mask(tokens))
    halved = RowEmbedding(6, 5, dtype="mixed_float16")
    assert keras.backend.standardize_dtype(halved(tokens).dtype) == "float16"

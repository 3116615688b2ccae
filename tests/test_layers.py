"""Layers against plain step-by-step references."""

from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from kerastextzoo.layers import (
    DropConnectLSTM,
    MaskedConv1D,
    MaskedGlobalMaxPooling1D,
    MaskedMaxPooling1D,
    ResLSTM,
    RowEmbedding,
)

STEPS = 7
MASKS = {
    "none": None,
    "right": np.arange(STEPS) < np.array([[7], [3], [1]]),
    "left": np.arange(STEPS) >= np.array([[0], [3], [6]]),
    "gaps": np.array([[1, 0, 1, 1, 0, 0, 1], [0, 1, 0, 0, 1, 1, 0], [1, 1, 1, 0, 0, 0, 0]], bool),
    "all": np.zeros((3, STEPS), bool),
}


class PlainResLSTMCell(keras.layers.Layer):
    """The definition, one step at a time: h = o * tanh(c) + F(x), and gates that see that h."""

    def __init__(self, layer: ResLSTM) -> None:
        super().__init__()
        self.of, self.units = layer, layer.units
        self.state_size = [layer.units, layer.units]

    def call(self, inputs, states):  # type: ignore[no-untyped-def]
        cell = self.of.lstm.cell
        hidden, carry = states
        gates = ops.matmul(inputs, cell.input_kernel) + ops.matmul(hidden, cell.recurrent_kernel)
        i, f, g, o = ops.split(gates + cell.bias, 4, axis=-1)
        carry = ops.sigmoid(f) * carry + ops.sigmoid(i) * ops.tanh(g)
        kernel = self.of.residual_kernel
        residual = inputs if kernel is None else ops.matmul(inputs, kernel)
        hidden = ops.sigmoid(o) * ops.tanh(carry) + residual
        return hidden, [hidden, carry]


def _texts(features: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, STEPS, features)).astype("float32")


def _res_lstm(features: int, **settings: object) -> ResLSTM:
    keras.utils.set_random_seed(3)
    layer = ResLSTM(6, **settings)  # type: ignore[arg-type]
    layer.build((None, STEPS, features))
    layer.set_weights(
        [w + 0.1 * np.cos(np.arange(w.size)).reshape(w.shape) for w in layer.get_weights()]
    )
    return layer


@pytest.fixture(params=[False, True], ids=["by step", "as on a GPU"])
def _rewritten(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to compute ResLSTM; Keras runs the second in a loop where there is no GPU."""
    monkeypatch.setattr("kerastextzoo.layers.recurrent.can_fuse", lambda: request.param)


@pytest.mark.usefixtures("_rewritten")
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("go_backwards", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("features", [6, 4], ids=["identity", "linear map"])
def test_res_lstm_is_its_definition(
    features: int, go_backwards: bool, mask: np.ndarray | None
) -> None:
    layer = _res_lstm(features, go_backwards=go_backwards, return_sequences=True, return_state=True)
    plain = keras.layers.RNN(
        PlainResLSTMCell(layer),
        return_sequences=True,
        return_state=True,
        go_backwards=go_backwards,
    )
    texts = _texts(features)
    for got, wanted in zip(layer(texts, mask=mask), plain(texts, mask=mask), strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5)


@pytest.mark.usefixtures("_rewritten")
@pytest.mark.parametrize(
    "mask", [None, MASKS["right"], MASKS["gaps"]], ids=["none", "right", "gaps"]
)
@pytest.mark.parametrize("features", [6, 4], ids=["identity", "linear map"])
def test_res_lstm_has_the_gradients_of_its_definition(
    features: int, mask: np.ndarray | None
) -> None:
    import tensorflow as tf

    layer = _res_lstm(features)
    plain = keras.layers.RNN(PlainResLSTMCell(layer))
    texts = tf.constant(_texts(features))
    found = []
    for way in (layer, plain):
        with tf.GradientTape() as tape:
            tape.watch(texts)
            loss = tf.reduce_sum(way(texts, mask=mask) ** 2)
        weights = [weight.value for weight in layer.trainable_weights]
        found.append(tape.gradient(loss, [texts, *weights]))
    for got, wanted in zip(*found, strict=True):
        assert np.abs(wanted).max() > 1e-3
        np.testing.assert_allclose(got, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.usefixtures("_rewritten")
def test_res_lstm_goes_on_from_a_state() -> None:
    layer = _res_lstm(4, return_sequences=True, return_state=True)
    texts = _texts(4)
    whole, hidden, carry = layer(texts)
    _, *state = layer(texts[:, :3])
    rest, hidden_after, carry_after = layer(texts[:, 3:], initial_state=state)
    np.testing.assert_allclose(rest, whole[:, 3:], atol=1e-5)
    np.testing.assert_allclose(hidden_after, hidden, atol=1e-5)
    np.testing.assert_allclose(carry_after, carry, atol=1e-5)


def test_res_lstm_dropouts_act_in_training_alone_and_keep_the_mask_over_time() -> None:
    layer = _res_lstm(4, dropout=0.5, recurrent_dropout=0.5, return_sequences=True)
    calm = _res_lstm(4, return_sequences=True)
    calm.set_weights(layer.get_weights())
    texts = np.repeat(_texts(4)[:, :1], STEPS, axis=1)
    np.testing.assert_allclose(layer(texts), calm(texts), atol=1e-6)
    noisy = ops.convert_to_numpy(layer(texts, training=True))
    assert np.abs(noisy - ops.convert_to_numpy(calm(texts))).max() > 1e-2
    dropped = ops.convert_to_numpy(layer.input_dropout(ops.ones((3, STEPS, 4)), training=True))
    assert (dropped == dropped[:, :1]).all()


def test_res_lstm_stacks_goes_both_ways_and_comes_back_from_a_file(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32")
    states = keras.layers.Embedding(20, 6, mask_zero=True)(tokens)
    states = keras.layers.Bidirectional(ResLSTM(6, return_sequences=True))(states)
    states = ResLSTM(5, return_sequences=True, recurrent_dropout=0.3)(states)
    states = keras.layers.Bidirectional(ResLSTM(4), merge_mode="sum")(states)
    model = keras.Model(tokens, keras.layers.Dense(2)(states))
    model.compile("adam", "mse")
    texts = np.array([[3, 1, 2, 0, 0], [4, 0, 0, 0, 0], [1, 2, 3, 4, 5]])
    model.fit(texts, np.ones((3, 2)), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    answers = model.predict(texts, verbose=0)
    np.testing.assert_array_equal(again.predict(texts, verbose=0), answers)
    np.testing.assert_allclose(
        model.predict(np.pad(texts, ((0, 0), (0, 9))), verbose=0), answers, atol=1e-5
    )
    again.save_weights(tmp_path / "back.weights.h5")
    model.load_weights(tmp_path / "back.weights.h5")
    np.testing.assert_array_equal(model.predict(texts, verbose=0), answers)


def test_bidirectional_res_lstm_without_a_mask_reads_both_ways() -> None:
    """Keras has a fused two-way LSTM, which must not be taken for this one."""
    both = keras.layers.Bidirectional(ResLSTM(6, return_sequences=True))
    texts = _texts(4)
    forward, backward = np.split(ops.convert_to_numpy(both(texts)), 2, axis=-1)
    np.testing.assert_allclose(forward, both.forward_layer(texts), atol=1e-6)
    np.testing.assert_allclose(backward[:, ::-1], both.backward_layer(texts), atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        MaskedConv1D(5, 3, activation="relu"),
        MaskedMaxPooling1D(3),
        MaskedGlobalMaxPooling1D(),
        ResLSTM(5, dropout=0.1, recurrent_dropout=0.2, return_sequences=True, go_backwards=True),
        ResLSTM(5, recurrent_kernel_dropout=0.2),
        DropConnectLSTM(5, recurrent_kernel_dropout=0.2, use_cudnn=False, return_sequences=True),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_come_back_from_their_config(layer: keras.layers.Layer) -> None:
    written = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(written, safe_mode=True)
    assert again.get_config() == layer.get_config()
    assert written["registered_name"] == f"kerastextzoo>{type(layer).__name__}"
    symbolic = layer.compute_output_shape((2, STEPS, 4))
    assert tuple(layer(_texts(4)[:2]).shape) == tuple(symbolic)


class Drops:
    """Stands for the draw of which weights take part, and keeps what was drawn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.kernels: list[np.ndarray] = []
        self.draw = keras.random.dropout
        monkeypatch.setattr(keras.random, "dropout", self)

    def __call__(self, kernel, rate, seed=None):  # type: ignore[no-untyped-def]
        dropped = self.draw(kernel, rate, seed=seed)
        self.kernels.append(ops.convert_to_numpy(dropped))
        return dropped


def _with_kernel(layer: keras.layers.LSTM, kernel: np.ndarray) -> keras.layers.LSTM:
    """Make Keras's own LSTM of the layer's weights, with another recurrent kernel."""
    plain = keras.layers.LSTM(layer.units, return_sequences=True)
    plain.build((None, STEPS, 4))
    weights = layer.get_weights()
    plain.set_weights([weights[0], kernel, weights[2]])
    return plain


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_drop_connect_is_an_lstm_over_the_dropped_kernel(
    mask: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = Drops(monkeypatch)
    layer = DropConnectLSTM(6, recurrent_kernel_dropout=0.5, return_sequences=True, seed=1)
    texts = _texts(4)
    first, second = (layer(texts, mask=mask, training=True) for _ in range(2))
    assert len(drops.kernels) == 2
    for got, kernel in zip((first, second), drops.kernels, strict=True):
        wanted = _with_kernel(layer, kernel)(texts, mask=mask)
        np.testing.assert_allclose(got, wanted, atol=1e-6)
    assert (drops.kernels[0] != drops.kernels[1]).any(), "another draw for the next batch"


def test_drop_connect_draws_one_kernel_for_all_texts_and_drops_the_share_it_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drops = Drops(monkeypatch)
    layer = DropConnectLSTM(64, recurrent_kernel_dropout=0.3, return_sequences=True, seed=0)
    texts = np.repeat(_texts(4)[:1], 3, axis=0)
    outputs = ops.convert_to_numpy(layer(texts, training=True))
    np.testing.assert_allclose(outputs[1:], outputs[:1].repeat(2, axis=0), atol=1e-6)
    kernel = ops.convert_to_numpy(layer.cell.recurrent_kernel)
    (dropped,) = drops.kernels
    assert (dropped == 0).mean() == pytest.approx(0.3, abs=0.02)
    kept = dropped != 0
    np.testing.assert_allclose(dropped[kept], kernel[kept] / 0.7, rtol=1e-5)


def test_drop_connect_at_inference_is_keras_own_lstm() -> None:
    layer = DropConnectLSTM(6, recurrent_kernel_dropout=0.5, return_sequences=True)
    texts = _texts(4)
    layer.build(texts.shape)
    weights = layer.get_weights()
    assert [w.shape for w in weights] == [(4, 24), (6, 24), (24,)]
    plain = _with_kernel(layer, weights[1])
    for training in (False, None):
        np.testing.assert_array_equal(layer(texts, training=training), plain(texts))
    assert np.abs(np.array(layer(texts, training=True)) - np.array(plain(texts))).max() > 1e-2


@pytest.mark.parametrize("kind", [DropConnectLSTM, ResLSTM])
def test_dropped_weights_get_no_gradient(
    kind: type[keras.layers.Layer], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    drops = Drops(monkeypatch)
    layer = kind(6, recurrent_kernel_dropout=0.5)
    texts = _texts(4)
    layer.build(texts.shape)
    (kernel,) = (w for w in layer.trainable_weights if w.path.endswith("recurrent_kernel"))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(texts, training=True) ** 2)
    gradient = np.array(tape.gradient(loss, kernel.value))
    np.testing.assert_array_equal(gradient == 0, drops.kernels[0] == 0)


def test_drop_connect_stays_a_draw_a_batch_in_a_trained_model(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    tokens = keras.Input((None,), dtype="int32")
    states = RowEmbedding(20, 4, mask_zero=True)(tokens)
    both = keras.layers.Bidirectional(DropConnectLSTM(6, recurrent_kernel_dropout=0.5))
    model = keras.Model(tokens, keras.layers.Dense(2)(both(states)))
    model.compile(keras.optimizers.SGD(0.0), "mse")
    texts, labels = np.array([[3, 1, 2, 0, 0], [1, 2, 3, 4, 5]]), np.ones((2, 2))
    losses = {model.train_on_batch(texts, labels) for _ in range(4)}
    assert len(losses) == 4
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    answers = model.predict(texts, verbose=0)
    np.testing.assert_array_equal(again.predict(texts, verbose=0), answers)
    np.testing.assert_array_equal(model.predict(texts, verbose=0), answers)
    assert again.layers[2].forward_layer.recurrent_kernel_dropout == 0.5


def test_same_seed_drops_the_same_connections() -> None:
    texts = _texts(4)
    one, two, other = (
        DropConnectLSTM(
            6,
            recurrent_kernel_dropout=0.5,
            seed=seed,
            kernel_initializer="ones",
            recurrent_initializer="ones",
        )(texts, training=True)
        for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(one, two)
    assert np.abs(np.array(one) - np.array(other)).max() > 1e-3


@pytest.mark.usefixtures("_rewritten")
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
@pytest.mark.parametrize("features", [6, 4], ids=["identity", "linear map"])
def test_res_lstm_drops_connections_for_both_parts_of_the_state(
    features: int, mask: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drops = Drops(monkeypatch)
    layer = _res_lstm(features, recurrent_kernel_dropout=0.5, return_sequences=True)
    texts = _texts(features)
    got = ops.convert_to_numpy(layer(texts, mask=mask, training=True))
    (dropped,) = drops.kernels
    own = layer.lstm.cell.recurrent_kernel
    own.assign(dropped)
    plain = keras.layers.RNN(PlainResLSTMCell(layer), return_sequences=True)
    np.testing.assert_allclose(got, plain(texts, mask=mask), atol=1e-5)


def test_keras_drops_features_of_the_state_for_each_text_the_same_at_every_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = keras.layers.LSTM(6, recurrent_dropout=0.5, return_sequences=True, seed=0)
    texts = _texts(4)
    layer.build(texts.shape)
    masks: list[np.ndarray] = []
    draw = layer.cell._create_dropout_mask

    def watched(state, rate):  # type: ignore[no-untyped-def]
        drawn = draw(state, rate)
        masks.append(np.array([ops.convert_to_numpy(gate) for gate in drawn]))
        return drawn

    monkeypatch.setattr(layer.cell, "_create_dropout_mask", watched)
    got = layer(texts, training=True)
    # One draw a batch: four gates, each text its own features.
    (mask,) = masks
    assert mask.shape == (4, 3, 6)
    assert {0.0, 2.0} == set(mask.ravel().tolist())
    assert (mask[:, 0] != mask[:, 1]).any()
    kernel, recurrent, bias = layer.get_weights()
    hidden = carry = np.zeros((3, 6))
    for step in range(STEPS):
        gates = np.split(texts[:, step] @ kernel + bias, 4, axis=-1)
        gates = [
            gate + (hidden * mask[place]) @ np.split(recurrent, 4, axis=1)[place]
            for place, gate in enumerate(gates)
        ]
        i, f, o = (1 / (1 + np.exp(-gates[place])) for place in (0, 1, 3))
        carry = f * carry + i * np.tanh(gates[2])
        hidden = o * np.tanh(carry)
        np.testing.assert_allclose(got[:, step], hidden, atol=1e-5)


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 6, 9])
def test_masked_convolution_reads_padding_as_the_edge(kernel_size: int) -> None:
    layer = MaskedConv1D(5, kernel_size, bias_initializer="ones")
    texts = _texts(4)
    mask = np.arange(STEPS) < np.array([[7], [3], [1]])
    got = ops.convert_to_numpy(layer(texts, mask=mask))
    for row, length in enumerate((7, 3, 1)):
        alone = layer(texts[row : row + 1, :length])
        np.testing.assert_allclose(got[row : row + 1, :length], alone, atol=1e-5)


def test_masked_convolution_refuses_another_padding() -> None:
    with pytest.raises(ValueError, match="padding must be 'same'"):
        MaskedConv1D(5, 3, padding="valid")


@pytest.mark.parametrize("pool_size", [1, 2, 3, 10])
def test_masked_pooling_is_the_plain_maximum_of_each_window(pool_size: int) -> None:
    layer = MaskedMaxPooling1D(pool_size)
    texts, mask = _texts(4) - 5, MASKS["gaps"]
    assert mask is not None
    pooled = ops.convert_to_numpy(layer(texts, mask=mask))
    seen = ops.convert_to_numpy(layer.compute_mask(texts, mask))
    for row in range(3):
        for window in range(-(-STEPS // pool_size)):
            steps = slice(window * pool_size, (window + 1) * pool_size)
            values = texts[row, steps][mask[row, steps]]
            assert seen[row, window] == bool(len(values))
            wanted = values.max(axis=0) if len(values) else np.zeros(4)
            np.testing.assert_array_equal(pooled[row, window], wanted)


def test_masked_global_pooling_ignores_masked_steps_and_survives_none_seen() -> None:
    texts = _texts(4) - 5
    texts[:, 5:] = 99
    mask = np.arange(STEPS) < np.array([[5], [2], [0]])
    pooled = ops.convert_to_numpy(MaskedGlobalMaxPooling1D()(texts, mask=mask))
    np.testing.assert_array_equal(pooled[0], texts[0, :5].max(axis=0))
    np.testing.assert_array_equal(pooled[1], texts[1, :2].max(axis=0))
    np.testing.assert_array_equal(pooled[2], np.zeros(4))


def test_batch_normalisation_between_masked_layers_ignores_padding_in_training() -> None:
    layer = keras.layers.BatchNormalization()
    texts = _texts(4)
    texts[:, 3:] = 1e6
    mask = np.broadcast_to(np.arange(STEPS) < 3, (3, STEPS))
    normed = ops.convert_to_numpy(layer(texts, training=True, mask=mask))
    assert np.abs(normed[:, :3].mean(axis=(0, 1))).max() < 1e-3

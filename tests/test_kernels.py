"""Which kernel a layer gets: what we say against what Keras does when it believes in a GPU."""

from importlib import import_module
from typing import Any

import keras
import numpy as np
import pytest

from kerastextzoo.builders import create_model
from kerastextzoo.errors import InputError
from kerastextzoo.layers import DropConnectLSTM, ResLSTM, explain_kernel

# Keras has a function of this name in its place.
keras_rnn = import_module("keras.src.backend.tensorflow.rnn")
TOKENS = np.array([[3, 1, 2, 4], [4, 1, 0, 0]])
LSTM, GRU = keras.layers.LSTM, keras.layers.GRU
# Layer, and what keeps it from the fused kernel.
CASES: dict[str, tuple[keras.layers.Layer, str]] = {
    "lstm": (LSTM(3), ""),
    "gru": (GRU(3), ""),
    "drop connect": (DropConnectLSTM(3, recurrent_kernel_dropout=0.5), ""),
    "res lstm": (ResLSTM(3), ""),
    "res lstm, kernel": (ResLSTM(3, recurrent_kernel_dropout=0.5), ""),
    "dropout": (LSTM(3, dropout=0.5), ""),
    "backwards": (LSTM(3, go_backwards=True), ""),
    "recurrent dropout": (LSTM(3, recurrent_dropout=0.5), "recurrent_dropout > 0"),
    "gru, recurrent dropout": (GRU(3, recurrent_dropout=0.5), "recurrent_dropout > 0"),
    "res lstm, state": (ResLSTM(3, recurrent_dropout=0.5), "recurrent_dropout > 0"),
    "activation": (LSTM(3, activation="relu"), "activation is not tanh"),
    "recurrent activation": (
        LSTM(3, recurrent_activation="tanh"),
        "recurrent_activation is not sigmoid",
    ),
    "unroll": (LSTM(3, unroll=True), "unroll is True"),
    "no bias": (LSTM(3, use_bias=False), "use_bias is False"),
    "reset after": (GRU(3, reset_after=False), "reset_after is False"),
    "use_cudnn": (LSTM(3, use_cudnn=False), "use_cudnn is False"),
    "drop connect, use_cudnn": (
        DropConnectLSTM(3, recurrent_kernel_dropout=0.5, use_cudnn=False),
        "use_cudnn is False",
    ),
    "simple": (keras.layers.SimpleRNN(3), "SimpleRNN has no fused kernel: LSTM and GRU have"),
    "cell": (
        keras.layers.RNN(keras.layers.LSTMCell(3)),
        "RNN has no fused kernel: LSTM and GRU have",
    ),
}


class _Fused(Exception):
    """The fused kernel was called."""


def _model(layer: keras.layers.Layer, *, mask_zero: bool = True) -> keras.Model:
    tokens = keras.Input((4,), dtype="int32")
    vectors = keras.layers.Embedding(9, 2, mask_zero=mask_zero)(tokens)
    return keras.Model(tokens, layer(vectors))


@pytest.fixture
def believed_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def fused(*arguments: Any, **named: Any) -> None:
        raise _Fused

    monkeypatch.setattr(keras_rnn, "_is_gpu_available", lambda: True)
    monkeypatch.setattr(keras_rnn, "_cudnn_lstm", fused)
    monkeypatch.setattr(keras_rnn, "_cudnn_gru", fused)


@pytest.mark.parametrize("way", ["alone", "both ways"])
@pytest.mark.parametrize(("layer", "against"), CASES.values(), ids=CASES)
def test_kernel_is_the_one_that_keras_takes(
    layer: keras.layers.Layer, against: str, way: str, request: pytest.FixtureRequest
) -> None:
    if way == "both ways":
        if layer.go_backwards:
            pytest.skip("a Bidirectional turns a layer round itself")
        layer = keras.layers.Bidirectional(layer)
    model = _model(layer)
    kernels = explain_kernel(model, TOKENS)
    assert [kernel.cpu for kernel in kernels] == ["loop"] * (2 if way == "both ways" else 1)
    assert {kernel.gpu for kernel in kernels} == {"loop" if against else "fused (cuDNN)"}
    assert all(kernel.why.startswith(against) for kernel in kernels)
    request.getfixturevalue("believed_gpu")
    for training in (False, True):
        if against:
            model(TOKENS, training=training)
        else:
            with pytest.raises(_Fused):
                model(TOKENS, training=training)


def test_every_reason_is_named() -> None:
    layer = LSTM(3, unroll=True, use_bias=False, recurrent_dropout=0.1)
    (kernel,) = explain_kernel(_model(layer))
    assert kernel.why == "recurrent_dropout > 0, unroll is True, use_bias is False"


@pytest.mark.parametrize(
    ("tokens", "gpu", "why"),
    [
        ([[3, 1], [4, 0]], "fused (cuDNN)", "as long as masks are right-padded"),
        ([[3, 1], [0, 4]], "fails", "mask is not right-padded"),
        ([[3, 1], [0, 0]], "fails", "a text is all padding"),
    ],
    ids=["right", "left", "empty"],
)
def test_masks_are_looked_at_as_keras_does(tokens: list[list[int]], gpu: str, why: str) -> None:
    padded = np.pad(tokens, ((0, 0), (0, 2)))
    (kernel,) = explain_kernel(_model(LSTM(3)), padded)
    assert (kernel.gpu, kernel.why.startswith(why)) == (gpu, True)

    import tensorflow as tf

    check = tf.function(keras_rnn._assert_valid_mask)
    if gpu == "fails":
        with pytest.raises(tf.errors.InvalidArgumentError, match="right-padded"):
            check(tf.constant(padded != 0))
    else:
        check(tf.constant(padded != 0))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_loop_where_there_is_a_mask(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked, plain = _model(LSTM(3)), _model(LSTM(3), mask_zero=False)
    monkeypatch.setattr("kerastextzoo.kernels.keras.backend.backend", lambda: backend)
    (kernel,) = explain_kernel(masked)
    assert kernel.gpu == "loop"
    assert kernel.why == f"texts have a mask, which the {backend} backend computes in a loop"
    (kernel,) = explain_kernel(plain)
    assert (kernel.gpu, kernel.why) == ("fused (cuDNN)", "no mask")
    monkeypatch.setattr("kerastextzoo.kernels.keras.backend.backend", lambda: "numpy")
    (kernel,) = explain_kernel(plain)
    assert (kernel.gpu, kernel.why) == ("loop", "the numpy backend has no fused kernel")


def test_both_ways_at_once_never_pass_the_draw_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some backends run both ways in one kernel, which knows nothing of dropped connections."""
    calls = []

    def at_once(*arguments: Any, **named: Any) -> None:
        calls.append(named)
        raise NotImplementedError

    monkeypatch.setattr("keras.src.backend.bidirectional_lstm", at_once)
    vectors = np.ones((2, 4, 3), "float32")
    for layer, times in ((LSTM(3), 1), (DropConnectLSTM(3, recurrent_kernel_dropout=0.5), 0)):
        both = keras.layers.Bidirectional(layer)
        both.build(vectors.shape)
        both(vectors, training=True)
        assert len(calls) == times
        calls.clear()


@pytest.mark.parametrize("name", ["lstm", "cnn_lstm", "res_lstm"])
def test_recurrent_dropout_by_kernel_stays_fused(name: str) -> None:
    for form, gpu in (("kernel", "fused (cuDNN)"), ("state", "loop")):
        model = create_model(
            name,
            vocabulary_size=20,
            num_classes=3,
            recurrent_dropout=0.2,
            recurrent_dropout_form=form,
        )
        kernels = explain_kernel(model)
        assert {kernel.gpu for kernel in kernels} == {gpu}
        assert name in str(kernels) or "lstm" in str(kernels)


def test_table_names_layers_in_layers_and_models_in_models() -> None:
    tokens = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(9, 2)(tokens)
    both = keras.layers.Bidirectional(ResLSTM(3, name="reader"), name="both")(vectors)
    inner = keras.Model(tokens, both, name="inner")
    outer = keras.Sequential([keras.Input((None,), dtype="int32"), inner])
    kernels = explain_kernel(outer)
    assert {kernel.layer for kernel in kernels} == {
        "inner/both/forward_reader/lstm",
        "inner/both/backward_reader/lstm",
    }
    header, *rows = str(kernels).splitlines()
    assert header.split() == ["layer", "cpu", "gpu", "why"]
    assert all("loop" in row and "fused (cuDNN)" in row for row in rows)


def test_a_model_without_recurrent_layers_has_no_rows() -> None:
    model = create_model("cnn", vocabulary_size=20, num_classes=3)
    assert str(explain_kernel(model)) == "no recurrent layer"


def test_a_model_that_is_not_built_needs_a_batch() -> None:
    model = keras.Sequential([keras.layers.Embedding(9, 2, mask_zero=True), LSTM(3)])
    with pytest.raises(InputError, match="give one: explain_kernel"):
        explain_kernel(model)
    assert explain_kernel(model, TOKENS)[0].gpu == "fused (cuDNN)"
    assert "inner_loop" not in vars(model.layers[1])

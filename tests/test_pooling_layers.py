"""Layers that pool, place and hash, against plain NumPy computations."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from kerastextzoo.layers import (
    HashedNGrams,
    LinearNGrams,
    MaskedAttentionPooling1D,
    MaskedGlobalAveragePooling1D,
    MaskedMaxPooling1D,
    SinusoidalPositions,
)

STEPS = 7
LENGTHS = (7, 3, 1, 0)
MASK = np.arange(STEPS) < np.array(LENGTHS)[:, None]
GAPS = np.array([[1, 0, 1, 1, 0, 0, 1], [0, 1, 0, 0, 1, 1, 0], [1] * 7, [0] * 7], bool)


def _texts(features: int = 4) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(4, STEPS, features)).astype("float32") - 1


def _numbers(tensor: object) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("mask", [MASK, GAPS], ids=["right", "gaps"])
@pytest.mark.parametrize(("pool_size", "strides"), [(3, 2), (2, 1), (3, 3), (5, 2)])
def test_windows_that_overlap_take_the_plain_maximum_of_what_they_see(
    pool_size: int, strides: int, mask: np.ndarray
) -> None:
    layer, texts = MaskedMaxPooling1D(pool_size, strides), _texts()
    pooled = _numbers(layer(texts, mask=mask))
    seen = _numbers(layer.compute_mask(texts, mask))
    assert pooled.shape == (4, -(-STEPS // strides), 4)
    assert seen.shape == pooled.shape[:2]
    for row, window in itertools.product(range(4), range(pooled.shape[1])):
        steps = slice(window * strides, window * strides + pool_size)
        values = texts[row, steps][mask[row, steps]]
        assert seen[row, window] == bool(len(values))
        wanted = values.max(axis=0) if len(values) else np.zeros(4)
        np.testing.assert_array_equal(pooled[row, window], wanted)


def test_halving_again_and_again_leaves_the_last_step() -> None:
    layer, steps, mask = MaskedMaxPooling1D(3, strides=2), _texts(), MASK
    for _ in range(5):
        steps, mask = layer(steps, mask=mask), layer.compute_mask(steps, mask)
    assert steps.shape == (4, 1, 4)
    np.testing.assert_array_equal(_numbers(mask)[:, 0], np.array(LENGTHS) > 0)


@pytest.mark.parametrize("mask", [None, MASK, GAPS], ids=["none", "right", "gaps"])
def test_mean_counts_the_steps_that_are_seen(mask: np.ndarray | None) -> None:
    texts = _texts()
    pooled = _numbers(MaskedGlobalAveragePooling1D()(texts, mask=mask))
    for row in range(4):
        values = texts[row] if mask is None else texts[row][mask[row]]
        wanted = values.mean(axis=0) if len(values) else np.zeros(4)
        np.testing.assert_allclose(pooled[row], wanted, atol=1e-6)


def _attention(scale: float = 1.0) -> MaskedAttentionPooling1D:
    layer = MaskedAttentionPooling1D()
    layer.build((None, STEPS, 4))
    layer.set_weights([scale * np.array([0.5, -1.0, 2.0, 0.3], "float32")])
    return layer


@pytest.mark.parametrize("mask", [None, MASK, GAPS], ids=["none", "right", "gaps"])
@pytest.mark.parametrize("scale", [1.0, 1000.0], ids=["soft", "hard"])
def test_attention_is_the_softmax_over_the_steps_that_are_seen(
    scale: float, mask: np.ndarray | None
) -> None:
    layer, texts = _attention(scale), _texts()
    pooled = _numbers(layer(texts, mask=mask))
    (query,) = layer.get_weights()
    for row in range(4):
        values = texts[row] if mask is None else texts[row][mask[row]]
        if not len(values):
            np.testing.assert_array_equal(pooled[row], np.zeros(4))
            continue
        scores = np.tanh(values) @ query
        weights = np.exp(scores - scores.max())
        wanted = (weights / weights.sum()) @ values
        np.testing.assert_allclose(pooled[row], wanted, atol=1e-5)


def test_attention_has_finite_gradients_where_nothing_is_seen() -> None:
    import tensorflow as tf

    layer, texts = _attention(), tf.constant(_texts())
    with tf.GradientTape() as tape:
        tape.watch(texts)
        loss = tf.reduce_sum(layer(texts, mask=MASK) ** 2)
    of_texts, of_query = tape.gradient(loss, [texts, layer.query.value])
    assert np.isfinite(of_texts.numpy()).all()
    assert np.isfinite(of_query.numpy()).all()
    assert np.abs(of_query.numpy()).max() > 1e-3
    np.testing.assert_array_equal(of_texts.numpy()[~MASK], 0)


@pytest.mark.parametrize("features", [6, 5, 1])
def test_positions_are_the_published_waves_at_any_length(features: int) -> None:
    layer = SinusoidalPositions()
    for steps in (1, 3000):
        texts = np.full((2, steps, features), 0.25, "float32")
        waves = np.empty((steps, features))
        for i in range(features):
            angles = np.arange(steps) / 10_000 ** ((i - i % 2) / features)
            waves[:, i] = np.cos(angles) if i % 2 else np.sin(angles)
        np.testing.assert_allclose(
            _numbers(layer(texts)), np.broadcast_to(0.25 + waves, texts.shape), atol=1e-3
        )


def test_positions_pass_the_mask_on() -> None:
    tokens = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(9, 4, mask_zero=True)(tokens)
    pooled = MaskedGlobalAveragePooling1D()(SinusoidalPositions()(vectors))
    model = keras.Model(tokens, pooled)
    np.testing.assert_allclose(
        _numbers(model(np.array([[3, 4, 0, 0]]))), _numbers(model(np.array([[3, 4]]))), atol=1e-6
    )


def _bucket(ngram: tuple[int, ...], buckets: int) -> int:
    """The hash in whole numbers that have no largest."""
    halves = []
    for prime in (46_337, 46_307):
        half = 1009 * len(ngram)
        for token in ngram:
            half = (half + token) ** 3 % prime
        halves.append(half)
    return 1 + (halves[0] * 46_307 + halves[1]) % buckets


@pytest.mark.parametrize("buckets", [1, 1000, 2_000_000])
@pytest.mark.parametrize("sizes", [(2,), (2, 3), (1, 4, 9)], ids=str)
def test_ngrams_are_hashed_without_overflow(sizes: tuple[int, ...], buckets: int) -> None:
    rng = np.random.default_rng(0)
    tokens = rng.integers(1, 2**31 - 1, (4, STEPS)) * MASK
    hashed = _numbers(HashedNGrams(buckets, sizes)(tokens.astype("int32")))
    assert hashed.shape == (4, len(sizes) * STEPS)
    for row, length in enumerate(LENGTHS):
        for place, size in enumerate(sizes):
            got = hashed[row, place * STEPS : (place + 1) * STEPS].tolist()
            starts = range(max(length - size + 1, 0))
            wanted = [_bucket(tuple(tokens[row, s : s + size].tolist()), buckets) for s in starts]
            assert got == wanted + [0] * (STEPS - len(wanted))


def test_ngrams_of_the_lead_come_once_more_in_buckets_of_their_own() -> None:
    tokens = np.array([[4, 5, 6, 7], [4, 5, 0, 0], [4, 0, 0, 0]], "int32")
    plain = _numbers(HashedNGrams(5000, (1, 2))(tokens))
    found, lead = map(_numbers, LinearNGrams(1, 2, 5000, lead=2).find(tokens))
    np.testing.assert_array_equal(found, plain)
    assert (lead > 0).tolist() == [[True, True, True, False]] * 2 + [[True, False, False, False]]
    assert not set(lead[lead > 0]) & set(plain.ravel())
    np.testing.assert_array_equal(lead[0], lead[1])
    assert lead.max() <= 5000


def test_padding_inside_a_text_forms_no_ngram() -> None:
    hashed = _numbers(HashedNGrams(50, (2,))(np.array([[4, 5, 0, 6, 7, 0]])))
    assert (hashed > 0).tolist() == [[True, False, False, True, False, False]]


@pytest.mark.parametrize("buckets", [20_000, 50_000, 65_536])
def test_buckets_fill_as_by_chance_and_order_matters(buckets: int) -> None:
    pairs = np.array(list(itertools.permutations(range(1, 201), 2)))
    hashed = _numbers(HashedNGrams(buckets, (2,))(pairs))[:, 0]
    assert hashed.min() >= 1
    assert hashed.max() <= buckets
    by_chance = 1 - np.exp(-len(pairs) / buckets)
    assert len(np.unique(hashed)) / buckets == pytest.approx(by_chance, abs=0.01)
    backwards = _numbers(HashedNGrams(buckets, (2,))(pairs[:, ::-1]))[:, 0]
    assert (hashed == backwards).mean() < 0.01


@pytest.mark.parametrize(
    "layer",
    [
        MaskedMaxPooling1D(3, strides=2),
        MaskedGlobalAveragePooling1D(),
        MaskedAttentionPooling1D(),
        SinusoidalPositions(),
        HashedNGrams(100, (2, 4)),
        HashedNGrams(100, (2,), offset=30),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layers_come_back_from_their_config(layer: keras.layers.Layer) -> None:
    written = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(written, safe_mode=True)
    assert again.get_config() == layer.get_config()
    assert written["registered_name"] == f"kerastextzoo>{type(layer).__name__}"
    inputs = np.ones((2, STEPS), "int32") if isinstance(layer, HashedNGrams) else _texts()[:2]
    outputs = layer(inputs)
    symbolic = keras.KerasTensor((None, None, *inputs.shape[2:]), dtype=inputs.dtype.name)
    assert len(layer(symbolic).shape) == len(outputs.shape)
    assert layer(symbolic).dtype == keras.backend.standardize_dtype(outputs.dtype)
    fixed = layer.compute_output_spec(keras.KerasTensor(inputs.shape, dtype=inputs.dtype.name))
    assert tuple(fixed.shape) == tuple(outputs.shape)


def test_a_pooling_layer_written_before_it_had_strides_still_loads() -> None:
    assert MaskedMaxPooling1D.from_config({"pool_size": 4}).strides == 4

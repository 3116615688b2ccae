"""Multiply-adds against counts by hand."""

from typing import Any

import keras
import pytest

from kerastextzoo.builders import create_model
from kerastextzoo.cost import count_multiply_adds
from kerastextzoo.layers import LinearNGrams, ShiftByScores

STEPS = 10
# Features of a token, classes, and the settings that the counts below use.
WIDTH, CLASSES = 6, 3
LSTM = (WIDTH + 8) * 4 * 8
ATTENTION = 4 * 8 * 8 + 2 * STEPS * 8
COUNTS: list[tuple[str, dict[str, Any], int]] = [
    ("cnn", {"kernel_sizes": (2, 3), "filters": 8}, STEPS * 5 * WIDTH * 8 + 16 * CLASSES),
    ("lstm", {"units": 8}, STEPS * LSTM + 8 * CLASSES),
    ("lstm", {"units": 8, "layers": 2}, STEPS * (LSTM + 16 * 32) + 8 * CLASSES),
    ("bilstm", {"units": 8, "layers": 1}, STEPS * 2 * LSTM + 16 * CLASSES),
    ("res_lstm", {"units": 8}, STEPS * (LSTM + WIDTH * 8) + 8 * CLASSES),
    ("fasttext", {}, WIDTH * CLASSES),
    ("sentence", {"head": "dense"}, WIDTH * CLASSES),
    ("sentence", {"head": "lstm", "units": 8}, STEPS * LSTM + 8 * CLASSES),
    (
        "transformer",
        {"units": 8, "heads": 2, "feed_forward_units": 16},
        STEPS * (WIDTH * 8 + ATTENTION + 2 * 8 * 16) + 8 * CLASSES,
    ),
]


@pytest.mark.parametrize(("name", "settings", "count"), COUNTS)
def test_an_answer(name: str, settings: dict[str, Any], count: int) -> None:
    model = create_model(name, vocabulary_size=40, num_classes=CLASSES, embedding=WIDTH, **settings)
    assert count_multiply_adds(model, STEPS) == count


def test_networks_that_are_parts_are_counted_each() -> None:
    alone = create_model("lstm", vocabulary_size=40, num_classes=CLASSES, embedding=WIDTH)
    once = count_multiply_adds(alone, STEPS)
    tokens = keras.Input((None,), dtype="int32")
    # Called a second time, so that it has more than one place in a graph.
    keras.Model(tokens, alone(tokens))
    scores = LinearNGrams(CLASSES, ngrams=2, buckets=9)(tokens)
    beside = keras.Model(tokens, ShiftByScores()([alone(tokens), scores]))
    assert count_multiply_adds(beside, STEPS) == once
    other = create_model("cnn", vocabulary_size=40, num_classes=CLASSES, embedding=WIDTH)
    both = keras.Model(tokens, keras.layers.Average()([beside(tokens), other(tokens)]))
    assert count_multiply_adds(both, STEPS) == once + count_multiply_adds(other, STEPS)


def test_training_takes_three_passes_and_two_where_nothing_below_learns() -> None:
    def count(trainable: bool) -> int:
        model = create_model(
            "lstm",
            vocabulary_size=40,
            num_classes=CLASSES,
            embedding=WIDTH,
            embedding_trainable=trainable,
            units=8,
        )
        return count_multiply_adds(model, STEPS, training=True)

    assert count(trainable=True) == 3 * (STEPS * LSTM + 8 * CLASSES)
    assert count(trainable=False) == 2 * STEPS * LSTM + 3 * 8 * CLASSES


def test_frozen_layers_take_no_gradient() -> None:
    tokens = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(40, WIDTH, trainable=False)(tokens)
    states = keras.layers.LSTM(8, trainable=False)(vectors)
    model = keras.Model(tokens, keras.layers.Dense(CLASSES)(states))
    assert count_multiply_adds(model, STEPS, training=True) == STEPS * LSTM + 2 * 8 * CLASSES

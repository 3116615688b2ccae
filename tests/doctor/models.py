"""Small models in parts, so that one part can be another."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import keras
from keras import layers

from kerastextzoo.builders import create_model


class Task(NamedTuple):
    """What a model is built for: rows of the embedding, classes, tokens or features of a row."""

    words: int
    classes: int
    places: int


Make = Callable[[Task], Any]
Parts = Callable[[], Sequence[Any]]
Head = Callable[[int], Sequence[Any]]
NONE: Mapping[str, Any] = MappingProxyType({})
WIDTH = UNITS = 12


def lstm(**settings: Any) -> Sequence[Any]:
    """One LSTM, its last state."""
    return [layers.LSTM(UNITS, **settings)]


def rnn(**settings: Any) -> Sequence[Any]:
    """One plain recurrent layer, its last state."""
    return [layers.SimpleRNN(UNITS, **settings)]


def gru(**settings: Any) -> Sequence[Any]:
    """One GRU, its last state."""
    return [layers.GRU(UNITS, **settings)]


def average() -> Sequence[Any]:
    """The mean of the words' vectors."""
    return [layers.GlobalAveragePooling1D()]


def average_dense(depth: int = 1, units: int = 16, **settings: Any) -> Sequence[Any]:
    """The mean of the words' vectors, and dense layers."""
    settings = {"activation": "relu", **settings}
    return [*average(), *(layers.Dense(units, **settings) for _ in range(depth))]


def softmax(classes: int) -> Sequence[Any]:
    """A probability for each class."""
    return [layers.Dense(classes, activation="softmax")]


def sigmoid(_: int) -> Sequence[Any]:
    """The probability of the second of two classes."""
    return [layers.Dense(1, activation="sigmoid")]


def logits(classes: int) -> Sequence[Any]:
    """A number of any size for each class."""
    return [layers.Dense(classes)]


def chained(inputs: Any, parts: Sequence[Any]) -> Any:
    """Connect layers, or functions, one after the other: a functional model."""
    outputs = inputs
    for part in parts:
        outputs = part(outputs)
    return keras.Model(inputs, outputs)


def text_model(
    task: Task,
    *,
    read: Parts = lstm,
    head: Head = softmax,
    embedding: Mapping[str, Any] = NONE,
    functional: bool = False,
) -> Any:
    """Build a model of token ids: an embedding, what reads it, and what answers."""
    settings = {"input_dim": task.words, "output_dim": WIDTH, "mask_zero": True, **embedding}
    parts = [layers.Embedding(**settings), *read(), *head(task.classes)]
    inputs = keras.Input((task.places,), dtype="int32")
    return chained(inputs, parts) if functional else keras.Sequential([inputs, *parts])


def dense(units: int = 16, **settings: Any) -> Sequence[Any]:
    """One hidden layer."""
    return [layers.Dense(units, **{"activation": "relu", **settings})]


def feature_model(
    task: Task, *, shape: tuple[int, ...] = (24,), read: Parts = dense, head: Head = softmax
) -> Any:
    """Build a model of numbers."""
    return keras.Sequential([keras.Input(shape), *read(), *head(task.classes)])


def zoo(name: str, **settings: Any) -> Make:
    """Return what builds a model of the zoo, small and with little dropout."""
    small = {"embedding": WIDTH, "embedding_dropout": 0.0, "dropout": 0.1, **settings}
    return partial(_zoo, name, small)


def _zoo(name: str, settings: Mapping[str, Any], task: Task) -> Any:
    return create_model(name, vocabulary_size=task.words, num_classes=task.classes, **settings)

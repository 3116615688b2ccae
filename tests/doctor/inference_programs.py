"""What differs between training and use."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
from keras import layers

from doctor import models
from doctor.models import Task
from doctor.pairs import pair
from doctor.plans import Plan, of_zoo
from doctor.texts import Texts

model = partial(partial, models.text_model)
EN, ZH = Plan(), Plan(texts=Texts(language="zh"))
MANY_EN = Plan(texts=Texts(classes=10, rows=1000), epochs=12)
MANY_ZH = replace(MANY_EN, texts=Texts(language="zh", classes=10, rows=1000))


class Dropping(keras.Model):  # type: ignore[misc]
    """A model that is a class and drops features, always or in training alone.

    Args:
        words: Rows of the embedding.
        classes: Of the answers.
        always: Whether the dropout is active whatever the mode.
    """

    def __init__(self, words: int, classes: int, always: bool = False, **settings: Any) -> None:
        super().__init__(**settings)
        self.words, self.classes, self.always = words, classes, always
        self.embedding = layers.Embedding(words, models.WIDTH, mask_zero=True)
        self.average = layers.GlobalAveragePooling1D()
        self.dropout = layers.Dropout(0.6)
        self.answers = layers.Dense(classes, activation="softmax")

    def call(self, tokens: Any, training: bool = False) -> Any:
        vectors = self.average(self.embedding(tokens))
        return self.answers(self.dropout(vectors, training=self.always or training))

    def get_config(self) -> dict[str, Any]:
        own = {"words": self.words, "classes": self.classes, "always": self.always}
        return {**super().get_config(), **own}


def _dropping(task: Task, *, always: bool = False) -> Any:
    return Dropping(task.words, task.classes, always)


def _lstm_dropping(rate: float, always: bool = False) -> Sequence[Any]:
    dropout = layers.Dropout(rate)
    drop = partial(dropout, training=True) if always else dropout
    return [*models.lstm(), drop]


def _normalised(**settings: Any) -> Sequence[Any]:
    return [
        *models.average_dense(),
        layers.BatchNormalization(**{"momentum": 0.9, **settings}),
    ]


def _far_apart(**settings: Any) -> Sequence[Any]:
    """Features far from 0, which are normalised."""
    return [
        *models.average_dense(bias_initializer=keras.initializers.Constant(20.0)),
        layers.BatchNormalization(**{"momentum": 0.9, **settings}),
    ]


PAIRS = (
    pair(
        "lstm-always-drops",
        "dropout-at-inference",
        replace(MANY_EN, model=model(read=partial(_lstm_dropping, 0.6), functional=True)),
        model=model(read=partial(_lstm_dropping, 0.6, always=True), functional=True),
        # Half of the state says enough; the answers differ all the same.
        hinders=False,
    ),
    pair(
        "class-always-drops",
        "dropout-at-inference",
        replace(MANY_ZH, model=_dropping),
        model=partial(_dropping, always=True),
    ),
    pair(
        "statistics-hardly-move",
        "batch-norm-statistics",
        replace(EN, model=model(read=_normalised)),
        model=model(read=partial(_normalised, momentum=0.9999)),
    ),
    pair(
        "statistics-of-start",
        "batch-norm-statistics",
        replace(ZH, model=model(read=_far_apart)),
        model=model(read=partial(_far_apart, momentum=0.9999)),
    ),
    pair(
        "nearly-all-dropped",
        "over-regularised",
        replace(EN, model=model(read=partial(_lstm_dropping, 0.2))),
        model=model(read=partial(_lstm_dropping, 0.99)),
    ),
    pair(
        "nearly-all-dropped-in-zoo",
        "over-regularised",
        replace(ZH, model=models.zoo("cnn", filters=12), optimizer=of_zoo()),
        model=models.zoo("cnn", filters=12, dropout=0.99),
    ),
)

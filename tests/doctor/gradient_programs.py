"""Weights that can't move, or all move alike."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import initializers, layers, ops

from doctor import models
from doctor.models import NONE, Make, Task
from doctor.pairs import pair
from doctor.plans import Plan, of_zoo
from doctor.texts import Texts, features

model = partial(partial, models.text_model)
EN, ZH = Plan(), Plan(texts=Texts(language="zh"))
AVERAGE_EN = replace(EN, model=model(read=models.average_dense))
AVERAGE_ZH = replace(ZH, model=model(read=models.average_dense))
FEATURES_EN = replace(EN, inputs=features, model=models.feature_model)
FEATURES_ZH = replace(ZH, inputs=features, model=models.feature_model)
ZOO_EN = replace(EN, model=models.zoo("cnn", embedding=4, filters=8), optimizer=of_zoo())


def _frozen(make: Make, task: Task) -> Any:
    made = make(task)
    made.trainable = False
    return made


def _each_frozen(make: Make, task: Task) -> Any:
    made = make(task)
    for layer in made.layers:
        layer.trainable = False
    return made


def _with_nan(make: Make, task: Task) -> Any:
    made = make(task)
    first, *others = made.get_weights()
    first[5] = np.nan
    made.set_weights([first, *others])
    return made


class Reader(keras.Model):  # type: ignore[misc]
    """A model that is a class: an embedding, an LSTM, a dense layer.

    Args:
        words: Rows of the embedding.
        classes: Of the answers.
        cut: Between embedding and LSTM: `` nothing, `integers` or `stop`.
    """

    def __init__(self, words: int, classes: int, cut: str = "", **settings: Any) -> None:
        super().__init__(**settings)
        self.words, self.classes, self.cut = words, classes, cut
        self.embedding = layers.Embedding(words, models.WIDTH)
        self.lstm = layers.Bidirectional(layers.LSTM(models.UNITS, return_sequences=True))
        self.answers = layers.Dense(classes, activation="softmax")

    def call(self, tokens: Any) -> Any:
        vectors = self.embedding(tokens)
        if self.cut == "integers":
            vectors = whole(vectors)
        if self.cut == "stop":
            vectors = ops.stop_gradient(vectors)
        return self.answers(ops.max(self.lstm(vectors), axis=1))

    def get_config(self) -> dict[str, Any]:
        own = {"words": self.words, "classes": self.classes, "cut": self.cut}
        return {**super().get_config(), **own}


def reader(task: Task, cut: str = "") -> Any:
    """Build a model that is a class."""
    return Reader(task.words, task.classes, cut)


def whole(values: Any) -> Any:
    """Make whole numbers of numbers."""
    return ops.cast(ops.cast(values, "int32"), "float32")


def _whole_then_average() -> Sequence[Any]:
    return [whole, *models.average_dense()]


def two_branches(task: Task, *, cut: bool = False) -> Any:
    """Build a model that reads a text by an LSTM, and its first word apart."""
    tokens = keras.Input((task.places,), dtype="int32")
    vectors = layers.Embedding(task.words, models.WIDTH, mask_zero=True)(tokens)
    state = layers.LSTM(4)(vectors)
    if cut:
        state = ops.stop_gradient(state)
    both = layers.Concatenate()([state, vectors[:, 0]])
    return keras.Model(tokens, layers.Dense(task.classes, activation="softmax")(both))


def _steps(task: Task, *, cut: bool = False) -> Any:
    """A hidden layer of few units, whose outputs may be made 0 or 1."""
    inputs = keras.Input((24,))
    hidden = layers.Dense(3, activation="sigmoid")(inputs)
    if cut:
        hidden = ops.round(hidden)
    return keras.Model(inputs, layers.Dense(task.classes, activation="softmax")(hidden))


def _recurrent(layer: Any, settings: Mapping[str, Any] = NONE) -> Make:
    return model(read=lambda: [layer(models.UNITS, **settings)])


ALL_ONE: dict[str, Any] = {"kernel_initializer": "ones"}
STEEP: dict[str, Any] = {"kernel_initializer": initializers.RandomNormal(stddev=50.0, seed=1)}
GROWING = initializers.Orthogonal(gain=3.0, seed=1)


def _tanh(**settings: Any) -> Sequence[Any]:
    return models.dense(3, activation="tanh", **settings)


def _many(activation: str) -> Sequence[Any]:
    return models.average_dense(depth=10, activation=activation, kernel_initializer="he_uniform")


def _many_on_features(activation: str) -> Sequence[Any]:
    return [models.dense(24, activation=activation)[0] for _ in range(10)]


PAIRS = (
    pair("model-frozen", "everything-frozen", EN, model=partial(_frozen, EN.model)),
    pair(
        "each-layer-frozen",
        "everything-frozen",
        AVERAGE_ZH,
        model=partial(_each_frozen, AVERAGE_ZH.model),
    ),
    pair("weights-of-nan", "weights-not-finite", ZH, model=partial(_with_nan, ZH.model)),
    pair(
        "dense-starts-at-zero",
        "weights-all-equal",
        AVERAGE_EN,
        model=model(read=partial(models.average_dense, kernel_initializer="zeros")),
    ),
    pair(
        "dense-starts-at-one",
        "weights-all-equal",
        FEATURES_ZH,
        model=partial(models.feature_model, read=partial(models.dense, **ALL_ONE)),
        # The last layer, which starts as it should, soon tells them apart.
        hinders=False,
    ),
    pair(
        "vectors-made-whole",
        "embedding-never-updated",
        replace(ZH, model=model(read=models.average_dense, functional=True)),
        model=model(read=_whole_then_average, functional=True),
    ),
    pair(
        "vectors-made-whole-in-a-class",
        "embedding-never-updated",
        replace(EN, model=reader),
        model=partial(reader, cut="integers"),
    ),
    pair(
        "gradient-stopped-in-a-class",
        "embedding-never-updated",
        replace(ZH, model=reader),
        model=partial(reader, cut="stop"),
    ),
    pair(
        "one-branch-cut",
        "weights-without-gradient",
        replace(EN, model=two_branches),
        model=partial(two_branches, cut=True),
    ),
    pair(
        "hidden-layer-rounded",
        "weights-without-gradient",
        replace(FEATURES_ZH, model=_steps),
        model=partial(_steps, cut=True),
    ),
    pair(
        "bias-far-below-zero",
        "dead-relu",
        AVERAGE_EN,
        model=model(
            read=partial(models.average_dense, bias_initializer=initializers.Constant(-9.0))
        ),
    ),
    pair(
        "bias-far-below-zero-on-features",
        "dead-relu",
        FEATURES_ZH,
        model=partial(
            models.feature_model,
            read=partial(models.dense, bias_initializer=initializers.Constant(-30.0)),
        ),
    ),
    pair(
        "lstm-starts-steep",
        "saturated-units",
        ZH,
        model=_recurrent(layers.LSTM, {**STEEP, "unit_forget_bias": False}),
    ),
    pair(
        "tanh-starts-steep",
        "saturated-units",
        replace(EN, inputs=features, model=partial(models.feature_model, read=_tanh)),
        model=partial(models.feature_model, read=partial(_tanh, **STEEP)),
    ),
    pair(
        "state-grows",
        "exploding-gradient",
        replace(EN, model=_recurrent(layers.SimpleRNN, {"activation": "relu"})),
        model=_recurrent(
            layers.SimpleRNN, {"activation": "relu", "recurrent_initializer": GROWING}
        ),
    ),
    pair(
        "ten-sigmoid-layers",
        "vanishing-gradient",
        replace(ZH, model=model(read=partial(_many, "relu"))),
        model=model(read=partial(_many, "sigmoid")),
    ),
    pair(
        "ten-sigmoid-layers-on-features",
        "vanishing-gradient",
        replace(
            FEATURES_EN,
            model=partial(models.feature_model, read=partial(_many_on_features, "relu")),
        ),
        model=partial(models.feature_model, read=partial(_many_on_features, "sigmoid")),
    ),
    pair(
        "random-vectors-frozen",
        "frozen-random-embedding",
        ZOO_EN,
        model=models.zoo("cnn", embedding=4, filters=8, embedding_trainable=False),
    ),
    pair(
        "narrow-random-vectors-frozen",
        "frozen-random-embedding",
        replace(ZH, model=model(read=models.average_dense, embedding={"output_dim": 4})),
        model=model(read=models.average_dense, embedding={"output_dim": 4, "trainable": False}),
    ),
)

"""Labels, last layer and loss that do not go together."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from doctor import models
from doctor.models import Task
from doctor.pairs import pair
from doctor.plans import Plan, numbers, of_zoo, one_hot, sgd
from doctor.texts import Array, Texts

ENGLISH, CHINESE = Texts(), Texts(language="zh")
EN, ZH = Plan(texts=ENGLISH), Plan(texts=CHINESE)
# Adam makes large steps of small gradients: with it and few classes, much that squeezes the
# answers is learned all the same.
MANY_EN = Plan(texts=Texts(classes=10, rows=1000), optimizer=sgd(), epochs=8)
MANY_ZH = replace(MANY_EN, texts=Texts(language="zh", classes=10, rows=1000))
model = partial(partial, models.text_model)
STATES = partial(models.lstm, return_sequences=True)


def _binary_labels(labels: Array) -> Array:
    return labels.astype(np.float32)


BINARY_EN = Plan(
    texts=Texts(classes=2),
    labels=_binary_labels,
    model=model(head=models.sigmoid),
    loss="binary_crossentropy",
)
BINARY_ZH = Plan(
    texts=Texts(language="zh", classes=2),
    labels=_binary_labels,
    model=model(read=models.average_dense, head=models.sigmoid, functional=True),
    loss="binary_crossentropy",
)
ONE_HOT_EN = Plan(
    texts=ENGLISH, model=model(functional=True), labels=one_hot, loss="categorical_crossentropy"
)
MANY_ONE_HOT_ZH = replace(
    MANY_ZH,
    model=model(read=models.average_dense),
    labels=one_hot,
    loss="categorical_crossentropy",
)
ONE_HOT_ZH = Plan(
    texts=CHINESE,
    model=model(read=models.average_dense),
    labels=one_hot,
    loss="categorical_crossentropy",
    epochs=10,
)


def _names(labels: Array) -> Array:
    return np.array(["sport", "money", "film", "space"])[labels]


def _from_one(labels: Array) -> Array:
    return labels + 1


def _minus_and_plus(labels: Array) -> Array:
    return 2 * _binary_labels(labels) - 1


def few_rows(task: Task, rows: int, **parts: Any) -> Any:
    """A model whose embedding has fewer rows than there are token ids."""
    return models.text_model(task, embedding={"input_dim": task.words - rows}, **parts)


def _one_unit_softmax(_: int) -> Sequence[Any]:
    return models.softmax(1)


def _one_unit_less(classes: int) -> Sequence[Any]:
    return models.softmax(classes - 1)


def _two_units_more(classes: int) -> Sequence[Any]:
    return models.softmax(classes + 2)


def _one_number(_: int) -> Sequence[Any]:
    return [layers.Dense(1)]


def _sigmoids(classes: int) -> Sequence[Any]:
    return [layers.Dense(classes, activation="sigmoid")]


def then(head: models.Head, *more: Any) -> models.Head:
    """The layers of a head, and others after it; each is a function that makes it."""
    return lambda classes: [*head(classes), *(make() for make in more)]


SOFTMAX = partial(layers.Activation, "softmax")
SIGMOID = partial(layers.Activation, "sigmoid")


def _reshaped(head: models.Head, units: int) -> models.Head:
    """A head behind which Keras can't see whether it ends in a softmax."""
    return then(head, partial(layers.Reshape, (units,)))


def _arg_max(answers: Any) -> Any:
    return ops.one_hot(ops.argmax(answers, -1), answers.shape[-1])


def _loss_of_rounded(y: Any, answers: Any) -> Any:
    return keras.losses.binary_crossentropy(y, ops.round(answers))


def _loss_of_largest(y: Any, answers: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y, _arg_max(answers))


def _loss_with_softmax(y: Any, answers: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y, ops.softmax(answers))


def _zoo_with_sigmoid(task: Task) -> Any:
    probabilities = models.zoo("cnn", filters=12, kernel_sizes=(2,))(task)
    return keras.Model(probabilities.input, layers.Activation("sigmoid")(probabilities.output))


OF_ZOO = replace(
    MANY_ZH, model=models.zoo("cnn", filters=12, kernel_sizes=(2,)), optimizer=of_zoo("sgd", 2.0)
)

PAIRS = (
    pair("class-names", "labels-are-text", EN, labels=_names),
    pair("half-an-embedding", "ids-beyond-embedding", EN, model=partial(few_rows, rows=99)),
    pair("no-row-for-padding", "ids-beyond-embedding", ZH, model=partial(few_rows, rows=1)),
    pair("states-for-classes", "answers-for-each-step", EN, model=model(read=STATES)),
    pair(
        "states-for-yes-or-no",
        "answers-for-each-step",
        replace(BINARY_ZH, model=model(head=models.sigmoid)),
        model=model(read=STATES, head=models.sigmoid),
    ),
    pair(
        "softmax-of-one-unit",
        "one-unit-softmax",
        BINARY_EN,
        model=model(head=_one_unit_softmax),
    ),
    pair(
        "softmax-of-one-unit-functional",
        "one-unit-softmax",
        BINARY_ZH,
        model=model(read=models.average_dense, head=_one_unit_softmax, functional=True),
    ),
    pair("one-unit-missing", "too-few-units", ZH, model=model(head=_one_unit_less)),
    pair("labels-from-one", "labels-out-of-range", EN, labels=_from_one),
    pair("labels-minus-and-plus", "labels-out-of-range", BINARY_ZH, labels=_minus_and_plus),
    pair("class-numbers", "integer-labels-with-one-hot-loss", ONE_HOT_EN, labels=numbers),
    pair("one-hot-rows", "one-hot-labels-with-integer-loss", ZH, labels=one_hot),
    pair("rounded-in-the-loss", "answers-rounded", BINARY_EN, loss=_loss_of_rounded),
    pair("arg-max-in-the-loss", "answers-rounded", ZH, loss=_loss_of_largest),
    pair(
        "arg-max-in-the-model",
        "answers-rounded",
        ONE_HOT_EN,
        model=model(head=then(models.softmax, lambda: _arg_max), functional=True),
    ),
    pair(
        "sigmoid-last",
        "sigmoid-after-softmax",
        MANY_EN,
        model=model(head=then(models.softmax, SIGMOID)),
    ),
    pair(
        "sigmoid-last-functional",
        "sigmoid-after-softmax",
        MANY_ONE_HOT_ZH,
        model=model(read=models.average_dense, head=then(models.softmax, SIGMOID), functional=True),
    ),
    pair("sigmoid-behind-cnn", "sigmoid-after-softmax", OF_ZOO, model=_zoo_with_sigmoid),
    pair("softmax-in-the-loss", "softmax-twice", MANY_EN, loss=_loss_with_softmax),
    pair(
        "two-softmax-layers",
        "softmax-twice",
        MANY_ONE_HOT_ZH,
        model=model(read=models.average_dense, head=then(models.softmax, SOFTMAX)),
    ),
    pair(
        "softmax-and-from-logits",
        "softmax-twice",
        replace(MANY_ZH, model=model(head=_reshaped(models.softmax, 10), functional=True)),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    ),
    pair(
        "sigmoid-and-from-logits",
        "sigmoid-twice",
        replace(BINARY_EN, model=model(head=_reshaped(models.sigmoid, 1)), optimizer=sgd(0.1)),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    ),
    pair(
        "two-sigmoid-layers",
        "sigmoid-twice",
        BINARY_ZH,
        model=model(read=models.average_dense, head=then(models.sigmoid, SIGMOID), functional=True),
    ),
    pair("no-softmax", "logits-taken-for-probabilities", EN, model=model(head=models.logits)),
    pair(
        "no-softmax-functional",
        "logits-taken-for-probabilities",
        ONE_HOT_EN,
        model=model(head=models.logits, functional=True),
    ),
    pair(
        "no-sigmoid",
        "logits-taken-for-probabilities",
        BINARY_ZH,
        model=model(read=models.average_dense, head=_one_number, functional=True),
        hinders=False,
    ),
    pair(
        "sigmoids-for-classes",
        "sigmoid-with-categorical-loss",
        ONE_HOT_EN,
        model=model(head=_sigmoids, functional=True),
        hinders=False,
    ),
    pair("distance-to-class-numbers", "regression-loss-on-classes", ZH, loss="mse"),
    pair(
        "distance-to-one-hot",
        "regression-loss-on-classes",
        ONE_HOT_EN,
        loss="mae",
        hinders=False,
    ),
    pair(
        "a-question-for-each-class",
        "binary-loss-on-exclusive-classes",
        ONE_HOT_ZH,
        loss="binary_crossentropy",
        hinders=False,
    ),
    pair(
        "units-without-class", "unused-units", ZH, model=model(head=_two_units_more), hinders=False
    ),
)

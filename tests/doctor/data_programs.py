"""Rows, labels and tokens, and the order they come in."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers

from doctor import models
from doctor.models import Task
from doctor.pairs import pair
from doctor.plans import Data, Plan, of_zoo, one_hot, sgd
from doctor.texts import Array, Texts, features, vectors

model = partial(partial, models.text_model)
EN, ZH = Plan(), Plan(texts=Texts(language="zh"))
CHARACTERS = Plan(texts=Texts(language="zh", by_character=True, words=(6, 11), places=24))
VALIDATED_EN, VALIDATED_ZH = replace(EN, validated=True), replace(ZH, validated=True)
AVERAGE_EN = replace(EN, model=model(read=models.average_dense))
AVERAGE_ZH = replace(VALIDATED_ZH, model=model(read=models.average_dense))
ZOO_EN = replace(EN, model=models.zoo("bilstm", layers=1, units=8), optimizer=of_zoo())
ZOO_ZH = replace(VALIDATED_ZH, model=models.zoo("cnn", filters=12), optimizer=of_zoo())
FEATURES_EN = replace(EN, inputs=features, model=models.feature_model)
FEATURES_ZH = replace(ZH, inputs=features, model=models.feature_model)
# Without a change of order between epochs.
IN_ORDER_EN = Plan(texts=Texts(classes=10, rows=1000), optimizer=sgd(), epochs=8, shuffle=False)
IN_ORDER_ZH = replace(
    IN_ORDER_EN,
    texts=Texts(language="zh", classes=10, rows=1000),
    model=model(read=models.average_dense),
)
FIVE_ZH = replace(VALIDATED_ZH, texts=Texts(language="zh", classes=5))

Spoil = Callable[[Data, np.random.Generator], Data]


def _rows(data: Data, rows: Array) -> Data:
    return data._replace(x=data.x[rows], y=data.y[rows])


def sort_by_class(data: Data, rng: np.random.Generator) -> Data:
    """Put the rows of each class together."""
    return _rows(data, np.argsort(data.y, kind="stable"))


def _blocks_of_one_class(data: Data, rng: np.random.Generator) -> Data:
    """Put rows of one class together, as many as a batch has; the classes take turns."""
    by_class = np.argsort(data.y, kind="stable").reshape(int(data.y.max()) + 1, -1)
    whole = by_class[:, : by_class.shape[1] // 32 * 32]
    blocks = whole.reshape(len(by_class), -1, 32).transpose(1, 0, 2)
    return _rows(data, blocks.reshape(-1))


def _number(value: float) -> Spoil:
    """Put a number into five rows."""

    def spoil(data: Data, rng: np.random.Generator) -> Data:
        x = data.x.copy()
        x[rng.choice(len(x), 5, replace=False), 3] = value
        return data._replace(x=x)

    return spoil


def _all_labels_zero(data: Data, rng: np.random.Generator) -> Data:
    return data._replace(y=np.zeros_like(data.y))


def _labels_shuffled_alone(data: Data, rng: np.random.Generator) -> Data:
    return data._replace(y=rng.permutation(data.y))


def _texts_sorted_alone(data: Data, rng: np.random.Generator) -> Data:
    return data._replace(x=data.x[np.argsort(data.x[:, 0], kind="stable")])


def _classes_renumbered(data: Data, rng: np.random.Generator) -> Data:
    """Number the classes of validation from 1, 2, 3, 0 in place of 0, 1, 2, 3."""
    return data._replace(validation_y=(data.validation_y + 1) % (int(data.y.max()) + 1))


def _words_renumbered(data: Data, rng: np.random.Generator) -> Data:
    """Give the words of validation the ids of another vocabulary."""
    ids = np.arange(int(data.x.max()) + 1)
    ids[2:] = rng.permutation(ids[2:])
    return data._replace(validation_x=ids[data.validation_x].astype(np.int32))


def _last_fifth_of_sorted(data: Data, rng: np.random.Generator) -> Data:
    """Take the last fifth of sorted rows for validation."""
    order = np.argsort(data.y, kind="stable")
    cut = len(order) * 4 // 5
    training, seen = rng.permutation(order[:cut]), rng.permutation(order[cut:])
    return Data(data.x[training], data.y[training], data.x[seen], data.y[seen])


def _validation_of_two_classes(data: Data, rng: np.random.Generator) -> Data:
    kept = data.validation_y < 2
    return data._replace(validation_x=data.validation_x[kept], validation_y=data.validation_y[kept])


def _validation_is_training(data: Data, rng: np.random.Generator) -> Data:
    return data._replace(validation_x=data.x, validation_y=data.y)


def _validation_overlaps(data: Data, rng: np.random.Generator) -> Data:
    """Take half of the validation rows from training."""
    rows = rng.choice(len(data.y), len(data.y) // 2, replace=False)
    x, y = data.validation_x.copy(), data.validation_y.copy()
    x[: len(rows)], y[: len(rows)] = data.x[rows], data.y[rows]
    return data._replace(validation_x=x, validation_y=y)


def _again(share: float, shift: int) -> Spoil:
    """Let a share of the rows repeat others, their classes `shift` numbers further."""

    def spoil(data: Data, rng: np.random.Generator) -> Data:
        x, y = data.x.copy(), data.y.copy()
        rows = rng.permutation(len(y))[: int(share * len(y)) * 2].reshape(2, -1)
        x[rows[1]], y[rows[1]] = x[rows[0]], (y[rows[0]] + shift) % (int(y.max()) + 1)
        return data._replace(x=x, y=y)

    return spoil


def _few_of_the_others(data: Data, rng: np.random.Generator) -> Data:
    """Leave three rows of each class but the first."""
    others = [np.flatnonzero(data.y == label)[:3] for label in range(1, int(data.y.max()) + 1)]
    kept = np.concatenate([np.flatnonzero(data.y == 0), *others])
    return _rows(data, rng.permutation(kept))


def _with_length(ids: Array, texts: Texts, scale: float = 0.2) -> Array:
    """Return features of a text, one of them its length in characters."""
    numbers = features(ids, texts)
    numbers[:, 0] = scale * ((ids != 0).sum(axis=1) - 11)
    return numbers


def _unscaled(ids: Array, texts: Texts) -> Array:
    """Return features in other units: they go to thousands."""
    return features(ids, texts) * 2000 + 500


def _steps_model(task: Task, *, steps: int = 16) -> Any:
    """Build a model of the vectors of 16 tokens, read as so many steps."""
    folded = layers.Reshape((steps, 16 * 8 // steps))
    read = [folded, *models.gru()]
    return models.feature_model(task, shape=(16, 8), read=lambda: read)


def _other(plan: Plan, **settings: Any) -> dict[str, Any]:
    return {"texts": replace(plan.texts, **settings)}


STRANGE_EN = replace(EN, **_other(EN, strange=0.12))
STRANGE_ZH = replace(CHARACTERS, **_other(CHARACTERS, strange=0.12))
TELLING_AT_END = replace(EN, texts=Texts(words=(20, 30), where="end", places=32))
TELLING_AT_START = replace(
    ZH,
    model=model(read=models.average_dense),
    texts=Texts(language="zh", words=(20, 30), where="start", places=32, padding="left"),
)
TEN_EN = replace(
    EN,
    texts=Texts(classes=10, rows=1000),
    labels=one_hot,
    loss="categorical_crossentropy",
    metrics=lambda: ["categorical_accuracy"],
)


def _top(k: int) -> Sequence[Any]:
    return [keras.metrics.SparseTopKCategoricalAccuracy(k)]


PAIRS = (
    pair("some-nan", "not-finite-data", FEATURES_EN, spoil=_number(np.nan)),
    pair("some-infinite", "not-finite-data", FEATURES_ZH, spoil=_number(np.inf)),
    pair("one-class", "one-class-only-in-data", EN, spoil=_all_labels_zero),
    pair("classes-in-order", "sorted-by-class", IN_ORDER_EN, spoil=sort_by_class),
    pair("classes-in-order-zh", "sorted-by-class", IN_ORDER_ZH, spoil=sort_by_class),
    pair("batches-in-turns", "batches-of-one-class", IN_ORDER_ZH, spoil=_blocks_of_one_class),
    pair("labels-shuffled", "labels-do-not-follow-texts", EN, spoil=_labels_shuffled_alone),
    pair("texts-sorted", "labels-do-not-follow-texts", ZOO_ZH, spoil=_texts_sorted_alone),
    pair(
        "classes-numbered-anew",
        "label-order-differs",
        VALIDATED_EN,
        spoil=_classes_renumbered,
        hinders=False,
    ),
    pair(
        "words-numbered-anew",
        "vocabulary-of-other-data",
        AVERAGE_ZH,
        spoil=_words_renumbered,
        hinders=False,
    ),
    pair(
        "last-fifth-for-validation",
        "validation-misses-classes",
        FIVE_ZH,
        spoil=_last_fifth_of_sorted,
    ),
    pair(
        "validation-of-two-classes",
        "validation-misses-classes",
        VALIDATED_EN,
        spoil=_validation_of_two_classes,
        hinders=False,
    ),
    pair(
        "validated-on-training",
        "validation-is-training",
        VALIDATED_EN,
        spoil=_validation_is_training,
        hinders=False,
    ),
    pair(
        "validated-on-half-of-training",
        "overlapping-splits",
        AVERAGE_ZH,
        spoil=_validation_overlaps,
        hinders=False,
    ),
    pair(
        "rows-with-two-labels",
        "conflicting-labels",
        AVERAGE_EN,
        spoil=_again(0.2, 1),
        hinders=False,
    ),
    pair("rows-twice", "repeated-rows", ZH, spoil=_again(0.35, 0), hinders=False),
    pair("few-of-the-others", "one-class-dominates", CHARACTERS, spoil=_few_of_the_others),
    pair(
        "all-tokens-one-step",
        "one-time-step",
        replace(ZH, inputs=vectors, model=_steps_model),
        model=partial(_steps_model, steps=1),
        hinders=False,
    ),
    pair(
        "features-in-thousands",
        "features-not-scaled",
        replace(FEATURES_ZH, optimizer=sgd(0.03)),
        inputs=_unscaled,
    ),
    pair(
        "length-in-thousands",
        "features-not-scaled",
        replace(FEATURES_EN, inputs=_with_length),
        inputs=partial(_with_length, scale=3000.0),
    ),
    pair(
        "unknown-words-are-zero",
        "unknown-is-padding",
        STRANGE_EN,
        **_other(STRANGE_EN, unknown=0),
        hinders=False,
    ),
    pair(
        "unknown-characters-are-zero",
        "unknown-is-padding",
        STRANGE_ZH,
        **_other(STRANGE_ZH, unknown=0),
        hinders=False,
    ),
    pair("small-vocabulary", "unknown-tokens", EN, **_other(EN, vocabulary=40)),
    pair("few-characters", "unknown-tokens", CHARACTERS, **_other(CHARACTERS, vocabulary=40)),
    pair("end-cut", "truncation-cuts-signal", TELLING_AT_END, **_other(TELLING_AT_END, places=14)),
    pair(
        "start-cut",
        "truncation-cuts-signal",
        TELLING_AT_START,
        **_other(TELLING_AT_START, places=14, cut="left"),
    ),
    pair("ninety-places", "mostly-padding", ZH, **_other(ZH, places=90), hinders=False),
    pair(
        "ninety-places-of-zoo", "mostly-padding", ZOO_EN, **_other(ZOO_EN, places=90), hinders=False
    ),
    pair(
        "binary-accuracy-of-ten",
        "misleading-metric",
        TEN_EN,
        metrics=lambda: ["binary_accuracy"],
        hinders=False,
    ),
    pair("one-of-four-is-right", "misleading-metric", ZH, metrics=partial(_top, 4), hinders=False),
)

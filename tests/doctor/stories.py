"""The stories that the package was made for, small: `docs/doctor.md` tells them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
from keras import layers, ops

from doctor import models
from doctor.data_programs import sort_by_class
from doctor.mask_programs import UNMASKED, shortened
from doctor.models import Task
from doctor.pairs import pair
from doctor.plans import Plan, adam, of_zoo, sgd
from doctor.rate_programs import SlowerEachBatch
from doctor.texts import Texts, vectors

model = partial(partial, models.text_model)

# S0: long news; what tells the class stands at their beginning.
LONG = Plan(
    texts=Texts(language="zh", rows=640, words=(110, 150), telling=6, where="start", places=150),
    model=model(read=shortened(models.lstm)),
    epochs=14,
)
NEWS = Plan(texts=Texts(language="zh", words=(10, 80), telling=4, places=100), epochs=8)
IN_ORDER = Plan(
    texts=Texts(language="zh", classes=10, rows=1000),
    model=models.zoo("cnn", filters=12, kernel_sizes=(2,)),
    optimizer=of_zoo("sgd", 2.0),
    epochs=8,
    shuffle=False,
)
# S1: headlines, two recurrent layers.
HEADLINES = Plan(texts=Texts(language="zh", classes=5, words=(6, 22), places=32), epochs=8)


def _two_rnns() -> Sequence[Any]:
    return [layers.SimpleRNN(models.UNITS, return_sequences=True), *models.rnn()]


# S2: yes or no, a plain network from both ends.
def _both_ends() -> Sequence[Any]:
    # The penalty has a gradient even where the answers have none.
    penalty = keras.regularizers.L2(1e-4)
    return [layers.Bidirectional(layers.SimpleRNN(8, kernel_regularizer=penalty))]


YES_OR_NO = Plan(texts=Texts(classes=2), model=model(read=_both_ends))


def _loss_of_rounded(y: Any, answers: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y, ops.round(answers))


def _loss_with_softmax(y: Any, answers: Any) -> Any:
    return keras.losses.sparse_categorical_crossentropy(y, ops.softmax(answers))


def _schedule_each_batch() -> Sequence[Any]:
    return [SlowerEachBatch(0.5)]


def _read_in(task: Task, *, steps: int = 16) -> Any:
    """Build a model of the vectors of 16 tokens, read as so many steps."""
    parts = [layers.Reshape((steps, 16 * 8 // steps)), *_both_ends()]
    return models.feature_model(task, shape=(16, 8), read=lambda: parts)


# S3: seven emotions.
EMOTIONS = Plan(texts=Texts(classes=7, rows=1050), optimizer=sgd(), epochs=8)
PADDED_EMOTIONS = replace(
    EMOTIONS, texts=Texts(classes=7, rows=1050, words=(8, 40), places=60), optimizer=adam()
)


def _softmax_and_sigmoid(classes: int) -> Sequence[Any]:
    return [*models.softmax(classes), layers.Activation("sigmoid")]


# S4: LSTM and residual LSTM, good or bad.
FILMS = Plan(texts=Texts(classes=2), optimizer=of_zoo())
RESIDUAL = replace(FILMS, model=models.zoo("res_lstm", units=12))
PLAIN = replace(FILMS, model=models.zoo("lstm", units=12))

PAIRS = (
    pair("s0-lstm-reads-far-back", "gradient-fades-over-time", LONG, story="S0", model=model()),
    pair(
        "s0-last-padded-step",
        "last-step-is-padding",
        NEWS,
        story="S0",
        model=model(embedding=UNMASKED),
    ),
    pair("s0-classes-in-order", "sorted-by-class", IN_ORDER, story="S0", spoil=sort_by_class),
    pair(
        "s1-rnn-over-padding",
        "last-step-is-padding",
        replace(HEADLINES, model=model(read=_two_rnns)),
        story="S1",
        model=model(read=_two_rnns, embedding=UNMASKED),
    ),
    pair("s2-rounded", "answers-rounded", YES_OR_NO, story="S2", loss=_loss_of_rounded),
    pair(
        "s2-softmax-twice",
        "softmax-twice",
        YES_OR_NO,
        story="S2",
        loss=_loss_with_softmax,
        # Of two classes the larger is found all the same; the loss stays above 0.31.
        hinders=False,
    ),
    pair(
        "s2-schedule-each-batch",
        "learning-rate-dies",
        YES_OR_NO,
        story="S2",
        callbacks=_schedule_each_batch,
    ),
    pair(
        "s2-one-time-step",
        "one-time-step",
        replace(YES_OR_NO, inputs=vectors, model=_read_in),
        story="S2",
        model=partial(_read_in, steps=1),
        hinders=False,
    ),
    pair(
        "s3-sigmoid-after-softmax",
        "sigmoid-after-softmax",
        EMOTIONS,
        story="S3",
        model=model(head=_softmax_and_sigmoid),
    ),
    pair(
        "s3-lstm-over-padding",
        "last-step-is-padding",
        PADDED_EMOTIONS,
        story="S3",
        model=model(embedding=UNMASKED),
    ),
    pair(
        "s4-residual-too-fast",
        "learning-rate-too-high",
        RESIDUAL,
        story="S4",
        optimizer=of_zoo(rate=3.0),
    ),
    pair("s4-too-slow", "learning-rate-too-low", PLAIN, story="S4", optimizer=of_zoo(rate=1e-6)),
)

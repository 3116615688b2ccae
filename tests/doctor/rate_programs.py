"""How far a step goes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import keras
from keras.optimizers import schedules

from doctor import models
from doctor.pairs import pair
from doctor.plans import Plan, adam, of_zoo, sgd
from doctor.texts import Texts

model = partial(partial, models.text_model)
EN, ZH = Plan(), Plan(texts=Texts(language="zh"))
SGD_EN = replace(EN, model=model(read=models.average_dense), optimizer=sgd())
SGD_ZH = replace(ZH, optimizer=sgd(), epochs=8)
ZOO_EN = replace(EN, model=models.zoo("lstm", units=12), optimizer=of_zoo())
ZOO_ZH = replace(ZH, model=models.zoo("cnn", filters=12), optimizer=of_zoo())
AVERAGE_ZH = replace(ZH, model=model(read=models.average_dense, functional=True))


class SlowerEachBatch(keras.callbacks.Callback):  # type: ignore[misc]
    """Multiplies the learning rate after each batch, where each epoch was meant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        rate = self.model.optimizer.learning_rate
        rate.assign(rate * self.factor)


class CompileEachEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Compiles the model again as an epoch begins, so that its optimizer starts anew."""

    def __init__(self, optimizer: Any) -> None:
        super().__init__()
        self.optimizer = optimizer

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.compile(self.optimizer(), self.model.loss, metrics=["accuracy"])
        self.model.make_train_function()


def warming_up() -> Any:
    """Make an Adam whose first 30 steps are small, more than an epoch."""
    return keras.optimizers.Adam(schedules.PiecewiseConstantDecay([30], [1e-5, 1e-2]))


def _slower(factor: float) -> Sequence[Any]:
    return [SlowerEachBatch(factor)]


def _compiling(optimizer: Any) -> Sequence[Any]:
    return [CompileEachEpoch(optimizer)]


def _decaying(rate: float, factor: float) -> Any:
    return schedules.ExponentialDecay(rate, decay_steps=1, decay_rate=factor)


def _kept_small(strength: float) -> Sequence[Any]:
    return models.average_dense(kernel_regularizer=keras.regularizers.L2(strength))


PAIRS = (
    pair(
        "decay-each-step",
        "learning-rate-dies",
        EN,
        optimizer=lambda: keras.optimizers.Adam(_decaying(1e-2, 0.7)),
    ),
    pair("callback-each-batch", "learning-rate-dies", ZH, callbacks=partial(_slower, 0.6)),
    pair(
        "decay-each-step-of-zoo",
        "learning-rate-dies",
        ZOO_EN,
        optimizer=of_zoo(rate=_decaying(1e-2, 0.6)),
    ),
    pair("callback-each-batch-sgd", "learning-rate-dies", SGD_ZH, callbacks=partial(_slower, 0.8)),
    pair(
        "compiled-each-epoch-while-warming-up",
        "optimizer-reset",
        replace(ZH, optimizer=warming_up, epochs=8),
        callbacks=partial(_compiling, warming_up),
    ),
    pair(
        "compiled-each-epoch",
        "optimizer-reset",
        replace(EN, model=model(read=models.gru)),
        callbacks=partial(_compiling, adam()),
        hinders=False,
    ),
    pair("norm-clipped-to-nothing", "clip-too-small", SGD_EN, optimizer=sgd(clipnorm=1e-6)),
    pair("values-clipped-to-nothing", "clip-too-small", SGD_ZH, optimizer=sgd(clipvalue=1e-7)),
    pair(
        "all-norms-clipped-to-nothing",
        "clip-too-small",
        SGD_ZH,
        optimizer=sgd(global_clipnorm=1e-5),
    ),
    pair(
        "decay-of-half-the-weights",
        "weight-decay-too-strong",
        EN,
        optimizer=lambda: keras.optimizers.AdamW(1e-2, weight_decay=50.0),
    ),
    pair(
        "penalty-above-loss",
        "weight-decay-too-strong",
        AVERAGE_ZH,
        model=model(read=partial(_kept_small, 10.0), functional=True),
    ),
    pair("adam-too-fast", "learning-rate-too-high", EN, optimizer=adam(3.0)),
    pair("sgd-too-fast", "learning-rate-too-high", SGD_ZH, optimizer=sgd(100.0)),
    pair("zoo-too-fast", "learning-rate-too-high", ZOO_ZH, optimizer=of_zoo(rate=10.0)),
    pair("adam-too-slow", "learning-rate-too-low", AVERAGE_ZH, optimizer=adam(1e-6)),
    pair("sgd-too-slow", "learning-rate-too-low", SGD_EN, optimizer=sgd(1e-4)),
    pair("zoo-too-slow", "learning-rate-too-low", ZOO_EN, optimizer=of_zoo(rate=1e-6)),
)

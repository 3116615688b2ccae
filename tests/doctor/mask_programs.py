"""Padding, and how far back a layer reads."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from keras import layers

from doctor import models
from doctor.models import Parts
from doctor.pairs import pair
from doctor.plans import Plan, of_zoo
from doctor.texts import Texts
from kerastextzoo.layers import MaskedConv1D, MaskedGlobalMaxPooling1D, MaskedMaxPooling1D

model = partial(partial, models.text_model)
UNMASKED = {"mask_zero": False}
# More than half of the places are padding.
PADDED_EN = Plan(texts=Texts(words=(4, 30), places=40), epochs=8)
PADDED_ZH = replace(PADDED_EN, texts=Texts(language="zh", words=(4, 30), places=40))
# Long enough for gates to forget.
LONG_PADDED_ZH = replace(PADDED_EN, texts=Texts(language="zh", words=(10, 80), places=100))
LONG_EN = Plan(texts=Texts(rows=640, words=(110, 150), telling=6, where="start", places=150))


def _read_last(states: Any) -> Any:
    return states[:, -1]


def _last_of_all() -> Sequence[Any]:
    return [layers.LSTM(models.UNITS, return_sequences=True), _read_last]


def _largest_of_all() -> Sequence[Any]:
    return [layers.LSTM(models.UNITS, return_sequences=True), MaskedGlobalMaxPooling1D()]


def convolved(read: Parts, *, masked: bool = True) -> Parts:
    """A convolution, and what reads its outputs."""
    convolution = MaskedConv1D if masked else layers.Conv1D
    # Zeros behind the text stay zeros, the bias apart.
    return lambda: [convolution(12, 3, padding="same", activation="relu"), *read()]


def shortened(read: Parts, pool: int = 10) -> Parts:
    """A convolution and a pooling, which leave few steps, and what reads them."""
    return convolved(lambda: [MaskedMaxPooling1D(pool), *read()])


PAIRS = (
    pair(
        "rnn-reads-padding",
        "last-step-is-padding",
        replace(PADDED_EN, model=model(read=models.rnn)),
        model=model(read=models.rnn, embedding=UNMASKED),
    ),
    pair(
        "gru-reads-padding",
        "last-step-is-padding",
        replace(LONG_PADDED_ZH, model=model(read=models.gru, functional=True)),
        model=model(read=models.gru, embedding=UNMASKED, functional=True),
    ),
    pair(
        "last-of-all-states",
        "last-step-is-padding",
        replace(PADDED_EN, model=model(read=_last_of_all, functional=True)),
        model=model(read=_last_of_all, embedding=UNMASKED, functional=True),
    ),
    pair(
        "rnn-behind-convolution",
        "mask-lost",
        replace(PADDED_ZH, model=model(read=convolved(models.rnn)), epochs=14),
        model=model(read=convolved(models.rnn, masked=False)),
    ),
    pair(
        "lstm-behind-convolution",
        "mask-lost",
        replace(PADDED_EN, model=model(read=convolved(models.lstm), functional=True)),
        model=model(read=convolved(models.lstm, masked=False), functional=True),
    ),
    pair(
        "lstm-reads-far-back",
        "gradient-fades-over-time",
        replace(LONG_EN, model=model(read=_largest_of_all)),
        model=model(),
    ),
    pair(
        "rnn-of-zoo-reads-far-back",
        "gradient-fades-over-time",
        replace(LONG_EN, model=models.zoo("rnn", units=12, readout="max"), optimizer=of_zoo()),
        model=models.zoo("rnn", units=12),
    ),
)

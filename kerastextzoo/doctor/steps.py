"""Masks and time: does padding stay hidden, and how far back does the gradient reach?"""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.calls import Call
from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found

_REACHED = 1e-3
_LONG = 60
_SHARE_REACHED = 0.4
_MUCH_PADDING = 4
_LITTLE_GRADIENT = 0.1
_INSTEAD = {
    "Conv1D": "MaskedConv1D",
    "MaxPooling1D": "MaskedMaxPooling1D",
    "GlobalMaxPooling1D": "MaskedGlobalMaxPooling1D",
    "GlobalAveragePooling1D": "MaskedGlobalAveragePooling1D",
}


def check_last_step(case: Case) -> Iterator[Finding]:
    """Check that the state which is read is that of a word, not of padding."""
    slopes = case.slopes
    if slopes is None or case.tokens is None:
        return
    words = case.tokens[case.batch] != 0
    for place, gradient in slopes.inputs.items():
        call = slopes.calls[place]
        if call.mask is not None:
            continue
        steps = gradient.shape[1]
        shown = _shrunk(words, steps)
        backwards = bool(getattr(call.layer, "go_backwards", False))
        after = shown[:, ::-1] if not backwards else shown
        padding = np.where(shown.any(1), after.argmax(1), steps)
        reach = np.abs(gradient).sum(-1)
        share = float((reach * shown).sum() / max(reach.sum(), 1e-30))
        between = float(np.median(padding))
        mostly = _reads_last(call) and between >= np.median(shown.sum(1))
        if between >= _MUCH_PADDING and (mostly or share < _LITTLE_GRADIENT):
            yield found(
                "last-step-is-padding",
                layer=call.layer.name,
                padding=int(between),
                share=share,
            )
            return


def _reads_last(call: Call) -> bool:
    return not getattr(call.layer, "return_sequences", True)


def _shrunk(words: npt.NDArray[np.bool_], steps: int) -> npt.NDArray[np.bool_]:
    """Say which steps of a layer above some pooling have a word."""
    if words.shape[1] == steps:
        return words
    edges = np.linspace(0, words.shape[1], steps + 1).astype(int)
    return np.stack(
        [words[:, start : max(end, start + 1)].any(1) for start, end in itertools.pairwise(edges)],
        1,
    )


def check_reach(case: Case) -> Iterator[Finding]:
    """Check how many steps back from the state that is read a gradient gets."""
    slopes = case.slopes
    if slopes is None:
        return
    for place, gradient in slopes.inputs.items():
        call = slopes.calls[place]
        if not _reads_last(call) or isinstance(call.layer, keras.layers.Bidirectional):
            continue
        sizes = np.abs(gradient).sum(-1)
        shown = np.ones_like(sizes, bool) if call.mask is None else np.asarray(call.mask)
        lengths = shown.sum(1)
        length = int(np.median(lengths))
        largest = sizes.max(1, keepdims=True)
        if length < _LONG or not largest.any():
            continue
        reach = int(np.median((sizes > _REACHED * largest).sum(1)))
        if reach < _SHARE_REACHED * length:
            yield found(
                "gradient-fades-over-time", layer=call.layer.name, reach=reach, length=length
            )
            return


def check_masks(case: Case) -> Iterator[Finding]:
    """Check that no layer drops the mask above one that would have used it."""
    dropped: Call | None = None
    for call in case.calls:
        if call.mask is not None and call.mask_after is None and _keeps_steps(call):
            dropped = dropped or (None if call.layer.supports_masking else call)
        elif dropped is not None and call.mask is None and _needs_mask(call.layer):
            yield from _lost(case, dropped, call)
            return


def _lost(case: Case, dropped: Call, reader: Call) -> Iterator[Finding]:
    kind = type(dropped.layer).__name__
    if case.tokens is None or not (case.tokens[case.sample] == 0).any():
        return
    instead = _INSTEAD.get(kind, "MaskedConv1D")
    yield found("mask-lost", layer=dropped.layer.name, reader=reader.layer.name, instead=instead)


def _keeps_steps(call: Call) -> bool:
    return len(getattr(call.outputs, "shape", ())) == 3  # noqa: PLR2004 - (batch, steps, features)


def _needs_mask(layer: Any) -> bool:
    kinds = (
        keras.layers.RNN,
        keras.layers.Bidirectional,
        keras.layers.GlobalAveragePooling1D,
        keras.layers.Attention,
        keras.layers.AdditiveAttention,
        keras.layers.MultiHeadAttention,
    )
    return isinstance(layer, kinds)

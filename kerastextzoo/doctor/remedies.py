"""The changes that the doctor can make by itself, on a copy of the program.

To add one, write a function from a `Case` and its `Finding` to a `Program`, and give it a line in
`REMEDIES`. What can't be changed from here, such as what a row should have said, has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import keras
import numpy as np

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding
from kerastextzoo.doctor.program import Program, copy_model, copy_optimizer, pick
from kerastextzoo.doctor.rates import peak_rate, plain_copy

Remedy = Callable[[Case, Finding], Program | None]
_MOST_DROPOUT = 0.5
_DROPOUTS = ("rate", "dropout", "recurrent_dropout")
_REGULARIZERS = (
    "kernel_regularizer",
    "bias_regularizer",
    "recurrent_regularizer",
    "embeddings_regularizer",
    "activity_regularizer",
    "gamma_regularizer",
    "beta_regularizer",
)


def mend(case: Case, finding: Finding) -> Program | None:
    """Return the program with the finding's one change; None where there is none to make.

    Raises:
        DoctorError: The model can't be copied.
    """
    remedy = REMEDIES.get(finding.code)
    return None if remedy is None else remedy(case, finding)


def _compiled(
    case: Case,
    model: keras.Model | None = None,
    *,
    loss: Any = None,
    optimizer: Any = None,
    **of: Any,
) -> Program:
    """Return the program with another model, loss or optimizer; the model is a copy."""
    program = case.program
    model = model or copy_model(program.model, _few(case))
    model.compile(
        optimizer=optimizer or copy_optimizer(program.model.optimizer),
        loss=loss or program.model.loss,
    )
    return replace(program, model=model, **of)


def _few(case: Case) -> Any:
    return pick(case.program.x, case.sample[:2])


Change = Callable[[Any, dict[str, Any]], dict[str, Any]]


def _changed(case: Case, change: Change) -> keras.Model:
    """Return a copy with other settings of its layers and the same weights."""
    return copy_model(case.program.model, _few(case), change)


def _rebuilt(case: Case, change: Change) -> keras.Model:
    """Return a copy with other settings of its layers, which starts anew."""
    return copy_model(case.program.model, _few(case), change, weights=False)


def _setting(name: str, value: Any, of: Callable[[Any], bool] = lambda layer: True) -> Any:
    def change(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, name: value} if name in config and of(layer) else config

    return change


def _plain_loss(case: Case) -> Any:
    """Return the cross-entropy that suits labels and answers."""
    logits = case.answers_are == "numbers"
    if case.units == 1 or case.labels == "several":
        return keras.losses.BinaryCrossentropy(from_logits=logits)
    if case.labels == "one-hot":
        return keras.losses.CategoricalCrossentropy(from_logits=logits)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)


def _other_loss(case: Case, finding: Finding) -> Program:
    return _compiled(case, loss=_plain_loss(case))


def _unrounded(case: Case, finding: Finding) -> Program | None:
    """Take a loss that rounds nothing; what a model rounds in itself has no other form."""
    return _other_loss(case, finding) if finding.evidence["where"] == "in the loss" else None


def _one_activation_less(case: Case, finding: Finding) -> Program:
    """Cut the last activation off; where it is part of no layer of its own, change the loss."""
    copied = copy_model(case.program.model, _few(case))
    tensor = copied.outputs[0] if getattr(copied, "outputs", None) else None
    while tensor is not None:
        operation, node, _ = tensor._keras_history
        inputs = operation._inbound_nodes[node].input_tensors
        if getattr(operation, "weights", ()) or len(inputs) != 1:
            return _other_loss(case, finding)
        tensor = inputs[0]
        if isinstance(operation, (keras.layers.Activation, keras.layers.Softmax)) or (
            type(operation).__name__.lower() in {"softmax", "sigmoid"}
        ):
            cut = keras.Model(copied.inputs, tensor)
            return _compiled(case, cut, loss=case.program.model.loss)
    return _other_loss(case, finding)


def _squashed_twice(case: Case, finding: Finding) -> Program:
    if case.tail[0] == (case.tail[1:2] or [""])[0]:
        return _one_activation_less(case, finding)
    return _other_loss(case, finding)


def _last(case: Case) -> Callable[[Any], bool]:
    """Say of a layer whether it is the last one with weights."""
    weighted = [layer for layer in case.layers if hasattr(layer, "units") and layer.weights]
    path = case.program.model.weights[-1].path if case.program.model.weights else ""
    owner = next((one for one in weighted if any(w.path == path for w in one.weights)), None)
    return lambda layer: owner is not None and layer.name == owner.name


def _softmax(case: Case, finding: Finding) -> Program:
    model = _changed(case, _setting("activation", "softmax", _last(case)))
    loss = "categorical_crossentropy" if case.labels == "one-hot" else None
    return _compiled(case, model, loss=loss)


def _sigmoid(case: Case, finding: Finding) -> Program:
    return _compiled(case, _changed(case, _setting("activation", "sigmoid", _last(case))))


def _more_units(case: Case, finding: Finding) -> Program:
    units = int(finding.evidence["classes"])  # type: ignore[arg-type]
    return _compiled(case, _rebuilt(case, _setting("units", units, _last(case))))


def _longer_embedding(case: Case, finding: Finding) -> Program:
    rows = int(finding.evidence["needed"])  # type: ignore[arg-type]
    embedding = keras.layers.Embedding

    def change(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "input_dim": rows} if isinstance(layer, embedding) else config

    return _compiled(case, _rebuilt(case, change))


def _masked(case: Case, finding: Finding) -> Program:
    return _compiled(case, _changed(case, _setting("mask_zero", True)))


def _all_trainable(case: Case, finding: Finding) -> Program:
    model = copy_model(case.program.model, _few(case))
    model.trainable = True
    for layer in model._flatten_layers():
        layer.trainable = True
    return _compiled(case, model)


def _default_start(case: Case, finding: Finding) -> Program:
    defaults = {
        "kernel_initializer": "glorot_uniform",
        "recurrent_initializer": "orthogonal",
        "bias_initializer": "zeros",
        "embeddings_initializer": "uniform",
    }

    def change(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, **{name: it for name, it in defaults.items() if name in config}}

    return _compiled(case, _rebuilt(case, change))


def _without_regularizers(case: Case, finding: Finding) -> Program:
    if getattr(case.program.model.optimizer, "weight_decay", None):
        return _compiled(case, optimizer=plain_copy(case.program.model.optimizer))

    def change(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, **{name: None for name in _REGULARIZERS if name in config}}

    return _compiled(case, _changed(case, change))


def _less_dropout(case: Case, finding: Finding) -> Program:
    def change(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
        high = {
            name: _MOST_DROPOUT
            for name in _DROPOUTS
            if isinstance(config.get(name), float) and config[name] > _MOST_DROPOUT
        }
        return {**config, **high}

    return _compiled(case, _changed(case, change))


def _faster_statistics(case: Case, finding: Finding) -> Program:
    def is_batch_norm(layer: Any) -> bool:
        return isinstance(layer, keras.layers.BatchNormalization)

    model = _changed(case, _setting("momentum", 0.9, is_batch_norm))
    for layer in model._flatten_layers():
        if is_batch_norm(layer):
            layer.trainable = True
    return _compiled(case, model)


def _steady_rate(case: Case, finding: Finding) -> Program:
    optimizer = copy_optimizer(case.program.model.optimizer, learning_rate=peak_rate(case))
    return _compiled(case, optimizer=optimizer, callbacks=())


def _better_rate(case: Case, finding: Finding) -> Program:
    rate = float(finding.evidence["better"])  # type: ignore[arg-type]
    optimizer = copy_optimizer(case.program.model.optimizer, learning_rate=rate)
    return _compiled(case, optimizer=optimizer)


def _no_callbacks(case: Case, finding: Finding) -> Program:
    return _compiled(case, callbacks=())


def _unclipped(case: Case, finding: Finding) -> Program:
    return _compiled(case, optimizer=plain_copy(case.program.model.optimizer))


def _tamed(case: Case, finding: Finding) -> Program:
    """Start a growing state anew; where nothing grows at the start, clip."""
    if "grows" in finding.evidence:
        return _compiled(case, _rebuilt(case, _setting("recurrent_initializer", "orthogonal")))
    return _compiled(
        case,
        optimizer=copy_optimizer(
            case.program.model.optimizer, clipnorm=None, clipvalue=None, global_clipnorm=1.0
        ),
    )


def _shuffled(case: Case, finding: Finding) -> Program:
    return replace(case.program, shuffle=True)


def _numbered(case: Case, finding: Finding) -> Program:
    _, numbers = np.unique(case.program.y, return_inverse=True)
    y = numbers.reshape(case.program.y.shape)
    return replace(case.program, y=y)


def _scaled(case: Case, finding: Finding) -> Program:
    x = np.asarray(keras.tree.flatten(case.program.x)[0], np.float32)
    axes = tuple(range(x.ndim - 1))
    mean, deviation = x.mean(axes), x.std(axes) + 1e-7
    given = case.program.validation_data
    scaled = given and ((np.asarray(given[0], np.float32) - mean) / deviation, given[1])
    return replace(case.program, x=(x - mean) / deviation, validation_data=scaled)


REMEDIES: Mapping[str, Remedy] = MappingProxyType(
    {
        "labels-are-text": _numbered,
        "ids-beyond-embedding": _longer_embedding,
        "one-unit-softmax": _sigmoid,
        "too-few-units": _more_units,
        "labels-out-of-range": _numbered,
        "integer-labels-with-one-hot-loss": _other_loss,
        "one-hot-labels-with-integer-loss": _other_loss,
        "answers-rounded": _unrounded,
        "sigmoid-after-softmax": _one_activation_less,
        "softmax-twice": _squashed_twice,
        "sigmoid-twice": _squashed_twice,
        "logits-taken-for-probabilities": _other_loss,
        "sigmoid-with-categorical-loss": _softmax,
        "binary-loss-on-exclusive-classes": _softmax,
        "everything-frozen": _all_trainable,
        "weights-not-finite": _default_start,
        "weights-all-equal": _default_start,
        "dead-relu": _default_start,
        "saturated-units": _default_start,
        "exploding-gradient": _tamed,
        "frozen-random-embedding": _all_trainable,
        "learning-rate-dies": _steady_rate,
        "optimizer-reset": _no_callbacks,
        "clip-too-small": _unclipped,
        "weight-decay-too-strong": _without_regularizers,
        "learning-rate-too-high": _better_rate,
        "learning-rate-too-low": _better_rate,
        "sorted-by-class": _shuffled,
        "batches-of-one-class": _shuffled,
        "features-not-scaled": _scaled,
        "last-step-is-padding": _masked,
        "batch-norm-statistics": _faster_statistics,
        "over-regularised": _less_dropout,
    }
)

"""Do gradients reach all weights, neither too small nor too large, and do the units answer?"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found
from kerastextzoo.doctor.slopes import Slopes

_EXPLODING = 100.0
_VANISHING = 1e-5
# How much longer a step may make a state.
_GROWS = 1.5
_DEAD = 0.95
_SATURATED = 0.9
_FLAT_GATES = 0.65
_FEWEST_UNITS = 2
_FEWEST_ROWS = 50
# How far a matrix's largest singular value may be beyond that of independent numbers.
_WITHOUT_STRUCTURE = 1.15


def check_trainable(case: Case) -> Iterator[Finding]:
    """Check that there is something to train, and that it starts at finite numbers."""
    model = case.program.model
    if model.weights and not model.trainable_weights:
        yield found("everything-frozen", weights=len(model.weights))
    for layer in case.layers:
        values = [keras.ops.convert_to_numpy(weight) for weight in layer.weights]
        broken = sum(
            int((~np.isfinite(value)).sum()) for value in values if value.dtype.kind == "f"
        )
        if broken:
            yield found("weights-not-finite", numbers=broken, layer=layer.name)
            return


def check_start(case: Case) -> Iterator[Finding]:
    """Check that the units of a layer do not start alike."""
    for layer in case.layers:
        kernel = getattr(layer, "kernel", None)
        if kernel is None or kernel.shape[-1] == 1:
            continue
        values = keras.ops.convert_to_numpy(kernel)
        last = layer is case.layers[-1] or layer.weights[-1] is case.program.model.weights[-1]
        if np.ptp(values) == 0 and not (last and not values.any()):
            yield found("weights-all-equal", layer=layer.name, value=float(values.flat[0]))
            return


def check_embedding(case: Case) -> Iterator[Finding]:
    """Check that a frozen embedding has something to say."""
    for layer in case.embeddings:
        if layer.trainable or not layer.built:
            continue
        table = keras.ops.convert_to_numpy(layer.weights[0]).astype(np.float64)
        used = table if case.tokens is None else table[_used(case.tokens, len(table))]
        used = used[np.abs(used).sum(-1) > 0]
        if len(used) >= _FEWEST_ROWS and _is_random(used):
            yield found("frozen-random-embedding", rows=len(used), layer=layer.name)


def _used(tokens: npt.NDArray[np.int64], rows: int) -> npt.NDArray[np.int64]:
    ids = np.unique(tokens)
    return ids[(ids > 0) & (ids < rows)]


def _is_random(table: npt.NDArray[np.float64]) -> bool:
    """Whether the largest singular value is that of a matrix of independent numbers.

    Reference:
        Marchenko and Pastur 1967, https://doi.org/10.1070/SM1967v001n04ABEH001994
    """
    rows, features = table.shape
    deviation = table.std()
    if deviation == 0:
        return False
    largest = np.linalg.svd(table / deviation, compute_uv=False)[0]
    return bool(largest < _WITHOUT_STRUCTURE * (np.sqrt(rows) + np.sqrt(features)))


def check_gradients(case: Case) -> Iterator[Finding]:
    """Check where the gradient of a batch gets to, and how large it is."""
    slopes = case.slopes
    if slopes is None or not slopes.weights:
        return
    silent = [name for name, gradient in _by_layer(slopes).items() if not gradient]
    embeddings = {layer.name for layer in case.embeddings if layer.trainable}
    for name in silent:
        if name in embeddings:
            yield found("embedding-never-updated", layer=name, gradient=0.0)
    others = [name for name in silent if name not in embeddings]
    if others:
        yield found(
            "weights-without-gradient",
            layers=len(others),
            all_layers=len(_by_layer(slopes)),
            layer=others[0],
        )
    norm = slopes.norm
    if not np.isfinite(norm) or norm > _EXPLODING:
        largest = max(
            _by_layer(slopes).items(), key=lambda pair: np.nan_to_num(pair[1], nan=np.inf)
        )
        growing = _growing_state(case)
        remedy = "leave recurrent_initializer of {grows} at its default" if growing else None
        yield found("exploding-gradient", remedy, norm=norm, layer=largest[0], **growing)
    yield from _check_vanishing(slopes, silent)


def _growing_state(case: Case) -> dict[str, str]:
    """Name the first layer that was told to start with a state that grows at each step."""
    for call in case.recurrent():
        cell = getattr(call.layer, "cell", None)
        kernel = getattr(cell, "recurrent_kernel", None)
        if kernel is None or cell is None:
            continue
        start = keras.initializers.serialize(cell.recurrent_initializer)
        if start["class_name"] == "Orthogonal" and start["config"]["gain"] <= 1:
            continue
        values = keras.ops.convert_to_numpy(kernel)
        square = values[:, : len(values)]
        if np.abs(np.linalg.eigvals(square)).max() > _GROWS:
            return {"grows": call.layer.name}
    return {}


def _by_layer(slopes: Slopes) -> dict[str, float]:
    """Return the root mean square of each layer's gradient; 0.0 where there is none."""
    found: dict[str, list[float]] = {}
    for path, layer, values, gradient in slopes.weights:
        if values.ndim < 2:  # noqa: PLR2004 - a bias may have none, before a normalisation
            continue
        name = layer.name if layer is not None else path
        size = 0.0 if gradient is None else _size(gradient)
        found.setdefault(name, []).append(size)
    return {name: max(sizes) for name, sizes in found.items()}


def _size(gradient: npt.NDArray[np.float32]) -> float:
    """Return the root mean square of the rows that have a gradient."""
    touched = np.abs(gradient).reshape(len(gradient), -1).sum(-1) > 0
    part = gradient[touched] if touched.any() else gradient
    return float(np.sqrt(np.square(part, dtype=np.float64).mean()))


def _check_vanishing(slopes: Slopes, silent: list[str]) -> Iterator[Finding]:
    sizes = {name: size for name, size in _by_layer(slopes).items() if name not in silent}
    if len(sizes) < 2:  # noqa: PLR2004 - nothing to compare
        return
    last = list(sizes)[-1]
    for name, size in sizes.items():
        if size < _VANISHING * sizes[last]:
            yield found("vanishing-gradient", layer=name, ratio=size / sizes[last])
            return


def check_units(case: Case) -> Iterator[Finding]:
    """Check that units change with the texts: neither dead nor stuck at a flat end."""
    # The answers of a model that has learned are at the ends.
    for call in case.calls[:-1]:
        activation = getattr(getattr(call.layer, "activation", None), "__name__", "")
        if isinstance(call.layer, keras.layers.ReLU):
            activation = "relu"
        outputs = _array(call.outputs)
        if outputs is None or outputs.shape[-1] < _FEWEST_UNITS:
            continue
        units = outputs.reshape(-1, outputs.shape[-1])
        recurrent = isinstance(call.layer, keras.layers.RNN)
        if activation == "relu" and not recurrent and _varies(call.inputs):
            dead = float((units <= 0).all(0).mean())
            if dead >= _DEAD:
                yield found("dead-relu", layer=call.layer.name, share=dead)
                return
        share = _stuck_gates(call) if recurrent else _stuck(units, activation)
        if share >= (_FLAT_GATES if recurrent else _SATURATED):
            told = "gates" if recurrent else activation
            yield found("saturated-units", layer=call.layer.name, share=share, activation=told)
            return


def _array(tensor: Any) -> npt.NDArray[Any] | None:
    tensors = keras.tree.flatten(tensor)
    if not tensors or len(getattr(tensors[0], "shape", ())) < 2:  # noqa: PLR2004
        return None
    found = keras.ops.convert_to_numpy(tensors[0])
    return found if found.dtype.kind == "f" else None


def _varies(tensor: Any) -> bool:
    values = _array(tensor)
    return values is not None and bool(np.ptp(values, axis=0).any())


def _stuck(units: npt.NDArray[Any], activation: str) -> float:
    if activation == "tanh":
        return float((np.abs(units) > 0.999).mean())  # noqa: PLR2004
    if activation == "sigmoid":
        return float((np.abs(units - 0.5) > 0.499).mean())  # noqa: PLR2004
    return 0.0


def _stuck_gates(call: Any) -> float:
    """Return the share of a gate's slope that the inputs alone take away, as a mean."""
    cell = getattr(call.layer, "cell", None)
    kernel, bias = getattr(cell, "kernel", None), getattr(cell, "bias", None)
    inputs = _array(call.inputs)
    if kernel is None or inputs is None or inputs.shape[-1] != kernel.shape[0]:
        return 0.0
    pushed = inputs.reshape(-1, inputs.shape[-1]) @ keras.ops.convert_to_numpy(kernel)
    if bias is not None:
        values = keras.ops.convert_to_numpy(bias)
        pushed = pushed + (values if values.ndim == 1 else values[0])
    return float(np.square(np.tanh(pushed / 2)).mean())

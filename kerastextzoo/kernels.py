"""Which kernel Keras computes each recurrent layer with, and why.

On a GPU a fused kernel, cuDNN's, runs over a whole text at once; a loop starts several small
kernels a step and is many times slower. Keras chooses silently, by conditions that are written
down here as its own code has them (`inner_loop` of LSTM and GRU, `lstm` and `gru` of each backend).
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.errors import InputError

_FUSING = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class LayerKernel:
    """What one recurrent layer is computed with.

    Attributes:
        layer: Name, after those of the layers around it.
        cpu: The kernel on a CPU; Keras has no fused one there.
        gpu: The kernel on a GPU. fails: a compiled step, as `fit` and `predict` run it, stops with
            an error.
        why: What keeps the layer from the fused kernel; else what it relies on.
    """

    layer: str
    cpu: Literal["loop"]
    gpu: Literal["fused (cuDNN)", "loop", "fails"]
    why: str


class LayerKernels(tuple[LayerKernel, ...]):
    """The kernels of a model, in its order; `str` makes a table."""

    def __str__(self) -> str:
        if not self:
            return "no recurrent layer"
        rows = [tuple(field.name for field in fields(LayerKernel)), *map(astuple, self)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def can_fuse() -> bool:
    """Say whether this process has a GPU that the backend of Keras has fused kernels for."""
    match keras.backend.backend():
        case "tensorflow":
            import tensorflow as tf

            return bool(tf.config.list_physical_devices("GPU"))
        case "jax":
            import jax

            return any(device.platform == "gpu" for device in jax.devices())
        case "torch":
            import torch

            return bool(torch.cuda.is_available())
    return False


def explain_kernel(model: keras.Model, inputs: Any = None) -> LayerKernels:
    """Say for each recurrent layer which kernel Keras takes on CPU and GPU, and why.

    Layers inside others are found: in `keras.layers.Bidirectional`, in `ResLSTM`, in models of
    models. The answer holds for the backend of Keras in use and needs no GPU.

    Args:
        model: Any Keras model.
        inputs: A batch, whose masks are looked at; None: a text without padding.

    Raises:
        InputError: The model has no inputs yet, and none are given.

    Example:
        >>> model = keras.Sequential([keras.Input((5, 4)), keras.layers.LSTM(8, unroll=True)])
        >>> [(kernel.gpu, kernel.why) for kernel in explain_kernel(model)]
        [('loop', 'unroll is True')]
    """
    found = dict(_recurrent(model))
    masks = _masks(model, list(found.values()), inputs) if found else {}
    return LayerKernels(
        LayerKernel(name, "loop", *_choice(layer, masks.get(id(layer))))
        for name, layer in found.items()
    )


def _recurrent(layer: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    inside = layer.layers if isinstance(layer, keras.Model) else layer._flatten_layers(False, False)
    for part in inside:
        name = f"{path}{part.name}"
        if isinstance(part, keras.layers.RNN):
            yield name, part
        else:
            yield from _recurrent(part, f"{name}/")


def _masks(model: Any, layers: list[Any], inputs: Any) -> dict[int, npt.NDArray[np.bool_]]:
    """Run the model and keep the mask that reaches each layer."""
    if inputs is None:
        if not getattr(model, "inputs", None):
            raise InputError(
                "a model without inputs needs a batch to be explained; "
                "got none; give one: explain_kernel(model, inputs)"
            )
        texts = [
            keras.ops.ones([size or 2 for size in given.shape], given.dtype)
            for given in model.inputs
        ]
        inputs = texts[0] if len(texts) == 1 else texts
    seen: dict[int, npt.NDArray[np.bool_]] = {}

    def watch(layer: Any) -> None:
        run = layer.inner_loop

        def watched(sequences: Any, initial_state: Any, mask: Any, training: bool = False) -> Any:
            given = mask[0] if isinstance(mask, list | tuple) else mask
            if given is not None:
                seen[id(layer)] = keras.ops.convert_to_numpy(given).astype(bool)
            return run(sequences, initial_state, mask, training=training)

        layer.inner_loop = watched

    for layer in layers:
        watch(layer)
    try:
        model(inputs, training=False)
    finally:
        for layer in layers:
            del layer.inner_loop
    return seen


def _choice(
    layer: Any, mask: npt.NDArray[np.bool_] | None
) -> tuple[Literal["fused (cuDNN)", "loop", "fails"], str]:
    backend = keras.backend.backend()
    against = _obstacles(layer, backend)
    if mask is not None and backend != "tensorflow" and backend in _FUSING:
        against.append(f"texts have a mask, which the {backend} backend computes in a loop")
    if against:
        return "loop", ", ".join(against)
    if mask is None:
        return "fused (cuDNN)", "no mask"
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        return "fails", "mask is not right-padded: pad on the right or set use_cudnn=False"
    if not mask.any(axis=1).all():
        return "fails", "a text is all padding: give it a token or set use_cudnn=False"
    return "fused (cuDNN)", "as long as masks are right-padded and no text is all padding"


def _obstacles(layer: Any, backend: str) -> list[str]:
    if not isinstance(layer, keras.layers.LSTM | keras.layers.GRU):
        return [f"{type(layer).__name__} has no fused kernel: LSTM and GRU have"]
    if backend not in _FUSING:
        return [f"the {backend} backend has no fused kernel"]
    # DropConnectLSTM asks for cuDNN in its own loop alone.
    wanted = getattr(layer, "use_cudnn_in_loop", layer.use_cudnn)
    tanh, sigmoid = (
        (getattr(keras.activations, name), getattr(keras.ops, name)) for name in ("tanh", "sigmoid")
    )
    conditions = {
        "use_cudnn is False": wanted not in ("auto", True),
        "recurrent_dropout > 0": bool(layer.recurrent_dropout),
        "activation is not tanh": layer.activation not in tanh,
        "recurrent_activation is not sigmoid": layer.recurrent_activation not in sigmoid,
        "unroll is True": layer.unroll,
        "use_bias is False": not layer.use_bias,
        "reset_after is False": not getattr(layer, "reset_after", True),
    }
    return [reason for reason, holds in conditions.items() if holds]

"""What goes through the layers of a model when it is called, whatever way it is written."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras.src.models import Functional

_ACTIVATIONS = {"softmax", "sigmoid", "log_softmax"}


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer.

    Attributes:
        layer: Which.
        inputs: Its first argument.
        outputs: What it gave.
        mask: That of the inputs, or None.
    """

    layer: Any
    inputs: Any
    outputs: Any
    mask: Any

    @property
    def mask_after(self) -> Any:
        """The mask of the outputs, or None."""
        return _mask(self.outputs)


def _mask(tensors: Any) -> Any:
    masks = [getattr(tensor, "_keras_mask", None) for tensor in keras.tree.flatten(tensors)]
    return next((mask for mask in masks if mask is not None), None)


@contextmanager
def recorded_calls(layers: Sequence[Any]) -> Iterator[list[Call]]:
    """Record the calls of layers, in the order in which they end."""
    calls: list[Call] = []
    with ExitStack() as undo:
        for layer in layers:
            if _is_cell(layer):
                continue
            layer.call = _recording(layer, layer.call, calls)
            undo.callback(layer.__dict__.pop, "call", None)
        yield calls


def _is_cell(layer: Any) -> bool:
    """Whether it is called at each step, by a recurrent layer."""
    return hasattr(layer, "state_size") and not isinstance(layer, keras.layers.RNN)


def _recording(layer: Any, original: Any, calls: list[Call]) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        outputs = original(*args, **kwargs)
        inputs = args[0] if args else next(iter(kwargs.values()), None)
        calls.append(Call(layer, inputs, outputs, _mask(inputs)))
        return outputs

    return call


def tail_of(model: keras.Model, calls: Sequence[Call]) -> list[str]:
    """Return the activations between the last weights and the answers, the last one first.

    Of a model that is no graph of layers, those that its layers apply.
    """
    if isinstance(model, (keras.Sequential, Functional)):
        return _tail_of_graph(model)
    found: list[str] = []
    # A layer within another ends before it.
    for call in reversed(calls):
        if call.layer is model:
            continue
        found += _applied(call.layer)
        if call.layer.weights:
            break
    return found


def _tail_of_graph(model: Any) -> list[str]:
    found: list[str] = []
    tensor = model.outputs[0]
    while True:
        operation, node, _ = tensor._keras_history
        if isinstance(operation, (keras.Sequential, Functional)):
            inner = _tail_of_graph(operation)
            found += inner
        else:
            found += _applied(operation)
        inputs = operation._inbound_nodes[node].input_tensors
        if getattr(operation, "weights", ()) or len(inputs) != 1:
            return found
        tensor = inputs[0]


def _applied(operation: Any) -> list[str]:
    if isinstance(operation, keras.layers.Softmax):
        return ["softmax"]
    activation = getattr(operation, "activation", None)
    if activation is not None and not isinstance(operation, keras.layers.RNN):
        return [str(getattr(activation, "__name__", type(activation).__name__)).lower()]
    # Operations such as keras.ops.softmax are named after what they do.
    name = type(operation).__name__.lower()
    return [name] if name in _ACTIVATIONS else []

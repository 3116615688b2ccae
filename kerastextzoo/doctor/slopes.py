"""Gradients of a model's loss: by weight, by answer and by time step. This needs TensorFlow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.calls import Call, recorded_calls
from kerastextzoo.doctor.findings import DoctorError
from kerastextzoo.doctor.program import layers_of

Gradient = npt.NDArray[np.float32] | None


def _tensorflow() -> Any:
    if keras.backend.backend() != "tensorflow":
        raise DoctorError(
            f"gradients are looked at with TensorFlow; got {keras.backend.backend()}; set "
            "KERAS_BACKEND=tensorflow"
        )
    import tensorflow as tf

    return tf


def slope_of_loss(loss: Callable[..., Any], y: Any, answers: Any) -> float | None:
    """Return the largest slope of the loss in any answer; None if it refuses them."""
    tf = _tensorflow()
    given = tf.convert_to_tensor(answers)
    try:
        with tf.GradientTape() as tape:
            tape.watch(given)
            value = loss(y, given)
        gradient = tape.gradient(value, given)
    except Exception:
        return None
    return 0.0 if gradient is None else float(np.abs(gradient.numpy()).max())


@dataclass(frozen=True, kw_only=True, eq=False)
class Slopes:
    """The gradient of one batch.

    Attributes:
        loss: Of the batch.
        penalty: What regularizers add to it.
        weights: By trainable weight: its path, its layer, its values, its gradient or None.
        calls: What went through the layers.
        inputs: By place in `calls`, the gradient of a recurrent layer's inputs
            `(batch, steps, features)`.
    """

    loss: float
    penalty: float
    weights: list[tuple[str, Any, npt.NDArray[np.float32], Gradient]]
    calls: list[Call]
    inputs: dict[int, npt.NDArray[np.float32]]

    @property
    def norm(self) -> float:
        """Of the whole gradient."""
        parts = [gradient for *_, gradient in self.weights if gradient is not None]
        return float(np.sqrt(sum(float(np.square(part, dtype=np.float64).sum()) for part in parts)))


def slopes_of(
    model: keras.Model, loss: Callable[..., Any], x: Any, y: Any, named: Sequence[Any]
) -> Slopes:
    """Look at the gradient of one batch, in training mode.

    Args:
        model: May be a copy, for the batch moves its statistics.
        loss: Of labels and answers.
        x: Inputs.
        y: Labels.
        named: The layers that are to be told of, in the order of the model's.
    """
    tf = _tensorflow()
    pairs = zip(layers_of(model), named, strict=True)
    owners = {id(weight): told for layer, told in pairs for weight in layer.weights}
    variables = model.trainable_variables
    with tf.GradientTape() as tape, recorded_calls(layers_of(model)) as calls:
        answers = model(x, training=True)
        value = loss(y, answers)
        penalty = sum(model.losses) if model.losses else tf.constant(0.0)
        total = value + tf.cast(penalty, value.dtype)
    places = [place for place, call in enumerate(calls) if is_sequence(call)]
    steps = [calls[place].inputs for place in places]
    gradients = tape.gradient(total, [[each.value for each in variables], steps])
    return Slopes(
        loss=float(value),
        penalty=float(penalty),
        weights=[
            (variable.path, owners.get(id(variable)), np.asarray(variable), _dense(gradient))
            for variable, gradient in zip(variables, gradients[0], strict=True)
        ],
        calls=calls,
        inputs={
            place: dense
            for place, gradient in zip(places, gradients[1], strict=True)
            if (dense := _dense(gradient)) is not None
        },
    )


def is_sequence(call: Call) -> bool:
    """Whether a recurrent layer reads many steps and gives its last state alone."""
    layer = call.layer
    recurrent = isinstance(layer, (keras.layers.RNN, keras.layers.Bidirectional))
    return recurrent and len(getattr(call.inputs, "shape", ())) == 3  # noqa: PLR2004


def _dense(gradient: Any) -> Gradient:
    tf = _tensorflow()
    return None if gradient is None else np.asarray(tf.convert_to_tensor(gradient))


class Trainer:
    """Trains a model step by step, without `compile`, so that a model on loan stays as it was.

    Args:
        model: Its weights change.
        loss: Of labels and answers.
        optimizer: Not used before.
    """

    def __init__(self, model: keras.Model, loss: Callable[..., Any], optimizer: Any) -> None:
        tf = _tensorflow()
        self.model, self.optimizer = model, optimizer
        variables = model.trainable_variables
        optimizer.build(variables)

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def step(x: Any, y: Any) -> Any:
            with tf.GradientTape() as tape:
                value = loss(y, model(x, training=True))
                total = value
                if model.losses:
                    total = value + tf.cast(sum(model.losses), value.dtype)
            gradients = tape.gradient(total, [each.value for each in variables])
            pairs = [
                (gradient, variable)
                for gradient, variable in zip(gradients, variables, strict=True)
                if gradient is not None
            ]
            if pairs:
                optimizer.apply(*map(list, zip(*pairs, strict=True)))
            return value

        @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
        def answer(x: Any, training: bool) -> Any:
            return model(x, training=training)

        self._step, self._answer = step, answer

    def step(self, x: Any, y: Any) -> float:
        """Make one step, and return the loss before it."""
        return float(self._step(x, y))

    def answers(self, x: Any, *, training: bool = False) -> npt.NDArray[np.float32]:
        """Return what the model answers."""
        return np.asarray(self._answer(x, training), np.float32)

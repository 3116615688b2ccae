"""What is examined: a compiled model, its data and how it is to be trained; and copies of it.

The caller's model, optimizer and data are never changed: whatever trains, trains a copy.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras.src.models import Functional

from kerastextzoo.doctor.findings import DoctorError
from kerastextzoo.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Program:
    """A training as `model.fit` would be called.

    Attributes:
        model: Compiled, with one output.
        x: Inputs, an array `(rows, ...)`, or a list or a dictionary of arrays.
        y: Labels, `(rows,)` or `(rows, classes)`.
        batch_size: Rows of one step.
        epochs: Passes over the rows.
        callbacks: Of the training.
        validation_data: Inputs and labels.
        shuffle: Whether the rows come in another order in each epoch.
    """

    model: keras.Model
    x: Any
    y: Any
    batch_size: int = 32
    epochs: int = 10
    callbacks: Sequence[keras.callbacks.Callback] = ()
    validation_data: tuple[Any, Any] | None = None
    shuffle: bool = True

    @property
    def rows(self) -> int:
        """How many there are."""
        return len(self.y)

    @property
    def steps_an_epoch(self) -> int:
        """Batches of one pass."""
        return -(-self.rows // self.batch_size)

    def at(self, rows: npt.NDArray[np.int64]) -> tuple[Any, Any]:
        """Return inputs and labels of some rows."""
        return pick(self.x, rows), self.y[rows]


def pick(x: Any, rows: Any) -> Any:
    """Return some rows of an array, or of each array of a structure."""
    return keras.tree.map_structure(lambda array: array[rows], x)


def as_program(model: Any, x: Any, y: Any = None, **settings: Any) -> Program:
    """Check what `diagnose` was given, and turn lists and data sets into arrays.

    Args:
        model: To be examined.
        x: Inputs; or batches of inputs and labels, such as a `tf.data.Dataset`, if y is None. Those
            come in an order of their own, so nothing shuffles them.
        y: Labels.
        settings: Of `Program`.

    Raises:
        InputError: It can't be examined.
    """
    if not isinstance(model, keras.Model):
        raise InputError(f"model: a keras.Model; got {type(model).__name__}; give the model itself")
    if not getattr(model, "compiled", False) or not model.loss:
        raise InputError("model: compiled with a loss; got one without; call compile first")
    if y is None:
        x, y = _gathered(x)
        settings["shuffle"] = False
    if settings.get("validation_data") is not None and not isinstance(
        settings["validation_data"], tuple
    ):
        settings["validation_data"] = _gathered(settings["validation_data"])
    if settings.get("validation_data") is not None:
        inputs, labels, *_ = settings["validation_data"]
        settings["validation_data"] = (as_arrays(inputs), np.asarray(labels))
    program = Program(model=model, x=as_arrays(x), y=np.asarray(y), **settings)
    sizes = {len(array) for array in keras.tree.flatten(program.x)}
    if sizes != {program.rows}:
        told = " and ".join(str(size) for size in sorted(sizes))
        raise InputError(
            f"x and y: as many inputs as labels; got {told} inputs and {program.rows} labels; "
            "give each row its label"
        )
    if program.rows < 2:  # noqa: PLR2004 - one row has nothing to be told from
        raise InputError(f"x and y: at least 2 rows; got {program.rows}; give the training data")
    for name in ("batch_size", "epochs"):
        if getattr(program, name) < 1:
            raise InputError(f"{name}: at least 1; got {getattr(program, name)}; raise it")
    if isinstance(model.loss, (list, tuple, dict)) or len(keras.tree.flatten(_outputs(model))) > 1:
        raise InputError(
            "model: one output and one loss; got several; examine a model of one of them"
        )
    return program


def _outputs(model: keras.Model) -> Any:
    return model.outputs if getattr(model, "outputs", None) else [None]


def as_arrays(x: Any) -> Any:
    """Return an array, or the arrays of a list or a dictionary."""
    if isinstance(x, Mapping):
        return {name: np.asarray(part) for name, part in x.items()}
    if isinstance(x, (list, tuple)) and x and all(hasattr(part, "shape") for part in x):
        return [np.asarray(part) for part in x]
    return np.asarray(x)


def _gathered(batches: Any) -> tuple[Any, Any]:
    """Join batches of inputs and labels; those of unequal length are padded with zeros."""
    try:
        pairs = [(keras.tree.map_structure(np.asarray, batch[0]), batch[1]) for batch in batches]
    except (TypeError, IndexError) as error:
        raise InputError(
            f"x: arrays with y, or batches of inputs and labels; got {type(batches).__name__} "
            f"({error}); give y"
        ) from None
    if not pairs:
        raise InputError("x: at least one batch; got none; give the training data")
    inputs = keras.tree.map_structure(lambda *parts: _joined(parts), *[x for x, _ in pairs])
    return inputs, np.concatenate([np.asarray(labels) for _, labels in pairs])


def _joined(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    if parts[0].ndim < 2:  # noqa: PLR2004 - no steps to pad
        return np.concatenate(parts)
    longest = max(part.shape[1] for part in parts)
    rest = [(0, 0)] * (parts[0].ndim - 2)
    return np.concatenate(
        [np.pad(part, [(0, 0), (0, longest - part.shape[1]), *rest]) for part in parts]
    )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw the same numbers each time, and leave the caller's generators where they were."""
    kept = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])


_TABLES = (
    keras.layers.TextVectorization,
    keras.layers.StringLookup,
    keras.layers.IntegerLookup,
)


def copy_model(
    model: keras.Model,
    x: Any,
    change: Callable[[keras.layers.Layer, dict[str, Any]], dict[str, Any]] | None = None,
    *,
    weights: bool = True,
) -> keras.Model:
    """Return an uncompiled copy that shares nothing with the model but its vocabularies.

    Args:
        model: Any Keras model whose layers can be made of their configuration.
        x: Some inputs, for a model that is built by calling it.
        change: A layer and its configuration to another configuration.
        weights: Whether the copy has the model's weights; else it starts anew.

    Raises:
        DoctorError: A layer can't be made of its configuration.
    """

    def made(layer: Any) -> Any:
        if isinstance(layer, _TABLES):
            # Nothing of them is trained, and their configuration leaves the table out.
            return layer
        if isinstance(layer, keras.layers.Lambda):
            # The caller's function, in memory: nothing is read from a file.
            return keras.layers.Lambda(
                layer.function,
                output_shape=layer._output_shape,
                mask=layer.mask,
                arguments=layer.arguments,
                name=layer.name,
            )
        config = layer.get_config()
        if change is not None:
            config = change(layer, config)
        return type(layer).from_config(config)

    kinds = {type(layer).__name__: type(layer) for layer in [model, *layers_of(model)]}
    try:
        with keras.saving.custom_object_scope(kinds):
            if isinstance(model, (keras.Sequential, Functional)):
                # Keras compiles the copy of a compiled model, if it can.
                bare = keras.Model(model.inputs, model.outputs, name=model.name)
                copied = keras.models.clone_model(bare, clone_function=made, recursive=True)
            else:
                copied = made(model)
        if not copied.built:
            copied(x)
        if weights:
            copied.set_weights(model.get_weights())
    except Exception as error:
        first = str(error).splitlines()[0][:200] if str(error) else ""
        raise DoctorError(
            f"{type(model).__name__}: a model that can be copied; got {type(error).__name__}: "
            f"{first}; give its layers get_config, or write it with the Functional API"
        ) from error
    for copy, layer in zip(layers_of(copied), layers_of(model), strict=True):
        copy.trainable = layer.trainable
    return copied


@contextmanager
def on_loan(model: keras.Model, x: Any) -> Iterator[keras.Model]:
    """Give a copy that may be trained; of a model that can't be copied, itself.

    That gets all its weights and states back at the end.
    """
    try:
        copied = copy_model(model, x)
    except DoctorError:
        kept = [keras.ops.convert_to_numpy(variable) for variable in model.variables]
        try:
            yield model
        finally:
            for variable, value in zip(model.variables, kept, strict=True):
                variable.assign(value)
    else:
        yield copied


@contextmanager
def without_dropout(layers: Sequence[Any]) -> Iterator[float]:
    """Switch dropout off; give the smallest share of features that any of it keeps."""
    names = ("rate", "dropout", "recurrent_dropout")
    kept = [
        (layer, name, value)
        for layer in layers
        for name in names
        if isinstance(value := getattr(layer, name, None), float) and 0 < value < 1
    ]
    try:
        for layer, name, _ in kept:
            setattr(layer, name, 0.0)
        yield min((1 - value for *_, value in kept), default=1.0)
    finally:
        for layer, name, value in kept:
            setattr(layer, name, value)


def layers_of(model: keras.Model) -> list[keras.layers.Layer]:
    """Return all layers, those within others included, each once."""
    return list(model._flatten_layers(include_self=False, recursive=True))


def copy_optimizer(optimizer: Any, **changed: Any) -> Any:
    """Return an optimizer of the same settings that has not made a step.

    A schedule is shared, for it has no state; `changed` are settings in place of the optimizer's.
    """
    schedule = getattr(optimizer, "_learning_rate", None)
    config = optimizer.get_config()
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        # It may be of a class that only the caller knows.
        config["learning_rate"] = 1e-3
        rate: Any = schedule
    else:
        rate = float(keras.ops.convert_to_numpy(optimizer.learning_rate))
    rate = changed.pop("learning_rate", rate)
    made = type(optimizer).from_config({**config, **changed})
    made.learning_rate = rate
    return made

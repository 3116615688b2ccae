"""From the parts of a program to the program."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from doctor.models import Make, Task, text_model
from doctor.texts import Array, Texts
from kerastextzoo.doctor.program import Program
from kerastextzoo.optimizers import create_optimizer


class Data(NamedTuple):
    """Training and validation data; labels are class numbers."""

    x: Array
    y: Array
    validation_x: Array
    validation_y: Array


def _same(data: Data, rng: np.random.Generator) -> Data:
    return data


def _ids(ids: Array, texts: Texts) -> Array:
    return ids


def numbers(labels: Array) -> Array:
    """Leave the class numbers."""
    return labels


def one_hot(labels: Array) -> Array:
    """Turn class numbers into rows of 0 and 1."""
    return np.eye(int(labels.max()) + 1, dtype=np.float32)[labels]


def adam(rate: Any = 1e-2, **settings: Any) -> Callable[[], Any]:
    """Return what makes an Adam."""
    return partial(keras.optimizers.Adam, rate, **settings)


def sgd(rate: Any = 0.3, **settings: Any) -> Callable[[], Any]:
    """Return what makes a gradient descent with momentum."""
    return partial(keras.optimizers.SGD, rate, **{"momentum": 0.9, **settings})


def of_zoo(name: Any = "adam", rate: Any = 1e-2, **settings: Any) -> Callable[[], Any]:
    """Return what makes an optimizer of the package."""
    return partial(create_optimizer, name, rate, **settings)


def accuracy() -> Sequence[Any]:
    """The metrics of nearly every program."""
    return ["accuracy"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The parts of a program; a broken twin has one other part.

    Attributes:
        texts: How they are drawn.
        inputs: Token ids to what the model reads.
        spoil: What happens to the data; validation labels included.
        labels: Class numbers to what the loss takes.
        model: Builds it.
        loss: For `compile`.
        optimizer: Makes one.
        metrics: Makes them.
        callbacks: Makes them.
        batch_size: Rows of a step.
        epochs: Passes.
        validated: Whether there is validation data.
        shuffle: Whether the rows come in another order in each epoch.
    """

    texts: Texts = field(default_factory=Texts)
    inputs: Callable[[Array, Texts], Array] = _ids
    spoil: Callable[[Data, np.random.Generator], Data] = _same
    labels: Callable[[Array], Array] = numbers
    model: Make = text_model
    loss: Any = "sparse_categorical_crossentropy"
    optimizer: Callable[[], Any] = field(default_factory=adam)
    metrics: Callable[[], Sequence[Any]] = accuracy
    callbacks: Callable[[], Sequence[Any]] = list
    batch_size: int = 32
    epochs: int = 6
    validated: bool = False
    shuffle: bool = True

    def program(self, seed: int) -> Program:
        """Make it, the same for the same seed."""
        keras.utils.set_random_seed(seed)
        data = self.spoil(
            Data(*self._drawn(seed, 0), *self._drawn(seed, 1)), np.random.default_rng([seed, 3])
        )
        with warnings.catch_warnings():
            # That a layer drops the mask is what some programs are about.
            warnings.filterwarnings("ignore", message="Layer .* destroy the mask")
            model = self.model(Task(self.texts.size, self.texts.classes, self.texts.places))
            if not model.built:
                model(data.x[:1])
        model.compile(self.optimizer(), self.loss, metrics=self.metrics())
        seen = (data.validation_x, self.labels(data.validation_y))
        return Program(
            model=model,
            x=data.x,
            y=self.labels(data.y),
            batch_size=self.batch_size,
            epochs=self.epochs,
            callbacks=self.callbacks(),
            validation_data=seen if self.validated else None,
            shuffle=self.shuffle,
        )

    def held_out(self, seed: int) -> tuple[Array, Array]:
        """Return other inputs and their true labels."""
        x, y = self._drawn(seed, 2)
        return x, self.labels(y)

    def _drawn(self, seed: int, part: int) -> tuple[Array, Array]:
        ids, labels = self.texts.draw(seed, part)
        return self.inputs(ids, self.texts), labels

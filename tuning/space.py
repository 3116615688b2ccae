"""The joint space of a model's settings and its training's, some of them fixed by the user."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner

from kerastextzoo import training
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.spec import Config, ModelConfig, ModelSpec
from kerastextzoo.training import OF_TOKENS, TrainingConfig


@dataclass(frozen=True)
class _Unfixed:
    """Draws from KerasTuner, except what is fixed: that is no part of the search."""

    space: keras_tuner.HyperParameters
    fixed: Mapping[str, object]

    def Int(self, name: str, min_value: int, max_value: int, **options: Any) -> Any:
        return self._draw("Int", name, min_value, max_value, **options)

    def Float(self, name: str, min_value: float, max_value: float, **options: Any) -> Any:
        return self._draw("Float", name, min_value, max_value, **options)

    def Choice(self, name: str, values: Sequence[Any], **options: Any) -> Any:
        return self._draw("Choice", name, values, **options)

    def Boolean(self, name: str, **options: Any) -> Any:
        return self._draw("Boolean", name, **options)

    def _draw(self, kind: str, name: str, *values: Any, **options: Any) -> Any:
        if name in self.fixed:
            return self.fixed[name]
        return getattr(self.space, kind)(name, *values, **options)


def draw(
    spec: ModelSpec, space: keras_tuner.HyperParameters, fixed: Mapping[str, object]
) -> tuple[ModelConfig, TrainingConfig]:
    """Draw the settings of one trial.

    Args:
        spec: The model.
        space: Where each value comes from.
        fixed: Settings by name that are not searched.

    Raises:
        InputError: A fixed setting is unknown or out of its range.
    """
    # There is nothing to search in settings that have no effect.
    idle = {} if spec.config().reads is None else TrainingConfig().model_dump(include={*OF_TOKENS})
    unfixed = _Unfixed(space, {**idle, **fixed})
    model, config = spec.search_space(unfixed), training.search_space(unfixed)
    known = [*spec.config.model_fields, *TrainingConfig.model_fields]
    for name in fixed:
        if name not in known:
            raise InputError(f"no setting {quoted(name)}; {nearest(name, known)}")
    return model.replace(**of_kind(fixed, spec.config)), config.replace(
        **of_kind(fixed, TrainingConfig)
    )


def of_kind(fixed: Mapping[str, object], kind: type[Config]) -> dict[str, object]:
    """Return the fixed settings that belong to a kind of configuration."""
    return {name: value for name, value in fixed.items() if name in kind.model_fields}


def joint_space(spec: ModelSpec, fixed: Mapping[str, object]) -> keras_tuner.HyperParameters:
    """Return the space with every value at its default."""
    space = keras_tuner.HyperParameters()
    draw(spec, space, fixed)
    return space


def count_points(space: keras_tuner.HyperParameters) -> float:
    """Return how many different proposals a space holds; infinity if a value is continuous.

    Example:
        >>> space = keras_tuner.HyperParameters()
        >>> _ = space.Choice("filters", [32, 64]), space.Int("layers", 1, 3)
        >>> count_points(space)
        6
    """
    return math.prod(len(values_of(parameter)) or math.inf for parameter in space.space)


def values_of(parameter: Any) -> list[Any]:
    """Return the values of a parameter; none if it is continuous."""
    # KerasTuner itself lists ten values of a continuous one.
    return [] if getattr(parameter, "step", 1) is None else list(parameter.values)

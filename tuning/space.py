"""The joint space of a model's settings and its training's, some of them fixed by the user."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras_tuner

from kerastextzoo import training
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.spec import ModelConfig, ModelSpec
from kerastextzoo.training import TrainingConfig


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
    unfixed = _Unfixed(space, fixed)
    model, config = spec.search_space(unfixed), training.search_space(unfixed)
    known = [*spec.config.model_fields, *TrainingConfig.model_fields]
    for name in fixed:
        if name not in known:
            raise InputError(f"no setting {quoted(name)}; {nearest(name, known)}")
    return (
        model.replace(**{k: v for k, v in fixed.items() if k in spec.config.model_fields}),
        config.replace(**{k: v for k, v in fixed.items() if k in TrainingConfig.model_fields}),
    )


def joint_space(spec: ModelSpec, fixed: Mapping[str, object]) -> keras_tuner.HyperParameters:
    """Return the space with every value at its default."""
    space = keras_tuner.HyperParameters()
    draw(spec, space, fixed)
    return space

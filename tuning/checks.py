"""What is checked before a search, what is told of its limits, and why it ended."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras_tuner

from kerastextzoo.builders import get_spec
from kerastextzoo.distribution import check_strategy
from kerastextzoo.errors import InputError
from kerastextzoo.evaluation import check_objective
from kerastextzoo.settings import check_encoder, check_vectors
from kerastextzoo.spec import SPANS, ModelSpec
from kerastextzoo.training import TrainingConfig
from kerastextzoo.tuning.oracles import check_tuner
from kerastextzoo.tuning.space import count_points, joint_space, of_kind, values_of


class SearchWarning(UserWarning):
    """The search runs, but not all of it as it was asked for."""


def check_search(
    model: str,
    *,
    max_length: int,
    tuner: str = "random",
    max_trials: int = 10,
    fixed: Mapping[str, object] | None = None,
    vectors: str | Path | None = None,
    objective: str = "val_accuracy",
    strategy: str = "none",
) -> keras_tuner.HyperParameters:
    """Refuse a search that can't be made, before any data is read; return its space.

    Args:
        model: As for `kerastextzoo.tuning.tune`.
        max_length: Tokens of a text that are read.
        tuner: As for `kerastextzoo.tuning.tune`.
        max_trials: As for `kerastextzoo.tuning.tune`.
        fixed: As for `kerastextzoo.tuning.tune`.
        vectors: The file of word vectors to start from.
        objective: As for `kerastextzoo.tuning.tune`.
        strategy: As for `kerastextzoo.tuning.tune`.

    Raises:
        InputError: A setting is wrong, or nothing is left to search.
    """
    if max_trials < 1:
        raise InputError(f"max_trials must be at least 1; got {max_trials}")
    check_objective(objective), check_strategy(strategy), check_tuner(tuner)
    spec, fixed = get_spec(model), fixed or {}
    space = joint_space(spec, fixed)
    if not space.space:
        raise InputError("every setting is fixed, nothing is left to search; use train instead")
    _check_fixed(spec, space, fixed, max_length=max_length, vectors=vectors)
    return space


def _check_fixed(
    spec: ModelSpec,
    space: keras_tuner.HyperParameters,
    fixed: Mapping[str, object],
    *,
    max_length: int,
    vectors: str | Path | None,
) -> None:
    """Refuse what no trial could be trained with.

    Args:
        spec: The model.
        space: What is searched.
        fixed: Settings by name that are not.
        max_length: Tokens of a text that are read.
        vectors: The file of word vectors to start from.

    Raises:
        InputError: All kernels or pools of a setting are longer than any text, or
            `embedding_features` is fixed and is not the width of the vectors.
    """
    settings = spec.config.parse(of_kind(fixed, spec.config))
    check_encoder(settings, vectors)
    given = settings.too_long(max_length)
    refused = {name: sizes for name, sizes in given.items() if name in fixed}
    for parameter in space.space:
        values = _too_long_values(spec, parameter, max_length)
        if values and len(values) == len(values_of(parameter)):
            refused[parameter.name] = "; ".join(map(str, values))
    for name, sizes in refused.items():
        raise InputError(
            f"setting {name}: {sizes} spans more than the {max_length} tokens of a text that are "
            f"read; raise max_length, or fix {name} at less"
        )
    check_vectors(TrainingConfig.parse(of_kind(fixed, TrainingConfig)), vectors)


def _too_long_values(spec: ModelSpec, parameter: Any, max_length: int) -> list[Any]:
    """Return the values of a parameter whose kernels or pools all span more than the texts."""
    name = parameter.name
    return [
        value
        for value in (values_of(parameter) if name in SPANS else [])
        if name in spec.config.parse({name: value}).too_long(max_length)
    ]


def warn_of_limits(
    spec: ModelSpec, space: keras_tuner.HyperParameters, max_trials: int, max_length: int
) -> None:
    """Warn of a space that ends early, and of values that make no sense."""
    points = count_points(space)
    if points < max_trials:
        warnings.warn(
            f"the space has {points} points; the search will stop after {points} trials, "
            f"before max_trials {max_trials}",
            SearchWarning,
            stacklevel=3,
        )
    for parameter in space.space:
        values = _too_long_values(spec, parameter, max_length)
        if values:
            warnings.warn(
                f"setting {parameter.name}: {'; '.join(map(str, values))} spans more than the "
                f"{max_length} tokens of a text that are read, and is searched all the same; "
                f"raise max_length, or fix {parameter.name}",
                SearchWarning,
                stacklevel=3,
            )


def why_stopped(trials: int, points: float, max_trials: int) -> str:
    """Say why a search made no more trials."""
    if trials == points:
        return f"all {trials} points of the space were tried"
    if trials == max_trials:
        return f"max_trials {max_trials} was reached"
    return f"no other point of the space was proposed after {trials} trials"

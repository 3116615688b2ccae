"""What is checked before a search, what is told of its limits, and why it ended."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

from kerastextzoo.distribution import check_strategy
from kerastextzoo.errors import InputError
from kerastextzoo.evaluation import check_objective
from kerastextzoo.settings import check_encoder, check_vectors
from kerastextzoo.training import TrainingConfig
from kerastextzoo.tuning.oracles import GRID_VALUES, bracket_count, check_tuner, plan_bracket
from kerastextzoo.tuning.space import JointSpace, find_specs, of_kind, spans_more


class SearchWarning(UserWarning):
    """The search runs, but not all of it as it was asked for."""


def check_search(
    models: str | Sequence[str],
    *,
    max_length: int,
    tuner: str = "random",
    max_trials: int = 10,
    fixed: Mapping[str, object] | None = None,
    vectors: str | Path | None = None,
    objective: str = "val_accuracy",
    strategy: str = "none",
) -> JointSpace:
    """Refuse a search that can't be made, before any data is read; return its space.

    Args:
        models: As for `kerastextzoo.tuning.space.find_specs`.
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
    specs, fixed = find_specs(models), fixed or {}
    space = JointSpace(specs, fixed, max_length=max_length, vectors=vectors)
    if not space.hyperparameters.space:
        raise InputError("every setting is fixed, nothing is left to search; use train instead")
    for spec in specs:
        check_encoder(spec.config.parse(of_kind(fixed, spec.config)), vectors)
    training = TrainingConfig.parse(of_kind(fixed, TrainingConfig))
    check_vectors(training, vectors)
    if training.refit:
        raise InputError(
            "setting refit: of one training; a search would do it in every trial; got true; leave "
            "it out, and train with the settings that were found"
        )
    return space


def warn_of_limits(space: JointSpace, tuner: str, max_trials: int) -> None:
    """Warn of what is not searched as it was asked for.

    Args:
        space: What `check_search` returned.
        tuner: As for `kerastextzoo.tuning.tune`.
        max_trials: As for `kerastextzoo.tuning.tune`.

    Warns:
        SearchWarning: The space ends early, values are left out, or no training is a whole one.
    """
    told = []
    points = space.count_points(GRID_VALUES if tuner == "grid" else 0)
    if points < max_trials:
        told.append(
            f"the space has {points} points; the search will stop after {points} trials, "
            f"before max_trials {max_trials}"
        )
    for name, values in space.left_out.items():
        too_long = "; ".join(map(str, values))
        told.append(
            f"{spans_more(name, too_long, space.max_length)}, and is left out of the search; "
            f"raise max_length to search it"
        )
    if tuner == "hyperband":
        epochs = TrainingConfig.parse(of_kind(space.fixed, TrainingConfig)).epochs
        sizes, lengths = plan_bracket(epochs, bracket_count(epochs) - 1)
        if max_trials < sum(sizes):
            told.append(
                f"hyperband takes {sum(sizes)} trials until the first ends after all {epochs} "
                f"epochs, the others stop after {lengths[0]} or more; got max_trials {max_trials}; "
                "raise it, or lower epochs"
            )
    for warning in told:
        warnings.warn(warning, SearchWarning, stacklevel=3)


def why_stopped(trials: int, points: float, max_trials: int) -> str:
    """Say why a search made no more trials."""
    if trials == points:
        return f"all {trials} points of the space were tried"
    if trials == max_trials:
        return f"max_trials {max_trials} was reached"
    return f"no other point of the space was proposed after {trials} trials"

"""KerasTuner's oracles, asked and told.

An oracle is a function of its seed and of what it was asked and told, in order, so it is never
saved: asking and telling the same again brings it to where it was. None of them proposes twice
what trains the very same thing, or what can't be trained.
"""

import math
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras_tuner
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.seeds import derive_seed
from kerastextzoo.tuning.space import JointSpace, is_active

#: Values of a continuous parameter that a grid has beside its default.
GRID_VALUES = 3
_FACTOR = 3  # of Hyperband: of each rung a third goes on, for three times the epochs
_RANDOM_POINTS = 5  # scores that the Bayesian search wants before it draws conclusions
_CANDIDATES = 256
_SAME = 1e-6  # of the range of a parameter: closer than this is no other value
_WAITING, _ENDED = {"status": "IDLE"}, {"status": "STOPPED"}


class _Proposer:
    """Mixed into an oracle: the zoo's defaults first, nothing twice, nothing on disk.

    So no search ends below the defaults.
    """

    seed: int
    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]

    def __init__(self, space: JointSpace, max_epochs: int, **options: Any) -> None:
        self.space = space
        self.max_epochs = max_epochs
        self.proposed: set[str] = set()
        self._defaults = space.defaults()
        self._left: list[dict[str, Any]] | None = None
        super().__init__(**options)
        # A space without end is never given up.
        self._max_collisions = 20 if math.isfinite(space.count_points()) else 10_000

    def _random_values(self) -> dict[str, Any] | None:
        """Draw values; None when there are no others."""
        while self._defaults:
            values = self._defaults.pop(0)
            if not self._duplicate(values):
                return values
        drawn: dict[str, Any] | None = super()._random_values()  # type: ignore[misc]
        return drawn or self._draw_from_the_rest()

    def _draw_from_the_rest(self) -> dict[str, Any] | None:
        # By chance alone the last points of a small space would be missed.
        if self._left is None:
            finite = math.isfinite(self.space.count_points())
            self._left = list(self.space.points()) if finite else []
            random.Random(self.seed).shuffle(self._left)  # noqa: S311
        while self._left:
            values = self._left.pop()
            if not self._duplicate(values):
                return values
        return None

    def _duplicate(self, values: dict[str, Any]) -> bool:
        if self.space.impossible(values) is not None:
            return True
        return self.space.draw(values).identity in self.proposed

    def _record_values(self, trial: Any) -> None:
        self.proposed.add(self.space.draw(trial.hyperparameters.values).identity)

    def save(self) -> None:
        """Keep nothing on disk."""

    def _save_trial(self, trial: Any) -> None:
        """Keep nothing on disk."""


class _RandomSearch(_Proposer, keras_tuner.oracles.RandomSearchOracle): ...


class _GridSearch(_Proposer, keras_tuner.Oracle):
    """Every point in KerasTuner's order: the defaults first, what comes last varies quickest.

    KerasTuner's own oracle finds the next point from trials that ended, and so depends on when.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._points = self.space.points(GRID_VALUES)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Propose values."""
        for values in self._points:
            if not self._duplicate(values):
                return {"status": "RUNNING", "values": values}
        return _ENDED


class _BayesianOptimization(_Proposer, keras_tuner.oracles.BayesianOptimizationOracle):
    """KerasTuner's Gaussian process, asked of points of the space instead of between them.

    Candidates are drawn all over the space and around the best trials; of those that were not
    proposed, the one with the best prospect is.
    """

    def __init__(self, **options: Any) -> None:
        first = len(options["space"].defaults()) + _RANDOM_POINTS
        super().__init__(num_initial_points=first, **options)
        # One length to find needs no more, and each costs as much as all the rest.
        self.gpr.n_restarts_optimizer = 3

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Propose values."""
        scored = sum(trial.status == "COMPLETED" for trial in self.trials.values())
        if scored < self.num_initial_points:
            return dict(self._random_populate_space())
        x, y = self._vectorize_trials()
        self.gpr.fit(x, y)
        candidates = [self._values_at(vector) for vector in self._draw_candidates(x, y)]
        vectors = np.array([self._vector_of(values) for values in candidates])
        mean, deviation = self.gpr.predict(vectors, return_std=True)
        # Rounded, so that the last bits of the machine's arithmetic decide nothing.
        prospect = np.round(mean - self.beta * deviation, 6)
        distance = np.abs(vectors[:, None] - x).max(axis=-1).min(axis=-1)
        for best in np.argsort(prospect, kind="stable"):
            if distance[best] > _SAME and not self._duplicate(candidates[best]):
                return {"status": "RUNNING", "values": candidates[best]}
        return dict(self._random_populate_space())

    def _draw_candidates(self, x: Any, y: Any) -> list[list[float]]:
        anywhere, others = self._random_state.uniform(size=(2, _CANDIDATES, x.shape[1]))
        best = x[np.argsort(y, kind="stable")[:4]]
        near = best[np.arange(_CANDIDATES) % len(best)]
        # On average two coordinates move.
        moved = self._random_state.uniform(size=near.shape) < 2 / x.shape[1]
        return [*anywhere.tolist(), *np.where(moved, others, near).tolist()]

    def _values_at(self, vector: list[float]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for parameter, place in zip(self.hyperparameters.space, vector, strict=True):
            if is_active(parameter, values):
                values[parameter.name] = parameter.prob_to_value(place)
        return values

    def _vector_of(self, values: dict[str, Any]) -> list[float]:
        return [
            parameter.value_to_prob(values.get(parameter.name, parameter.default))
            for parameter in self.hyperparameters.space
        ]


@dataclass
class _Bracket:
    """Successive halving: of each rung the best third goes on to the next.

    Attributes:
        sizes: Trials of each rung, failed ones counted.
        epochs: Up to which each rung is trained.
        rungs: Names of KerasTuner's trials.
        gone_on: Those of them that went on to the next rung.
    """

    sizes: list[int]
    epochs: list[int]
    rungs: list[list[str]] = field(default_factory=list)
    gone_on: set[str] = field(default_factory=set)


class _Hyperband(_Proposer, keras_tuner.Oracle):
    """Hyperband: Li et al. 2018, https://jmlr.org/papers/v18/16-558.html.

    With KerasTuner's own oracle a trial that fails takes another one's place in the next rung, and
    no trial of a space smaller than a rung goes on.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._brackets: list[_Bracket] = []
        self._exhausted = False

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Propose values to start with, or to go on with."""
        for bracket in self._brackets:
            proposal = self._start(trial_id, bracket) or self._go_on(trial_id, bracket)
            if proposal:
                return proposal
        while not self._exhausted:
            halvings = (-len(self._brackets) - 1) % bracket_count(self.max_epochs)
            sizes, epochs = plan_bracket(self.max_epochs, halvings)
            bracket = _Bracket(sizes, epochs, [[] for _ in sizes])
            self._brackets.append(bracket)
            if proposal := self._start(trial_id, bracket):
                return proposal
        return _WAITING if self.ongoing_trials else _ENDED

    def _start(self, trial_id: str, bracket: _Bracket) -> dict[str, Any] | None:
        started = bracket.rungs[0]
        if len(started) == bracket.sizes[0]:
            return None
        if not (values := self._random_values()):
            self._exhausted = True
            bracket.sizes = [
                min(size, -(-len(started) // _FACTOR**rung))
                for rung, size in enumerate(bracket.sizes)
            ]
            return None
        started.append(trial_id)
        values["tuner/epochs"] = bracket.epochs[0]
        return {"status": "RUNNING", "values": values}

    def _go_on(self, trial_id: str, bracket: _Bracket) -> dict[str, Any] | None:
        failed = 0
        for rung, (size, following) in enumerate(
            zip(bracket.sizes, bracket.sizes[1:], strict=False)
        ):
            trials = [self.trials[name] for name in bracket.rungs[rung]]
            failed += sum(trial.status == "FAILED" for trial in trials)
            dropped = size - following
            scored = [
                trial
                for trial in trials
                if trial.status == "COMPLETED" and trial.trial_id not in bracket.gone_on
            ]
            # So many that the best is among the best of the whole rung, whatever is still to come.
            if len(scored) > max(0, dropped - failed):
                sign = 1 if self.objective.direction == "min" else -1
                best = min(scored, key=lambda trial: sign * trial.score)
                bracket.gone_on.add(best.trial_id)
                bracket.rungs[rung + 1].append(trial_id)
                return {
                    "status": "RUNNING",
                    "values": {
                        **best.hyperparameters.values,
                        "tuner/epochs": bracket.epochs[rung + 1],
                        "tuner/trial_id": best.trial_id,
                    },
                }
            failed = max(0, failed - dropped)
        return None


def bracket_count(max_epochs: int) -> int:
    """Return how many brackets Hyperband goes through, from the most halvings to none.

    Example:
        >>> bracket_count(8), bracket_count(9)
        (2, 3)
    """
    count = 1
    while _FACTOR**count <= max_epochs:
        count += 1
    return count


def plan_bracket(max_epochs: int, halvings: int) -> tuple[list[int], list[int]]:
    """Return the trials of each rung of a bracket of Hyperband, and the epochs of each.

    Example:
        >>> plan_bracket(20, 2)
        ([9, 3, 1], [3, 7, 20])
    """
    first = math.ceil(bracket_count(max_epochs) * _FACTOR**halvings / (halvings + 1))
    rungs = range(halvings + 1)
    return (
        [first // _FACTOR**rung for rung in rungs],
        [math.ceil(max_epochs / _FACTOR ** (halvings - rung)) for rung in rungs],
    )


ORACLES: dict[str, Any] = {
    "random": _RandomSearch,
    "hyperband": _Hyperband,
    "bayesian": _BayesianOptimization,
    "grid": _GridSearch,
}


def check_tuner(name: str) -> str:
    """Return the name of a tuner that exists.

    Raises:
        InputError: It is unknown.
    """
    if name not in ORACLES:
        raise InputError(f"no tuner {quoted(name)}; {nearest(name, ORACLES)}")
    return name


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What to train next.

    Attributes:
        id: Counted from 0 in the order of asks.
        values: For `JointSpace.draw`.
        epochs: Up to which epoch to train, then to pause; None: to the end.
        continues: The trial whose training goes on; None: a training of its own.
    """

    id: int
    values: dict[str, Any]
    epochs: int | None = None
    continues: int | None = None


class Oracle:
    """Proposes the values of each trial.

    Several trials may be running, and end in any order.

    Args:
        tuner: A name in `ORACLES`.
        space: What to search.
        objective: A name in `OBJECTIVES`.
        max_trials: Proposals in all; what they are does not depend on it.
        seed: The user's seed; any whole number.
        max_epochs: Epochs of a training that is not cut short.

    Raises:
        InputError: There is no such tuner.

    Example:
        >>> from kerastextzoo.builders import get_spec
        >>> space = JointSpace([get_spec("cnn")], max_length=50)
        >>> oracle = Oracle("random", space, "val_accuracy", 10, seed=0, max_epochs=20)
        >>> proposal = oracle.ask()
        >>> oracle.tell(proposal.id, 0.75)
    """

    def __init__(
        self,
        tuner: str,
        space: JointSpace,
        objective: str,
        max_trials: int,
        seed: int,
        *,
        max_epochs: int,
    ) -> None:
        self.objective = objective
        self.max_trials = max_trials
        # KerasTuner guesses the direction of most metrics wrongly, takes seed 0 for no seed, and
        # stops for good after failures in a row: none of this is left to it.
        self._oracle = ORACLES[check_tuner(tuner)](
            space=space,
            max_epochs=max_epochs,
            objective=keras_tuner.Objective(objective, OBJECTIVES[objective]),
            max_trials=None,
            seed=derive_seed(seed, "search"),
            hyperparameters=space.hyperparameters,
            allow_new_entries=False,
            tune_new_entries=False,
            max_retries_per_trial=0,
            max_consecutive_failed_trials=math.inf,
        )
        self._oracle.verbose = 0
        self._trials: list[Any] = []
        self._ended = False

    @property
    def finished(self) -> bool:
        """Whether no other proposal will come."""
        return self._ended or len(self._trials) >= self.max_trials

    def ask(self) -> Proposal | None:
        """Return the next proposal; None when there is none, or none before a trial ends."""
        if self.finished:
            return None
        number = len(self._trials)
        with _quiet():
            trial = self._oracle.create_trial(str(number))
        if trial.status != "RUNNING":
            self._ended = trial.status == "STOPPED"
            return None
        self._trials.append(trial)
        values = dict(trial.hyperparameters.values)
        epochs, parent = values.pop("tuner/epochs", None), values.pop("tuner/trial_id", None)
        # KerasTuner numbers its trials in the same order.
        continues = None if parent is None else int(parent)
        return Proposal(id=number, values=values, epochs=epochs, continues=continues)

    def tell(self, id: int, score: float | None) -> None:
        """Report a proposal's score; None: it failed.

        Raises:
            InputError: There is no such proposal, or its score was told before.
        """
        trial = self._trials[id] if 0 <= id < len(self._trials) else None
        if trial is None or trial.status != "RUNNING":
            raise InputError(f"`id` must be a trial that is running; got {id}")
        with _quiet():
            if score is None or not math.isfinite(score):
                trial.status = "FAILED"
            else:
                self._oracle.update_trial(trial.trial_id, {self.objective: score})
                trial.status = "COMPLETED"
            self._oracle.end_trial(trial)


@contextmanager
def _quiet() -> Iterator[None]:
    # KerasTuner calls functions that Python has deprecated; of few trials a Gaussian process may
    # well be flat.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield

"""KerasTuner's oracles, asked and told one trial at a time.

An oracle is a function of its seed and of the scores it was told, so it is never saved: telling it
the recorded trials again brings it to where it was.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras_tuner

from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.seeds import derive_seed
from kerastextzoo.tuning.space import count_points

_DRAWS_PER_POINT = 100  # to miss a point that is left has a chance of e**-100


class _Proposer:
    """Mixed into an oracle: writes nothing, and proposes the zoo's defaults first.

    So no search ends below the defaults.
    """

    trials: dict[str, Any]
    hyperparameters: keras_tuner.HyperParameters

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Propose values."""
        if not self.trials:
            return {"status": "RUNNING", "values": dict(self.hyperparameters.values)}
        proposal: dict[str, Any] = super().populate_space(trial_id)  # type: ignore[misc]
        return proposal

    def save(self) -> None:
        """Keep nothing on disk."""

    def _save_trial(self, trial: Any) -> None:
        """Keep nothing on disk."""


class _RandomSearch(_Proposer, keras_tuner.oracles.RandomSearchOracle): ...


ORACLES: dict[str, Any] = {"random": _RandomSearch}


def check_tuner(name: str) -> str:
    """Return the name of a tuner that exists.

    Raises:
        InputError: It is unknown.
    """
    if name not in ORACLES:
        raise InputError(f"no tuner {quoted(name)}; {nearest(name, ORACLES)}")
    return name


class Oracle:
    """Proposes the values of each trial.

    Args:
        tuner: A name in `ORACLES`.
        space: What to search.
        objective: A name in `OBJECTIVES`.
        max_trials: Proposals in all.
        seed: The user's seed; any whole number.

    Raises:
        InputError: There is no such tuner.
    """

    def __init__(
        self,
        tuner: str,
        space: keras_tuner.HyperParameters,
        objective: str,
        max_trials: int,
        seed: int,
    ) -> None:
        self.objective = objective
        # KerasTuner guesses the direction of most metrics wrongly, takes seed 0 for no seed, and
        # stops for good after failures in a row: none of this is left to it.
        self._oracle = ORACLES[check_tuner(tuner)](
            objective=keras_tuner.Objective(objective, OBJECTIVES[objective]),
            max_trials=max_trials,
            seed=derive_seed(seed, "search"),
            hyperparameters=space,
            allow_new_entries=False,
            tune_new_entries=False,
            max_retries_per_trial=0,
            max_consecutive_failed_trials=max_trials + 1,
        )
        self._oracle.verbose = 0
        points = count_points(space)
        if math.isfinite(points):
            # It gives up after 20 proposals in a row that it knows: too soon for a small space.
            self._oracle._max_collisions = _DRAWS_PER_POINT * int(points)
        self._trial: Any = None

    def ask(self) -> keras_tuner.HyperParameters | None:
        """Return the next proposal; None when there is no other."""
        with _quiet():
            self._trial = self._oracle.create_trial("tuner")
        return self._trial.hyperparameters if self._trial.status == "RUNNING" else None

    def tell(self, score: float | None) -> None:
        """Report the last proposal's score; None: it failed."""
        with _quiet():
            if score is not None:
                self._oracle.update_trial(self._trial.trial_id, {self.objective: score})
            self._trial.status = "FAILED" if score is None else "COMPLETED"
            self._oracle.end_trial(self._trial)


@contextmanager
def _quiet() -> Iterator[None]:
    # KerasTuner calls functions that Python has deprecated.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield

"""The search: propose, train, record, and turn the best trial into a run.

`search.json` says what is searched; each trial is a folder that is whole or not there. Going on
after a break means to propose again from the start, and to train only what is not recorded.
"""

import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from kerastextzoo import plots
from kerastextzoo.builders import get_spec
from kerastextzoo.errors import InputError, KerasTextZooError, named, quoted
from kerastextzoo.evaluation import OBJECTIVES, choose_objective
from kerastextzoo.preparation import Preparation
from kerastextzoo.progress import Track, silent
from kerastextzoo.run import Run, copy_run, versions, write_run
from kerastextzoo.seeds import derive_seed
from kerastextzoo.spec import ModelSpec
from kerastextzoo.storage import (
    FORMAT,
    check_free,
    clear_leftovers,
    move_into,
    read_json,
    staged,
    write_atomically,
    write_json,
)
from kerastextzoo.training import TrainingConfig, check_for_data, evaluate_part, evaluate_test, fit
from kerastextzoo.tuning.checks import check_search, warn_of_limits, why_stopped
from kerastextzoo.tuning.oracles import Oracle
from kerastextzoo.tuning.space import count_points, draw, of_kind
from kerastextzoo.tuning.trials import RECORD, Trial, ranked, read_trial, trial_folder

SEARCH = "search.json"


@dataclass(frozen=True)
class SearchResult:
    """A search that has ended.

    Attributes:
        run: The best trial as a run, with its figures on the test texts.
        trials: All trials, best first.
        objective: What they are ranked by.
        stopped: Why there are no more trials.
    """

    run: Run
    trials: list[Trial]
    objective: str
    stopped: str

    @property
    def best(self) -> Trial:
        """The winner."""
        return self.trials[0]

    def leaderboard(self) -> pd.DataFrame:
        """Return one row a trial, best first."""
        return pd.DataFrame(
            [
                {
                    "trial": trial.id,
                    "status": trial.status,
                    self.objective: trial.score,
                    "seconds": trial.seconds,
                    **trial.values,
                }
                for trial in self.trials
            ]
        )


def tune(
    preparation: Preparation,
    model: str,
    out: str | Path,
    *,
    tuner: str = "random",
    max_trials: int = 10,
    fixed: Mapping[str, object] | None = None,
    seed: int = 0,
    objective: str | None = None,
    strategy: str = "none",
    resume: bool = False,
    overwrite: bool = False,
    track: Track = silent,
) -> SearchResult:
    """Search the settings of a model and its training.

    Args:
        preparation: The data, made ready.
        model: A name of `kerastextzoo.builders.list_models()`.
        out: The folder of the search, and of the run that its best trial becomes.
        tuner: How trials are proposed: `random`. The first is always the zoo's defaults.
        max_trials: Trials in all.
        fixed: Settings by name that are not searched.
        seed: Of the proposals and of every training.
        objective: What trials are ranked by: a name in `kerastextzoo.evaluation.OBJECTIVES`; None:
            `val_accuracy`, or `val_micro_f1` for multi-label data.
        strategy: `none`, or `mirrored` to train each trial on all devices of this machine.
        resume: Go on with the search in `out`.
        overwrite: Delete the search in `out` first.
        track: Progress.

    Raises:
        InputError: A setting is wrong, or `out` holds something else.
        KerasTextZooError: No trial completed.

    Warns:
        SearchWarning: The space has fewer points than `max_trials`, or values that make no sense.
    """
    objective = choose_objective(objective, multi_label=preparation.splits.multi_label)
    space = check_search(
        model,
        max_length=preparation.config.max_length,
        tuner=tuner,
        max_trials=max_trials,
        fixed=fixed,
        vectors=preparation.vectors,
        objective=objective,
        strategy=strategy,
    )
    defaults, _ = draw(get_spec(model), space, fixed or {})
    preparation = preparation.suited_to(defaults)
    search = _Search(
        preparation=preparation,
        spec=get_spec(model),
        out=Path(out),
        fixed=dict(fixed or {}),
        seed=seed,
        objective=objective,
        strategy=strategy,
        track=track,
    )
    if preparation.vectors is not None and search.fixed.get("embedding") != "random":
        # Vectors that are no good stop the search here, not each of its trials.
        preparation.start("frozen", TrainingConfig().embedding_features)
    check_for_data(TrainingConfig.parse(of_kind(search.fixed, TrainingConfig)), preparation)
    warn_of_limits(search.spec, space, max_trials, preparation.config.max_length)
    oracle = Oracle(tuner, space, objective, max_trials, seed)
    search.open({"tuner": tuner, "space": space.get_config()["space"]}, resume, overwrite)
    trials = search.run(oracle, max_trials)
    stopped = why_stopped(len(trials), count_points(space), max_trials)
    search.close(stopped)
    return search.finish(ranked(trials, objective), stopped)


@dataclass(frozen=True, kw_only=True)
class _Search:
    preparation: Preparation
    spec: ModelSpec
    out: Path
    fixed: dict[str, object]
    seed: int
    objective: str
    strategy: str
    track: Track

    def open(self, proposals: dict[str, Any], resume: bool, overwrite: bool) -> None:
        """Start a search in `out`, or check that the one there is this one."""
        identity = {
            "format": FORMAT,
            "model": self.spec.name,
            "seed": self.seed,
            "objective": self.objective,
            "direction": OBJECTIVES[self.objective],
            "strategy": self.strategy,
            "fixed": {name: str(value) for name, value in self.fixed.items()},
            "data": self.preparation.splits.fingerprint,
            "text": self.preparation.config.model_dump(mode="json"),
            "embedding": self.preparation.describe_embedding(),
            "versions": versions(),
            **proposals,
        }
        marker = self.out / SEARCH
        if resume and marker.is_file():
            _refuse_other(read_json(marker), identity, self.out)
            write_json(marker, identity)
            clear_leftovers(self.out)
            clear_leftovers(self.out / "trials")
            return
        if resume:
            raise InputError(f"no search to resume in {named(self.out)}; leave out --resume")
        if overwrite and self.out.exists():
            if not marker.is_file():
                raise InputError(f"{named(self.out)} holds no {SEARCH}, so it is not deleted")
            doomed = self.out.with_name(f".{self.out.name}.{os.getpid()}.old")
            self.out.rename(doomed)
            shutil.rmtree(doomed)
        if marker.is_file():
            raise InputError(
                f"{named(self.out)} holds a search already; use --resume or --overwrite"
            )
        check_free(self.out)
        (self.out / "trials").mkdir(parents=True)
        write_json(marker, identity)

    def run(self, oracle: Oracle, max_trials: int) -> list[Trial]:
        """Train what is proposed and not recorded."""
        trials: list[Trial] = []
        while (proposal := oracle.ask()) is not None:
            self.track(f"tuning {self.spec.name}", len(trials), max_trials, _best_so_far(trials))
            trial = read_trial(self.out, len(trials)) or self._train(len(trials), proposal)
            if trial.values != proposal.values:
                raise InputError(
                    f"trial {trial.id} in {named(self.out)} has other values than the search "
                    "proposes; it is damaged or of another version: choose another --out"
                )
            oracle.tell(trial.score)
            trials.append(trial)
        self.track(f"tuning {self.spec.name}", max_trials, max_trials, _best_so_far(trials))
        return trials

    def _train(self, trial_id: int, proposal: Any) -> Trial:
        started = time.monotonic()
        values = dict(proposal.values)
        settings, config = draw(self.spec, proposal, self.fixed)
        folder = trial_folder(self.out, trial_id)
        known: dict[str, Any] = {
            "id": trial_id,
            "values": values,
            "config": {
                "model": settings.model_dump(mode="json"),
                "training": config.model_dump(mode="json"),
            },
        }
        seed = derive_seed(self.seed, "trial", trial_id)
        _forget_the_last_trial()
        try:
            fitted = fit(
                self.preparation,
                self.spec.name,
                settings,
                config,
                seed=seed,
                objective=self.objective,
                strategy=self.strategy,
                track=self.track,
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {_essence(str(error))}"
            seconds = round(time.monotonic() - started, 3)
            trial = Trial(**known, status="failed", score=None, seconds=seconds, error=reason)
            with staged(folder, "trial") as stage:
                write_json(stage / RECORD, trial.as_dict())
            return trial
        trial = Trial(
            **known,
            status="completed",
            score=fitted.validation.objective(self.objective),
            seconds=round(time.monotonic() - started, 3),
        )
        write_run(
            folder,
            self.preparation,
            fitted,
            settings=settings,
            config=config,
            seed=seed,
            objective=self.objective,
            strategy=self.strategy,
            extra={RECORD: trial.as_dict()},
        )
        return trial

    def close(self, stopped: str) -> None:
        """Record why there are no more trials."""
        marker = self.out / SEARCH
        write_json(marker, {**read_json(marker), "stopped": stopped})

    def finish(self, trials: list[Trial], stopped: str) -> SearchResult:
        """Turn the best trial into the run of this search."""
        if not trials or trials[0].score is None:
            causes = pd.Series([trial.error for trial in trials]).value_counts()
            told = "; ".join(f"{count} x {cause}" for cause, count in causes.items())
            raise KerasTextZooError(f"all {len(trials)} trials failed: {told}")
        folder = trial_folder(self.out, trials[0].id)
        best = Run(folder)
        preparation = self.preparation.suited_to(best.settings)
        again = evaluate_part(best.model, preparation, "validation").objective(self.objective)
        if again != trials[0].score:
            raise KerasTextZooError(
                f"the saved model of trial {trials[0].id} scores {again}, "
                f"its training said {trials[0].score}"
            )
        test = evaluate_test(best.model, self.preparation, best.evaluation["validation"])
        stage = self.out / ".best.tmp"
        copy_run(folder, stage, test)
        move_into(stage, self.out)
        result = SearchResult(Run(self.out), trials, self.objective, stopped)
        write_atomically(self.out / "leaderboard.csv", result.leaderboard().to_csv(index=False))
        plots.draw_search(
            [trial.as_dict() for trial in trials], self.objective, self.out / "search.png"
        )
        return result


def _forget_the_last_trial() -> None:
    """Free the graphs of earlier trials; what Keras was set to stays."""
    policy = keras.config.dtype_policy()
    keras.utils.clear_session()
    keras.config.set_dtype_policy(policy)


def _refuse_other(recorded: dict[str, Any], wanted: dict[str, Any], out: Path) -> None:
    different = [name for name in wanted if recorded.get(name) != wanted[name]]
    if different:
        told = ", ".join(
            f"{name} was {quoted(recorded.get(name))}, is {quoted(wanted[name])}"
            for name in different
        )
        raise InputError(
            f"the search in {named(out)} is another one: {told}; "
            "give the same options, another --out, or --overwrite"
        )


def _essence(message: str) -> str:
    """Return the line that tells most: TensorFlow puts it after a heading and a stack."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if lines and lines[0].startswith("Graph execution error"):
        return max(lines[1:], key=len, default=lines[0])
    return lines[0] if lines else "no message"


def _best_so_far(trials: list[Trial]) -> str:
    scores = [trial.score for trial in trials if trial.score is not None]
    return f"{len(scores)} completed, {len(trials) - len(scores)} failed"

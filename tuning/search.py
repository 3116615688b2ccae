"""The search: propose, train, record, and turn the best trial into a run.

`search.json` says what is searched. Each trial has a folder: `proposal.json` before it starts,
`trial.json` once it has ended. Going on after a break means to train what has not ended.
"""

import errno
import shutil
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from kerastextzoo import plots
from kerastextzoo.checkup import recorded
from kerastextzoo.compiling import check_for_data
from kerastextzoo.doctor import Finding
from kerastextzoo.errors import InputError, KerasTextZooError, named
from kerastextzoo.evaluation import OBJECTIVES, choose_objective
from kerastextzoo.preparation import Preparation
from kerastextzoo.progress import Track, silent
from kerastextzoo.records import read_record, write_record
from kerastextzoo.run import Run, copy_run, versions
from kerastextzoo.seeds import derive_seed
from kerastextzoo.storage import (
    FORMAT,
    is_disk_full,
    move_into,
    read_json,
    write_atomically,
    write_json,
)
from kerastextzoo.stored_preparation import store, store_start
from kerastextzoo.training import TrainingConfig, evaluate_part, evaluate_test
from kerastextzoo.tuning.checks import check_search, warn_of_limits, why_stopped
from kerastextzoo.tuning.executors import Ended, Executor, kill_late, make_executor
from kerastextzoo.tuning.finalists import MOST_FINALISTS, Finalist, train_again, winner
from kerastextzoo.tuning.folder import MARKER, held
from kerastextzoo.tuning.importance import importances
from kerastextzoo.tuning.ledger import Ledger
from kerastextzoo.tuning.oracles import GRID_VALUES, Oracle
from kerastextzoo.tuning.space import JointSpace, of_kind
from kerastextzoo.tuning.tensorboard import log_trial
from kerastextzoo.tuning.trials import (
    MODEL,
    RECORD,
    Trial,
    read_trial,
    trial_folder,
)
from kerastextzoo.tuning.view import View, ended_row, running_row
from kerastextzoo.tuning.worker import CHECKPOINT, Job

TENSORBOARD = "tensorboard"
_ATTEMPTS = "attempts.json"
_FINDINGS = "findings.json"
_SECONDS_OF_A_LOOK = 0.5
# A process that dies is given so many more; a search that is killed again and again in the same
# epoch is likely killed by it.
_RETRIES = 2
_MOST_STARTS = 30
# By as much a score may change where another machine answers than trained.
_OTHER_HARDWARE = 0.005
_MOST_FOR_FINALISTS = 0.4  # of the budget


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """A search that has ended.

    Attributes:
        run: The winner as a run, with its figures on the test texts.
        best: The winner.
        trials: All trials, best first.
        finalists: The best few over several seeds, from which the winner was chosen.
        objective: What they are ranked by.
        stopped: Why there are no more trials.
    """

    run: Run
    best: Trial
    trials: list[Trial]
    finalists: list[Finalist]
    objective: str
    stopped: str

    def to_dataframe(self) -> pd.DataFrame:
        """Return one row a trial, best first, a column for each setting that was drawn."""
        return to_dataframe(self.trials, self.objective)


def to_dataframe(trials: Sequence[Trial], objective: str) -> pd.DataFrame:
    """Return one row a trial, a column for each setting that was drawn."""
    return pd.DataFrame(
        [
            {
                "trial": trial.id,
                "status": trial.status,
                objective: trial.score,
                "seconds": trial.seconds,
                "epochs": len(trial.history),
                "parameters": trial.parameters,
                "model": trial.model,
                **trial.values,
                "cause": trial.cause,
            }
            for trial in trials
        ]
    )


def tune(
    preparation: Preparation,
    model: str | Sequence[str],
    out: str | Path,
    *,
    tuner: str = "random",
    max_trials: int = 10,
    executions: int = 1,
    budget: float | None = None,
    trial_timeout: float | None = None,
    fixed: Mapping[str, object] | None = None,
    seed: int = 0,
    objective: str | None = None,
    strategy: str = "none",
    workers: int = 1,
    executor: str | Executor = "local",
    keep: int = 3,
    early_stopping: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    watch: bool = True,
    findings: Sequence[Finding] = (),
    track: Track = silent,
    view: View | None = None,
) -> SearchResult:
    """Search the settings of a model, or of several, and their training.

    Each trial runs in a process of its own; what it learned is on disk after every epoch, so a
    search that is killed at any moment can go on with `resume` and ends as it would have.

    Args:
        preparation: The data, made ready.
        model: A name of `kerastextzoo.builders.list_models()`, several, or `all` that read tokens.
        out: The folder of the search, and of the run that the winner becomes.
        tuner: How trials are proposed: `random`, `hyperband`, `bayesian` or `grid`. The first are
            always the zoo's defaults.
        max_trials: Trials in all.
        executions: Trainings of each of the best few trials, with seeds of their own; the best mean
            wins, or the cheapest model that is not worse than that by more than chance.
        budget: Seconds after which the search comes to its end, late by an epoch at most.
        trial_timeout: Seconds after which a trial is killed and counts as failed; it is not tried
            again. None: it may take as long as it does.
        fixed: Settings by name that are not searched.
        seed: Of the proposals and of every training.
        objective: What trials are ranked by: a name in `kerastextzoo.evaluation.OBJECTIVES`; None:
            `val_accuracy`, or `val_micro_f1` for multi-label data.
        strategy: `none`, or `mirrored` to train each trial on all devices of its machine.
        workers: Trials at once; they share the cores and GPUs of the machine.
        executor: `local`: processes of this machine; `ray`: tasks of a Ray cluster; or your own.
        keep: Models that are kept, those of the best trials.
        early_stopping: Whether to stop a trial that is far behind the others.
        resume: Go on with the search in `out`.
        overwrite: Delete the search in `out` first.
        watch: Whether to look out, in each trial, for what keeps it from learning.
        findings: What was found before the search, to be recorded in its run.
        track: Progress.
        view: Called now and then with what there is to see of each trial.

    Raises:
        InputError: A setting is wrong, or `out` holds something else or is in use.
        KerasTextZooError: No trial completed.

    Warns:
        SearchWarning: The space has fewer points than `max_trials`, or values that make no sense.
    """
    started = time.monotonic()
    fixed = dict(fixed or {})
    objective = choose_objective(objective, multi_label=preparation.multi_label)
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
    _check_counts(executions=executions, workers=workers, keep=keep)
    _check_seconds(budget=budget, trial_timeout=trial_timeout)
    drawn = space.draw(space.defaults()[0])
    preparation = preparation.suited_to(drawn.settings)
    if preparation.vectors is not None and fixed.get("embedding") != "random":
        # Vectors that are no good stop the search here, not each of its trials.
        preparation.start("frozen", TrainingConfig().embedding_features)
    check_for_data(TrainingConfig.parse(of_kind(fixed, TrainingConfig)), preparation)
    warn_of_limits(space, tuner, max_trials)
    identity = {
        "format": FORMAT,
        "model": ",".join(space.specs),
        "seed": seed,
        "objective": objective,
        "direction": OBJECTIVES[objective],
        "strategy": strategy,
        "data": preparation.fingerprint,
        "text": preparation.config.model_dump(mode="json"),
        "embedding": preparation.describe_embedding(),
        "early_stopping": early_stopping,
        "keep": keep,
        "versions": versions(),
        "tuner": tuner,
        "space": space.config(),
    }
    out = Path(out)
    ledger = Ledger(
        out=out,
        oracle=Oracle(tuner, space, objective, max_trials, seed, max_epochs=drawn.config.epochs),
        objective=objective,
        keep=keep,
        early_stopping=early_stopping and tuner != "hyperband",
    )
    runner = make_executor(executor, workers)
    try:
        with (
            held(out, identity, resume=resume, overwrite=overwrite),
            _stored(preparation, out / ".data.tmp") as data,
        ):
            search = _Search(
                preparation=preparation,
                space=space,
                tuner=tuner,
                ledger=ledger,
                executor=runner,
                out=out,
                data=data,
                max_trials=max_trials,
                executions=executions,
                seed=seed,
                objective=objective,
                strategy=strategy,
                keep=keep,
                started=started,
                deadline=started + budget if budget else None,
                trial_timeout=trial_timeout,
                watch=watch,
                findings=findings,
                track=track,
                view=view,
            )
            return search.run()
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise InputError(
            f"{named(out)}: the disk is full; make room, then go on with --resume"
        ) from None
    finally:
        runner.close()


@contextmanager
def _stored(preparation: Preparation, folder: Path) -> Iterator[Path]:
    """Give the data in a folder for as long as trials may read it."""
    folder.mkdir()
    try:
        store(preparation, folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise InputError(f"{name} must be at least 1; got {count}")


def _check_seconds(**times: float | None) -> None:
    for name, seconds in times.items():
        if seconds is not None and seconds <= 0:
            raise InputError(f"{name} must be more than 0 seconds; got {seconds:g}")


@dataclass(kw_only=True)
class _Search:
    preparation: Preparation
    space: JointSpace
    tuner: str
    ledger: Ledger
    executor: Executor
    out: Path
    data: Path
    max_trials: int
    executions: int
    seed: int
    objective: str
    strategy: str
    keep: int
    started: float
    deadline: float | None
    trial_timeout: float | None
    watch: bool
    findings: Sequence[Finding]
    track: Track
    view: View | None
    #: Trials to be started, and those that run, since when.
    waiting: list[int] = field(default_factory=list)
    running: dict[Path, tuple[Job, float]] = field(default_factory=dict)
    #: Trials that were killed because they took too long.
    late: set[Path] = field(default_factory=set)

    def run(self) -> SearchResult:
        """Search, choose, and write the run."""
        self._keep_findings()
        self.waiting = self.ledger.replay(self.max_trials)
        for trial in self.ledger.ended.values():
            if not (self.out / TENSORBOARD / trial_folder(self.out, trial.id).name).exists():
                log_trial(self.out / TENSORBOARD, trial, self.objective)
        while True:
            self._fill()
            self._show()
            if not self.running:
                break
            late = kill_late(self.executor, self.running.values(), self.trial_timeout)
            self.late |= {job.folder for job in late}
            for ended in self.executor.wait(_SECONDS_OF_A_LOOK):
                self._settle(ended)
        stopped = self._why_stopped()
        marker = self.out / MARKER
        write_record(marker, {**read_record(marker), "stopped": stopped})
        trials = self.ledger.ranked()
        if not trials or trials[0].score is None:
            causes = pd.Series([trial.cause for trial in trials], dtype=object).value_counts()
            told = "; ".join(f"{count} x {cause}" for cause, count in causes.items())
            raise KerasTextZooError(f"all {len(trials)} trials failed: {told}")
        return self._finish(trials, stopped)

    def _keep_findings(self) -> None:
        """Record what was found before the search; a search that goes on finds it there."""
        path = self.out / _FINDINGS
        if self.findings:
            write_json(path, recorded(self.findings))
        elif path.exists():
            self.findings = [Finding(**told) for told in read_json(path)]

    def _fill(self) -> None:
        """Start as many trials as can run at once."""
        while len(self.running) < self.executor.slots:
            number = self.waiting.pop(0) if self.waiting else self._propose()
            if number is None:
                return
            self._start(number)

    def _propose(self) -> int | None:
        if len(self.ledger.proposals) >= self.max_trials or self._is_over():
            return None
        return self.ledger.propose()

    def _start(self, number: int) -> None:
        attempts = self._attempts(number)
        if attempts["starts"] >= _MOST_STARTS:
            self._fail(number, f"the search was killed {_MOST_STARTS} times in the same epoch")
            return
        checkpoint = trial_folder(self.out, number) / CHECKPOINT
        at = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        attempts |= {"starts": attempts["starts"] + 1 if attempts["at"] == at else 1, "at": at}
        write_json(trial_folder(self.out, number) / _ATTEMPTS, attempts)
        job = self._job(number, attempts["halvings"])
        config = TrainingConfig.parse(job.training)
        embedding, features = config.embedding, config.embedding_features
        store_start(self.preparation, self.data, embedding, features, config.ngrams)
        self.running[job.folder] = (job, time.monotonic())
        self.executor.start(job)

    def _attempts(self, number: int) -> dict[str, Any]:
        path = trial_folder(self.out, number) / _ATTEMPTS
        return (
            read_json(path)
            if path.exists()
            else {"starts": 0, "at": 0, "deaths": [], "halvings": 0}
        )

    def _job(self, number: int, halvings: int = 0) -> Job:
        proposal = self.ledger.proposals[number]
        drawn = self.space.draw(proposal["values"])
        continues = proposal["continues"]
        return Job(
            id=number,
            folder=trial_folder(self.out, number),
            data=self.data,
            model=drawn.spec.name,
            values=proposal["values"],
            settings=drawn.settings.model_dump(mode="json"),
            training=drawn.config.model_dump(mode="json"),
            seed=derive_seed(self.seed, "trial", self.ledger.first(number)),
            objective=self.objective,
            strategy=self.strategy,
            until=proposal["epochs"],
            continues=None if continues is None else trial_folder(self.out, continues),
            hurdles=tuple(proposal["hurdles"]),
            seconds=self._seconds_left(),
            save_from=proposal["save_from"],
            halvings=halvings,
            watch=self.watch,
        )

    # How it ended.

    def _settle(self, ended: Ended) -> None:
        """Take note of the end of a trial's process."""
        job, _ = self.running.pop(ended.folder)
        trial = read_trial(job.folder)
        if trial is None and job.folder in self.late:
            self._fail(job.id, f"stopped: it took longer than {self.trial_timeout:.0f} seconds")
            return
        if trial is None:
            self._retry(job.id, ended)
            return
        self.ledger.note(trial)
        log_trial(self.out / TENSORBOARD, trial, self.objective)
        self._drop_models()

    def _retry(self, number: int, ended: Ended) -> None:
        """Start a trial once more whose process died, but not for ever."""
        if ended.disk_full:
            raise OSError(errno.ENOSPC, f"no room for trial {number}")
        attempts = self._attempts(number)
        attempts["deaths"].append(ended.cause or "its process ended without a result")
        attempts["halvings"] += ended.out_of_memory
        write_json(trial_folder(self.out, number) / _ATTEMPTS, attempts)
        if ended.out_of_memory:
            (trial_folder(self.out, number) / CHECKPOINT).unlink(missing_ok=True)
        if len(attempts["deaths"]) > _RETRIES:
            self._fail(number, attempts["deaths"][-1])
        else:
            self.waiting.insert(0, number)

    def _fail(self, number: int, cause: str) -> None:
        job = self._job(number)
        trial = Trial(
            id=number,
            status="failed",
            score=None,
            seconds=0.0,
            values=self.ledger.proposals[number]["values"],
            model=job.model,
            config={"model": dict(job.settings), "training": dict(job.training)},
            seed=job.seed,
            cause=cause,
        )
        write_record(job.folder / RECORD, trial.record())
        (job.folder / CHECKPOINT).unlink(missing_ok=True)
        self.ledger.note(trial)

    def _drop_models(self) -> None:
        """Keep the models of the best trials alone."""
        for trial in self.ledger.ranked()[self.keep :]:
            model = trial_folder(self.out, trial.id) / MODEL
            if model.exists():
                doomed = model.with_name(f".{MODEL}.tmp")
                model.rename(doomed)
                shutil.rmtree(doomed)

    # When it ends.

    def _deadline(self) -> float | None:
        """Return when the last trial has to end, so that there is time for the finalists."""
        if self.deadline is None:
            return None
        seconds = [trial.seconds for trial in self.ledger.ended.values() if trial.score is not None]
        if self.executions == 1 or not seconds:
            return self.deadline
        rounds = -(-min(MOST_FINALISTS, self.keep) * (self.executions - 1) // self.executor.slots)
        most = _MOST_FOR_FINALISTS * (self.deadline - self.started)
        return self.deadline - min(rounds * statistics.median(seconds), most)

    def _seconds_left(self) -> float | None:
        deadline = self._deadline()
        return None if deadline is None else deadline - time.monotonic()

    def _is_over(self) -> bool:
        left = self._seconds_left()
        return left is not None and left <= 0

    def _why_stopped(self) -> str:
        if self.deadline and self._is_over() and len(self.ledger.proposals) < self.max_trials:
            return f"the budget of {self.deadline - self.started:.0f} seconds was spent"
        points = self.space.count_points(GRID_VALUES if self.tuner == "grid" else 0)
        return why_stopped(len(self.ledger.ended), points, self.max_trials)

    # What is seen.

    def _show(self) -> None:
        done = len(self.ledger.ended)
        scores = self.ledger.ranked()
        failed = sum(trial.status == "failed" for trial in scores)
        best = f", best {scores[0].score:.4f}" if scores and scores[0].score is not None else ""
        note = f"{done - failed} completed, {failed} failed{best}"
        self.track(f"tuning {self._names()}", done, self.max_trials, note)
        if self.view:
            running = [running_row(*each) for each in self.running.values()]
            self.view([*map(ended_row, scores), *running])

    def _names(self) -> str:
        return ",".join(self.space.specs)

    # The winner.

    def _finish(self, trials: list[Trial], stopped: str) -> SearchResult:
        """Turn the winner into the run of this search."""
        finalists = self._finalists(trials)
        best = winner(finalists, self.objective).trial
        folder = trial_folder(self.out, best.id) / MODEL
        run = Run(folder)
        again = evaluate_part(run.model, self.preparation, "validation").objective(self.objective)
        if abs(again - float(best.score or 0)) > _OTHER_HARDWARE:
            raise KerasTextZooError(
                f"the saved model of trial {best.id} scores {again}, its training said {best.score}"
            )
        test = evaluate_test(run.model, self.preparation, run.evaluation["validation"])
        stage = self.out / ".best.tmp"
        copy_run(folder, stage, test, self.findings, self.preparation.validation_texts)
        move_into(stage, self.out)
        for leftover in (self.out / "trials").glob(f"*/{CHECKPOINT}"):
            leftover.unlink()
        result = SearchResult(
            run=Run(self.out),
            best=best,
            trials=trials,
            finalists=finalists,
            objective=self.objective,
            stopped=stopped,
        )
        write_atomically(self.out / "trials.csv", result.to_dataframe().to_csv(index=False))
        write_json(self.out / "finalists.json", [each.as_dict() for each in finalists])
        plots.draw_search(
            [trial.as_dict() for trial in trials],
            self.objective,
            self.out / "search.png",
            {str(k): v for k, v in importances(trials, self.objective).items()},
        )
        return result

    def _finalists(self, trials: list[Trial]) -> list[Finalist]:
        """Train the best few again with other seeds."""
        best = [trial for trial in trials if trial.score is not None]
        best = best[: min(self.keep, MOST_FINALISTS) if self.executions > 1 else 1]
        jobs = [
            replace(
                self._job(trial.id),
                folder=self.out / "finalists" / f"{trial.id:04d}-{place + 1}",
                training=trial.config["training"],
                seed=derive_seed(self.seed, "finalist", trial.id, place + 1),
                continues=None,
                hurdles=(),
                save=False,
            )
            for place in range(self.executions - 1)
            for trial in best
        ]
        train_again(
            jobs,
            self.executor,
            deadline=self.deadline,
            trial_timeout=self.trial_timeout,
            track=self.track,
        )
        scores = {trial.id: [float(trial.score or 0)] for trial in best}
        for job in jobs:
            again = read_trial(job.folder)
            if again and again.status == "completed" and again.score is not None:
                scores[job.id].append(again.score)
        return [Finalist(trial=trial, scores=tuple(scores[trial.id])) for trial in best]

"""The best validation accuracy so far over time: our searches, KerasTuner's and Optuna's.

    python -m benchmarks.search_curves isear/all.tsv.gz --seconds 120 --seeds 5 --out FOLDER
    python -m benchmarks.search_curves isear/all.tsv.gz --out FOLDER --only 'isear/ours-*'

Each method has the same wall-clock time on FILE and on the built-in texts, in a process of its own,
and is judged by the same validation texts. KerasTuner's RandomSearch draws for itself from our
space; Optuna has TPE and its MedianPruner; both train as `benchmarks.stock_search` says, and stop a
training after the same epochs without a better score as ours. The end of every epoch counts.

Each run leaves `FOLDER/DATA/METHOD-SEED.json`. One that is there with the same time and settings is
skipped, so the work can be stopped at any moment. At the end the medians over the seeds are drawn
in `FOLDER/DATA.png` and told in a table. Optuna is no requirement of this project: where it is not
installed it is left out.
"""

import argparse
import hashlib
import importlib.util
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks.stock_search import (
    MODELS,
    OBJECTIVE,
    EachEpoch,
    OutOfTime,
    StockTraining,
    draw_for,
    prepare,
    run_stock_tuner,
)
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import versions
from kerastextzoo.seeds import derive_seed
from kerastextzoo.storage import write_json
from kerastextzoo.training import TrainingConfig
from kerastextzoo.tuning import find_specs, tune
from kerastextzoo.tuning.space import JointSpace

BUILT_IN = "built-in"
STOCK = "kerastuner-random"
OPTUNA = "optuna-tpe"
_OURS = "ours-"
_MOST_TRIALS = 10_000
_PLACES = 400  # of a curve


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One search.

    Attributes:
        data: What the data is called.
        method: A name in `METHODS`.
        model: A name in `benchmarks.stock_search.MODELS`.
        seed: Of proposals and trainings.
        seconds: How long it may search.
        epochs: Of a training at most.
        patience: Epochs without a better score after which a training stops.
    """

    data: str
    method: str
    model: str
    seed: int
    seconds: float
    epochs: int
    patience: int

    @property
    def name(self) -> str:
        """What its record is called."""
        return f"{self.data}/{self.method}-{self.seed}"


class Curve:
    """The best score so far over the time since now."""

    def __init__(self, seconds: float) -> None:
        self.started = time.monotonic()
        self.deadline = self.started + seconds
        self.points: list[tuple[float, float]] = []

    def add(self, score: float) -> None:
        """Note a score; one that comes too late does not count."""
        now = time.monotonic()
        if now <= self.deadline and (not self.points or score > self.points[-1][1]):
            self.points.append((round(now - self.started, 2), score))


def search_ours(asked: Asked, preparation: Preparation, out: Path) -> tuple[Curve, int]:
    """Search with `tune`."""
    ended = 0
    curve = Curve(asked.seconds)

    def see(rows: Sequence[Any]) -> None:
        nonlocal ended
        if time.monotonic() <= curve.deadline:
            ended = sum(row.status != "running" for row in rows)
        for row in rows:
            if row.score is not None:
                curve.add(row.score)

    tune(
        preparation,
        asked.model,
        out,
        tuner=asked.method.removeprefix(_OURS),
        max_trials=_MOST_TRIALS,
        budget=asked.seconds,
        fixed={"epochs": asked.epochs, "patience": asked.patience},
        seed=asked.seed,
        objective=OBJECTIVE,
        view=see,
    )
    return curve, ended


def search_stock(asked: Asked, preparation: Preparation, out: Path) -> tuple[Curve, int]:
    """Search with KerasTuner's RandomSearch."""
    space = JointSpace(find_specs(asked.model), max_length=preparation.config.max_length)
    training = _training(asked, preparation)
    ended = [0]
    curve = Curve(asked.seconds)
    callback = EachEpoch(lambda epoch, score: curve.add(score), curve.deadline)
    with suppress(OutOfTime):
        run_stock_tuner(
            training,
            space,
            out,
            trials=_MOST_TRIALS,
            callbacks=[callback],
            ended=ended.append,
        )
    return curve, ended[-1]


def search_optuna(asked: Asked, preparation: Preparation, out: Path) -> tuple[Curve, int]:
    """Search with Optuna's TPE and MedianPruner; nothing is kept on disk."""
    optuna: Any = importlib.import_module("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    training = _training(asked, preparation)
    curve = Curve(asked.seconds)

    def objective(trial: Any) -> float:
        def tell(epoch: int, score: float) -> None:
            curve.add(score)
            trial.report(score, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned

        keras.utils.clear_session()
        drawn = draw_for(_Suggestions(trial), asked.model)
        callback = EachEpoch(tell, curve.deadline)
        history = training.fit(training.build(drawn), drawn.config.batch_size, [callback])
        return float(max(history.history[OBJECTIVE]))

    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=derive_seed(asked.seed, "search")),
        pruner=optuna.pruners.MedianPruner(),
    )
    with suppress(OutOfTime):
        study.optimize(objective, timeout=asked.seconds)
    return curve, sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials)


class _Suggestions:
    """A `SearchSpace` that asks a trial of Optuna."""

    def __init__(self, trial: Any) -> None:
        self.trial = trial

    def Int(self, name: str, min_value: int, max_value: int, *, step: int = 1, **_: Any) -> Any:
        return self.trial.suggest_int(name, min_value, max_value, step=step)

    def Float(
        self, name: str, min_value: float, max_value: float, *, sampling: str = "linear", **_: Any
    ) -> Any:
        return self.trial.suggest_float(name, min_value, max_value, log=sampling == "log")

    def Choice(self, name: str, values: Sequence[Any], **_: Any) -> Any:
        return self.trial.suggest_categorical(name, values)

    def Boolean(self, name: str, **_: Any) -> Any:
        return self.trial.suggest_categorical(name, [False, True])


def _training(asked: Asked, preparation: Preparation) -> StockTraining:
    return StockTraining(preparation, epochs=asked.epochs, seed=asked.seed, patience=asked.patience)


Search = Callable[[Asked, Preparation, Path], tuple[Curve, int]]
METHODS: dict[str, Search] = {
    "ours-random": search_ours,
    "ours-bayesian": search_ours,
    "ours-hyperband": search_ours,
    STOCK: search_stock,
    OPTUNA: search_optuna,
}


def record(asked: Asked, path: Path | None) -> dict[str, Any]:
    """Make a search and return its record."""
    warnings.simplefilter("ignore")
    preparation = prepare(path)
    with tempfile.TemporaryDirectory() as folder:
        curve, trials = METHODS[asked.method](asked, preparation, Path(folder) / "search")
    rows = preparation.rows["validation"].tobytes()
    return {
        "asked": asdict(asked),
        "points": curve.points,
        "trials": trials,
        "validation": {
            "texts": len(preparation.texts["validation"]),
            "data": preparation.fingerprint,
            "rows": hashlib.sha256(rows).hexdigest(),
        },
        "cores": len(os.sched_getaffinity(0)),
        "versions": versions(),
    }


def read(asked: Asked, folder: Path) -> dict[str, Any] | None:
    """Return the record of this very search, if there is one."""
    path = folder / f"{asked.name}.json"
    if not path.exists():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found if found["asked"] == asdict(asked) else None


def run(asked: Asked, path: Path | None, folder: Path) -> None:
    """Make a search in a process of its own and write its record."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(record, asked, path).result()
    (folder / asked.data).mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{asked.name}.json", found)
    best = found["points"][-1][1] if found["points"] else None
    print(f"{asked.name}: {found['trials']} trials, best {best}", file=sys.stderr, flush=True)


def medians(records: Sequence[dict[str, Any]], times: Any) -> Any:
    """Return the median over the seeds of the best score at each time; 0 where there is none."""
    curves = []
    for each in records:
        at = [0.0, *(time for time, _ in each["points"])]
        best = [0.0, *(score for _, score in each["points"])]
        curves.append(np.array(best)[np.searchsorted(at, times, side="right") - 1])
    return np.median(curves, axis=0)


def tell(found: dict[str, dict[str, list[dict[str, Any]]]], seconds: float, folder: Path) -> None:
    """Draw and print the curves.

    Args:
        found: Records by data and by method.
        seconds: How long each searched.
        folder: Of the pictures.
    """
    times = np.linspace(0, seconds, _PLACES)
    table = Table("data", "method", "seeds", "trials", "best, median", "of all seeds", "at half")
    # The time at which the median reaches what KerasTuner's has at its end.
    table.add_column("as good as KerasTuner after")
    for data, methods in found.items():
        judged = {
            json.dumps(each["validation"]) for records in methods.values() for each in records
        }
        if len(judged) > 1:
            raise SystemExit(f"{data}: the records are of different texts: {judged}")
        figure = Figure((8, 5), layout="constrained")
        axes = figure.subplots()
        goal = medians(methods[STOCK], times)[-1] if STOCK in methods else None
        for method, records in methods.items():
            curve = medians(records, times)
            axes.step(times, np.where(curve > 0, curve, np.nan), where="post", label=method)
            best = [each["points"][-1][1] if each["points"] else 0.0 for each in records]
            reached = times[curve >= goal] if goal else times[:0]
            table.add_row(
                data,
                method,
                str(len(records)),
                f"{statistics.median(each['trials'] for each in records):g}",
                f"{curve[-1]:.4f}",
                f"{min(best):.4f} - {max(best):.4f}",
                f"{curve[_PLACES // 2]:.4f}",
                f"{reached[0]:.0f} s" if len(reached) else "-",
            )
        axes.set(
            xlabel="seconds",
            ylabel="best validation accuracy so far, median over seeds",
            title=data,
        )
        axes.legend()
        figure.savefig(folder / f"{data}.png", dpi=120)
    Console(width=140).print(table)


def main() -> None:
    """Make what is not recorded yet, and tell all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, nargs="?", help="left out: the built-in texts alone")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", choices=MODELS, default="cnn")
    parser.add_argument("--epochs", type=int, default=TrainingConfig().epochs)
    parser.add_argument("--patience", type=int, default=TrainingConfig().patience)
    parser.add_argument("--only", default="*", help="DATA/METHOD-SEED, with *")
    options = parser.parse_args()
    data: dict[str, Path | None] = {BUILT_IN: None}
    if options.file:
        data = {options.file.resolve().parent.name: options.file, **data}
    methods = list(METHODS)
    if importlib.util.find_spec("optuna") is None:
        print("Optuna is not installed: not compared with it", file=sys.stderr)
        methods.remove(OPTUNA)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    # Seed by seed, so that what is there at any moment can be compared.
    for seed in range(options.seeds):
        for name, path in data.items():
            for method in methods:
                asked = Asked(
                    data=name,
                    method=method,
                    model=options.model,
                    seed=seed,
                    seconds=options.seconds,
                    epochs=options.epochs,
                    patience=options.patience,
                )
                if read(asked, options.out) is None and fnmatch(asked.name, options.only):
                    run(asked, path, options.out)
                if recorded := read(asked, options.out):
                    found.setdefault(name, {}).setdefault(method, []).append(recorded)
    tell(found, options.seconds, options.out)


if __name__ == "__main__":
    main()

"""The search: reproducible, resumable, its winner what it says it is."""

import itertools
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import fail, hang, never, slowly

from kerastextzoo import tuning
from kerastextzoo.builders import get_spec
from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.preparation import Preparation
from kerastextzoo.records import DamagedRecordWarning, copy_of
from kerastextzoo.run import Run
from kerastextzoo.splits import Splits
from kerastextzoo.text import TextConfig
from kerastextzoo.tuning import Finalist, InThisProcess, LocalProcesses, Trial
from kerastextzoo.tuning.finalists import winner
from kerastextzoo.tuning.stopping import FREE_EPOCHS
from kerastextzoo.tuning.trials import ranked

# What is left to search is quick to train.
FIXED = {"epochs": 2, "filters": 8, "dense_units": 0, "embedding_features": 8, "batch_size": "32"}


def run_search(
    preparation: Preparation, out: Path, model: str = "cnn", **options: Any
) -> tuning.SearchResult:
    settings: dict[str, Any] = {"max_trials": 3, "fixed": FIXED, "seed": 0, **options}
    return tuning.tune(preparation, model, out, **settings)


def table(result: tuning.SearchResult) -> list[tuple[Any, ...]]:
    """Return all of the trials but the time they took."""
    return [(trial.id, trial.status, trial.score, trial.values) for trial in result.trials]


def assert_same(one: tuning.SearchResult, two: tuning.SearchResult) -> None:
    """Compare trials and final weights bit by bit."""
    assert table(one) == table(two)
    pairs = zip(one.run.model.get_weights(), two.run.model.get_weights(), strict=True)
    for first, second in pairs:
        np.testing.assert_array_equal(first, second)


@pytest.fixture(scope="module")
def result(preparation: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_search(preparation, tmp_path_factory.mktemp("search") / "whole")


def test_the_table_is_best_first(result: tuning.SearchResult) -> None:
    scores = [trial.score for trial in result.trials if trial.score is not None]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    board = result.to_dataframe()
    assert list(board["val_accuracy"]) == scores
    assert {"learning_rate", "kernel_sizes", "embedding"} <= set(board.columns)
    assert not {"filters", "dense_units"} & set(board.columns)
    written = (result.run.directory / "trials.csv").read_text("utf-8").splitlines()
    assert [line.split(",")[0] for line in written] == ["trial", *map(str, board["trial"])]


def test_first_trial_is_the_defaults(result: tuning.SearchResult) -> None:
    first = next(trial for trial in result.trials if trial.id == 0)
    settings = get_spec("cnn").config.parse({"filters": 8, "dense_units": 0})
    assert first.config["model"] == settings.model_dump(mode="json")
    assert first.config["training"]["learning_rate"] == 1e-3


def test_best_weights_score_and_run_agree(
    result: tuning.SearchResult, preparation: Preparation
) -> None:
    run = Run(result.run.directory)
    assert run.metrics["val_accuracy"] == result.best.score
    assert run.evaluate(preparation.splits.validation).accuracy == result.best.score
    trial = Run(run.directory / "trials" / f"{result.best.id:04d}" / "model")
    for one, two in zip(run.model.get_weights(), trial.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert run.record["settings"] == result.best.config["model"]


def test_test_texts_are_sealed_until_the_end(result: tuning.SearchResult) -> None:
    assert "test_accuracy" in result.run.metrics
    models = list(result.run.directory.glob("trials/*/model"))
    assert len(models) == 3
    for model in models:
        assert "test_accuracy" not in Run(model).metrics


def test_same_seed_same_search_whoever_runs_the_trials(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path
) -> None:
    assert_same(run_search(preparation, tmp_path / "again", executor=InThisProcess()), result)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_goes_its_own_way(objective: str) -> None:
    known: dict[str, Any] = {"status": "completed", "seconds": 1.0, "values": {}}
    trials = [
        Trial(id=0, status="failed", score=None, seconds=0.0, values={}),
        *(Trial(id=i + 1, score=s, **known) for i, s in enumerate((0.5, 0.9, 0.1, 0.9))),
    ]
    order = [trial.id for trial in ranked(trials, objective)]
    assert order == ([3, 1, 2, 4, 0] if objective == "val_loss" else [2, 4, 1, 3, 0])


def test_records_tell_when_each_trial_trained(result: tuning.SearchResult) -> None:
    trials = sorted(result.trials, key=lambda trial: trial.id)
    moments = [
        trial.times[name] for trial in trials for name in ("started", "first_step", "trained")
    ]
    assert moments == sorted(moments)
    for trial in trials:
        assert 0 < trial.times["trained"] - trial.times["first_step"] < time.time() - moments[0]
        assert "times" not in trial.as_dict()


class Interrupt:
    """A screen on which Ctrl-C is pressed once so many trials have ended."""

    def __init__(self, finished: int) -> None:
        self.finished = finished

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None:
        if what == "tuning cnn" and done == self.finished:
            raise KeyboardInterrupt


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_an_interrupted_search_goes_on_where_it_was(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path, finished: int
) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        run_search(preparation, out, track=Interrupt(finished))
    ended = [path.parent.name for path in sorted(out.glob("trials/*/trial.json"))]
    assert ended == [f"{number:04d}" for number in range(finished)]
    before = {name: (out / "trials" / name / "trial.json").stat().st_mtime_ns for name in ended}
    # What a kill in the middle of a write would leave as well.
    (out / "trials" / "0009").mkdir()
    (out / ".best.tmp").mkdir()
    (out / ".search.json.1.tmp").write_text("{", "utf-8")
    resumed = run_search(preparation, out, resume=True)
    assert_same(resumed, result)
    for name, written in before.items():
        assert (out / "trials" / name / "trial.json").stat().st_mtime_ns == written
    assert not list(out.rglob(".*"))
    # A search that has ended can be given more trials.
    longer = run_search(preparation, out, resume=True, max_trials=4)
    assert [row for row in table(longer) if row[0] != 3] == table(result)


def test_a_trial_that_was_deleted_is_trained_again(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path
) -> None:
    copy = shutil.copytree(result.run.directory, tmp_path / "copy")
    shutil.rmtree(copy / "trials" / "0001")
    assert_same(run_search(preparation, copy, resume=True), result)


RECORDS = ("search.json", "trials/0001/proposal.json", "trials/0001/trial.json")


@pytest.mark.parametrize("name", RECORDS)
def test_state_that_was_damaged_by_hand_is_named_and_kept(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path, name: str
) -> None:
    copy = shutil.copytree(result.run.directory, tmp_path / "copy")
    record, damaged = copy / name, '{"edited": '
    good = record.read_text("utf-8")
    record.write_text(damaged, "utf-8")
    with pytest.warns(DamagedRecordWarning, match=f"{name}' can't be read: .*; its copy is used"):
        assert_same(run_search(preparation, copy, resume=True), result)
    assert record.read_text("utf-8") == good
    assert record.with_name(f"{record.name}.damaged").read_text("utf-8") == damaged
    # The other one may be damaged as well; nothing is guessed then, and nothing touched.
    for path in (record, copy_of(record)):
        path.write_text(damaged, "utf-8")
    with pytest.raises(InputError, match=f"{name}' can't be read: .*; restore it from a copy"):
        run_search(preparation, copy, resume=True)
    assert record.read_text("utf-8") == damaged


def test_a_training_whose_state_was_damaged_starts_anew(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_search(preparation, tmp_path / "out", track=Interrupt(1))
    state = tmp_path / "out" / "trials" / "0001" / "checkpoint.npz"
    state.parent.mkdir(exist_ok=True)
    state.write_bytes(b"PK edited")
    resumed = run_search(preparation, tmp_path / "out", resume=True)
    assert_same(resumed, result)
    assert state.with_name("checkpoint.npz.damaged").read_bytes() == b"PK edited"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 1}, "seed was '0', is '1'"),
        ({"objective": "val_loss"}, "objective was 'val_accuracy', is 'val_loss'"),
        ({"fixed": {**FIXED, "filters": 16}}, "space was "),
        ({"tuner": "grid"}, "tuner was 'random', is 'grid'"),
        ({"keep": 2}, "keep was '3', is '2'"),
    ],
)
def test_resuming_another_search_is_refused(
    result: tuning.SearchResult, preparation: Preparation, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        run_search(preparation, result.run.directory, resume=True, **options)


def test_a_folder_that_is_taken_is_never_lost(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="use --resume or --overwrite"):
        run_search(preparation, result.run.directory)
    (tmp_path / "mine").write_text("precious", "utf-8")
    with pytest.raises(InputError, match=r"holds no search.json, so it is not deleted"):
        run_search(preparation, tmp_path, overwrite=True)
    with pytest.raises(InputError, match="exists already"):
        run_search(preparation, tmp_path)
    with pytest.raises(InputError, match="no search to resume"):
        run_search(preparation, tmp_path, resume=True)
    assert (tmp_path / "mine").read_text("utf-8") == "precious"


def test_overwrite_starts_anew(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path
) -> None:
    copy = shutil.copytree(result.run.directory, tmp_path / "copy")
    again = run_search(preparation, copy, overwrite=True, max_trials=1)
    assert [trial.id for trial in again.trials] == [0]
    assert [path.name for path in tmp_path.iterdir()] == ["copy"]


def test_a_search_that_runs_is_not_joined(
    preparation: Preparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    refused: list[str] = []

    def try_to_join(rows: Any) -> None:
        if not refused:
            with pytest.raises(InputError) as caught:
                run_search(preparation, out, resume=True)
            refused.append(str(caught.value))

    run_search(preparation, out, max_trials=1, view=try_to_join)
    assert "is in use by process" in refused[0]
    assert "wait for its end" in refused[0]


def test_trials_fail_alone(preparation: Preparation, tmp_path: Path) -> None:
    found = run_search(
        preparation,
        tmp_path / "out",
        max_trials=6,
        early_stopping=False,
        executor=LocalProcesses(1, fail),
    )
    trials = {trial.id: trial for trial in found.trials}
    status = {number: trial.status for number, trial in sorted(trials.items())}
    failed = [number for number in status if status[number] == "failed"]
    assert failed == [1, 2]
    assert trials[1].cause == "TrainingDivergedError: the loss is not finite"
    assert "segmentation fault" in str(trials[2].cause)
    assert found.trials[-1].score is None
    # Killed after its first epoch, it went on with the second.
    assert len(trials[3].history) == 2
    deaths = json.loads((tmp_path / "out/trials/0003/attempts.json").read_text("utf-8"))["deaths"]
    assert len(deaths) == 1
    # Half the batch, and the gradients of two of them for a step.
    training = trials[4].config["training"]
    assert (training["batch_size"], training["accumulation"]) == (16, 2)


def test_all_trials_failed_is_no_success(preparation: Preparation, tmp_path: Path) -> None:
    with pytest.raises(KerasTextZooError, match="all 3 trials failed: 3 x ValueError: never"):
        run_search(preparation, tmp_path / "out", executor=LocalProcesses(1, never))


def test_a_trial_that_hangs_is_ended_and_the_next_one_runs(
    preparation: Preparation, tmp_path: Path
) -> None:
    said = "1 x stopped: it took longer than 8 seconds; 1 x ValueError: never"
    executor = LocalProcesses(1, hang)
    with pytest.raises(KerasTextZooError, match=said):
        run_search(preparation, tmp_path / "out", max_trials=2, trial_timeout=8, executor=executor)
    told = json.loads((tmp_path / "out/trials/0000/told.json").read_text("utf-8"))
    assert not Path(f"/proc/{told['process']}").exists()


def test_a_clock_that_jumps_changes_nothing(
    preparation: Preparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = itertools.cycle([0, 1e6, -1e6])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + next(days))
    found = run_search(
        preparation,
        tmp_path / "out",
        max_trials=2,
        budget=3600,
        trial_timeout=3600,
        executor=InThisProcess(),
    )
    assert [trial.status for trial in found.trials] == ["completed"] * 2
    assert all(0 < trial.seconds < 3600 for trial in found.trials)


def test_models_of_the_best_are_kept(preparation: Preparation, tmp_path: Path) -> None:
    found = run_search(preparation, tmp_path / "out", max_trials=5, keep=2, early_stopping=False)
    kept = {path.parent.name for path in (tmp_path / "out").glob("trials/*/model")}
    assert kept == {f"{trial.id:04d}" for trial in found.trials[:2]}
    assert not list((tmp_path / "out").rglob("*.npz"))


def test_a_hopeless_trial_is_stopped(preparation: Preparation, tmp_path: Path) -> None:
    quick = {"dropout": 0.0, "embedding_dropout": 0.0, "weight_averaging": 0.0}
    fixed = {**FIXED, **quick, "epochs": 5, "patience": 5}
    found = run_search(preparation, tmp_path / "out", max_trials=6, fixed=fixed, executions=1)
    stopped = [trial for trial in found.trials if trial.status == "stopped"]
    assert stopped
    for trial in stopped:
        assert str(trial.cause).startswith("hopeless: ")
        assert trial.id >= 4
        assert FREE_EPOCHS < len(trial.history) < 5


def test_the_budget_is_kept(preparation: Preparation, tmp_path: Path) -> None:
    executor = LocalProcesses(1, slowly)
    started = time.monotonic()
    fixed = {**FIXED, "epochs": 50, "patience": 50}
    found = run_search(
        preparation, tmp_path / "out", budget=8, max_trials=99, fixed=fixed, executor=executor
    )
    assert found.stopped == "the budget of 8 seconds was spent"
    assert "the budget was spent in epoch" in str(max(found.trials, key=lambda t: t.id).cause)
    longest = max(epoch["seconds"] for trial in found.trials for epoch in trial.history)
    # What comes after the trials is not counted: evaluation and pictures.
    assert time.monotonic() - started < 8 + longest + 20


def test_several_at_once_are_all_there(preparation: Preparation, tmp_path: Path) -> None:
    found = run_search(preparation, tmp_path / "out", max_trials=4, workers=2)
    assert sorted(trial.id for trial in found.trials) == [0, 1, 2, 3]


@pytest.mark.parametrize("tuner", ["hyperband", "bayesian", "grid"])
def test_every_tuner_ends_with_a_run(preparation: Preparation, tmp_path: Path, tuner: str) -> None:
    fixed = {**FIXED, "epochs": 3}
    found = run_search(preparation, tmp_path / "out", tuner=tuner, max_trials=5, fixed=fixed)
    assert len(found.trials) == 5
    assert found.run.metrics["val_accuracy"] == found.best.score
    if tuner == "hyperband":
        assert {len(trial.history) for trial in found.trials} == {1, 3}
    again = run_search(
        preparation, tmp_path / "out", tuner=tuner, max_trials=5, fixed=fixed, resume=True
    )
    assert_same(again, found)
    # More trials may go on from one whose state was removed at the end.
    longer = run_search(
        preparation, tmp_path / "out", tuner=tuner, max_trials=7, fixed=fixed, resume=True
    )
    assert [trial.status for trial in longer.trials].count("failed") == 0


def test_several_models_are_one_search(preparation: Preparation, tmp_path: Path) -> None:
    found = run_search(preparation, tmp_path / "out", "cnn,rnn", max_trials=4)
    first = [trial.model for trial in sorted(found.trials, key=lambda each: each.id)[:2]]
    assert first == ["cnn", "rnn"]
    assert found.run.record["model"] == found.best.model


def test_the_best_are_trained_again(preparation: Preparation, tmp_path: Path) -> None:
    found = run_search(preparation, tmp_path / "out", executions=3, keep=2)
    assert [len(each.scores) for each in found.finalists] == [3, 3]
    assert [each.trial for each in found.finalists] == found.trials[:2]
    assert found.best == winner(found.finalists, "val_accuracy").trial
    again = run_search(preparation, tmp_path / "out", executions=3, keep=2, resume=True)
    assert again.finalists == found.finalists


def finalist(number: int, cost: int, *scores: float) -> Finalist:
    known: dict[str, Any] = {"status": "completed", "seconds": 1.0, "values": {}}
    trial = Trial(id=number, score=scores[0], multiply_adds=cost, **known)
    return Finalist(trial=trial, scores=scores)


@pytest.mark.parametrize(
    ("finalists", "wins"),
    [
        ([finalist(0, 9, 0.9, 0.5, 0.5), finalist(1, 9, 0.8, 0.8, 0.8)], 1),
        ([finalist(0, 9, 0.80, 0.84), finalist(1, 5, 0.80, 0.83)], 1),
        ([finalist(0, 9, 0.80, 0.81), finalist(1, 5, 0.70, 0.71)], 0),
        ([finalist(0, 9, 0.81), finalist(1, 5, 0.80)], 0),
    ],
)
def test_the_winner_is_no_luck_and_no_dearer_than_it_must_be(
    finalists: list[Finalist], wins: int
) -> None:
    assert winner(finalists, "val_accuracy").trial.id == wins


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_trials": 0}, "max_trials must be at least 1; got 0"),
        ({"executions": 0}, "executions must be at least 1; got 0"),
        ({"workers": 0}, "workers must be at least 1; got 0"),
        ({"keep": 0}, "keep must be at least 1; got 0"),
        ({"budget": -1}, "budget must be more than 0 seconds; got -1"),
        ({"executor": "locale"}, "no executor 'locale'; did you mean 'local'"),
        ({"tuner": "rnadom"}, "no tuner 'rnadom'; did you mean 'random'"),
        ({"objective": "val_acc"}, "no objective 'val_acc'; did you mean 'val_accuracy'"),
        ({"strategy": "multi_worker"}, "fails with more than one worker"),
        ({"fixed": {"filtres": 3}}, "no setting 'filtres'; did you mean 'filters'"),
        ({"fixed": {"filters": 0}}, "setting filters: "),
    ],
)
def test_wrong_settings_get_one_line_and_write_nothing(
    preparation: Preparation, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        run_search(preparation, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def small(*searched: str) -> dict[str, object]:
    """Return settings that leave nothing to search but these."""
    fixed = {"learning_rate": 0.01, "kernel_sizes": "2", "dropout": 0.2, "embedding_dropout": 0}
    every = {**FIXED, **fixed, "embedding": "random"}
    return {name: value for name, value in every.items() if name not in searched}


def test_a_small_space_is_tried_whole_and_the_reason_to_stop_is_recorded(
    preparation: Preparation, tmp_path: Path
) -> None:
    fixed = small("dense_units")
    with pytest.warns(tuning.SearchWarning, match="2 points; the search will stop after 2 trials"):
        found = run_search(preparation, tmp_path / "out", fixed=fixed, max_trials=5)
    assert {trial.values["dense_units"] for trial in found.trials} == {0, 128}
    assert found.stopped == "all 2 points of the space were tried"
    recorded = json.loads((tmp_path / "out" / "search.json").read_text("utf-8"))
    assert (recorded["stopped"], recorded["direction"]) == (found.stopped, "max")


def test_a_search_that_could_go_on_says_why_it_stopped(result: tuning.SearchResult) -> None:
    assert result.stopped == "max_trials 3 was reached"


def test_vectors_that_are_no_good_end_a_search_before_its_first_trial(
    splits: Splits, tmp_path: Path
) -> None:
    (tmp_path / "v.txt").write_text("xyzzy 1 2\nplugh 3 4\n")
    foreign = Preparation(splits, TextConfig(min_count=1), vectors=tmp_path / "v.txt")
    fixed = {name: value for name, value in FIXED.items() if name != "embedding_features"}
    with pytest.raises(InputError, match=r"v\.txt': at least 5\.0 % of the tokens"):
        run_search(foreign, tmp_path / "out", fixed=fixed)
    with pytest.raises(InputError, match="each vector has 2 numbers; embedding_features is 8"):
        run_search(foreign, tmp_path / "out", fixed=FIXED)
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]


def test_what_is_seen_while_it_runs(preparation: Preparation, tmp_path: Path) -> None:
    seen: list[Any] = []
    run_search(preparation, tmp_path / "out", max_trials=2, view=seen.append)
    running = [row for rows in seen for row in rows if row.status == "running"]
    assert {row.id for row in running} == {0, 1}
    assert any(row.epoch and row.score is not None for row in running)
    assert [row.status for row in seen[-1]] == ["completed", "completed"]

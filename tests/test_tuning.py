"""The search: reproducible, resumable, its winner what it says it is."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerastextzoo import tuning
from kerastextzoo.builders import get_spec
from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run
from kerastextzoo.splits import Splits
from kerastextzoo.text import TextConfig
from kerastextzoo.training import TrainingDivergedError, fit
from kerastextzoo.tuning import search
from kerastextzoo.tuning.oracles import Oracle
from kerastextzoo.tuning.space import count_points, draw, joint_space
from kerastextzoo.tuning.trials import ranked

# What is left to search is quick to train.
FIXED = {"epochs": 1, "filters": 8, "dense_units": 0, "embedding_features": 8, "batch_size": "32"}


def run_search(preparation: Preparation, out: Path, **options: Any) -> tuning.SearchResult:
    settings: dict[str, Any] = {"max_trials": 3, "fixed": FIXED, "seed": 0, **options}
    return tuning.tune(preparation, "cnn", out, **settings)


def table(result: tuning.SearchResult) -> list[tuple[Any, ...]]:
    """Return all of the trials but the time they took."""
    return [(trial.id, trial.status, trial.score, trial.values) for trial in result.trials]


@pytest.fixture(scope="module")
def result(preparation: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return run_search(preparation, tmp_path_factory.mktemp("search") / "whole")


def test_leaderboard_is_best_first(result: tuning.SearchResult) -> None:
    scores = [trial.score for trial in result.trials if trial.score is not None]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    board = result.leaderboard()
    assert list(board["val_accuracy"]) == scores
    assert {"learning_rate", "kernel_sizes", "embedding"} <= set(board.columns)
    assert not set(FIXED) & set(board.columns)


def test_first_trial_is_the_defaults(result: tuning.SearchResult) -> None:
    first = next(trial for trial in result.trials if trial.id == 0)
    spec = get_spec("cnn")
    settings, config = draw(spec, joint_space(spec, FIXED), FIXED)
    assert first.config["model"] == settings.model_dump(mode="json")
    assert first.config["training"] == config.model_dump(mode="json")
    assert config.learning_rate == 1e-3


def test_best_weights_score_and_run_agree(
    result: tuning.SearchResult, preparation: Preparation
) -> None:
    run = Run(result.run.directory)
    assert run.metrics["val_accuracy"] == result.best.score
    assert run.evaluate(preparation.splits.validation).accuracy == result.best.score
    trial = Run(run.directory / "trials" / f"{result.best.id:04d}")
    for one, two in zip(run.model.get_weights(), trial.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert run.record["settings"] == result.best.config["model"]


def test_test_texts_are_sealed_until_the_end(result: tuning.SearchResult) -> None:
    assert "test_accuracy" in result.run.metrics
    for trial in result.trials:
        folder = result.run.directory / "trials" / f"{trial.id:04d}"
        assert "test_accuracy" not in Run(folder).metrics


def test_same_seed_same_search(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path
) -> None:
    assert table(run_search(preparation, tmp_path / "again")) == table(result)


def proposals(seed: int, tuner: str = "random") -> list[dict[str, Any]]:
    oracle = Oracle(tuner, joint_space(get_spec("cnn"), {}), "val_accuracy", 4, seed)
    found = []
    while (proposal := oracle.ask()) is not None:
        found.append(dict(proposal.values))
        oracle.tell(0.5)
    return found


def test_seeds_count_and_0_is_one() -> None:
    assert proposals(0) == proposals(0)
    for other in (1, 2, 3):
        assert not [values for values in proposals(other)[1:] if values in proposals(0)]


def test_proposals_are_within_the_space_and_differ() -> None:
    found = proposals(0)
    assert len(found) == 4
    assert len({json.dumps(values, sort_keys=True) for values in found}) == 4
    for values in found:
        assert 3e-4 <= values["learning_rate"] <= 1e-2
        assert values["filters"] in range(32, 257, 32)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective_goes_its_own_way(objective: str) -> None:
    known = {"status": "completed", "seconds": 1.0, "values": {}}
    trials = [
        tuning.Trial(id=0, status="failed", score=None, seconds=0.0, values={}),
        *(tuning.Trial(id=i + 1, score=s, **known) for i, s in enumerate((0.5, 0.9, 0.1, 0.9))),  # type: ignore[arg-type]
    ]
    order = [trial.id for trial in ranked(trials, objective)]
    assert order == ([3, 1, 2, 4, 0] if objective == "val_loss" else [2, 4, 1, 3, 0])


class Interrupt:
    """Stands in for `fit` and is interrupted, as by Ctrl-C, in its n-th training."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return FIT(*arguments, **options)


FIT = fit


@pytest.mark.parametrize("finished", [0, 1, 2])
def test_an_interrupted_search_goes_on_where_it_was(
    result: tuning.SearchResult,
    preparation: Preparation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    finished: int,
) -> None:
    monkeypatch.setattr(search, "fit", Interrupt(finished))
    with pytest.raises(KeyboardInterrupt):
        run_search(preparation, tmp_path / "out")
    assert len(list((tmp_path / "out" / "trials").iterdir())) == finished
    # What a kill in the middle of a write would leave as well.
    (tmp_path / "out" / "trials" / ".0009.1.tmp").mkdir()
    (tmp_path / "out" / ".best.tmp").mkdir()
    (tmp_path / "out" / ".search.json.1.tmp").write_text("{", "utf-8")
    # Exactly the rest is trained: one more training would be interrupted.
    monkeypatch.setattr(search, "fit", Interrupt(3 - finished))
    resumed = run_search(preparation, tmp_path / "out", resume=True)
    assert table(resumed) == table(result)
    for one, two in zip(
        resumed.run.model.get_weights(), result.run.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)
    assert not list((tmp_path / "out").rglob(".*"))
    # A search that has ended can be given more trials.
    monkeypatch.setattr(search, "fit", Interrupt(1))
    longer = run_search(preparation, tmp_path / "out", resume=True, max_trials=4)
    assert [row for row in table(longer) if row[0] != 3] == table(result)


def test_a_trial_that_was_deleted_is_trained_again(
    result: tuning.SearchResult, preparation: Preparation, tmp_path: Path
) -> None:
    copy = shutil.copytree(result.run.directory, tmp_path / "copy")
    shutil.rmtree(copy / "trials" / "0001")
    assert table(run_search(preparation, copy, resume=True)) == table(result)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": 1}, "seed was '0', is '1'"),
        ({"objective": "val_loss"}, "objective was 'val_accuracy', is 'val_loss'"),
        ({"fixed": {**FIXED, "filters": 16}}, "fixed was "),
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


def test_a_failing_trial_is_recorded_and_the_search_goes_on(
    preparation: Preparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(9))

    def sometimes(*arguments: Any, **options: Any) -> Any:
        if next(calls) < 4:
            raise TrainingDivergedError("the loss is not finite\nsecond line")
        return FIT(*arguments, **options)

    monkeypatch.setattr(search, "fit", sometimes)
    result = run_search(preparation, tmp_path / "out", max_trials=5)
    assert [trial.status for trial in result.trials] == ["completed", *["failed"] * 4]
    assert result.best.id == 4
    assert result.trials[1].error == "TrainingDivergedError: the loss is not finite"
    assert result.trials[1].score is None


def test_all_trials_failed_is_no_success(
    preparation: Preparation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise MemoryError("no memory left")

    monkeypatch.setattr(search, "fit", never)
    with pytest.raises(KerasTextZooError, match="all 3 trials failed: 3 x MemoryError: no memory"):
        run_search(preparation, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_trials": 0}, "max_trials must be at least 1; got 0"),
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


@pytest.mark.parametrize("seed", range(20))
def test_no_point_of_a_small_space_is_left_out(seed: int) -> None:
    space = joint_space(get_spec("cnn"), small("dense_units", "embedding", "embedding_dropout"))
    assert count_points(space) == 2 * 3 * 5
    oracle = Oracle("random", space, "val_accuracy", 99, seed)
    points = []
    while (proposal := oracle.ask()) is not None:
        points.append(tuple(proposal.values.items()))
        oracle.tell(0.5)
    assert len(points) == len(set(points)) == 30


def test_points_of_a_continuous_space_are_not_counted() -> None:
    assert count_points(joint_space(get_spec("cnn"), {})) == float("inf")


@pytest.mark.parametrize(
    ("fixed", "said"),
    [
        ({}, r"kernel_sizes: 2,3; 2,3,4; 3,4,5; 2,3,6; 2,4,6,8 spans more than the 1 tokens"),
        ({"kernel_sizes": "3,2"}, "setting kernel_sizes: 3,2 spans more"),
    ],
)
def test_a_search_of_kernels_that_are_all_too_long_is_refused(
    splits: Splits, tmp_path: Path, fixed: dict[str, Any], said: str
) -> None:
    short = Preparation(splits, TextConfig(min_count=1, max_length=1))
    with pytest.raises(InputError, match=said):
        run_search(short, tmp_path / "out", fixed=fixed)
    assert not list(tmp_path.iterdir())


def test_kernels_of_which_some_are_too_long_are_told(splits: Splits, tmp_path: Path) -> None:
    short = Preparation(splits, TextConfig(min_count=1, max_length=2))
    with pytest.warns(tuning.SearchWarning, match="kernel_sizes: 3,4,5 spans more than the 2 tok"):
        run_search(short, tmp_path / "out", max_trials=1, fixed={**FIXED, "embedding": "random"})


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


def test_a_space_without_a_choice_is_refused(preparation: Preparation, tmp_path: Path) -> None:
    spec = get_spec("cnn")
    everything = {parameter.name: parameter.default for parameter in joint_space(spec, {}).space}
    with pytest.raises(InputError, match="nothing is left to search; use train"):
        run_search(preparation, tmp_path / "out", fixed=everything)

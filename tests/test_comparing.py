"""Leaderboards: the linear models, the networks, and how sure their order is."""

import json
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kerastextzoo.baselines import fit_baselines
from kerastextzoo.comparing import _Answered, compare, paired_interval, rank
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run
from kerastextzoo.settings import Settings, share_out
from kerastextzoo.splits import label_ids, make_splits

LINEAR = ["TF-IDF + linear SVM", "TF-IDF + logistic regression", "NB-SVM"]
QUICK: dict[str, object] = {"epochs": 1, "batch_size": 16, "embedding_features": 8}


def quick(*models: str, **given: object) -> dict[str, Settings]:
    return {model: share_out(model, QUICK | given) for model in models}


@pytest.mark.parametrize("classes", [2, 3])
def test_linear_models_are_better_than_the_majority(corpus: Dataset, classes: int) -> None:
    names = ("numpy", "python", "tensorflow")[:classes]
    rows = [
        row
        for name in names
        for row in [r for r, label in enumerate(corpus.labels) if label == name][:200]
    ]
    splits = make_splits(corpus.subset(rows), seed=0)
    assert splits.test is not None
    truth = label_ids(splits.test.labels, splits.label_names)
    right = {
        baseline.name: float(np.mean(baseline.answers["test"] == truth))
        for baseline in fit_baselines(splits)
    }
    majority = right.pop("majority class")
    assert majority == pytest.approx(1 / classes, abs=0.02)
    assert list(right) == LINEAR
    # Their texts differ from machine to machine, and with them the figures.
    assert min(right.values()) > majority + 0.1


def test_majority_is_the_most_frequent_class() -> None:
    texts = tuple(f"text number {n}" for n in range(60))
    labels = tuple("b" if n % 3 else "a" for n in range(60))
    splits = make_splits(Dataset("few", texts, labels), seed=0)
    majority = next(iter(fit_baselines(splits)))
    assert set(majority.answers["validation"]) == {1}


def test_interval_is_that_of_a_bootstrap_over_texts() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random(400) < 0.8, rng.random(400) < 0.7
    drawn = rng.integers(0, 400, (4000, 400))
    leads = one[drawn].mean(axis=1) - other[drawn].mean(axis=1)
    np.testing.assert_allclose(
        paired_interval(one, other), np.percentile(leads, (2.5, 97.5)), atol=0.01
    )


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (0.95, "cnn is better than the best linear model, svm: +15.0 points"),
        (0.81, "no network is clearly better than svm (cnn: +1.0 points"),
        (0.60, "no network is worth its time here: svm is better (cnn: -20.0 points"),
    ],
)
def test_verdict(network: float, said: str) -> None:
    def answered(model: str, share: float, run: str | None) -> _Answered:
        return _Answered(model, np.arange(200) < 200 * share, share, 1.0, 9, 0.1, run)

    board = rank(
        [
            answered("majority class", 0.99, None),
            answered("svm", 0.8, None),
            answered("cnn", network, "runs/cnn"),
            answered("lstm", 0.3, "runs/lstm"),
        ],
        "test",
    )
    assert board.verdict.startswith(said)
    assert [entry.accuracy for entry in board.entries] == sorted(
        (0.99, 0.8, network, 0.3), reverse=True
    )
    assert board.entries[0].behind == (0.0, 0.0)
    assert board.entries[-1].behind[0] > 0


def test_compare_writes_runs_and_goes_on(preparation: Preparation, tmp_path: Path) -> None:
    board = compare(preparation, quick("cnn"), tmp_path / "board")
    cnn = Run(tmp_path / "board" / "cnn")
    stamp = (cnn.directory / "model.keras").stat().st_mtime_ns
    more = compare(preparation, quick("cnn", "fasttext"), tmp_path / "board")
    assert (cnn.directory / "model.keras").stat().st_mtime_ns == stamp
    assert {entry.model for entry in board.entries} == {"majority class", *LINEAR, "cnn"}
    assert {entry.model for entry in more.entries} - {"cnn"} > {"fasttext", *LINEAR}
    by_name = {entry.model: entry for entry in more.entries}
    assert by_name["cnn"].accuracy == pytest.approx(cnn.metrics["test_accuracy"])
    assert by_name["cnn"].macro_f1 == pytest.approx(cnn.metrics["test_macro_f1"])
    written = json.loads((tmp_path / "board" / "leaderboard.json").read_text("utf-8"))
    assert written == json.loads(json.dumps(more.as_dict()))
    assert (tmp_path / "board" / "leaderboard.png").stat().st_size > 1000
    with pytest.raises(InputError, match="a run with other settings is there; give another --out"):
        compare(preparation, quick("cnn", filters=3), tmp_path / "board")
    with pytest.raises(InputError, match="a run with other seed is there"):
        compare(preparation, quick("cnn"), tmp_path / "board", seed=1)


def test_what_is_refitted_is_compared_with_linear_models_of_as_many_texts(
    preparation: Preparation, tmp_path: Path
) -> None:
    usual, refit = (
        compare(preparation, {}, tmp_path / str(each), refit=each) for each in (False, True)
    )
    fewer, more = (
        {entry.model: entry.parameters for entry in board.entries} for board in (usual, refit)
    )
    assert all(more[model] > fewer[model] for model in LINEAR)


def test_what_is_refitted_is_not_compared_on_texts_it_knows(
    preparation: Preparation, tmp_path: Path
) -> None:
    untested = copy(preparation)
    untested.splits = replace(preparation.splits, test=None)
    with pytest.raises(InputError, match=r"setting refit: .* got none; give --test"):
        compare(untested, {}, tmp_path / "board", refit=True)
    assert not (tmp_path / "board").exists()

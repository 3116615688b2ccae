"""Multi-label data from training to serving: thresholds, runs, commands, baselines, searches."""

import csv
import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from commands import Command

from kerastextzoo.answering import AnswerWarning
from kerastextzoo.baselines import MAJORITY, fit_baselines
from kerastextzoo.builders import get_spec
from kerastextzoo.comparing import _paired_f1_interval, rank_with_baselines
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.evaluation import choose_thresholds, micro_f1
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.splits import label_ids, make_splits
from kerastextzoo.storage import read_json
from kerastextzoo.text import TextConfig
from kerastextzoo.training import TrainingConfig, evaluate_part, fit, predict_probabilities
from kerastextzoo.tuning import tune

SMALL = get_spec("cnn").config.parse({"filters": 8, "dropout": 0.1, "embedding_dropout": 0.0})
QUICK = TrainingConfig(epochs=4, batch_size=16, embedding="random", embedding_features=8,
                       learning_rate=0.01)  # fmt: skip
OPTIONS = ["--model", "cnn", "--label-separator", "|", "--epochs", "4", "--batch-size", "16",
           "--set", "embedding=random", "--set", "embedding_features=8", "--set", "filters=8",
           "--set", "learning_rate=0.01"]  # fmt: skip


def houses() -> Dataset:
    """Texts whose labels are some of their words: none, one, two or three."""
    words = product(("red", "blue", "dark"), ("big", "small"), ("house", "car", "tree"))
    texts = [" ".join(["some", *each, f"number{n}"]) for each in words for n in range(20)]
    names = {"red", "big", "house"}
    return Dataset("houses", tuple(texts), tuple(tuple(names & set(t.split())) for t in texts))


@pytest.fixture(scope="module")
def prepared() -> Preparation:
    return Preparation(make_splits(houses(), seed=0), TextConfig(min_count=1), seed=0)


@pytest.fixture(scope="module")
def run(prepared: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("multi") / "run"
    return train(prepared, "cnn", out, settings=SMALL, config=QUICK, seed=0)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path, data = tmp_path_factory.mktemp("data") / "houses.csv", houses()
    with path.open("w", newline="") as opened:
        rows = [
            (text, "|".join(labels)) for text, labels in zip(data.texts, data.labels, strict=True)
        ]
        csv.writer(opened).writerows([("text", "label"), *rows])
    return path


def test_training_learns_labels_that_stand_on_their_own(prepared: Preparation) -> None:
    fitted = fit(prepared, "cnn", SMALL, QUICK, seed=0)
    assert float(fitted.validation.micro_f1 or 0) > 0.95
    assert fitted.model.get_layer("classes").activation.__name__ == "sigmoid"
    scores = [epoch["val_micro_f1"] for epoch in fitted.history]
    assert scores[fitted.best_epoch - 1] == max(scores) == fitted.validation.micro_f1
    assert evaluate_part(fitted.model, prepared, "validation") == fitted.validation
    calm = fit(prepared, "cnn", SMALL, QUICK.replace(epochs=8), seed=0, objective="val_loss")
    sums = predict_probabilities(calm.model, prepared.texts["validation"]).sum(axis=1)
    assert sums.max() > 2
    assert sums.min() < 0.5


def test_thresholds_are_those_of_the_validation_texts(run: Run, prepared: Preparation) -> None:
    probabilities = predict_probabilities(run.model, prepared.texts["validation"])
    wanted = choose_thresholds(probabilities, prepared.label_ids["validation"])
    np.testing.assert_array_equal(run.thresholds, wanted)
    assert list(read_json(run.directory / "thresholds.json")) == ["big", "house", "red"]
    parts = run.evaluation
    assert parts["test"].thresholds == parts["validation"].thresholds == wanted.tolist()
    assert run.metrics["test_micro_f1"] == parts["test"].micro_f1
    assert run.record["objective"] == {"name": "val_micro_f1", "direction": "max"}
    assert (run.directory / "classes.png").stat().st_size > 5_000
    assert not (run.directory / "confusion.png").exists()


def test_run_answers_by_its_thresholds(run: Run, prepared: Preparation) -> None:
    texts = prepared.splits.validation.texts
    chosen = run.predict_proba(texts) >= np.array(run.thresholds)
    for answer, row in zip(run.predict(texts), chosen, strict=True):
        assert answer == tuple(np.array(run.label_names)[row])
    assert () in run.predict(["some blue small tree"])
    assert run.predict(["some red big house"]) == [("big", "house", "red")]
    assert run.evaluate(prepared.splits.validation) == run.evaluation["validation"]


def test_labels_that_training_lacks_count_as_wrong(run: Run) -> None:
    data = Dataset("new", ("some red big tree", "some blue small car"), (("new", "red"), ()))
    with pytest.warns(AnswerWarning, match=r"new: 1 of 2 texts have labels .*: 'new' \(1\); they"):
        found = run.evaluate(data)
    assert [row["label"] for row in found.per_class] == ["big", "house", "red", "new"]
    assert found.per_class[-1]["recall"] == 0
    assert found.accuracy == 0.5
    with pytest.warns(AnswerWarning, match="unless label_separator is to part them"):
        run.evaluate(Dataset("new", ("some red big tree",), ("red|big",)))
    assert run.evaluate(Dataset("one", ("some red small tree",), ("red",))).accuracy == 1


def test_single_label_runs_refuse_sets(preparation: Preparation, tmp_path: Path) -> None:
    config = QUICK.replace(epochs=1)
    one = train(preparation, "cnn", tmp_path / "one", settings=SMALL, config=config)
    assert one.thresholds is None
    assert one.record["data"]["multi_label"] is False
    assert "val_micro_f1" not in one.metrics
    with pytest.raises(InputError, match=r"sets: several labels a row; got .*, which gives one"):
        one.evaluate(Dataset("sets", ("x",), (("numpy", "python"),)))
    with pytest.raises(InputError, match="val_micro_f1 is for multi-label data"):
        train(preparation, "cnn", tmp_path / "two", objective="val_micro_f1")


def test_class_weights_and_mistakes_are_refused(prepared: Preparation, tmp_path: Path) -> None:
    said = "class_weights balanced is for one label a row"
    with pytest.raises(InputError, match=said):
        tune(prepared, "cnn", tmp_path / "out", fixed={"class_weights": "balanced"})
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="mistakes not_shuffled: for one label a row; got multi"):
        fit(prepared, "cnn", SMALL, QUICK.replace(mistakes=("not_shuffled",)))
    with pytest.raises(InputError, match=said):
        fit(prepared, "cnn", SMALL, QUICK.replace(class_weights="balanced"))


def test_thresholds_of_other_labels_are_refused(
    run: Run, prepared: Preparation, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = Run(run.directory)
    monkeypatch.setattr(again, "label_names", ["big", "house"])
    with pytest.raises(KerasTextZooError, match="artifact inconsistent: 3 thresholds for 2 labels"):
        _ = again.thresholds


def test_label_smoothing_keeps_probabilities_from_the_ends(prepared: Preparation) -> None:
    smooth, plain = (
        predict_probabilities(
            fit(
                prepared,
                "cnn",
                SMALL,
                QUICK.replace(label_smoothing=share, epochs=8),
                seed=0,
                objective="val_loss",
            ).model,
            prepared.texts["train"],
        )
        for share in (0.4, 0.0)
    )
    assert plain.max() > 0.95 > smooth.max()
    assert plain.min() < 0.05 < smooth.min()


def test_baselines_are_one_model_a_class(prepared: Preparation) -> None:
    splits = prepared.splits
    assert splits.test is not None
    truth = label_ids(splits.test.labels, splits.label_names)
    found = {each.name: each.answers["test"] for each in fit_baselines(splits)}
    assert found.pop(MAJORITY).tolist() == [[True, False, False]] * len(truth)
    assert len(found) == 3
    for chosen in found.values():
        assert chosen.dtype == bool
        assert micro_f1(truth, chosen) > 0.95


def test_a_class_of_every_text_needs_no_model() -> None:
    data = houses()
    always = data.with_labels(tuple((*labels, "some") for labels in data.labels))
    for baseline in fit_baselines(make_splits(always, seed=0)):
        assert baseline.answers["validation"][:, 3].all()


def test_leaderboard_goes_by_micro_f1(run: Run, prepared: Preparation) -> None:
    board = rank_with_baselines(run, prepared.splits).as_dict()
    scores = [entry["micro_f1"] for entry in board["leaderboard"]]
    assert scores == sorted(scores, reverse=True)
    by_name = {entry["model"]: entry for entry in board["leaderboard"]}
    assert by_name["cnn"]["micro_f1"] == pytest.approx(run.metrics["test_micro_f1"])
    assert by_name["cnn"]["accuracy"] == pytest.approx(run.metrics["test_accuracy"])
    assert by_name["cnn"]["macro_f1"] == pytest.approx(run.metrics["test_macro_f1"])
    assert by_name[MAJORITY]["behind"][0] > 0
    json.dumps(board)


def test_interval_is_that_of_a_bootstrap_over_texts() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((300, 3)) < 0.3
    shares = []
    for flipped in (0.1, 0.2):
        chosen = truth ^ (rng.random(truth.shape) < flipped)
        hits = 2 * (truth & chosen).sum(axis=1)
        shares.append(np.stack([hits, truth.sum(axis=1) + chosen.sum(axis=1)], axis=1))
    drawn = rng.integers(0, 300, (4000, 300))
    one, other = (part[drawn].sum(axis=1) for part in shares)
    leads = one[:, 0] / one[:, 1] - other[:, 0] / other[:, 1]
    found = _paired_f1_interval(shares[0], shares[1])
    np.testing.assert_allclose(found, np.percentile(leads, (2.5, 97.5)), atol=0.01)


def test_tune_ends_with_a_run_of_sets(prepared: Preparation, tmp_path: Path) -> None:
    fixed = {**SMALL.model_dump(), **QUICK.replace(epochs=2).model_dump(exclude={"batch_size"})}
    result = tune(prepared, "cnn", tmp_path / "out", fixed=fixed, max_trials=2)
    assert result.objective == "val_micro_f1"
    assert result.best.score == result.run.metrics["val_micro_f1"]
    assert result.run.evaluation["test"].thresholds == pytest.approx(result.run.thresholds)


SERVE = """
import json, sys
import tensorflow as tf
loaded = tf.saved_model.load(sys.argv[1])
served = loaded.signatures["serving_default"](texts=tf.constant(sys.argv[2:]))
print(json.dumps({
    "chosen": served["chosen"].numpy().tolist(),
    "probabilities": served["probabilities"].numpy().tolist(),
    "label": [label.decode() for label in served["label"].numpy()],
    "labels": [label.decode() for label in loaded.signatures["labels"]()["labels"].numpy()],
}))
"""


def test_from_a_file_to_a_served_model(command: Command, file: Path, tmp_path: Path) -> None:
    found = command.json("train", *OPTIONS, "--data", file, "--out", "run")
    assert {"val_micro_f1", "test_micro_f1", "val_accuracy"} < set(found["metrics"])
    evaluated = command.json("evaluate", "run", "--data", file, "--label-separator", "|")
    assert evaluated["n"] == 360
    assert evaluated["micro_f1"] > 0.95
    assert len(evaluated["thresholds"]) == len(evaluated["confusion"]) == 3
    texts = ["some red big house", "some blue small tree", "some dark big car"]
    told = command.json("predict", "run", *texts)["predictions"]
    assert [each["labels"] for each in told] == [["big", "house", "red"], [], ["big"]]
    assert all(set(each) == {"labels", "label", "probabilities"} for each in told)
    command.json("export", "run", "--to", "saved")
    program = [sys.executable, "-c", SERVE, "saved", *texts]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=True)
    served = json.loads(done.stdout.splitlines()[-1])
    assert served["labels"] == ["big", "house", "red"]
    chosen = [[n for n, on in zip(served["labels"], row, strict=True) if on]
              for row in served["chosen"]]  # fmt: skip
    assert chosen == [each["labels"] for each in told]
    assert served["label"] == [each["label"] for each in told]
    np.testing.assert_allclose(
        served["probabilities"], [list(each["probabilities"].values()) for each in told], atol=1e-5
    )


def test_people_are_told_of_labels(command: Command, run: Run, file: Path) -> None:
    status, out, err = command("data", "inspect", file, "--label-separator", "|")
    assert status == 0, err
    assert "labels      1.17 a text, 3 at most; 80 texts have none; 8 different sets" in out
    status, out, err = command(
        "predict", run.directory, "some red big house", "some blue small tree"
    )
    assert out.splitlines()[0].startswith("big, house, red\t")
    assert out.splitlines()[1].startswith("no label\t")
    status, out, err = command("evaluate", run.directory, "--data", file, "--label-separator", "|")
    assert status == 0, err
    assert "micro-F1" in out
    assert "missed" in out


def test_compare_command_shows_micro_f1(command: Command, file: Path) -> None:
    options = [*OPTIONS[2:], "--data", file, "--out", "board"]
    status, out, err = command("compare", "--models", "cnn", *options)
    assert status == 0, err
    assert "any number of them a text" in err
    assert "micro-F1" in out
    status, out, err = command(
        "train", "--model", "cnn", *options[:2], "--data", file, "--out", "x",
        "--set", "class_weights=balanced",
    )  # fmt: skip
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("error: class_weights balanced is for one label a row")
    assert not Path("x").exists()

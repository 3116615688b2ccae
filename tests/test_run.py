"""Runs and the folders they live in: whole or not there, self-contained, never damaged unseen."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerastextzoo.answering import AnswerWarning
from kerastextzoo.builders import cnn
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.settings import check_vectors
from kerastextzoo.splits import Splits
from kerastextzoo.storage import (
    MANIFEST,
    _seal,
    check_free,
    move_into,
    staged,
    verify,
    write_atomically,
)
from kerastextzoo.text import TextConfig
from kerastextzoo.training import TrainingConfig

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = cnn.CNNConfig(filters=8, kernel_sizes=(2,))
QUICK = TrainingConfig(epochs=2, batch_size=16, embedding_features=8, learning_rate=5e-3)


@pytest.fixture(scope="module")
def folder(preparation: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "cnn"
    train(preparation, "cnn", out, settings=SETTINGS, config=QUICK, seed=5)
    return out


def test_run_holds_what_the_contract_says(folder: Path, preparation: Preparation) -> None:
    run = Run(folder)
    assert {path.name for path in folder.iterdir()} == {
        "answers.json",
        "confusion.png",
        "curves.png",
        "evaluation.json",
        "history.csv",
        "labels.json",
        "manifest.json",
        "model.keras",
        "run.json",
        "split.json",
        "vocabulary.json",
    }
    assert run.record["seed"] == 5
    assert run.record["objective"] == {"name": "val_accuracy", "direction": "max"}
    assert run.record["settings"] == SETTINGS.model_dump(mode="json")
    assert run.record["training"] == QUICK.model_dump(mode="json")
    assert run.record["data"]["fingerprint"] == preparation.splits.fingerprint
    assert {"keras", "tensorflow", "gensim", "python"} <= set(run.record["versions"])
    assert set(run.metrics) == {
        "val_accuracy",
        "val_macro_f1",
        "val_loss",
        "test_accuracy",
        "test_macro_f1",
    }
    assert len((folder / "history.csv").read_text("utf-8").splitlines()) == 3
    rows = json.loads((folder / "split.json").read_text("utf-8"))
    assert sum(map(len, rows.values())) == 600
    for picture in ("curves.png", "confusion.png"):
        assert (folder / picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_saved_figures_come_out_of_the_saved_model(folder: Path, preparation: Preparation) -> None:
    run = Run(folder)
    validation = run.evaluate(preparation.splits.validation)
    assert validation.accuracy == run.metrics["val_accuracy"]
    assert preparation.splits.test is not None
    assert run.evaluate(preparation.splits.test).accuracy == run.metrics["test_accuracy"]


def test_run_stands_on_its_own_in_another_process(folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    texts = ["Return the mean of an array.", "", "Open a socket."]
    program = (
        "import sys, json; from kerastextzoo.run import Run; "
        "print(json.dumps(Run(sys.argv[1]).predict_proba(json.loads(sys.argv[2])).tolist()))"
    )
    command = [sys.executable, "-c", program, str(moved), json.dumps(texts)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        command, capture_output=True, check=True, cwd=tmp_path, env=environment, text=True
    )
    with pytest.warns(AnswerWarning, match=r"^1 of 3 texts are empty \(number 2\)"):
        answers = Run(folder).predict_proba(texts)
    np.testing.assert_array_equal(np.array(json.loads(found.stdout), np.float32), answers)


def test_labels_that_training_did_not_see_count_as_wrong(folder: Path) -> None:
    run = Run(folder)
    text = "Return the mean of an array."
    (answer,) = run.predict([text])
    with pytest.warns(AnswerWarning, match=r"^new: 1 of 2 .* lacks: 'unseen' \(1\); they count as"):
        evaluation = run.evaluate(Dataset("new", (text, text), (answer, "unseen")))
    assert evaluation.accuracy == 0.5
    assert evaluation.per_class[-1] == {
        "label": "unseen",
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "support": 1,
    }


@pytest.mark.parametrize("name", ["model.keras", "vocabulary.json", "labels.json", "run.json"])
def test_a_changed_file_is_noticed(folder: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}' differs from the manifest"):
        Run(copy)
    (copy / name).unlink()
    with pytest.raises(InputError, match=f"{name}' is missing"):
        Run(copy)


def test_what_is_no_run_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder; expected a run"):
        Run(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"holds no manifest.json; expected a run"):
        Run(tmp_path)
    copy = shutil.copytree(folder, tmp_path / "copy")
    manifest = json.loads((copy / MANIFEST).read_text("utf-8"))
    (copy / MANIFEST).write_text(json.dumps({**manifest, "format": 99}), "utf-8")
    with pytest.raises(InputError, match="has format 99; this version reads 1"):
        Run(copy)
    (copy / MANIFEST).write_text("{", "utf-8")
    with pytest.raises(InputError, match="can't be read"):
        Run(copy)


def test_texts_whose_answer_means_little_are_told_and_answered(folder: Path) -> None:
    run = Run(folder)
    assert len(run.predict_proba([])) == 0
    with pytest.warns(AnswerWarning) as told:
        answers = run.predict_proba(["Return the mean.", " \t", "", *["xyzzy"] * 6])
    first, second = (str(warning.message) for warning in told)
    assert first.startswith("2 of 9 texts are empty (number 2, 3);")
    assert second.startswith("6 of 9 texts hold no known word (number 4, 5, 6, 7, 8, ...);")
    assert len(answers) == 9
    np.testing.assert_array_equal(answers[1], answers[-1])


def test_files_that_do_not_fit_each_other_are_our_fault(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "labels.json").write_text(json.dumps([*Run(folder).label_names, "new"]), "utf-8")
    _seal(copy, "run")
    run = Run(copy)
    with pytest.raises(KerasTextZooError, match="artifact inconsistent: 4 labels for 3 prob") as e:
        run.predict(["text"])
    assert not isinstance(e.value, InputError)


@pytest.mark.filterwarnings("ignore::kerastextzoo.text.TextWarning")
@pytest.mark.parametrize(
    ("settings", "config", "said"),
    [
        ({"kernel_sizes": (5, 7)}, {}, "setting kernel_sizes: 5,7 spans more than the 4 tokens"),
        ({}, {"embedding_features": 3}, "each vector has 2 numbers; embedding_features is 3"),
    ],
)
def test_what_does_not_fit_together_is_refused_before_training(
    splits: Splits, tmp_path: Path, settings: Any, config: Any, said: str
) -> None:
    (tmp_path / "v.txt").write_text("the 1 2\nof 3 4\n")
    preparation = Preparation(
        splits, TextConfig(min_count=1, max_length=4), vectors=tmp_path / "v.txt"
    )
    with pytest.raises(InputError, match=said):
        train(
            preparation,
            "cnn",
            tmp_path / "out",
            settings=cnn.CNNConfig(**settings),
            config=TrainingConfig(**config),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]


@pytest.mark.filterwarnings("ignore:.*less than 30.0 %")
def test_words_of_the_vectors_that_no_training_text_has_are_known(
    splits: Splits, tmp_path: Path
) -> None:
    (tmp_path / "v.txt").write_text("xylophone 1 2\nthe 3 4\nof 5 6\n")
    preparation = Preparation(splits, vectors=tmp_path / "v.txt")
    rows = preparation.encoder.encode(["Xylophone"]).padded([0])[0]
    matrix, coverage = preparation.embedding(2)
    assert matrix[rows].tolist() == [[1.0, 2.0]]
    assert coverage.types_total == len(preparation.encoder.vocabulary) - 2 - 1
    config = TextConfig(vector_words=False)
    without = Preparation(splits, config, vectors=tmp_path / "v.txt").encoder.vocabulary
    assert set(preparation.encoder.vocabulary) - set(without) == {"xylophone"}


def test_a_width_that_is_not_used_or_not_given_is_not_checked(tmp_path: Path) -> None:
    path = tmp_path / "v.txt"
    path.write_text("the 1 2\nof 3 4\n")
    check_vectors(TrainingConfig(), path)
    check_vectors(TrainingConfig(embedding_features=3), None)
    check_vectors(TrainingConfig(embedding_features=3, embedding="random"), path)


def test_an_existing_folder_is_never_written_into(
    folder: Path, preparation: Preparation, tmp_path: Path
) -> None:
    before = (folder / MANIFEST).read_bytes()
    with pytest.raises(InputError, match="exists already"):
        train(preparation, "cnn", folder, settings=SETTINGS, config=QUICK)
    assert (folder / MANIFEST).read_bytes() == before
    with pytest.raises(InputError, match="can't hold NUL"):
        check_free(tmp_path / "a\0b")
    (tmp_path / "file").write_text("mine", "utf-8")
    with pytest.raises(InputError, match="can't write into"):
        check_free(tmp_path / "file" / "run")


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    def fill(stage: Path) -> None:
        (stage / "half").write_text("written", "utf-8")
        raise RuntimeError

    with pytest.raises(RuntimeError), staged(tmp_path / "out", "run") as stage:
        fill(stage)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", range(12))
def test_a_kill_leaves_the_folder_whole_or_absent(tmp_path: Path, at: int) -> None:
    """Each attempt is killed a little later; whatever is at the final name must verify."""
    program = (
        "import sys, pathlib; from kerastextzoo.storage import staged\n"
        "out = pathlib.Path(sys.argv[1])\n"
        "for n in range(10**6):\n"
        "    with staged(out / str(n), 'run') as stage:\n"
        "        for name in 'abc': (stage / name).write_bytes(bytes(20_000))\n"
        "    if n == 0: print('written', flush=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], env=environment, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline()
    time.sleep(0.0041 * at)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    named = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert named
    for path in named:
        verify(path, "run")


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", "old")
    write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text("utf-8") == "new"
    assert len(list(tmp_path.iterdir())) == 1


def test_moving_into_a_folder_puts_the_manifest_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "search.json").write_text("{}", "utf-8")
    with staged(tmp_path / "new", "run") as stage:
        (stage / "z").write_text("z", "utf-8")
    moved: list[str] = []
    rename = Path.rename

    def noted(path: Path, target: Path) -> Path:
        moved.append(path.name)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", noted)
    move_into(tmp_path / "new", tmp_path / "out")
    assert moved == ["z", MANIFEST]
    verify(tmp_path / "out", "run")
    assert (tmp_path / "out" / "search.json").exists()

"""Runs and the folders they live in: whole or not there, self-contained, never damaged unseen."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kerastextzoo.builders import cnn
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.storage import MANIFEST, check_free, move_into, staged, verify, write_atomically
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
    np.testing.assert_array_equal(
        np.array(json.loads(found.stdout), np.float32), Run(folder).predict_proba(texts)
    )


def test_labels_that_training_did_not_see_count_as_wrong(folder: Path) -> None:
    run = Run(folder)
    text = "Return the mean of an array."
    (answer,) = run.predict([text])
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
        "out = pathlib.Path(sys.argv[1]); print('ready', flush=True)\n"
        "for n in range(10**6):\n"
        "    with staged(out / str(n), 'run') as stage:\n"
        "        for name in 'abc': (stage / name).write_bytes(bytes(20_000))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path], env=environment, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(0.02 + 0.0041 * at)
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

"""Runs and models of strangers: refused in one line, and nothing of them is executed or loaded."""

import re
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from commands import Command
from crafted_files import CANARY, CRAFTED, Harm

from kerastextzoo.checkpoints import _read
from kerastextzoo.errors import InputError
from kerastextzoo.export import saved_model
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.served_model import ServedModel
from kerastextzoo.settings import share_out
from kerastextzoo.storage import _seal

ROWS = [f"array number {n},numpy\ntensor number {n},tensorflow\n" for n in range(9)]

pytestmark = pytest.mark.filterwarnings("ignore::kerastextzoo.answering.AnswerWarning")


@pytest.fixture(scope="module")
def whole(preparation: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that is as it should be."""
    quick = share_out("cnn", {"epochs": 1, "filters": 4, "embedding": "random"})
    out = tmp_path_factory.mktemp("runs") / "whole"
    return train(preparation, "cnn", out, settings=quick.model, config=quick.training)


@pytest.fixture(scope="module")
def served(whole: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its SavedModel."""
    folder = tmp_path_factory.mktemp("served") / "model"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_model, "_TEXTS", 20)
        saved_model.write(whole, folder)
    _seal(folder, "saved_model")
    return folder


def refused(found: tuple[int, str, str], says: str, status: int = 2) -> None:
    """Hold that a command said so in one line, printed nothing and ran nothing."""
    assert found[:2] == (status, ""), found
    (line,) = found[2].splitlines()
    assert line.startswith("error: ")
    assert line.isprintable()
    assert re.search(says, line), line
    assert not Path(CANARY).exists()


@pytest.mark.parametrize("name", CRAFTED)
def test_a_crafted_run_is_refused(
    name: str, whole: Run, command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crafted = CRAFTED[name]
    crafted.change(shutil.copytree(whole.directory, tmp_path / "run"))
    if not name.startswith("E3"):
        # Not left to Keras: it is never asked.
        monkeypatch.setattr(keras.saving, "load_model", lambda *_, **__: Path(CANARY).touch())
    refused(command("predict", "run", "text", "--quiet"), crafted.says, crafted.status)


@pytest.mark.parametrize(
    "arguments",
    [
        "evaluate run --data data.csv",
        "export run --to new",
        "export run --to new --format keras",
        "report run",
        "doctor --run run --data data.csv",
    ],
)
@pytest.mark.parametrize("name", ["A1-changed", "path '../outside'"])
def test_every_command_refuses_it(
    arguments: str, name: str, whole: Run, command: Command, tmp_path: Path
) -> None:
    CRAFTED[name].change(shutil.copytree(whole.directory, tmp_path / "run"))
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(ROWS))
    refused(command(*arguments.split(), "--quiet"), CRAFTED[name].says)
    assert not (tmp_path / "new").exists()


def test_an_endless_file_is_not_waited_for(whole: Run, command: Command, tmp_path: Path) -> None:
    run = shutil.copytree(whole.directory, tmp_path / "run")
    (run / "manifest.json").unlink()
    (run / "manifest.json").symlink_to("/dev/zero")
    refused(command("predict", "run", "text"), r"no manifest\.json.*; expected a run")


def test_a_saved_model_is_a_program_and_needs_trust(
    served: Path, whole: Run, command: Command, tmp_path: Path
) -> None:
    refused(command("predict", served, "text"), "a SavedModel is a program: .* or --trust")
    refused(command("evaluate", served, "--data", "none.csv"), "none.csv")
    text = "Return the mean of an array."
    found = command.json("predict", served, text, "--trust")
    wanted = command.json("predict", whole.directory, text)
    assert found["predictions"][0]["label"] == wanted["predictions"][0]["label"]
    (tmp_path / "data.csv").write_text("text,label\n" + "".join(ROWS))
    found, wanted = (
        command.json("evaluate", folder, "--data", "data.csv", *more)
        for folder, more in ((served, ["--trust"]), (whole.directory, []))
    )
    assert found["confusion"] == wanted["confusion"]
    np.testing.assert_allclose(found["loss"], wanted["loss"], atol=1e-5)
    refused(
        command("export", served, "--to", "new", "--quiet"), "holds a saved_model; expected a run"
    )


def test_trust_does_not_excuse_damage(served: Path, command: Command, tmp_path: Path) -> None:
    copy = shutil.copytree(served, tmp_path / "copy")
    (copy / "variables/variables.data-00000-of-00001").write_bytes(b"changed")
    refused(command("predict", copy, "text", "--trust"), "differs from the manifest")
    (copy / "manifest.json").unlink()
    refused(command("predict", copy, "text", "--trust"), "no SavedModel of 'export'")


def test_a_program_that_is_not_trusted_does_not_run(command: Command, tmp_path: Path) -> None:
    canary = str(tmp_path / CANARY)

    class Program(tf.Module):  # type: ignore[misc]
        """Writes a file when it answers."""

        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="texts")])  # type: ignore[untyped-decorator]
        def serve(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
            """Answer."""
            with tf.control_dependencies([tf.io.write_file(canary, "ran")]):
                return {"probabilities": tf.ones((1, 2))}

    program = Program()
    tf.saved_model.save(program, "evil", signatures={"serving_default": program.serve})
    refused(command("predict", "evil", "text"), "a SavedModel is a program")
    # Even then only one that says what it gives is called.
    refused(command("predict", "evil", "text", "--trust"), "no SavedModel of 'export'")
    with pytest.raises(InputError, match="--trust"):
        ServedModel("evil", trust=False)


def test_a_checkpoint_with_a_pickle_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    harm = np.empty(1, object)
    harm[0] = Harm()
    np.savez(tmp_path / "checkpoint.npz", weights=harm, rest=np.array("{}"))
    with pytest.raises(InputError, match="is damaged, or none"):
        _read(tmp_path / "checkpoint.npz")
    assert not Path(CANARY).exists()

"""The SavedModel: strings in, labels out, in a process that has TensorFlow and not this package."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastextzoo import export
from kerastextzoo.builders import MODELS, get_spec
from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.training import TrainingConfig

# The texts that pipelines break on hold no known word.
pytestmark = pytest.mark.filterwarnings("ignore::kerastextzoo.run.AnswerWarning")

# A SavedModel can't hold a sentence encoder; see test_sentence.
EXPORTED = [spec.name for spec in MODELS if spec.config().reads is None]
QUICK = TrainingConfig(epochs=1, embedding_features=8)

SERVE = """
import json, sys

class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("kerastextzoo", "gensim", "keras_tuner"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
import numpy, tensorflow as tf
tf.config.set_visible_devices([], "GPU")
loaded = tf.saved_model.load(sys.argv[1])
serve = loaded.signatures["serving_default"]
texts = json.load(open(sys.argv[2]))
together = serve(texts=tf.constant(texts))
alone = [serve(texts=tf.constant([text]))["probabilities"].numpy()[0] for text in texts]
nothing = serve(texts=tf.constant([], tf.string))
json.dump({
    "probabilities": together["probabilities"].numpy().tolist(),
    "alone": numpy.array(alone).tolist(),
    "label": [label.decode() for label in together["label"].numpy()],
    "labels": [label.decode() for label in loaded.signatures["labels"]()["labels"].numpy()],
    "nothing": nothing["probabilities"].shape.as_list(),
    "argument": list(serve.structured_input_signature[1]),
    "ours": [name for name in sys.modules if name.startswith("kerastextzoo")],
}, open(sys.argv[3], "w"))
"""


@pytest.fixture(scope="module", params=[*EXPORTED, "cnn wide"])
def run(
    request: pytest.FixtureRequest,
    preparation: Preparation,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    small = {"filters": 8, "units": 8}
    model, *wide = request.param.split()
    config = get_spec(model).config
    settings = config.parse({k: v for k, v in small.items() if k in config.model_fields})
    out = tmp_path_factory.mktemp("runs") / request.param
    quick = QUICK.replace(wide_ngrams=2, wide_buckets=999) if wide else QUICK
    return train(preparation, model, out, settings=settings, config=quick)


def test_serves_what_the_run_predicts_elsewhere(
    run: Run, preparation: Preparation, tmp_path: Path
) -> None:
    folder = export.export(run.directory, tmp_path / "exported")
    assert preparation.splits.test is not None
    texts = [*export.HARD_TEXTS, *preparation.splits.test.texts]
    (tmp_path / "texts.json").write_text(json.dumps(texts), "utf-8")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    files = (folder, tmp_path / "texts.json", tmp_path / "answers")
    command = [sys.executable, "-c", SERVE, *map(str, files)]
    subprocess.run(command, check=True, cwd=elsewhere)
    answers = json.loads((tmp_path / "answers").read_text("utf-8"))
    wanted = run.predict_proba(texts)
    np.testing.assert_allclose(answers["probabilities"], wanted, atol=1e-5)
    np.testing.assert_allclose(answers["alone"], wanted, atol=1e-5)
    assert answers["label"] == [run.label_names[best] for best in wanted.argmax(axis=1)]
    assert answers["labels"] == run.label_names
    assert answers["nothing"] == [0, len(run.label_names)]
    assert answers["argument"] == ["texts"]
    assert answers["ours"] == []


@pytest.fixture(scope="module")
def cnn(preparation: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = get_spec("cnn").config.parse({"filters": 8})
    out = tmp_path_factory.mktemp("runs") / "cnn"
    return train(preparation, "cnn", out, settings=settings, config=QUICK)


def test_a_taken_folder_and_a_wrong_run_are_refused(cnn: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious", "utf-8")
    with pytest.raises(InputError, match="exists already"):
        export.export(cnn.directory, tmp_path)
    with pytest.raises(InputError, match="expected a run"):
        export.export(tmp_path, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_difference_is_found_and_nothing_is_published(
    cnn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export._write(cnn.directory, tmp_path / "model")
    other = Run(cnn.directory)
    other.model.set_weights([weight + 0.1 for weight in other.model.get_weights()])
    with pytest.raises(KerasTextZooError, match="differs from the run by"):
        export._check(other, tmp_path / "model")
    monkeypatch.setattr(export, "_FORBIDDEN_OPS", (b"MatMul",))
    with pytest.raises(KerasTextZooError, match=r"the graph holds \['MatMul'\]"):
        export._check(cnn, tmp_path / "model")


def test_a_failing_export_is_one_line_and_leaves_nothing(
    cnn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(KerasTextZooError, match="export failed"):
        export.export(cnn.directory, tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []

"""What is exported: it answers as the run does, in processes that have not this package."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from kerastextzoo.builders import MODELS, get_spec
from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.export import export, network, saved_model
from kerastextzoo.export.checking import check_probabilities
from kerastextzoo.export.hard_texts import HARD_TEXTS, hard_texts
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.training import TrainingConfig

# The texts that pipelines break on hold no known word.
pytestmark = pytest.mark.filterwarnings("ignore::kerastextzoo.answering.AnswerWarning")

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


@pytest.fixture(scope="module", params=[*EXPORTED, "cnn wide", "cnn wide counted"])
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
    quick = QUICK.replace(wide_ngrams=2, wide_buckets=12_345) if wide else QUICK
    if "counted" in wide:
        quick = quick.replace(wide_buckets=2**16, wide_lead=3, wide_sublinear_tf=True)
    return train(preparation, model, out, settings=settings, config=quick)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same checks on fewer texts."""
    monkeypatch.setattr(saved_model, "_TEXTS", 300)
    monkeypatch.setattr(network, "_TEXTS", 100)
    monkeypatch.setattr(network, "_TEXTS_ONE_BY_ONE", 20)


@pytest.mark.usefixtures("quickly")
def test_serves_what_the_run_predicts_elsewhere(
    run: Run, preparation: Preparation, tmp_path: Path
) -> None:
    folder = tmp_path / "exported"
    folder.mkdir()
    saved_model.write(run, folder)
    assert preparation.splits.test is not None
    texts = [*HARD_TEXTS, *preparation.splits.test.texts]
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


@pytest.mark.usefixtures("quickly")
@pytest.mark.parametrize("form", network.WRITERS)
def test_every_model_goes_into_every_form(run: Run, form: str, tmp_path: Path) -> None:
    network.WRITERS[form](run, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {network.MODEL_FILES[form], "preprocessing.json"}


@pytest.fixture(scope="module")
def cnn(preparation: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Run:
    settings = get_spec("cnn").config.parse({"filters": 8})
    out = tmp_path_factory.mktemp("runs") / "cnn"
    return train(preparation, "cnn", out, settings=settings, config=QUICK)


@pytest.fixture(scope="module")
def served(cnn: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `export` writes, checked on all of its texts."""
    return export(cnn.directory, tmp_path_factory.mktemp("served") / "1")


def test_labels_are_in_a_file_too(served: Path, cnn: Run) -> None:
    lines = (served / "assets" / "labels.txt").read_text("utf-8").splitlines()
    assert lines == cnn.label_names
    assert saved_model._on_one_line("a\nb\\ \u4e2d") == r"a\nb\\ 中"


def test_ten_thousand_hard_texts_are_all_sorts() -> None:
    texts = hard_texts(["good"], 10_000)
    assert texts == hard_texts(["good"], 10_000) != hard_texts(["good"], 10_000, seed=1)
    assert len({*texts}) > 8_000
    for sort in (
        "^$",
        r"^\s+$",
        "\0",
        "\u2028",
        "[\u4e00-\u9fff]",
        "[\U0001f300-\U0001faff]",
        "good",
    ):
        assert sum(bool(re.search(sort, text)) for text in texts) > 10, sort
    assert max(map(len, texts)) == 100_000
    assert all(text.encode() for text in texts if text)


def test_a_server_answers_rows_and_columns(served: Path, cnn: Run, tmp_path: Path) -> None:
    texts = ["Return the mean.", "", "\u4e2d\u6587 \U0001f600"]
    wanted = cnn.predict_proba(texts)
    labels = cnn.predict(texts)
    command = [sys.executable, "-P", str(Path(__file__).with_name("rest_server.py")), str(served)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        assert server.stdout is not None
        try:
            url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1/models/films:predict"

            def ask(request: object) -> Any:
                body = json.dumps(request).encode()
                with urllib.request.urlopen(url, body, timeout=60) as response:
                    return json.load(response)

            for rows in (texts, [{"texts": text} for text in texts]):
                found = ask({"instances": rows})["predictions"]
                assert [row["label"] for row in found] == labels
                probabilities = [row["probabilities"] for row in found]
                np.testing.assert_allclose(probabilities, wanted, atol=1e-5)
            for column in (texts, {"texts": texts}):
                outputs = ask({"signature_name": "serving_default", "inputs": column})["outputs"]
                assert outputs["label"] == labels
                np.testing.assert_allclose(outputs["probabilities"], wanted, atol=1e-5)
            with pytest.raises(urllib.error.HTTPError, match="400"):
                ask({"instances": [{"text": "wrong name"}]})
        finally:
            server.terminate()


ONNX = """
import json, re, sys, unicodedata
import numpy, onnxruntime

told = json.load(open(sys.argv[1] + "/preprocessing.json", encoding="utf-8"))
known = {token: id for id, token in enumerate(told["vocabulary"])}

def ids(text):
    text = unicodedata.normalize("NFKC", text).lower().replace("\\u2019", "'")
    text = re.sub(r"([!?])", r" \\1 ", text)
    text = re.sub(r"[^\\w!?' ]|_", " ", text)
    words = [word.strip("'") for word in text.split()]
    found = [known.get(word, told["unknown_id"]) for word in words if word]
    return found[: told["max_length"]] or told["without_a_token"]

assert all(ids(each["text"]) == each["ids"] for each in told["examples"])
texts = [ids(text) for text in json.load(open(sys.argv[2]))]
batch = numpy.full((len(texts), max(map(len, texts))), told["padding_id"], "int32")
for row, found in zip(batch, texts):
    row[: len(found)] = found
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
(probabilities,) = session.run(["probabilities"], {"ids": batch})
foreign = [name for name in sys.modules if name.split(".")[0] in ("tensorflow", "kerastextzoo")]
print(json.dumps([probabilities.tolist(), told["labels"], foreign]))
"""


def test_ids_can_be_made_without_this_package(cnn: Run, tmp_path: Path) -> None:
    folder = export(cnn.directory, tmp_path / "onnx", "onnx")
    assert {path.name for path in folder.iterdir()} == {
        "manifest.json",
        "model.onnx",
        "preprocessing.json",
    }
    texts = ["Return the mean of an array!", "It's a tensor, isn't it?", ""]
    (tmp_path / "texts.json").write_text(json.dumps(texts), "utf-8")
    command = [sys.executable, "-P", "-c", ONNX, str(folder), str(tmp_path / "texts.json")]
    done = subprocess.run(command, check=True, cwd=tmp_path, capture_output=True, text=True)
    probabilities, labels, foreign = json.loads(done.stdout)
    np.testing.assert_allclose(probabilities, cnn.predict_proba(texts), atol=1e-5)
    assert (labels, foreign) == (cnn.label_names, [])


def test_a_form_that_can_not_be_had_is_refused(
    cnn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="no format 'onx'; did you mean 'onnx'"):
        export(cnn.directory, tmp_path / "new", "onx")
    monkeypatch.setattr("kerastextzoo.export.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"onnxruntime, tf2onnx.*pip install 'kerastextzoo\[onnx"):
        export(cnn.directory, tmp_path / "new", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_a_converter_can_not_do_is_told(
    cnn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def strange(model: Any, spec: Any) -> Any:
        return tf.function(
            lambda ids: {"probabilities": tf.math.bessel_i0(tf.cast(ids, "float32"))}
        )

    monkeypatch.setattr(network, "_function", strange)
    with pytest.raises(
        InputError, match=r"model cnn can't become onnx: tf2onnx says: .*saved_model"
    ):
        network.WRITERS["onnx"](cnn, tmp_path)


def test_a_taken_folder_and_a_wrong_run_are_refused(cnn: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious", "utf-8")
    with pytest.raises(InputError, match="exists already"):
        export(cnn.directory, tmp_path)
    with pytest.raises(InputError, match="expected a run"):
        export(tmp_path, tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_difference_is_found(cnn: Run, served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Run(cnn.directory)
    other.model.set_weights([weight + 0.1 for weight in other.model.get_weights()])
    with pytest.raises(KerasTextZooError, match="the SavedModel differs from the run by"):
        saved_model.check(other, served, 20)
    other = Run(cnn.directory)
    other.label_names = other.label_names[::-1]
    with pytest.raises(KerasTextZooError, match="other labels than the run"):
        saved_model.check(other, served, 20)
    monkeypatch.setattr(saved_model, "_FORBIDDEN_OPS", (b"MatMul",))
    with pytest.raises(KerasTextZooError, match=r"the graph holds \['MatMul'\]"):
        saved_model.check(cnn, served, 20)


def test_probabilities_that_are_none_are_found() -> None:
    good = np.array([[0.25, 0.75]], np.float32)
    check_probabilities(good, good, one_label=True, what="it")
    high = good + np.array([[0.0, 2e-5]], np.float32)
    check_probabilities(high, high, one_label=False, what="it")
    with pytest.raises(KerasTextZooError, match="probabilities of it miss a sum of 1 by 2e-05"):
        check_probabilities(high, high, one_label=True, what="it")
    with pytest.raises(KerasTextZooError, match="differs from the run by nan"):
        check_probabilities(good * np.float32("nan"), good, one_label=True, what="it")


def test_an_export_runs_nothing_of_the_folder_it_is_called_in(
    cnn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("timeit", "json", "tensorflow"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('code of a stranger ran')")
    monkeypatch.chdir(tmp_path)
    assert export(cnn.directory, "keras", "keras") == Path("keras")


def test_a_failing_export_is_one_line_and_leaves_nothing(
    cnn: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(KerasTextZooError, match="export failed"):
        export(cnn.directory, tmp_path / "exported")
    assert list(tmp_path.iterdir()) == []

"""The doctor for models of the zoo: before a training, and of a run that is there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_encoder import use_fake
from gensim.models import KeyedVectors

from kerastextzoo.builders import cnn, get_spec
from kerastextzoo.checkup import as_json, examine, examine_run, refuse, worth_telling
from kerastextzoo.data import Dataset
from kerastextzoo.doctor import Diagnosis
from kerastextzoo.doctor.findings import found
from kerastextzoo.embeddings import save_vectors
from kerastextzoo.errors import InputError
from kerastextzoo.mistakes import MISTAKES
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.sentence_preparation import prepare
from kerastextzoo.splits import Splits, make_splits
from kerastextzoo.storage import staged
from kerastextzoo.text import TextConfig
from kerastextzoo.training import TrainingConfig, fit

SMALL = cnn.CNNConfig(filters=16, kernel_sizes=(2, 3), dropout=0.2, embedding_dropout=0.0)
QUICK = TrainingConfig(epochs=2, batch_size=16, embedding_features=16, learning_rate=5e-3)


def codes(diagnosis: Diagnosis) -> list[str]:
    return [finding.code for finding in worth_telling(diagnosis)]


@pytest.mark.parametrize("model", ["cnn", "lstm", "cnn_lstm", "res_lstm"])
def test_models_of_the_zoo_are_sound(preparation: Preparation, model: str) -> None:
    settings = get_spec(model).config.parse({"filters": 8} if model == "cnn" else {"units": 8})
    diagnosis = examine(preparation, model, settings, QUICK, quick=True)
    assert worth_telling(diagnosis) == []
    assert diagnosis.skipped == {}
    assert diagnosis.checks[0] == "texts"


def test_pools_wider_than_a_quick_look_leave_steps(preparation: Preparation) -> None:
    wide = get_spec("cnn_lstm").config.parse({"filters": 8, "units": 8, "pool_size": 20})
    assert "one-time-step" not in codes(examine(preparation, "cnn_lstm", wide, QUICK, quick=True))


@pytest.mark.parametrize(
    "settings",
    [
        {"wide_ngrams": 2},
        {"ensemble": 2},
        {"label_smoothing": 0.1, "class_weights": "balanced"},
        {"embedding": "frozen", "decay": "cosine", "warm_up": 0.2},
        {"batch_tokens": 400, "optimizer": "sgd", "clip_norm": 1.0},
    ],
)
def test_settings_are_sound(preparation: Preparation, settings: dict[str, Any]) -> None:
    diagnosis = examine(preparation, "cnn", SMALL, QUICK.replace(**settings), quick=True)
    assert worth_telling(diagnosis) == []
    assert diagnosis.skipped == {}


def test_several_labels_a_row_are_sound(corpus: Dataset) -> None:
    rows = [r for r, label in enumerate(corpus.labels) if label in {"numpy", "python"}][:400]
    several = corpus.subset(rows).as_multi_label()
    preparation = Preparation(make_splits(several, seed=0), TextConfig(min_count=1), seed=0)
    assert worth_telling(examine(preparation, "cnn", SMALL, QUICK, quick=True)) == []


@pytest.mark.parametrize("head", ["dense", "lstm"])
def test_a_model_of_vectors_is_sound(
    splits: Splits, head: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = use_fake(monkeypatch, tmp_path / "encoder")
    settings = get_spec("sentence").config.parse({"encoder": str(encoder), "head": head})
    preparation = prepare(splits, settings.reads)
    diagnosis = examine(preparation, "sentence", settings, QUICK, quick=True)
    assert worth_telling(diagnosis) == []
    assert diagnosis.skipped == {}


def test_the_whole_examination_finds_nothing_either(preparation: Preparation) -> None:
    diagnosis = examine(preparation, "cnn", SMALL, QUICK.replace(epochs=10))
    assert worth_telling(diagnosis) == []
    assert diagnosis.verdict.startswith("Nothing found")


CAUSES = {
    "last_padded_step": "last-step-is-padding",
    "not_shuffled": "sorted-by-class",
    "rounded_probabilities": "answers-rounded",
    "schedule_stepped_by_batch": "learning-rate-dies",
    "sigmoid_after_softmax": "sigmoid-after-softmax",
    "softmax_twice": "softmax-twice",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_mistake_is_found(preparation: Preparation, mistake: str) -> None:
    model = "lstm" if mistake == "last_padded_step" else "cnn"
    settings = SMALL if model == "cnn" else get_spec(model).config.parse({"units": 8})
    config = QUICK.replace(epochs=20, mistakes=(mistake,))
    diagnosis = examine(preparation, model, settings, config, quick=True)
    assert codes(diagnosis)[0] == CAUSES[mistake]
    refuse(diagnosis, config)
    with pytest.raises(InputError, match=rf"found {CAUSES[mistake]}: .* --no-doctor"):
        refuse(diagnosis, QUICK)


def test_nothing_is_changed(preparation: Preparation) -> None:
    before = fit(preparation, "cnn", SMALL, QUICK, seed=0)
    examine(preparation, "cnn", SMALL, QUICK, quick=True)
    after = fit(preparation, "cnn", SMALL, QUICK, seed=0)
    for one, two in zip(before.model.get_weights(), after.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_vectors_that_are_refused_are_explained(preparation: Preparation, tmp_path: Path) -> None:
    vectors = KeyedVectors(4)
    vectors.add_vectors(["电影", "股票"], np.ones((2, 4)))
    save_vectors(vectors, tmp_path / "chinese.bin")
    with_vectors = Preparation(
        preparation.splits, TextConfig(min_count=1), vectors=tmp_path / "chinese.bin"
    )
    diagnosis = examine(with_vectors, "cnn", SMALL, QUICK, quick=True)
    assert codes(diagnosis) == ["low-coverage"]
    assert "the vectors Cjk" in diagnosis.findings[0].remedy
    assert "at least 5.0 % of the tokens must have a vector" in diagnosis.findings[0].cause
    with pytest.raises(InputError, match=r"low-coverage: .*chinese\.bin.* language") as refused:
        refuse(diagnosis, QUICK)
    assert "--no-doctor" not in str(refused.value)
    random = QUICK.replace(embedding="random")
    assert codes(examine(with_vectors, "cnn", SMALL, random, quick=True)) == []
    with pytest.raises(InputError, match="accumulation"):
        examine(with_vectors, "cnn", SMALL, random.replace(accumulation=999), quick=True)


# A run.


@pytest.fixture(scope="module")
def run(preparation: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("checkup") / "run"
    noted = [found("one-class-dominates", share=0.9, label="python")]
    config = QUICK.replace(epochs=4)
    return train(preparation, "cnn", out, settings=SMALL, config=config, findings=noted)


def test_a_sound_run_repeats_what_it_recorded(run: Run, splits: Splits) -> None:
    assert [told["code"] for told in run.record["findings"]] == ["one-class-dominates"]
    for data in (None, splits.validation):
        assert codes(examine_run(run, data)) == ["one-class-dominates"]


def test_a_run_that_did_not_learn(preparation: Preparation, tmp_path: Path) -> None:
    config = QUICK.replace(epochs=4, patience=4, learning_rate=1e-9)
    bad = train(preparation, "cnn", tmp_path / "bad", settings=SMALL, config=config)
    assert "no-movement" in [told["code"] for told in bad.record["findings"]]
    unwatched = train(
        preparation, "cnn", tmp_path / "alone", settings=SMALL, config=config, watch=False
    )
    assert unwatched.record["findings"] == []
    # Which of the two shows depends on the texts, those of the installed libraries.
    assert {"no-movement", "one-class-only"} & set(codes(examine_run(unwatched)))


def changed(run: Run, out: Path, name: str, change: Any) -> Run:
    """Copy a run with one of its files changed."""
    with staged(out, "run") as stage:
        for path in run.directory.iterdir():
            (stage / path.name).write_bytes(path.read_bytes())
        path = stage / name
        path.write_text(change(path.read_text("utf-8")), "utf-8")
    return Run(out)


def healthy(text: str) -> Any:
    return {**json.loads(text), "findings": []}


def test_what_a_run_recorded_is_read(run: Run, tmp_path: Path) -> None:
    def worse(text: str) -> str:
        record = healthy(text)
        record["data"]["cut_off"] |= {"share": 0.4, "p95": 900, "longest": 3000}
        record["data"]["warnings"] = ["3 rows dropped"]
        record["embedding"] = {"start": "glove.txt", "coverage": {"tokens": 0.02}}
        return json.dumps(record)

    diagnosis = examine_run(changed(run, tmp_path / "worse", "run.json", worse))
    assert codes(diagnosis) == ["low-coverage"]
    notes = {finding.code: finding for finding in diagnosis.findings[1:]}
    assert set(notes) == {"truncation-cuts-signal", "read-with-warnings"}
    assert "--max-length 900" in notes["truncation-cuts-signal"].remedy

    def one_class(text: str) -> str:
        parts = json.loads(text)
        confusion = np.array(parts["validation"]["confusion"])
        sizes = confusion.sum(1)
        confusion[:] = 0
        confusion[:, 1] = sizes
        parts["validation"]["confusion"] = confusion.tolist()
        return json.dumps(parts)

    stuck = examine_run(changed(run, tmp_path / "stuck", "evaluation.json", one_class))
    (finding,) = [each for each in stuck.findings if each.code == "one-class-only"]
    assert finding.cause == f"all {run.evaluation['validation'].n} answers are class 'python'"


@pytest.mark.filterwarnings("ignore::kerastextzoo.run.AnswerWarning")
def test_data_of_another_kind(run: Run) -> None:
    texts = tuple(f"Ein Satz {n} mit Wörtern aus einer anderen Sprache" for n in range(40))
    told = codes(examine_run(run, Dataset("german", texts, ("numpy", "Sport") * 20)))
    assert told[0] == "unknown-labels"
    assert "unknown-tokens" in told


def test_json_has_no_nan() -> None:
    diagnosis = Diagnosis(findings=[found("exploding-gradient", norm=float("inf"), layer="a")])
    assert json.dumps(as_json(diagnosis), allow_nan=False)

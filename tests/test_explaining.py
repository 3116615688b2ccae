"""The words that decide are those that were planted, in every kind of run and in long texts."""

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from commands import Command
from fake_encoder import use_fake

from kerastextzoo.builders import get_spec
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.explaining import explain
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig, TextEncoder
from kerastextzoo.training import TrainingConfig

QUICK = TrainingConfig(
    epochs=6,
    batch_size=8,
    embedding="random",
    embedding_features=8,
    learning_rate=0.02,
    weight_averaging=0.0,
)
NOISE = ("the", "film", "was", "seen", "by", "many", "people", "here")
FIRM = {"dropout": 0.0, "embedding_dropout": 0.0}
SMALL: dict[str, dict[str, object]] = {
    "cnn": {"filters": 8, "kernel_sizes": [2], **FIRM},
    "lstm": {"units": 8, **FIRM},
    "fasttext": {"buckets": 1000, **FIRM},
}


def planted(good: str, bad: str, noise: tuple[str, ...], between: str) -> Dataset:
    """Texts of noise with one word that tells the label."""
    rng = random.Random(0)
    texts, labels = [], []
    for number in range(200):
        words = rng.choices(noise, k=7)
        words.insert(rng.randrange(8), good if number % 2 else bad)
        texts.append(between.join(words))
        labels.append("pos" if number % 2 else "neg")
    return Dataset("planted", tuple(texts), tuple(labels))


@pytest.fixture(scope="module")
def english() -> Preparation:
    data = planted("wonderful", "dreadful", NOISE, " ")
    return Preparation(make_splits(data, seed=0), TextConfig(min_count=1))


@pytest.fixture(scope="module")
def cnn(english: Preparation, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(english, "cnn", tmp_path_factory.mktemp("explained") / "run")


def trained(preparation: Preparation, model: str, out: Path) -> Run:
    settings = get_spec(model).config.parse(SMALL[model])
    return train(preparation, model, out, settings=settings, config=QUICK, watch=False)


def strongest(run: Run, text: str, label: str | None = None) -> str:
    (told,) = explain(run, [text], labels=label and [label])
    best = max(told.tokens, key=lambda token: token.weight)
    assert best.weight > 0.1
    return text[best.start : best.end]


@pytest.mark.parametrize("model", [name for name in SMALL if name != "cnn"])
def test_planted_word_carries_the_decision(
    model: str, english: Preparation, tmp_path: Path
) -> None:
    run = trained(english, model, tmp_path / "run")
    assert strongest(run, "Many people, WONDERFUL film!") == "WONDERFUL"
    assert strongest(run, "the film was dreadful") == "dreadful"


def test_planted_word_and_the_other_label(cnn: Run) -> None:
    assert strongest(cnn, "Many people, WONDERFUL film!") == "WONDERFUL"
    (told,) = explain(cnn, ["the film was dreadful"], labels=["pos"])
    worst = min(told.tokens, key=lambda token: token.weight)
    assert (told.label, worst.token, worst.weight < -0.2) == ("pos", "dreadful", True)
    assert told.probability == pytest.approx(cnn.predict_proba(["the film was dreadful"])[0, 1])


def test_chinese_characters(tmp_path: Path) -> None:
    data = planted("佳", "劣", tuple("这部电影大家都看过了"), "")
    preparation = Preparation(make_splits(data, seed=0), TextConfig(min_count=1))
    assert preparation.encoder.tokenizer == "char"
    run = trained(preparation, "cnn", tmp_path / "run")
    assert strongest(run, "这部 电影，佳！大家看过") == "佳"


def test_each_label_of_a_text_has_its_word(tmp_path: Path) -> None:
    rng = random.Random(0)
    names = ("red", "big")
    sets = [tuple(name for name in names if rng.random() < 0.5) for _ in range(240)]
    texts = [" ".join([*rng.choices(NOISE, k=4), *labels, str(n)]) for n, labels in enumerate(sets)]
    splits = make_splits(Dataset("sets", tuple(texts), tuple(sets)), seed=0)
    run = trained(Preparation(splits, TextConfig(min_count=1)), "cnn", tmp_path / "run")
    for name in names:
        assert strongest(run, "many red and big people", name) == name


def test_a_sentence_encoder_s_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = use_fake(monkeypatch, tmp_path / "encoder")
    settings = get_spec("sentence").config.parse({"encoder": str(encoder), "filters": 8, **FIRM})
    splits = make_splits(planted("wonderful", "dreadful", NOISE, " "), seed=0)
    run = train(
        Preparation(splits, TextConfig()).suited_to(settings),
        "sentence",
        tmp_path / "run",
        settings=settings,
        config=QUICK,
        watch=False,
    )
    assert strongest(run, "Many people, WONDERFUL film!") == "WONDERFUL"
    (told,) = explain(run, [" "])
    assert told.tokens == ()


class Detector:
    """A model that is sure of class 1 where a text has the token 2, and counts what it reads."""

    input = None
    output_shape = (None, 2)

    def __init__(self) -> None:
        self.texts = 0

    def predict_on_batch(self, ids: Any) -> Any:
        self.texts += len(ids)
        probability = np.where((ids == 2).any(axis=1), 0.75, 0.25).astype(np.float32)
        return np.stack([1 - probability, probability], axis=1)


def detecting(max_length: int) -> Any:
    encoder = TextEncoder(["", "[UNK]", "key", "a"], tokenizer="word", max_length=max_length)
    return SimpleNamespace(model=Detector(), encoder=encoder, label_names=["no", "yes"])


def test_weights_are_what_the_probability_falls_by() -> None:
    (told, empty) = explain(detecting(9), ["a Key, odd", ""])
    assert [(token.token, token.start, token.end) for token in told.tokens] == [
        ("a", 0, 1),
        ("key", 2, 5),
        ("odd", 7, 10),
    ]
    assert [token.weight for token in told.tokens] == [0, 0.5, 0]
    assert [token.known for token in told.tokens] == [True, True, False]
    assert (told.label, told.probability) == ("yes", 0.75)
    assert empty.tokens == ()
    assert (empty.label, empty.read, empty.in_text) == ("no", 0, 0)


def test_a_very_long_text_takes_bounded_work_and_its_word_is_found() -> None:
    run = detecting(max_length=5000)
    text = "a " * 3210 + "key " + "a " * 4000
    (told,) = explain(run, [text], most_tokens=100)
    assert (len(told.tokens), told.read, told.in_text) == (50, 5000, 7211)
    assert run.model.texts == 1 + 50 + 50
    (found,) = [token for token in told.tokens if token.weight]
    assert (found.token, found.start, found.weight) == ("key", 6420, 0.5)
    starts = [token.start or 0 for token in told.tokens]
    assert starts == sorted(starts)


def test_texts_of_many_batches_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kerastextzoo.explaining._TEXTS_AT_ONCE", 2)
    told = [*explain(detecting(9), ["a", "key", "b a", "key key", "x"])]
    assert [each.label for each in told] == ["no", "yes", "no", "yes", "no"]
    assert [len(each.tokens) for each in told] == [1, 1, 2, 2, 1]
    # The other one is left.
    assert [token.weight for token in told[3].tokens] == [0, 0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"labels": ["yess"]}, "did you mean 'yes'"), ({"most_tokens": 1}, "2 at least; got 1")],
)
def test_what_cannot_be_explained_is_refused(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(explain(detecting(9), ["a"], **wrong))


def test_predict_tells_the_words(cnn: Run, command: Command) -> None:
    text = "people here: Wonderful zzz"
    (told,) = command.json("predict", cnn.directory, text, "--explain")["predictions"]
    assert told["label"] == "pos"
    assert told["explained"] == {"label": "pos", "tokens": 4, "read": 4, "in_text": 4}
    assert list(told["explanation"][0]) == ["token", "start", "end", "weight", "known"]
    best = max(told["explanation"], key=lambda token: float(token["weight"]))
    assert text[best["start"] : best["end"]] == "Wonderful"
    assert [token["known"] for token in told["explanation"]] == [True, True, True, False]

    status, out, _ = command("predict", cnn.directory, text, "--explain")
    assert status == 0
    first, *rest = out.splitlines()
    assert first.endswith(f"\t{text}")
    assert rest[0].startswith("    for      wonderful +0.")
    assert rest[-1] == "    (4 of 4 tokens looked at; unknown: zzz)"
    plain = command.json("predict", cnn.directory, text)["predictions"][0]
    assert list(plain) == ["label", "probabilities"]

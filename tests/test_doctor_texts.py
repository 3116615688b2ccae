"""What is wrong with texts before they are ids: broken in one way each, beside a healthy twin."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gensim.models import KeyedVectors

from kerastextzoo.data import Dataset
from kerastextzoo.doctor.findings import Finding
from kerastextzoo.doctor.texts import Texts, check_texts
from kerastextzoo.embeddings import save_vectors
from kerastextzoo.text import TextConfig, fit_encoder

_ENGLISH = (
    "the of and to in it was on with they at one have this from by word but some what there we can "
    "out other were all your when up use how said each she which do their time"
)
_CHINESE = (
    "我们 他们 今天 明天 时间 事情 问题 地方 因为 所以 如果 但是 已经 然后 觉得 可能 应该 需要 "
    "东西 上午 下午 非常 比较 开始 结束 继续 通过 关于 其中 之后 以前 最近 一直 终于 而且"
)
COMMON = {"en": _ENGLISH.split(), "zh": _CHINESE.split()}
TELLING = {
    "en": {"sport": ["goal", "referee", "league"], "money": ["shares", "bond", "inflation"]},
    "zh": {"sport": ["足球", "裁判", "联赛"], "money": ["股票", "债券", "通胀"]},
}


def make(
    language: str = "en", rows: int = 300, seed: int = 0, words: int = 12, *, at_end: bool = False
) -> Dataset:
    """Texts of common words and two that tell the class; Chinese ones without spaces."""
    draw = np.random.default_rng(seed)
    texts, labels = [], []
    for row in range(rows):
        label = list(TELLING[language])[row % 2]
        common = draw.choice(COMMON[language], words).tolist()
        telling = draw.choice(TELLING[language][label], 2).tolist()
        text = [*common, *telling] if at_end else [telling[0], *common, telling[1]]
        texts.append((" " if language == "en" else "").join(text) + f" {seed}{row}")
        labels.append(label)
    return Dataset(language, tuple(texts), tuple(labels))


def view(data: Dataset, validation: Dataset | None = None, **options: Any) -> Texts:
    """Texts as a training would read them; the healthy case unless something is changed."""
    names = ("tokenizer", "max_length")
    settings: dict[str, object] = {name: options.pop(name) for name in names if name in options}
    config = TextConfig.parse({"min_count": 1, **settings})
    validation = validation or make(data.name, 100, seed=1)
    encoder = fit_encoder(data.texts, config)
    return Texts(train=data, validation=validation, encoder=encoder, **options)


def codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def finding(texts: Texts, code: str) -> Finding:
    return next(each for each in check_texts(texts) if each.code == code)


def vectors_of(words: list[str]) -> KeyedVectors:
    made = KeyedVectors(4)
    made.add_vectors(words, np.random.default_rng(0).normal(size=(len(words), 4)))
    return made


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_healthy_texts_are_left_alone(language: str, quick: bool) -> None:
    assert check_texts(view(make(language)), quick=quick) == []


def test_unsegmented_chinese() -> None:
    texts = view(make("zh"), tokenizer="word")
    assert codes(check_texts(texts, quick=True))[0] == "unsegmented-text"
    evidence = finding(texts, "unsegmented-text").evidence
    assert float(str(evidence["tokens"])) < 4 < float(str(evidence["characters"]))
    for tokenizer in ("char", "jieba"):
        assert codes(check_texts(view(make("zh"), tokenizer=tokenizer), quick=True)) == []


def test_numbers_in_place_of_texts() -> None:
    data = Dataset("wrong column", tuple(f"{n}.5" for n in range(200)), ("a", "b") * 100)
    assert finding(view(data, data), "texts-are-numbers").severity == "warning"


# Word vectors.


@pytest.mark.parametrize("in_a_file", [False, True])
def test_vectors_of_words_before_characters(in_a_file: bool, tmp_path: Path) -> None:
    every = [*COMMON["zh"], *(word for words in TELLING["zh"].values() for word in words)]
    vectors: Any = vectors_of(every)
    if in_a_file:
        save_vectors(vectors, tmp_path / "words.bin")
        vectors = tmp_path / "words.bin"
    broken = finding(view(make("zh"), tokenizer="char", vectors=vectors), "low-coverage")
    assert broken.severity == "error"
    assert "--tokenizer jieba" in broken.remedy
    before, after = (float(str(broken.evidence[n])) for n in ("coverage", "coverage by jieba"))
    assert before < 0.05
    assert after > 0.7
    healthy = view(make("zh"), tokenizer="jieba", vectors=vectors)
    assert "low-coverage" not in codes(check_texts(healthy))


def test_vectors_of_another_language() -> None:
    broken = finding(view(make(), vectors=vectors_of(COMMON["zh"])), "low-coverage")
    assert broken.severity == "error"
    assert "the texts are Latin, the vectors Cjk" in broken.remedy
    assert "low-coverage" not in codes(check_texts(view(make(), vectors=vectors_of(COMMON["en"]))))


def test_vectors_of_another_case() -> None:
    mixed = [word[:1] + word[1:2].upper() + word[2:] for word in COMMON["en"]]
    broken = finding(view(make(), vectors=vectors_of(mixed)), "low-coverage")
    assert "lower-case the words of the vectors: that covers 8" in broken.remedy


def test_vectors_that_cover_some_are_a_warning() -> None:
    few = view(make(), vectors=vectors_of(COMMON["en"][:10]))
    assert finding(few, "low-coverage").severity == "warning"


# The vocabulary, and what is cut off.


def test_words_of_another_subject() -> None:
    other = make("en", 100, seed=1)
    strange = tuple(" ".join(f"{word}x" for word in text.split()) for text in other.texts)
    texts = view(make(), replace(other, texts=strange))
    evidence = finding(texts, "unknown-tokens").evidence
    assert float(str(evidence["share"])) > 0.9
    assert evidence["share in training"] == 0
    full = replace(texts, most_words=len(texts.encoder.vocabulary))
    assert "raise max_vocabulary above" in finding(full, "unknown-tokens").remedy


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("official", [True, False])
def test_truncation_that_cuts_what_tells_the_class(language: str, official: bool) -> None:
    few = None if official else make(language, 10, seed=1)
    broken, healthy = (
        view(
            make(language, 400, words=30, at_end=at_end),
            few or make(language, 200, 1, words=30, at_end=at_end),
            max_length=20,
        )
        for at_end in (True, False)
    )
    cut = finding(broken, "truncation-cuts-signal")
    evidence = cut.evidence
    assert float(str(evidence["accuracy cut"])) < 0.65
    assert float(str(evidence["accuracy uncut"])) > 0.95
    assert f"--max-length {40 if language == 'en' else 80}" in cut.remedy
    assert check_texts(healthy) == []
    assert "truncation-cuts-signal" not in codes(check_texts(broken, quick=True))


# Rows.


def test_the_same_texts_to_validate_on() -> None:
    data = make()
    assert codes(check_texts(view(data, data), quick=True)) == ["validation-is-training"]
    half, other = data.subset([*range(50)]), make(seed=2)
    joined = Dataset("en", (*half.texts, *other.texts[:50]), half.labels + other.labels[:50])
    overlap = finding(view(data, joined), "overlapping-splits")
    assert overlap.evidence["rows"] == 50


def test_conflicts_and_repeats() -> None:
    data = make()
    twice = Dataset("en", (*data.texts, *data.texts), data.labels * 2)
    assert codes(check_texts(view(twice))) == ["repeated-rows"]
    wrong = data.labels[1:] + data.labels[:1]
    both = check_texts(view(Dataset("en", (*data.texts, *data.texts), data.labels + wrong)))
    assert codes(both) == ["conflicting-labels", "repeated-rows"]
    assert both[0].evidence["rows"] == 600


def test_order_and_balance() -> None:
    data = make()
    ordered = data.subset(np.argsort(data.labels, kind="stable"))
    shuffled = finding(view(ordered), "sorted-by-class")
    assert shuffled.severity == "note"
    as_they_are = finding(view(ordered, shuffled=False), "sorted-by-class")
    assert as_they_are.severity == "error"
    rare = data.subset([*range(0, 300, 2), *range(1, 30, 2)])
    assert finding(view(rare, shuffled=True), "one-class-dominates").evidence["label"] == "sport"


def test_several_labels_a_row() -> None:
    data = make().as_multi_label()
    texts = view(data, make("en", 100, seed=1).as_multi_label(), max_length=4)
    assert check_texts(texts) == []

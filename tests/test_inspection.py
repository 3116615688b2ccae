"""`inspect_data` against figures that are counted the plain way."""

from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.inspection import PERCENTILES, inspect_data
from kerastextzoo.splits import Splits, make_splits
from kerastextzoo.text import TextConfig, fit_encoder, tokenize


def whole(splits: Splits) -> Dataset:
    parts = [part for part in (splits.train, splits.validation, splits.test) if part]
    texts = tuple(text for part in parts for text in part.texts)
    return Dataset("whole", texts, tuple(label for part in parts for label in part.labels))


def test_real_texts(splits: Splits) -> None:
    data = whole(splits)
    found = inspect_data(data)
    lengths = sorted(map(len, tokenize(data.texts, "word")))
    for at in PERCENTILES:
        covered = sum(length <= found.percentiles[str(at)] for length in lengths) / len(lengths)
        below = sum(length < found.percentiles[str(at)] for length in lengths) / len(lengths)
        assert below < at / 100 <= covered
    assert found.percentiles["max"] == lengths[-1]
    assert found.rows == {"data": 600}
    assert found.classes == {"numpy": 200, "python": 200, "tensorflow": 200}
    assert (found.tokenizer, found.tokenizer_chosen, found.imbalance) == ("word", True, 1)
    proposed = found.proposal["max_length"]
    longest = found.percentiles["99"]
    assert proposed % 8 == 0
    assert proposed == 512 if longest > 512 else 0 <= proposed - longest < 8
    assert found.unknown == unknown_by_hand(make_splits(data, seed=0))
    assert found.overlap == {}
    assert found.coverage is None
    told = found.as_dict()
    assert told["lengths"] == found.percentiles


def unknown_by_hand(splits: Splits) -> dict[str, object]:
    known = set(fit_encoder(splits.train.texts, TextConfig()).vocabulary)
    rows = [row[:400] for row in tokenize(splits.validation.texts, "word")]
    flat = [token for row in rows for token in row]
    return {
        "tokens": pytest.approx(sum(token not in known for token in flat) / len(flat)),
        "texts": sum(not known.intersection(row) for row in rows) / len(rows),
    }


LINES = st.lists(
    st.tuples(
        st.sampled_from(["a b", "A  b", "a b c", "d", "D ", "e f g h"]), st.sampled_from("xyz")
    ),
    min_size=1,
    max_size=30,
)


@given(LINES, LINES)
@settings(max_examples=30, deadline=None)
def test_repeats_conflicts_overlap_and_order(
    lines: list[tuple[str, str]], more: list[tuple[str, str]]
) -> None:
    data, test = (
        Dataset(name, tuple(text for text, _ in rows), tuple(label for _, label in rows))
        for name, rows in (("data", lines), ("test", more))
    )
    found = inspect_data(data, test=test, max_length=2, tokenizer="word")
    fold = [" ".join(text.lower().split()) for text in data.texts]
    assert found.repeats["rows"] == sum(text in fold[:at] for at, text in enumerate(fold))
    assert found.repeats["texts"] == sum(fold.count(text) > 1 for text in set(fold))
    labels = {
        text: {label for other, label in zip(fold, data.labels, strict=True) if other == text}
        for text in fold
    }
    torn = [text for text in labels if len(labels[text]) > 1]
    assert found.conflicts["texts"] == len(torn)
    assert found.conflicts["rows"] == sum(text in torn for text in fold)
    assert len(found.conflicts["examples"]) == min(5, len(torn))
    hits = [" ".join(text.lower().split()) in fold for text in test.texts]
    overlap = found.overlap["data/test"]
    assert (overlap["rows"], overlap["share"]) == (sum(hits), sum(hits) / len(hits))
    assert found.order["changes"] == sum(a != b for a, b in pairwise(data.labels))
    lengths = [len(text.split()) for text in data.texts]
    assert found.cut["texts"] == pytest.approx(sum(n > 2 for n in lengths) / len(lengths))
    lost = sum(max(0, n - 2) for n in lengths) / sum(lengths)
    assert found.cut["tokens"] == pytest.approx(lost)


def test_order_is_what_shuffles_give() -> None:
    labels = ["a"] * 60 + ["b"] * 30 + ["c"] * 10
    texts = tuple(f"text number {n}" for n in range(100))
    sorted_rows = inspect_data(Dataset("sorted", texts, tuple(labels)))
    assert sorted_rows.order["changes"] == 2
    assert sorted_rows.order["sorted"]
    assert "rows are sorted by class (2 changes" in " ".join(sorted_rows.notes)
    random, changes = Random(0), []
    for _ in range(3000):
        random.shuffle(labels)
        changes.append(sum(a != b for a, b in pairwise(labels)))
    assert sorted_rows.order["shuffled"] == pytest.approx(sum(changes) / 3000, rel=0.01)
    assert not inspect_data(Dataset("mixed", texts, tuple(labels))).order["sorted"]


def test_coverage_of_vectors() -> None:
    vectors = KeyedVectors(1)
    vectors.add_vectors(["Good", "film"], [[1.0], [2.0]])
    data = Dataset("two", ("good film", "bad film", "bad song"), ("p", "n", "n"))
    found = inspect_data(data, vectors=vectors).coverage
    assert found is not None
    assert (found.types, found.tokens, found.missing) == (0.5, 0.5, ("bad", "song"))


def test_notes_say_what_deserves_a_look() -> None:
    texts = [f"today film {n} was good" for n in range(60)]
    good = Dataset("good", tuple(texts), ("pos", "neg", "neu") * 20)
    assert inspect_data(good).notes == ()
    few = replace(good, labels=("pos",) * 58 + ("neg",) * 2)
    assert "'pos' has 29 times the texts of 'neg'" in inspect_data(few).notes[-1]
    assert "think of --max-length 8" in inspect_data(good, max_length=3).notes[0]
    numbers = Dataset("numbers", tuple(map(str, range(60))), good.labels)
    assert "100% of the texts are numbers" in " ".join(inspect_data(numbers).notes)
    chinese = Dataset("chinese", tuple(f"今天天气很好真的很好{n}" for n in range(60)), good.labels)
    told = inspect_data(chinese, tokenizer="word").notes
    assert "1.0 tokens a text with 12 characters: try --tokenizer char" in told
    assert inspect_data(chinese).tokenizer == "char"
    assert inspect_data(chinese).notes == ()
    leaks = inspect_data(good, test=good.subset([1, 2])).notes
    assert "100.0% of the second part of data/test is in the first" in " ".join(leaks)


def test_what_cannot_be_trained_is_inspected_all_the_same() -> None:
    data = Dataset("one", ("good film", "fine film"), ("pos", "pos"))
    found = inspect_data(data)
    assert found.unknown is None
    assert found.notes[0].startswith("no training on this: one: needs at least 2 classes")
    assert found.classes == {"pos": 2}


def test_long_texts_get_a_capped_proposal() -> None:
    data = Dataset("long", ("word " * 3000, "other " * 3000), ("a", "b"))
    proposal = inspect_data(data).proposal
    assert proposal["max_length"] == 512
    assert "at most 3000 tokens; held at 512" in proposal["why"]
    empty = inspect_data(Dataset("dots", ("...", "!"), ("a", "b")))
    assert empty.proposal["max_length"] == 8
    assert "1 texts have no token" in " ".join(empty.notes)


def test_bad_settings() -> None:
    data = Dataset("two", ("good", "bad"), ("p", "n"))
    with pytest.raises(InputError, match="setting max_length"):
        inspect_data(data, max_length=0)
    with pytest.raises(InputError, match="setting tokenizer"):
        inspect_data(data, tokenizer="wrod")
    with pytest.raises(InputError, match="none: 0 examples"):
        inspect_data(Dataset("none", (), ()))

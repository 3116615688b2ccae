"""Strings to ids: the same in training and serving, nothing lost or shifted."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerastextzoo import text as text_module
from kerastextzoo.batching import EncodedTexts
from kerastextzoo.errors import InputError
from kerastextzoo.export.hard_texts import HARD_TEXTS
from kerastextzoo.text import (
    TextConfig,
    TextEncoder,
    choose_tokenizer,
    count_tokens,
    fit_and_encode,
    fit_encoder,
    tokenize,
)

WORDS = TextEncoder(["", "[UNK]", "good", "day", "!"], tokenizer="word", max_length=5)
CHARACTERS = TextEncoder(["", "[UNK]", "天", "气", "a"], tokenizer="char", max_length=5)


def _ids(encoder: TextEncoder, *texts: str) -> list[list[int]]:
    encoded = encoder.encode(texts)
    return [encoded.padded([row])[0].tolist() for row in range(len(texts))]


def test_words_are_lower_cased_and_freed_of_punctuation() -> None:
    assert list(tokenize(["It's a GOOD day -- 'isn't it'?! x_1 ÉCOLE Москва"], "word")) == [
        ["it's", "a", "good", "day", "isn't", "it", "?", "!", "x", "1", "école", "москва"]
    ]
    assert list(tokenize(["don\u2019t 😀nice"], "word")) == [["don't", "😀", "nice"]]
    assert list(tokenize(["'one' 'two' ''"], "word")) == [["one", "two"]]


def test_characters_are_single_and_without_spaces() -> None:
    assert list(tokenize(["天 气A好\u3000!\n"], "char")) == [["天", "气", "a", "好", "!"]]


def test_padding_is_0_unknown_is_1_and_they_never_meet() -> None:
    assert _ids(WORDS, "good strange day!", "[UNK]") == [[2, 1, 3, 4], [1]]
    assert _ids(CHARACTERS, "天ab") == [[2, 4, 1]]


@pytest.mark.parametrize("encoder", [WORDS, CHARACTERS], ids=["word", "char"])
@pytest.mark.parametrize("text", ["", "  \t\n", "\u2028\x85\x00", "\u200d"])
def test_no_text_becomes_padding_alone(encoder: TextEncoder, text: str) -> None:
    assert _ids(encoder, text) == [[1]]


def test_long_texts_are_cut() -> None:
    assert _ids(WORDS, "good " * 9) == [[2] * 5]


def test_line_separators_never_reach_the_vocabulary() -> None:
    """They would shift every id after them when a vocabulary goes through a text file."""
    separators = "".join(map(chr, (0x2028, 0x2029, 0x85, 0x1C, 0x1D, 0x1E, 0x0B, 0x0C, 0x0A)))
    texts = [f"one{s}two" for s in separators] * 2
    for tokenizer in ("word", "char"):
        encoder = fit_encoder(texts, TextConfig(tokenizer=tokenizer, min_count=1))
        assert not set(separators) & set("".join(encoder.vocabulary))


def test_vocabulary_is_the_most_frequent_first_ties_by_token() -> None:
    texts = ["b b b a a c c d"]
    encoder = fit_encoder(texts, TextConfig(tokenizer="word", min_count=2))
    assert encoder.vocabulary == ("", "[UNK]", "b", "a", "c")
    cut = fit_encoder(texts, TextConfig(tokenizer="word", min_count=1, max_vocabulary=4))
    assert cut.vocabulary == ("", "[UNK]", "b", "a")


def test_a_vocabulary_without_a_token_is_refused() -> None:
    with pytest.raises(InputError, match="no token occurs often enough"):
        fit_encoder(["all words differ"], TextConfig(tokenizer="word"))
    with pytest.raises(InputError, match="a vocabulary starts with"):
        TextEncoder(["a", "b", "c"], tokenizer="word", max_length=5)


def test_tokenizer_is_chosen_by_looking() -> None:
    assert choose_tokenizer(["今天天气很好", "明天 is fine"]) == "char"
    assert choose_tokenizer(["a fine day", "in 北京"]) == "word"
    assert choose_tokenizer(["", "123"]) == "word"


def test_encoder_comes_back_from_json() -> None:
    again = TextEncoder.from_json(WORDS.to_json())
    assert (again.vocabulary, again.tokenizer, again.max_length) == (
        WORDS.vocabulary,
        "word",
        5,
    )
    assert _ids(again, *HARD_TEXTS) == _ids(WORDS, *HARD_TEXTS)


SIGNATURE = [tf.TensorSpec((None,), tf.string)]
GRAPHS = [
    (encoder, tf.function(encoder, input_signature=SIGNATURE)) for encoder in (WORDS, CHARACTERS)
]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), max_size=5))
def test_graph_and_eager_agree_on_any_text(texts: list[str]) -> None:
    for encoder, graph in GRAPHS:
        ids = graph(tf.constant(texts, tf.string)).numpy()
        np.testing.assert_array_equal(ids, encoder.encode(texts).padded(range(len(texts))))
        assert (ids[:, 0] != 0).all()


def test_tokens_are_counted_by_id() -> None:
    counts = count_tokens(WORDS.encode(["good good day", "odd"]), 5)
    assert counts.tolist() == [0, 1, 2, 1, 0]


def test_texts_are_split_once_and_get_the_ids_of_the_encoder() -> None:
    texts = ["a b a", "", "c", "b a " * 30, "!!!", "a c c"] * 3
    for scratch_needed in (False, True):
        with TemporaryDirectory() as folder:
            scratch = Path(folder) if scratch_needed else None
            config = TextConfig(min_count=7, max_length=20)
            encoder, parts = fit_and_encode(texts, config, scratch)
            assert encoder.vocabulary == ("", "[UNK]", "a", "b", "!", "c")
            joined, wanted = EncodedTexts.join(parts), encoder.encode(texts)
        np.testing.assert_array_equal(joined.tokens, wanted.tokens)
        np.testing.assert_array_equal(joined.starts, wanted.starts)
        np.testing.assert_array_equal(joined.uncut_lengths, wanted.uncut_lengths)


def test_words_of_elsewhere_are_known_after_those_of_the_texts_while_there_is_room() -> None:
    words = ["good", "New York", "Rare", "rare", "", "late", "never"]
    config = TextConfig(min_count=2, max_vocabulary=6)
    encoder, parts = fit_and_encode(["good day", "a rare good day"], config, words=words)
    assert encoder.vocabulary == ("", "[UNK]", "day", "good", "rare", "late")
    assert EncodedTexts.join(parts).padded([0, 1]).tolist() == [[3, 2, 0, 0], [1, 4, 3, 2]]
    assert encoder.encode(["late never"]).padded([0]).tolist() == [[5, 1]]


@pytest.mark.parametrize("tokenizer", ["char", "jieba"])
def test_only_words_that_are_one_token_are_taken_from_elsewhere(tokenizer: str) -> None:
    pytest.importorskip("jieba") if tokenizer == "jieba" else None
    config = TextConfig(tokenizer=tokenizer, min_count=1)
    encoder, _ = fit_and_encode(["天气"], config, words=["好", "天气很好天气很好", "x y"])
    assert "好" in encoder.vocabulary
    assert not {"天气很好天气很好", "x y"} & set(encoder.vocabulary)


def test_long_texts_are_tokenised_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_module, "_CHARACTERS_AT_ONCE", 10)
    sizes = [len(part) for part in text_module._parts(["x" * 8] * 3 + ["y" * 50, "z", "z"])]
    assert sizes == [2, 2, 2]

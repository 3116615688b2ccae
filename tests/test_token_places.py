"""Tokens are found in the text as it was written, whatever normalising made of it."""

import pytest
import tensorflow as tf
from test_tokenizers import texts_of

from kerastextzoo.export.hard_texts import HARD_TEXTS
from kerastextzoo.text import TextEncoder
from kerastextzoo.tokenizers import normalize

KNOWN = ["the", "a", "good", "day", "é", "it's", "1", "!", *"的行", "中国", "人民", "今天", "很好"]


def encoder(tokenizer: str, max_length: int = 300) -> TextEncoder:
    return TextEncoder(["", "[UNK]", *KNOWN], tokenizer=tokenizer, max_length=max_length)


@pytest.mark.parametrize(
    ("tokenizer", "text", "places"),
    [
        ("word", "It’s  GOOD!", ["It’s", "GOOD", "!"]),
        ("word", "x'' 'quoted' E\u0301cole ﬁn…wow", ["x", "quoted", "E\u0301cole", "ﬁn", "wow"]),
        ("word", "ＦＵＬＬ ½ km", ["ＦＵＬＬ", "½", "½", "km"]),
        ("char", "中 国Ⅷ", ["中", "国", *["Ⅷ"] * 4]),
        ("char", "\u0301a e\u0301", ["\u0301", "a", "e\u0301"]),
        ("jieba", "中国人民，很好day", ["中国", "人民", "很好", "day"]),
        ("word", " \t", []),
    ],
)
def test_tokens_know_their_place(tokenizer: str, text: str, places: list[str]) -> None:
    (found,) = encoder(tokenizer).tokens([text])
    assert [text[token.start : token.end] for token in found] == places


@pytest.mark.parametrize("tokenizer", ["word", "char", "jieba"])
def test_every_token_of_any_text_is_found_and_is_what_its_id_stands_for(tokenizer: str) -> None:
    texts = [*HARD_TEXTS, *texts_of(200, seed=5)]
    read = encoder(tokenizer)
    encoded, pieces = read.encode(texts), []
    for row, (text, found) in enumerate(zip(texts, read.tokens(texts), strict=True)):
        ids = encoded.tokens[encoded.starts[row] : encoded.starts[row + 1]]
        assert len(ids) == max(1, len(found))
        last = 0
        for token, number in zip(found, ids, strict=False):
            assert token.start is not None
            assert token.end is not None
            assert last <= token.end
            last = token.end
            assert read.vocabulary[number] in {token.text, "[UNK]"}
            pieces.append((token.text, text[token.start : token.end]))
    made = normalize(tf.constant([piece for _, piece in pieces])).numpy()
    for (token_text, _), piece in zip(pieces, made, strict=True):
        assert token_text.replace("’", "'") in piece.decode().replace("’", "'")


def test_tokens_end_where_reading_does_and_a_compiled_encoder_gives_the_same() -> None:
    texts = ["the good day " * 5, "", "今天"]
    read = encoder("word", max_length=4)
    before = read.tokens(texts), read.encode(texts).padded([0, 1, 2]).tolist()
    assert [len(tokens) for tokens in before[0]] == [4, 0, 1]
    read.compile()
    assert (read.tokens(texts), read.encode(texts).padded([0, 1, 2]).tolist()) == before
    assert read.encode([]).tokens.tolist() == []

"""Text to token ids, inside the TensorFlow graph, so that training and serving can't disagree.

Id 0 is padding, id 1 any unknown token; no text becomes a row of padding alone: one without a
token is read as one unknown token. To add a tokenizer, add a function to `_TOKENIZERS`.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from pydantic import Field

from kerastextzoo.batching import EncodedTexts
from kerastextzoo.errors import InputError
from kerastextzoo.spec import Config, Count

PADDING = ""
UNKNOWN = "[UNK]"
_SPECIAL = (PADDING, UNKNOWN)
_TEXTS_AT_ONCE = 4096
_CHINESE_SHARE = 0.3


class TextConfig(Config):
    """How text becomes token ids."""

    tokenizer: Literal["auto", "word", "char"] = "auto"
    """word, char, or auto: by looking at the text."""
    max_length: Count = 400
    """Tokens of a text that are read; the rest is cut off."""
    max_vocabulary: Annotated[int, Field(ge=3)] = 20_000
    """Most frequent tokens that are known, padding and unknown among them."""
    min_count: Count = 2
    """Times a token must occur in the training texts to be known."""


def _words(texts: tf.Tensor) -> tf.RaggedTensor:
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf.strings.regex_replace(texts, "\u2019", "'")
    texts = tf.strings.regex_replace(texts, r"[!?\p{So}]", r" \0 ")
    texts = tf.strings.regex_replace(texts, r"[^\p{L}\p{M}\p{N}!?\p{So}']+", " ")
    texts = tf.strings.regex_replace(texts, r"(^| )'+|'+( |$)", " ")
    return tf.strings.split(texts)


def _characters(texts: tf.Tensor) -> tf.RaggedTensor:
    texts = tf.strings.lower(texts, encoding="utf-8")
    texts = tf.strings.regex_replace(texts, r"[\p{Z}\p{C}]+", "")
    return tf.strings.unicode_split(texts, "UTF-8", errors="replace")


_TOKENIZERS: dict[str, Callable[[tf.Tensor], tf.RaggedTensor]] = {
    "word": _words,
    "char": _characters,
}


def choose_tokenizer(texts: Sequence[str]) -> str:
    """Return `char` where a good part of the letters are Chinese, else `word`.

    Example:
        >>> choose_tokenizer(["今天天气很好"]), choose_tokenizer(["a fine day"])
        ('char', 'word')
    """
    sample = "".join(texts[:: max(1, len(texts) // 1000)])
    letters = sum(character.isalpha() for character in sample)
    chinese = sum("\u3400" <= character <= "\u9fff" for character in sample)
    return "char" if chinese > _CHINESE_SHARE * letters else "word"


class TextEncoder:
    """Raw strings to token ids.

    Args:
        vocabulary: All tokens by id; the first two are padding and unknown.
        tokenizer: `word` or `char`.
        max_length: Tokens of a text that are read.

    Example:
        >>> encoder = TextEncoder(["", "[UNK]", "good", "day"], tokenizer="word", max_length=9)
        >>> encoder.encode(["A good day!", ""]).padded([0, 1]).tolist()
        [[1, 2, 3, 1], [1, 0, 0, 0]]
    """

    def __init__(self, vocabulary: Sequence[str], *, tokenizer: str, max_length: int) -> None:
        if tuple(vocabulary[:2]) != _SPECIAL:
            raise InputError(
                f"a vocabulary starts with {list(_SPECIAL)}; got {list(vocabulary[:2])}"
            )
        if len(vocabulary) == len(_SPECIAL):
            raise InputError(
                "the vocabulary is empty: no token occurs often enough in the training texts; "
                "lower min_count or give more text"
            )
        self.vocabulary = tuple(vocabulary)
        self.tokenizer = tokenizer
        self.max_length = max_length
        # A list, never a file: a vocabulary file is split at characters that a token may hold.
        self.lookup = keras.layers.StringLookup(
            vocabulary=list(vocabulary[2:]), mask_token=PADDING, oov_token=UNKNOWN
        )

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Turn strings `(batch,)` into ids `(batch, steps)`, padded with 0; runs in a graph."""
        ids = self._ids(texts).to_tensor(0)
        # A batch without texts still has a step: recurrent layers need one.
        return tf.pad(ids, [[0, 0], [0, tf.cast(tf.shape(ids)[1] == 0, tf.int32)]])

    def _ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        tokens = _TOKENIZERS[self.tokenizer](texts)[:, : self.max_length]
        nothing = tf.where(tokens.row_lengths() == 0)[:, 0]
        stand_in = tf.RaggedTensor.from_value_rowids(
            tf.fill(tf.shape(nothing), UNKNOWN), nothing, nrows=tokens.nrows()
        )
        tokens = tf.concat([tokens, stand_in], axis=1)
        return tokens.with_flat_values(tf.cast(self.lookup(tokens.flat_values), tf.int32))

    def encode(self, texts: Sequence[str]) -> EncodedTexts:
        """Turn many strings into ids at once."""
        parts = [
            self._ids(tf.constant(list(texts[at : at + _TEXTS_AT_ONCE]), tf.string))
            for at in range(0, len(texts), _TEXTS_AT_ONCE)
        ]
        lengths = [part.row_lengths().numpy() for part in parts]
        tokens = [part.flat_values.numpy() for part in parts]
        starts = np.concatenate([[0], np.cumsum(np.concatenate([[], *lengths]))])
        return EncodedTexts(
            np.concatenate([np.empty(0), *tokens]).astype(np.int32), starts.astype(np.int64)
        )

    def to_json(self) -> str:
        """Return everything needed to make the same encoder again."""
        state = {
            "tokenizer": self.tokenizer,
            "max_length": self.max_length,
            "vocabulary": self.vocabulary,
        }
        return json.dumps(state, ensure_ascii=True, indent=0)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Make the encoder that `to_json` wrote down."""
        state: dict[str, Any] = json.loads(text)
        return cls(
            state["vocabulary"], tokenizer=state["tokenizer"], max_length=state["max_length"]
        )


def tokenize(texts: Sequence[str], tokenizer: str) -> list[list[str]]:
    """Return the tokens of each text, as the graph makes them.

    Example:
        >>> tokenize(["It's a good day."], "word")
        [["it's", 'a', 'good', 'day']]
    """
    split = _TOKENIZERS[tokenizer]
    tokens: list[list[str]] = []
    for at in range(0, len(texts), _TEXTS_AT_ONCE):
        rows = split(tf.constant(list(texts[at : at + _TEXTS_AT_ONCE]), tf.string))
        flat = [token.decode() for token in rows.flat_values.numpy()]
        ends = rows.row_splits.numpy()
        tokens += [flat[start:end] for start, end in pairwise(ends)]
    return tokens


def fit_encoder(texts: Sequence[str], config: TextConfig) -> TextEncoder:
    """Learn the vocabulary of the training texts: most frequent first, ties by the token.

    Raises:
        InputError: No token is frequent enough.
    """
    tokenizer = choose_tokenizer(texts) if config.tokenizer == "auto" else config.tokenizer
    counts = Counter(token for tokens in tokenize(texts, tokenizer) for token in tokens)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = [token for token, count in ranked if count >= config.min_count]
    known = known[: config.max_vocabulary - len(_SPECIAL)]
    return TextEncoder([*_SPECIAL, *known], tokenizer=tokenizer, max_length=config.max_length)


def count_tokens(texts: EncodedTexts, vocabulary_size: int) -> npt.NDArray[np.int64]:
    """Count how often each id occurs, `(vocabulary_size,)`."""
    return np.bincount(texts.tokens, minlength=vocabulary_size)

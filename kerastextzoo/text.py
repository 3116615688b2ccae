"""Text to token ids, inside the TensorFlow graph, so that training and serving can't disagree.

Id 0 is padding, id 1 any unknown token; no text becomes a row of padding alone: one without a
token is read as one unknown token. To add a tokenizer, add a function to `_TOKENIZERS`.

`jieba` needs the library of that name only to learn words. Ids come from the longest known words,
found in the graph, in training as in serving; so TensorFlow alone serves such a model, too.
"""

import json
import re
import warnings
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
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.spec import Config, Count
from kerastextzoo.tokenizers import HAN, LongestMatch, characters, cut_words, spaced_words, words

PADDING = ""
UNKNOWN = "[UNK]"
_SPECIAL = (PADDING, UNKNOWN)
_UNKNOWN_ID = 1
_TEXTS_AT_ONCE = 4096
_SAMPLE = 1000
_CHINESE_SHARE = 0.3
_GAP_SHARE = 0.2
_HAN = re.compile(f"[{HAN}]")
_GAP = re.compile(f"[{HAN}][ \t\u3000]+(?=[{HAN}])")


class TextConfig(Config):
    """How text becomes token ids."""

    tokenizer: Literal["auto", "word", "char", "jieba"] = "auto"
    """word, char, jieba (Chinese words; needs the extra zh), or auto: by looking at the text."""
    max_length: Count = 400
    """Tokens of a text that are read; the rest is cut off."""
    max_vocabulary: Annotated[int, Field(ge=3)] = 20_000
    """Most frequent tokens that are known, padding and unknown among them."""
    min_count: Count = 2
    """Times a token must occur in the training texts to be known."""


class TextWarning(UserWarning):
    """The texts are read, but probably not as they should be."""


_TOKENIZERS: dict[str, Callable[[tf.Tensor], tf.RaggedTensor]] = {
    "word": words,
    "char": characters,
}


def _writing(texts: Sequence[str]) -> str:
    """Say how a sample of the texts is written: `letters`, `Chinese` or `spaced Chinese`.

    Japanese counts as Chinese: neither puts spaces between words.
    """
    sample = "\n".join(text[:_SAMPLE] for text in texts[:: max(1, len(texts) // _SAMPLE)])
    letters = sum(character.isalpha() for character in sample)
    chinese = len(_HAN.findall(sample))
    if chinese <= _CHINESE_SHARE * letters:
        return "letters"
    # Words have about 1.6 characters, so that segmented text has a gap after every second one.
    return "spaced Chinese" if len(_GAP.findall(sample)) > _GAP_SHARE * chinese else "Chinese"


def choose_tokenizer(texts: Sequence[str]) -> str:
    """Return `char` where many letters are Chinese or Japanese without spaces, else `word`.

    Example:
        >>> choose_tokenizer(["今天天气很好"]), choose_tokenizer(["今天 天气 很 好"])
        ('char', 'word')
        >>> choose_tokenizer(["a fine day"])
        'word'
    """
    return "char" if _writing(texts) == "Chinese" else "word"


class TextEncoder:
    """Raw strings to token ids.

    Args:
        vocabulary: All tokens by id; the first two are padding and unknown.
        tokenizer: `word`, `char` or `jieba`.
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
        if tokenizer not in (*_TOKENIZERS, "jieba"):
            raise InputError(f"tokenizer {quoted(tokenizer)}: {nearest(tokenizer, _TOKENIZERS)}")
        self.vocabulary = tuple(vocabulary)
        self.tokenizer = tokenizer
        self.max_length = max_length
        # What a SavedModel must hold for the graph to find the tokens.
        self.lookup: Any = LongestMatch(vocabulary) if tokenizer == "jieba" else _table(vocabulary)

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Turn strings `(batch,)` into ids `(batch, steps)`, padded with 0; runs in a graph."""
        ids = self._ids(texts).to_tensor(0)
        # A batch without texts still has a step: recurrent layers need one.
        return tf.pad(ids, [[0, 0], [0, tf.cast(tf.shape(ids)[1] == 0, tf.int32)]])

    def _ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self.tokenizer == "jieba":
            ids = self.lookup(texts)[:, : self.max_length]
        else:
            tokens = _TOKENIZERS[self.tokenizer](texts)[:, : self.max_length]
            ids = tokens.with_flat_values(tf.cast(self.lookup(tokens.flat_values), tf.int32))
        nothing = tf.where(ids.row_lengths() == 0)[:, 0]
        stand_in = tf.RaggedTensor.from_value_rowids(
            tf.fill(tf.shape(nothing), _UNKNOWN_ID), nothing, nrows=ids.nrows()
        )
        return tf.concat([ids, stand_in], axis=1)

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


def _table(vocabulary: Sequence[str]) -> Any:
    # A list, never a file: a vocabulary file is split at characters that a token may hold.
    return keras.layers.StringLookup(
        vocabulary=list(vocabulary[2:]), mask_token=PADDING, oov_token=UNKNOWN
    )


def tokenize(texts: Sequence[str], tokenizer: str) -> list[list[str]]:
    """Return the tokens of each text: as the graph makes them, or as jieba cuts them.

    Raises:
        InputError: The tokenizer is `jieba`, and jieba is not installed.

    Example:
        >>> tokenize(["It's a good day."], "word")
        [["it's", 'a', 'good', 'day']]
    """
    tokens: list[list[str]] = []
    for at in range(0, len(texts), _TEXTS_AT_ONCE):
        part = tf.constant(list(texts[at : at + _TEXTS_AT_ONCE]), tf.string)
        if tokenizer == "jieba":
            tokens += [cut_words(text.decode()) for text in spaced_words(part).numpy()]
            continue
        rows = _TOKENIZERS[tokenizer](part)
        flat = [token.decode() for token in rows.flat_values.numpy()]
        tokens += [flat[start:end] for start, end in pairwise(rows.row_splits.numpy())]
    return tokens


def fit_encoder(texts: Sequence[str], config: TextConfig) -> TextEncoder:
    """Learn the vocabulary of the training texts: most frequent first, ties by the token.

    Raises:
        InputError: No token is frequent enough, or the tokenizer is not installed.

    Warns:
        TextWarning: The tokenizer is `word`, and the texts are Chinese without spaces.
    """
    tokenizer = choose_tokenizer(texts) if config.tokenizer == "auto" else config.tokenizer
    if tokenizer == "word" and _writing(texts) == "Chinese":
        warnings.warn(
            "the texts are Chinese or Japanese without spaces between words, so that each phrase "
            "is one token to the tokenizer word; use --tokenizer char or jieba",
            TextWarning,
            stacklevel=2,
        )
    counts = Counter(token for tokens in tokenize(texts, tokenizer) for token in tokens)
    if tokenizer == "jieba":
        # The graph reads a word that stays unknown character by character.
        rare = [(token, n) for token, n in counts.items() if n < config.min_count]
        for token, count in rare:
            for character in _HAN.findall(token) if len(token) > 1 else ():
                counts[character] += count
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = [token for token, count in ranked if count >= config.min_count]
    known = known[: config.max_vocabulary - len(_SPECIAL)]
    return TextEncoder([*_SPECIAL, *known], tokenizer=tokenizer, max_length=config.max_length)


def count_tokens(texts: EncodedTexts, vocabulary_size: int) -> npt.NDArray[np.int64]:
    """Count how often each id occurs, `(vocabulary_size,)`."""
    return np.bincount(texts.tokens, minlength=vocabulary_size)

"""Text to token ids, inside the TensorFlow graph, so that training and serving can't disagree.

Id 0 is padding, id 1 any unknown token; no text becomes a row of padding alone: one without a
token is read as one unknown token. To add a tokenizer, add a function to `_TOKENIZERS`.

`jieba` needs the library of that name only to learn words. Ids come from the longest known words,
found in the graph, in training as in serving; so TensorFlow alone serves such a model, too.
"""

import json
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from pydantic import Field

from kerastextzoo.batching import EncodedTexts
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.progress import Track, silent, tracked
from kerastextzoo.spec import Config, Count
from kerastextzoo.storage import parse_json
from kerastextzoo.token_places import Token, locate
from kerastextzoo.tokenizers import (
    HAN,
    LongestMatch,
    characters,
    cut_words,
    normalize,
    spaced_words,
    words,
)

PADDING = ""
UNKNOWN = "[UNK]"
_SPECIAL = (PADDING, UNKNOWN)
_UNKNOWN_ID = 1
_TEXTS_AT_ONCE = 4096
_Done = TypeVar("_Done")
_CHARACTERS_AT_ONCE = 2**22
_LONGEST_TEXT = 2**31 - 1
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
    vector_words: bool = True
    """Whether the first words of a file of vectors are known as well, while there is room."""


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

    FILE = "vocabulary.json"

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
        return _stand_in(self._all_ids(texts)[:, : self.max_length], _UNKNOWN_ID)

    def _all_ids(self, texts: tf.Tensor) -> tf.RaggedTensor:
        if self.tokenizer == "jieba":
            return self.lookup(texts)
        tokens = _TOKENIZERS[self.tokenizer](texts)
        return tokens.with_flat_values(tf.cast(self.lookup(tokens.flat_values), tf.int32))

    def encode(self, texts: Iterable[str]) -> EncodedTexts:
        """Turn many strings into ids at once."""
        return EncodedTexts.join(self.encode_parts(texts))

    def encode_parts(self, texts: Iterable[str]) -> Iterator[EncodedTexts]:
        """Turn strings into ids, some thousands at a time."""
        return _ahead(self._encode_part, texts)

    def _encode_part(self, part: list[str]) -> EncodedTexts:
        found = self._encode_strings(tf.constant(part, tf.string))
        return EncodedTexts(*(each.numpy() for each in found))

    def _encode_strings(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return ids laid end to end, where each text starts, and how many it has uncut."""
        every = self._all_ids(texts)
        ids = _stand_in(every[:, : self.max_length], _UNKNOWN_ID)
        return ids.flat_values, ids.row_splits, every.row_lengths()

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """Give the tokens whose ids `encode` gives, and where they stand in each text.

        A text without a token has none here.

        Example:
            >>> encoder = TextEncoder(["", "[UNK]", "good"], tokenizer="word", max_length=9)
            >>> encoder.tokens(["A GOOD day"])[0][1]
            Token(text='good', start=2, end=6)
        """
        rows = self._split(tf.constant(list(texts), tf.string)).to_list()
        read = [[token.decode() for token in row] for row in rows]
        return locate(texts, read, self._normalize)

    def _split(self, texts: tf.Tensor) -> tf.RaggedTensor:
        split = self.lookup.tokens if self.tokenizer == "jieba" else _TOKENIZERS[self.tokenizer]
        return split(texts)[:, : self.max_length]

    def _normalize(self, texts: tf.Tensor) -> tf.Tensor:
        return normalize(texts)

    def compile(self) -> None:
        """Trace the graphs, so that a call is many times faster; tracing takes seconds.

        For programs that read a few texts again and again.
        """
        for name in ("_encode_strings", "_split", "_normalize"):
            strings = [tf.TensorSpec((None,), tf.string)]
            setattr(self, name, tf.function(getattr(self, name), input_signature=strings))

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
        """Make the encoder that `to_json` wrote down.

        Raises:
            InputError: It wrote nothing like that.
        """
        state: Any = parse_json(text.encode(), Path(cls.FILE))
        known = isinstance(state, dict) and {"vocabulary", "tokenizer", "max_length"} <= {*state}
        if not known or not _is_vocabulary(state["vocabulary"]):
            raise InputError(f"{cls.FILE}: the vocabulary is not a list of different words")
        if type(state["max_length"]) is not int or not 0 < state["max_length"] <= _LONGEST_TEXT:
            told = f"max_length is {quoted(state['max_length'])}"
            raise InputError(f"{cls.FILE}: {told}; expected a number of tokens")
        return cls(
            state["vocabulary"], tokenizer=str(state["tokenizer"]), max_length=state["max_length"]
        )


def are_texts(found: list[Any]) -> bool:
    r"""Say whether all are strings that UTF-8 can hold.

    Example:
        >>> are_texts(["a", ""]), are_texts([1]), are_texts(["\ud800"])
        (True, False, False)
    """
    try:
        "".join(found).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def _is_vocabulary(found: Any) -> bool:
    return isinstance(found, list) and are_texts(found) and len({*found}) == len(found)


def _stand_in(ids: tf.RaggedTensor, unknown: int) -> tf.RaggedTensor:
    """Give each text that has no token one that is unknown."""
    nothing = tf.where(ids.row_lengths() == 0)[:, 0]
    stand_in = tf.RaggedTensor.from_value_rowids(
        tf.fill(tf.shape(nothing), unknown), nothing, nrows=ids.nrows()
    )
    return tf.concat([ids, stand_in], axis=1)


def _table(vocabulary: Sequence[str]) -> Any:
    # A list, never a file: a vocabulary file is split at characters that a token may hold.
    return keras.layers.StringLookup(
        vocabulary=list(vocabulary[2:]), mask_token=PADDING, oov_token=UNKNOWN
    )


def _ahead(work: Callable[[list[str]], _Done], texts: Iterable[str]) -> Iterator[_Done]:
    """Work on parts of the texts, several at once, and give the results in order."""
    at_once = os.cpu_count() or 1
    waiting = deque[Future[_Done]]()
    with ThreadPoolExecutor(at_once) as pool:
        for part in _parts(texts):
            waiting.append(pool.submit(work, part))
            if len(waiting) > at_once:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """Group texts into parts that are small in number and in length."""
    part, characters_left = list[str](), _CHARACTERS_AT_ONCE
    for text in texts:
        part.append(text)
        characters_left -= len(text)
        if len(part) == _TEXTS_AT_ONCE or characters_left < 0:
            yield part
            part, characters_left = [], _CHARACTERS_AT_ONCE
    if part:
        yield part


class _Decoded(dict[bytes, str]):
    """Strings by their bytes, each made once, however often it occurs."""

    def __missing__(self, token: bytes) -> str:
        self[token] = token.decode()
        return self[token]


def tokenize(texts: Iterable[str], tokenizer: str) -> Iterator[list[str]]:
    """Give the tokens of each text: as the graph makes them, or as jieba cuts them.

    Raises:
        InputError: The tokenizer is `jieba`, and jieba is not installed.

    Example:
        >>> list(tokenize(["It's a good day."], "word"))
        [["it's", 'a', 'good', 'day']]
    """
    decoded = _Decoded()
    for part in _parts(texts):
        strings = tf.constant(part, tf.string)
        if tokenizer == "jieba":
            yield from (cut_words(text.decode()) for text in spaced_words(strings).numpy())
            continue
        rows = _TOKENIZERS[tokenizer](strings)
        flat = [decoded[token] for token in rows.flat_values.numpy()]
        yield from (flat[start:end] for start, end in pairwise(rows.row_splits.numpy()))


class _Numbering:
    """Splits texts, numbers tokens as they come and counts them; number 0 is no token.

    Ids follow from the numbers as soon as all tokens are counted, so that texts are split once.
    """

    def __init__(self, tokenizer: str, max_length: int) -> None:
        self.split, self.max_length = _TOKENIZERS[tokenizer], max_length
        self.numbers: dict[bytes, int] = {b"": 0}
        self.counts = np.zeros(1, np.int64)

    def read(self, texts: Iterable[str]) -> Iterator[EncodedTexts]:
        """Give texts with numbers for ids, cut at the maximal length, counted whole."""
        for tokens, found, places, counts in _ahead(self._split, texts):
            numbers = np.array(
                [self.numbers.setdefault(token, len(self.numbers)) for token in found.numpy()],
                np.int32,
            )
            self.counts = np.pad(self.counts, (0, len(self.numbers) - len(self.counts)))
            self.counts[numbers] += counts.numpy()
            numbered = tokens.with_flat_values(tf.gather(numbers, places))
            cut = _stand_in(numbered[:, : self.max_length], 0)
            uncut = tokens.row_lengths().numpy()
            yield EncodedTexts(cut.flat_values.numpy(), cut.row_splits.numpy(), uncut)

    def _split(self, part: list[str]) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the tokens; and, so that Python sees each but once, those that differ."""
        tokens = self.split(tf.constant(part, tf.string))
        return tokens, *tf.unique_with_counts(tokens.flat_values, tf.int64)

    def counted(self) -> Counter[str]:
        """Return how often each token was met."""
        named = zip(self.numbers, self.counts.tolist(), strict=True)
        return Counter({token.decode(): count for token, count in named if token})

    def ids(self, vocabulary: Sequence[str]) -> npt.NDArray[np.int32]:
        """Return the id of each number."""
        ids = np.full(len(self.numbers), _UNKNOWN_ID, np.int32)
        for index, token in enumerate(vocabulary[len(_SPECIAL) :], len(_SPECIAL)):
            number = self.numbers.get(token.encode())
            if number is not None:
                ids[number] = index
        return ids


def tell_unsegmented(texts: Sequence[str], tokenizer: str) -> str | None:
    """Say that a tokenizer meets Chinese without spaces that can't split it; None if it can.

    Example:
        >>> tell_unsegmented(["今天天气很好"], "word")[:32]
        'the texts are Chinese or Japanes'
    """
    if tokenizer != "word" or _writing(texts) != "Chinese":
        return None
    return (
        "the texts are Chinese or Japanese without spaces between words, so that each phrase is "
        "one token to the tokenizer word; use --tokenizer char or jieba"
    )


def fit_encoder(texts: Sequence[str], config: TextConfig) -> TextEncoder:
    """Learn the vocabulary of the training texts: most frequent first, ties by the token.

    Raises:
        InputError: No token is frequent enough, or the tokenizer is not installed.
    """
    return fit_and_encode(texts, config)[0]


def fit_and_encode(
    texts: Sequence[str],
    config: TextConfig,
    scratch: Path | None = None,
    *,
    words: Iterable[str] = (),
    track: Track = silent,
) -> tuple[TextEncoder, Iterator[EncodedTexts]]:
    """Learn the vocabulary of the training texts, and encode them, part by part.

    Args:
        texts: What to learn from and to encode.
        config: The settings.
        scratch: A folder for what need not be in memory, used until the last part is given.
        words: Known as well, as far as there is room, for something is known about them: those
            that are one token each. Texts to come will have some that the training texts have not.
        track: Progress.

    Raises:
        InputError: No token is frequent enough, or the tokenizer is not installed.
    """
    tokenizer = choose_tokenizer(texts) if config.tokenizer == "auto" else config.tokenizer
    if tokenizer == "jieba":
        counts = Counter(token for tokens in tokenize(texts, tokenizer) for token in tokens)
        counts = _with_characters(counts, config.min_count)
        encoder = _make_encoder(counts, words, tokenizer, config)
        return encoder, encoder.encode_parts(texts)
    numbering = _Numbering(tokenizer, config.max_length)
    parts = tracked(numbering.read(texts), len(texts), "reading tokens of train", track)
    if scratch:
        EncodedTexts.write(scratch, parts)
        numbered = EncodedTexts.read(scratch)
    else:
        numbered = EncodedTexts.join(parts)
    encoder = _make_encoder(numbering.counted(), words, tokenizer, config)
    return encoder, numbered.with_ids(numbering.ids(encoder.vocabulary))


def _with_characters(counts: Counter[str], min_count: int) -> Counter[str]:
    """Count words that stay unknown by their characters, which is how the graph reads them."""
    rare = [(token, count) for token, count in counts.items() if count < min_count]
    for token, count in rare:
        for character in _HAN.findall(token) if len(token) > 1 else ():
            counts[character] += count
    return counts


def _make_encoder(
    counts: Counter[str], words: Iterable[str], tokenizer: str, config: TextConfig
) -> TextEncoder:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    known = [token for token, count in ranked if count >= config.min_count]
    if not known:
        # Words of elsewhere alone would hide that no text can be told from another.
        words = ()
    alone = (tokens[0] for tokens in tokenize(words, tokenizer) if len(tokens) == 1)
    # Each once, in this order.
    known = list(dict.fromkeys(chain(known, alone)))[: config.max_vocabulary - len(_SPECIAL)]
    return TextEncoder([*_SPECIAL, *known], tokenizer=tokenizer, max_length=config.max_length)


def count_tokens(texts: EncodedTexts, vocabulary_size: int) -> npt.NDArray[np.int64]:
    """Count how often each id occurs, `(vocabulary_size,)`."""
    return np.bincount(texts.tokens, minlength=vocabulary_size)

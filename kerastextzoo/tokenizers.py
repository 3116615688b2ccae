"""Ways to split text, each a TensorFlow graph that needs no other library; jieba to learn words.

Every tokenizer reads text that `normalize` has made uniform. Its table is fixed: it depends
neither on the version of Python nor, as TensorFlow's lower-casing does, on the locale.
"""

import importlib
import re
import unicodedata
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kerastextzoo.errors import InputError

#: Characters written without spaces between words: Han and Kana.
HAN = (
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf"
    "\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_HAN = re.compile(f"[{HAN}]")
_RANGES = np.array([[ord(pair[0]), ord(pair[-1])] for pair in re.findall(".-.", HAN)], np.int32)
_UNICODE = unicodedata.ucd_3_2_0  # The same in every version of Python.
_LAST_CODE = 0x2FFFF
_PAGE_BITS = 7
_PAGE = 1 << _PAGE_BITS
_CODE_BITS = 21


def _replacement(character: str) -> str:
    """Return the lower-case compatibility form of a character."""
    if _UNICODE.category(character) in {"Cn", "Cs", "Co"}:
        return character
    folded = _UNICODE.normalize("NFKC", character)
    spacing_accent = folded[0] == " " and len(folded) > 1
    raised_sign = unicodedata.decomposition(character).startswith("<super>") and (
        _UNICODE.category(character) == "So"
    )
    # Hangul letters would become parts of syllables that nothing here joins.
    if spacing_accent or raised_sign or any("\u1100" <= c <= "\u11ff" for c in folded):
        folded = character
    return "".join(c.lower() for c in folded)


class _Table:
    """What `normalize` puts for single characters, and for a character with the mark after it."""

    def __init__(self) -> None:
        replaced: dict[int, str] = {}
        pairs: dict[int, int] = {}
        for code in range(0x80, _LAST_CODE + 1):
            character = chr(code)
            if (text := _replacement(character)) != character:
                replaced[code] = text
                continue
            parts = _UNICODE.decomposition(character).split()
            joined = len(parts) == 2 and _UNICODE.normalize("NFC", character) == character  # noqa: PLR2004
            if joined and _is_mark(int(parts[1], 16)):
                pairs[(int(parts[0], 16) << _CODE_BITS) + int(parts[1], 16)] = code
        # Two levels, because few pages of the code space hold a change: page -> row -> text.
        numbers: dict[int, int] = {}
        for code in replaced:
            numbers.setdefault(code // _PAGE, len(numbers) + 1)
        self.pages = np.zeros(0x110000 // _PAGE, np.int32)
        self.pages[list(numbers)] = list(numbers.values())
        self.rows = np.zeros((len(numbers) + 1) * _PAGE, np.int32)
        self.rows[[numbers[c // _PAGE] * _PAGE + c % _PAGE for c in replaced]] = range(
            1, len(replaced) + 1
        )
        texts = ["?", *replaced.values()]
        self.codes = np.array([ord(c) for text in texts for c in text], np.int32)
        self.lengths = np.array([len(text) for text in texts], np.int32)
        self.starts = (np.cumsum(self.lengths) - self.lengths).astype(np.int32)
        self.pairs = np.array(sorted(pairs), np.int64)
        self.joined = np.array([pairs[pair] for pair in sorted(pairs)], np.int32)
        marks = [code for code in range(0x300, 0x3100) if _is_mark(code)]
        # Matches a text that has nothing to replace; invalid bytes match no class either.
        self.untouched = f"[^{_as_class(sorted({*replaced, *marks}))}]*"
        hard = [c for c, text in replaced.items() if len(text) > 1 or _is_mark(ord(text))]
        self.one_to_one = f"[^{_as_class(sorted({*hard, *marks}))}]*"
        self.single = np.concatenate([[0], [ord(text[0]) for text in replaced.values()]])
        self.single = self.single.astype(np.int32)[self.rows]


def _is_mark(code: int) -> bool:
    return 0x300 <= code <= 0x36F or code in {0x3099, 0x309A}  # noqa: PLR2004


def _as_class(codes: Sequence[int]) -> str:
    cuts = np.flatnonzero(np.diff(codes) > 1) + 1
    runs = np.split(np.array(codes), cuts)
    return "".join(rf"\x{{{run[0]:x}}}-\x{{{run[-1]:x}}}" for run in runs)


_table = cache(_Table)


@cache
def joins(character: str) -> bool:
    r"""Say whether `normalize` may join a character with the one before it.

    Example:
        >>> joins("\u0301"), joins("e")
        (True, False)
    """
    return _is_mark(ord(_replacement(character)[0]))


def normalize(texts: tf.Tensor) -> tf.Tensor:
    r"""Give characters that mean the same one form, in lower case; runs in a graph.

    This is NFKC and lower case, character by character, then joining letters with their accents.
    Kept as they are: Hangul letters, free-standing accents and raised signs such as (TM).
    Bytes that are not UTF-8 become U+FFFD.

    Example:
        >>> normalize(tf.constant(["\uff26\uff35\uff2c\uff2c\u3000E\u0301"])).numpy()[0].decode()
        'full é'
    """
    texts = tf.strings.lower(texts)
    # The only common sign that grows.
    texts = tf.strings.regex_replace(texts, "\u2026", "...")
    rows = tf.where(~tf.strings.regex_full_match(texts, _table().untouched))
    part = tf.gather_nd(texts, rows)
    simple = tf.strings.regex_full_match(part, _table().one_to_one)
    for chosen, change in ((simple, _replace_single), (~simple, _replace)):
        where = tf.boolean_mask(rows, chosen)
        codes = tf.strings.unicode_decode(tf.gather_nd(texts, where), "UTF-8", errors="replace")
        changed = tf.strings.unicode_encode(change(codes), "UTF-8")
        texts = tf.tensor_scatter_nd_update(texts, where, changed)
    return texts


def _look_up(table: npt.NDArray[np.int32], codes: tf.Tensor) -> tf.Tensor:
    pages = tf.gather(_table().pages, tf.bitwise.right_shift(codes, _PAGE_BITS))
    return tf.gather(table, pages * _PAGE + tf.bitwise.bitwise_and(codes, _PAGE - 1))


def _replace_single(codes: tf.RaggedTensor) -> tf.RaggedTensor:
    flat = codes.flat_values
    found = _look_up(_table().single, flat)
    return codes.with_flat_values(tf.where(found == 0, flat, found))


def _replace(codes: tf.RaggedTensor) -> tf.RaggedTensor:
    table, flat = _table(), codes.flat_values
    rows = _look_up(table.rows, flat)
    itself = len(table.codes) + tf.range(tf.size(flat))
    starts = tf.where(rows == 0, itself, tf.gather(table.starts, rows))
    lengths = tf.gather(table.lengths, rows)
    places = tf.ragged.range(starts, starts + lengths).flat_values
    ends = tf.concat([[0], tf.cumsum(lengths)], axis=0)
    replaced = tf.RaggedTensor.from_row_splits(
        tf.gather(tf.concat([table.codes, flat], axis=0), places),
        tf.cast(tf.gather(ends, codes.row_splits), tf.int64),
        validate=False,
    )
    return _join_marks(_join_marks(replaced))


def _join_marks(codes: tf.RaggedTensor) -> tf.RaggedTensor:
    table, flat = _table(), codes.flat_values
    is_mark = ((flat >= 0x300) & (flat <= 0x36F)) | (flat == 0x3099) | (flat == 0x309A)  # noqa: PLR2004
    marks = tf.where(is_mark)[:, 0]
    first = tf.gather(codes.row_starts(), tf.gather(codes.value_rowids(), marks))
    marks = tf.boolean_mask(marks, marks > first)
    pairs = tf.cast(tf.gather(flat, marks - 1), tf.int64) * 2**_CODE_BITS
    pairs += tf.cast(tf.gather(flat, marks), tf.int64)
    found = tf.minimum(tf.searchsorted(table.pairs, pairs), len(table.pairs) - 1)
    known = tf.gather(table.pairs, found) == pairs
    marks, found = tf.boolean_mask(marks, known)[:, None], tf.boolean_mask(found, known)
    flat = tf.tensor_scatter_nd_update(flat, marks - 1, tf.gather(table.joined, found))
    dropped = tf.zeros_like(flat, tf.bool)
    dropped = tf.tensor_scatter_nd_update(dropped, marks, tf.ones_like(found, tf.bool))
    return tf.ragged.boolean_mask(codes.with_flat_values(flat), codes.with_flat_values(~dropped))


def spaced_words(texts: tf.Tensor) -> tf.Tensor:
    """Return normalised texts with nothing but tokens and spaces between them."""
    texts = tf.strings.regex_replace(normalize(texts), "\u2019", "'")
    texts = tf.strings.regex_replace(texts, r"[!?\p{So}]", r" \0 ")
    # Spaces are left out of the class for speed: most of what it would match are single ones.
    texts = tf.strings.regex_replace(texts, r"[^ \p{L}\p{M}\p{N}!?\p{So}']+", " ")
    texts = tf.strings.regex_replace(texts, r"'+( |$)", " ")
    return tf.strings.regex_replace(texts, r"(^| )'+", " ")


def words(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split at all but letters, digits and inner apostrophes; `!`, `?`, emoji are tokens."""
    return tf.strings.split(spaced_words(texts))


def characters(texts: tf.Tensor) -> tf.RaggedTensor:
    """Split into single characters without spaces and controls, Latin letters and digits too.

    Files of character vectors have no longer tokens. On 45,000 Chinese headlines, of which a
    tenth is letters and digits, such a file covers 98.7 % of single characters; 95.6 % if runs of
    letters or digits stay whole, and then 28 % of the vocabulary has no vector instead of 0.1 %.
    """
    texts = tf.strings.regex_replace(normalize(texts), r"[\p{Z}\p{C}]+", "")
    return tf.strings.unicode_split(texts, "UTF-8", errors="replace")


@cache
def _jieba() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of escapes in its source and of pkg_resources.
            jieba = importlib.import_module("jieba")
    except ImportError:
        raise InputError(
            "tokenizer jieba learns words with jieba, which is not installed; "
            "pip install kerastextzoo[zh]"
        ) from None
    cutter = jieba.Tokenizer()
    # Its own start reads a marshal file from the shared temporary folder: anybody's code.
    cutter.FREQ, cutter.total = cutter.gen_pfdict(cutter.get_dict_file())
    cutter.initialized = True
    return cutter


def cut_words(text: str) -> list[str]:
    """Cut a text that `spaced_words` has made, with jieba; runs of letters and digits stay whole.

    Raises:
        InputError: jieba is not installed.
    """
    tokens: list[str] = []
    for piece in text.split(" "):
        joins = False
        for token in _jieba().cut(piece) if _HAN.search(piece) else [piece] * bool(piece):
            if joins and not _HAN.match(token):
                tokens[-1] += token
            else:
                tokens.append(token)
            joins = not _HAN.match(tokens[-1][-1])
    return tokens


class LongestMatch(tf.Module):  # type: ignore[misc]
    """Split text into the longest known words, left to right, and look them up at once.

    A run of letters or digits is never cut; where no known word begins, it is one unknown token,
    and so is a single Han character.

    Args:
        vocabulary: Words by id; the first two, padding and unknown, are never found.

    Example:
        >>> LongestMatch(["", "[UNK]", "中国", "中国人", "民"])(tf.constant(["中国人民x中国"]))
        <tf.RaggedTensor [[3, 4, 1, 2]]>
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        super().__init__()
        edges: dict[int, int] = {}
        ids = [0]
        for number, word in enumerate(vocabulary[2:], start=2):
            node = 0
            for character in word:
                node = edges.setdefault((node << _CODE_BITS) + ord(character), len(edges) + 1)
                if node == len(ids):
                    ids.append(0)
            ids[node] = number
        self._ids = np.array(ids, np.int32)
        pairs = tf.lookup.KeyValueTensorInitializer(
            np.array([*edges], np.int64), np.array([*edges.values()], np.int64)
        )
        self._edges = tf.lookup.StaticHashTable(pairs, default_value=-1)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Turn strings `(batch,)` into ids."""
        codes, begins, _, ids = self._find(texts)
        return _in_rows(tf.gather(ids, begins), begins, codes)

    def tokens(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Turn strings `(batch,)` into the tokens whose ids a call gives."""
        codes, begins, ends, _ = self._find(texts)
        places = tf.ragged.range(begins, tf.gather(ends, begins))
        found = tf.ragged.map_flat_values(tf.gather, codes.flat_values, places)
        return _in_rows(tf.strings.unicode_encode(found, "UTF-8"), begins, codes)

    def _find(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return the codes, where tokens begin, and for each place where one ends and its id."""
        # A space at each end: no word crosses it, so all texts can be searched as one.
        codes = tf.strings.unicode_decode(tf.strings.join([" ", spaced_words(texts), " "]), "UTF-8")
        flat = codes.flat_values
        space = flat == ord(" ")
        whole = ~space & ~tf.reduce_any(
            (flat[:, None] >= _RANGES[:, 0]) & (flat[:, None] <= _RANGES[:, 1]), axis=1
        )
        inside = tf.concat(
            [whole[:-1] & whole[1:], tf.fill([tf.minimum(tf.size(flat), 1)], False)], 0
        )
        ends, ids = self._longest(tf.cast(flat, tf.int64), space, ~inside)
        starts = tf.where(space[:-1] & ~space[1:])[:, 0] + 1
        return codes, tf.sort(_follow(starts, ends, space)), ends, ids

    def _longest(
        self, flat: tf.Tensor, space: tf.Tensor, may_end: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return where the longest word from each place ends (exclusive), and its id."""
        places = tf.where(may_end[:-1] & ~space[1:])[:, 0] + 1
        stops = tf.where(may_end)[:, 0] + 1
        ends = tf.gather(stops, tf.cumsum(tf.cast(may_end, tf.int64), exclusive=True))
        ids = tf.ones_like(flat, tf.int32)

        def step(
            at: tf.Tensor, here: tf.Tensor, node: tf.Tensor, ends: tf.Tensor, ids: tf.Tensor
        ) -> tuple[tf.Tensor, ...]:
            node = self._edges.lookup(node * 2**_CODE_BITS + tf.gather(flat, at))
            at, here, node = (tf.boolean_mask(x, node >= 0) for x in (at, here, node))
            number = tf.gather(self._ids, node)
            hit = (number > 0) & tf.gather(may_end, at)
            hits = tf.boolean_mask(here, hit)[:, None]
            ends = tf.tensor_scatter_nd_update(ends, hits, tf.boolean_mask(at, hit) + 1)
            ids = tf.tensor_scatter_nd_update(ids, hits, tf.boolean_mask(number, hit))
            return at + 1, here, node, ends, ids

        _, _, _, ends, ids = tf.while_loop(
            lambda at, *_: tf.size(at) > 0,
            step,
            (places, places, tf.zeros_like(places), ends, ids),
            shape_invariants=(*[tf.TensorShape([None])] * 5,),
        )
        return ends, ids


def _in_rows(values: tf.Tensor, begins: tf.Tensor, codes: tf.RaggedTensor) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_value_rowids(
        values, tf.gather(codes.value_rowids(), begins), codes.nrows()
    )


def _follow(starts: tf.Tensor, following: tf.Tensor, stop: tf.Tensor) -> tf.Tensor:
    """Return the places met on the way from `starts`, doubling the stride until all stopped."""

    def step(met: tf.Tensor, _: tf.Tensor, jump: tf.Tensor) -> tuple[tf.Tensor, ...]:
        new = tf.gather(jump, met)
        new = tf.boolean_mask(new, ~tf.gather(stop, new))
        return tf.concat([met, new], axis=0), tf.size(new), tf.gather(jump, jump)

    places = tf.range(tf.size(following, tf.int64))
    met, _, _ = tf.while_loop(
        lambda _, new, __: new > 0,
        step,
        (starts, tf.size(starts), tf.where(stop, places, following)),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([]), tf.TensorShape([None])),
    )
    return met

"""Line word vectors up with a vocabulary, and say how much of it they cover."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy
from gensim.models import KeyedVectors

from kerastextzoo.embeddings._checks import EmbeddingWarning
from kerastextzoo.errors import InputError, named, quoted
from kerastextzoo.seeds import derive_seed

LEAST_COVERAGE = 0.05
_LOW_COVERAGE = 0.3
_FIRST_WORD = 2  # row 0 is padding, row 1 the unknown word
_MISSING_SHOWN = 20
_FULL_WIDTH = 0xFEE0  # from an ASCII character to its full-width form
_SMALL = 0.05  # half-width of the random values when no found vector sets a scale


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How much of a vocabulary has a vector; padding and the unknown word are not counted.

    Example:
        >>> from kerastextzoo.embeddings import Coverage
        >>> print(Coverage(types_found=3, types_total=4, missing=("of",)))
        vectors for 3 of 4 words (75.0 %); without one: 'of'
    """

    types_found: int
    types_total: int
    tokens_found: int | None = None  # None: nobody counted the tokens
    tokens_total: int | None = None
    missing: tuple[str, ...] = ()  # the most frequent words without a vector, at most 20

    @property
    def types(self) -> float:
        """Share of the different words that have a vector."""
        return self.types_found / self.types_total if self.types_total else 0.0

    @property
    def tokens(self) -> float | None:
        """Share of all the words in the texts that have a vector, or None."""
        if self.tokens_found is None or self.tokens_total is None:
            return None
        return self.tokens_found / self.tokens_total if self.tokens_total else 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the fields and the two shares, ready for JSON."""
        fields = asdict(self) | {"missing": list(self.missing)}
        return fields | {"types": self.types, "tokens": self.tokens}

    def __str__(self) -> str:
        line = f"vectors for {self.types_found} of {self.types_total} words ({_percent(self.types)}"
        line += ")" if self.tokens is None else f"; {_percent(self.tokens)} of the tokens)"
        return f"{line}; without one: {_listed(self.missing)}" if self.missing else line


def spellings(word: str) -> tuple[str, ...]:
    r"""Return the spellings under which a word is looked up, the first one first.

    >>> spellings("paris")
    ('paris', 'paris', 'Paris', 'PARIS')
    >>> spellings("?")[-1]
    '\uff1f'
    """
    tried = (word, word.lower(), word.capitalize(), word.upper())
    # Chinese character vectors often have punctuation in its full-width form alone.
    full_width = word.isascii() and len(word) == 1 and word.isprintable() and word != " "
    return (*tried, chr(ord(word) + _FULL_WIDTH)) if full_width else tried


def coverage_of(counts: Mapping[str, int], vectors: KeyedVectors) -> Coverage:
    """Say how much of the words of some texts has a vector, looked up as `embedding_matrix` does.

    Args:
        counts: How often each word occurs.
        vectors: From `load_vectors` or `train_word2vec`.

    Example:
        >>> from gensim.models import KeyedVectors
        >>> vectors = KeyedVectors(1)
        >>> vectors.add_vectors(["Paris"], [[1.0]])
        >>> print(coverage_of({"paris": 3, "of": 1}, vectors))
        vectors for 1 of 2 words (50.0 %; 75.0 % of the tokens); without one: 'of'
    """
    index = vectors.key_to_index
    ranked = sorted(counts, key=lambda word: (-counts[word], word))
    missing = [word for word in ranked if not any(s in index for s in spellings(word))]
    total = sum(counts.values())
    return Coverage(
        types_found=len(ranked) - len(missing),
        types_total=len(ranked),
        tokens_found=total - sum(counts[word] for word in missing),
        tokens_total=total,
        missing=tuple(missing[:_MISSING_SHOWN]),
    )


def loading_of(vectors: KeyedVectors) -> dict[str, Any]:
    """Return what `load_vectors` saw in the file of these vectors; nothing if there was no file."""
    events = getattr(vectors, "lifecycle_events", None) or []
    return next((event for event in events if event["event"] == "load_vectors"), {})


def embedding_matrix(
    vocabulary: Sequence[str],
    vectors: KeyedVectors,
    *,
    seed: int = 0,
    counts: Sequence[int] | None = None,
    minimum_coverage: float = LEAST_COVERAGE,
) -> tuple[numpy.ndarray, Coverage]:
    """Return the matrix whose row i is the vector of `vocabulary[i]`, and its coverage.

    A word is looked up as it is, then lower-cased, Capitalised and in UPPER CASE. Words without a
    vector, and the unknown word, get normal random values as spread out as the vectors found.

    Args:
        vocabulary: Words, most frequent first. Row 0 must be the padding "", row 1 is the
            unknown word.
        vectors: From `load_vectors` or `train_word2vec`.
        seed: Of the random rows.
        counts: How often each word of the vocabulary occurs, for the coverage of tokens.
        minimum_coverage: The share of tokens (of types, without `counts`) that must have a
            vector, from 0 to 1.

    Returns:
        The matrix `(words, dim)` in float32, and the coverage.

    Raises:
        InputError: The vocabulary or `counts` is malformed, or too few words have a vector.

    Warns:
        EmbeddingWarning: Less than 30 % have one.

    Example:
        >>> from gensim.models import KeyedVectors
        >>> from kerastextzoo.embeddings import embedding_matrix
        >>> vectors = KeyedVectors(2)
        >>> vectors.add_vectors(["Paris", "in"], [[1.0, 2.0], [3.0, 4.0]])
        >>> matrix, coverage = embedding_matrix(["", "[UNK]", "in", "paris", "zzz"], vectors)
        >>> matrix[[0, 2, 3]].tolist()
        [[0.0, 0.0], [3.0, 4.0], [1.0, 2.0]]
        >>> print(coverage)
        vectors for 2 of 3 words (66.7 %); without one: 'zzz'
    """
    _check(vocabulary, counts, minimum_coverage)
    index = vectors.key_to_index
    rows, sources = [], []
    for row, word in enumerate(vocabulary[_FIRST_WORD:], _FIRST_WORD):
        source = next((index[s] for s in spellings(word) if s in index), None)
        if source is not None:
            rows.append(row)
            sources.append(source)
    coverage = _coverage(vocabulary, set(rows), counts)
    share = coverage.types if coverage.tokens is None else coverage.tokens
    path = loading_of(vectors).get("path")
    where = f"{named(path)}: " if path else ""
    told = f"got {coverage}; case or language mismatch? unsegmented Chinese?"
    unit = "types" if coverage.tokens is None else "tokens"
    if share < minimum_coverage:
        least = f"at least {_percent(minimum_coverage)} of the {unit} must have a vector"
        raise InputError(f"{where}{least}; {told}")
    if share < _LOW_COVERAGE:
        few = f"less than {_percent(_LOW_COVERAGE)} of the {unit} have a vector"
        warnings.warn(f"{where}{few}; {told}", EmbeddingWarning, stacklevel=2)
    matrix = numpy.zeros((len(vocabulary), vectors.vector_size), dtype=numpy.float32)
    matrix[rows] = vectors.vectors[sources]
    empty = numpy.ones(len(vocabulary), dtype=bool)
    empty[[0, *rows]] = False
    matrix[empty] = _random_rows(int(empty.sum()), matrix[rows], seed)
    return matrix, coverage


def _random_rows(number: int, found: numpy.ndarray, seed: int) -> numpy.ndarray:
    random = numpy.random.default_rng(derive_seed(seed, "rows without a vector"))
    shape = (number, found.shape[1])
    deviation = found.std(dtype=numpy.float64) if found.size else 0.0
    if deviation > 0:
        return random.normal(0.0, deviation, shape)
    return random.uniform(-_SMALL, _SMALL, shape)


def _coverage(vocabulary: Sequence[str], found: set[int], counts: Sequence[int] | None) -> Coverage:
    words = [
        row
        for row in range(_FIRST_WORD, len(vocabulary))
        # A vocabulary may have words that the texts have not.
        if counts is None or counts[row]
    ]
    missing = [row for row in words if row not in found]
    if counts is not None:
        missing.sort(key=lambda row: -counts[row])
    return Coverage(
        types_found=len(words) - len(missing),
        types_total=len(words),
        tokens_found=None if counts is None else int(sum(counts[row] for row in found)),
        tokens_total=None if counts is None else int(sum(counts[row] for row in words)),
        missing=tuple(vocabulary[row] for row in missing[:_MISSING_SHOWN]),
    )


def _check(vocabulary: Sequence[str], counts: Sequence[int] | None, minimum: float) -> None:
    if isinstance(vocabulary, str) or len(vocabulary) < _FIRST_WORD or vocabulary[0] != "":
        raise InputError(
            "a vocabulary must begin with '' for padding and a word for unknown words; "
            f"got {quoted(list(vocabulary[:3]))}; put these two in front"
        )
    if counts is not None and len(counts) != len(vocabulary):
        raise InputError(
            f"`counts` must have one number per word of the vocabulary; got {len(counts)} counts "
            f"for {len(vocabulary)} words; rows 0 and 1 count too"
        )
    if not 0 <= minimum <= 1:
        raise InputError(
            f"`minimum_coverage` must be a share from 0 to 1; got {quoted(minimum)}; "
            "write 0.5 for 50 %"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _listed(words: Sequence[str], shown: int = 5) -> str:
    return ", ".join(map(quoted, words[:shown])) + (", ..." if len(words) > shown else "")

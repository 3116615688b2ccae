"""What a set of word vectors is worth: its size, its neighbours, what it covers and answers."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gensim.models import KeyedVectors

from kerastextzoo.embeddings._checks import at_least
from kerastextzoo.embeddings.matrix import Coverage, coverage_of, loading_of, spellings
from kerastextzoo.embeddings.questions import Question, SectionScore, answer_questions
from kerastextzoo.errors import InputError, quoted

_ASKED_FOR_A_START = 5
_SHORT = 3
_LOOKED_THROUGH = 20_000  # for a misspelt word; more would take seconds


@dataclass(frozen=True)
class VectorsInspection:
    """What `inspect_vectors` found.

    Attributes:
        words: How many have a vector.
        dim: Length of a vector.
        format: Of the file that they were loaded from, or None.
        duplicates: Words that the file has more than once.
        coverage: Of the texts, if their words were given.
        neighbours: For each word asked for, the nearest words with their cosines.
        analogies: The score of each section of questions, if some were given.
    """

    words: int
    dim: int
    format: str | None
    duplicates: int
    coverage: Coverage | None
    neighbours: dict[str, list[tuple[str, float]]]
    analogies: list[SectionScore] | None

    @property
    def accuracy(self) -> float | None:
        """Share of all questions asked that were answered right."""
        asked = sum(section.asked for section in self.analogies or [])
        right = sum(section.right for section in self.analogies or [])
        return right / asked if asked else None

    def as_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        neighbours = {
            word: [{"word": near, "cosine": cosine} for near, cosine in found]
            for word, found in self.neighbours.items()
        }
        analogies = None
        if self.analogies is not None:
            sections = [section.as_dict() for section in self.analogies]
            analogies = {"accuracy": self.accuracy, "sections": sections}
        return {
            "words": self.words,
            "dim": self.dim,
            "format": self.format,
            "duplicates": self.duplicates,
            "coverage": self.coverage and self.coverage.as_dict(),
            "neighbours": neighbours,
            "analogies": analogies,
        }


def inspect_vectors(
    vectors: KeyedVectors,
    *,
    counts: Mapping[str, int] | None = None,
    words: Sequence[str] | None = None,
    questions: dict[str, list[Question]] | None = None,
    neighbours: int = 5,
) -> VectorsInspection:
    """Look at word vectors; nothing is changed.

    Args:
        vectors: From `load_vectors` or a training.
        counts: How often each word of some texts occurs, for the coverage.
        words: Words whose neighbours are of interest. Without them: the most frequent words of
            the texts that have a vector, or the first ones of the file.
        questions: From `read_questions`.
        neighbours: How many a word.

    Raises:
        InputError: One of the words has no vector.

    Example:
        >>> from kerastextzoo.embeddings import train_word2vec
        >>> found = inspect_vectors(train_word2vec([["good", "film"]], dim=4), words=["good"])
        >>> found.words, found.dim, found.neighbours["good"][0][0]
        (2, 4, 'film')
    """
    at_least("neighbours", neighbours, 1)
    seen = loading_of(vectors)
    asked = _first_words(vectors, counts) if words is None else words
    return VectorsInspection(
        words=len(vectors.index_to_key),
        dim=vectors.vector_size,
        format=seen.get("format"),
        duplicates=seen.get("duplicates", 0),
        coverage=None if counts is None else coverage_of(counts, vectors),
        neighbours={word: _neighbours(word, vectors, neighbours) for word in asked},
        analogies=None if questions is None else answer_questions(vectors, questions),
    )


def _first_words(vectors: KeyedVectors, counts: Mapping[str, int] | None) -> list[str]:
    """Return a few frequent words, those of one or two letters left out where others are."""
    pool = list(vectors.index_to_key)
    if counts is not None:
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        pool = [word for word in ranked if _spelt(word, vectors)]
    pool.sort(key=lambda word: len(word) < _SHORT)
    return pool[:_ASKED_FOR_A_START]


def _spelt(word: str, vectors: KeyedVectors) -> str | None:
    return next((s for s in spellings(word) if s in vectors.key_to_index), None)


def _neighbours(word: str, vectors: KeyedVectors, number: int) -> list[tuple[str, float]]:
    known = _spelt(word, vectors)
    if known is None:
        close = difflib.get_close_matches(word, vectors.index_to_key[:_LOOKED_THROUGH], n=3)
        way = f"did you mean {', '.join(map(quoted, close))}?" if close else "name another word"
        raise InputError(f"no vector for the word {quoted(word)}; {way}")
    return [(near, float(cosine)) for near, cosine in vectors.most_similar(known, topn=number)]

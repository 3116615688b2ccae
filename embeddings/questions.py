"""Questions such as Athens : Greece = Oslo : ?, and how many of them vectors answer."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy
from gensim.models import KeyedVectors

from kerastextzoo.data import load_texts
from kerastextzoo.embeddings.matrix import spellings
from kerastextzoo.errors import InputError, named, quoted

_SHOWN = 5
_WORDS = 4
_AT_ONCE = 2**24  # cosines
Question = tuple[str, str, str, str]


@dataclass(frozen=True)
class SectionScore:
    """How one section of questions was answered.

    Attributes:
        name: As the file has it.
        right: Questions whose fourth word was found.
        asked: Questions all of whose words have a vector; the others are skipped.
        total: All questions.
    """

    name: str
    right: int
    asked: int
    total: int

    @property
    def accuracy(self) -> float | None:
        """Share of the asked questions that were answered right; None if none was asked."""
        return self.right / self.asked if self.asked else None

    def as_dict(self) -> dict[str, object]:
        """Return the fields and the accuracy, ready for JSON."""
        return asdict(self) | {"accuracy": self.accuracy}


def read_questions(path: str | os.PathLike[str]) -> dict[str, list[Question]]:
    """Read questions in word2vec's format: `: section`, then four words a line.

    Raises:
        InputError: The file can't be read, or lines are neither of the two.
    """
    name = named(path)
    if Path(str(path).lower().removesuffix(".gz")).suffix != ".txt":
        raise InputError(f"{name}: questions are read from a .txt or .txt.gz file; rename it")
    sections: dict[str, list[Question]] = {}
    bad: list[str] = []
    current: list[Question] | None = None
    for number, line in enumerate(load_texts(path), 1):
        words = line.split()
        if not words:
            continue
        if words[0].startswith(":"):
            section = line.strip().removeprefix(":").strip()
            if not section or section in sections:
                bad.append(f"line {number}: a section without a name or named twice")
            current = sections.setdefault(section, [])
        elif current is None:
            bad.append(f"line {number}: words before the first ': section'")
        elif len(words) != _WORDS:
            bad.append(f"line {number}: {len(words)} words, {quoted(line)}")
        else:
            current.append((words[0], words[1], words[2], words[3]))
    if bad:
        many = f"{len(bad)} bad lines: " if len(bad) > 1 else ""
        told = "; ".join(bad[:_SHOWN])
        raise InputError(f"{name}: {many}{told}; expected ': section' or four words; mend them")
    if not any(sections.values()):
        raise InputError(f"{name}: no question; expected ': section', then four words a line")
    return sections


def answer_questions(
    vectors: KeyedVectors, sections: dict[str, list[Question]]
) -> list[SectionScore]:
    """Score vectors section by section.

    The answer to `a b c ?` is the word nearest to b - a + c by cosine, none of the three. Words
    are looked up as `embedding_matrix` does.
    """
    norms = numpy.linalg.norm(vectors.vectors, axis=1, keepdims=True)
    table = vectors.vectors / numpy.maximum(norms, numpy.finfo(numpy.float32).tiny)
    return [_score(name, questions, vectors, table) for name, questions in sections.items()]


def _score(
    name: str, questions: Sequence[Question], vectors: KeyedVectors, table: numpy.ndarray
) -> SectionScore:
    index = vectors.key_to_index
    found = [[_place(word, index) for word in question] for question in questions]
    asked = numpy.array([row for row in found if None not in row], dtype=int).reshape(-1, _WORDS)
    right = 0
    step = max(1, _AT_ONCE // len(table))
    for start in range(0, len(asked), step):
        a, b, c, d = asked[start : start + step].T
        likeness = (table[b] - table[a] + table[c]) @ table.T
        rows = numpy.arange(len(a))
        for given in (a, b, c):
            likeness[rows, given] = -numpy.inf
        right += int((likeness.argmax(axis=1) == d).sum())
    return SectionScore(name, right, len(asked), len(questions))


def _place(word: str, index: dict[str, int]) -> int | None:
    return next((index[s] for s in spellings(word) if s in index), None)

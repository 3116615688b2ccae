"""Read word vectors from files that other tools wrote, trusting nothing in them.

Our own reader, for gensim's allocates what a header says before it reads a row, accepts damaged
rows in silence, follows URLs, and its `load` unpickles. To add a format, see `_rows.py`.
"""

import os
import warnings
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

import numpy
from gensim.models import KeyedVectors

from kerastextzoo.embeddings import _rows
from kerastextzoo.embeddings._checks import EmbeddingWarning
from kerastextzoo.embeddings._files import opened, unreadable
from kerastextzoo.embeddings.matrix import spellings
from kerastextzoo.errors import InputError, named, quoted

_BOM = b"\xef\xbb\xbf"
_REPLACEMENT = "\ufffd"
_DIGITS = 18  # more would be no number of rows, and slow to convert


def load_vectors(
    path: str | os.PathLike[str],
    *,
    words: Collection[str] | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
) -> KeyedVectors:
    r"""Read word2vec's binary or text format, or GloVe's text format, each also gzipped.

    The format is seen from the content, not from the name. Rows are numbered from 1, without the
    header. Memory follows the rows that are kept, whatever the header promises.

    Args:
        path: A regular local file.
        words: Keep only these words, and the spellings under which `embedding_matrix` looks them
            up. Of the other rows only the word and the number of values are checked.
        encoding: Of the words.
        errors: `strict` refuses words that can't be decoded, `replace` counts and replaces what is
            wrong in them.

    Returns:
        The vectors in the order of the file; `.vectors` has the shape `(words, dim)`. What was
        seen in the file (`path`, `format`, `rows`, `duplicates`, `replaced`) is in
        `.lifecycle_events[-1]`.

    Raises:
        InputError: The file is missing, of another kind, damaged, or not what its header says.

    Warns:
        EmbeddingWarning: A word occurs twice (its first vector is kept), had bytes replaced or, in
            a text file, holds control characters (it is kept; some published vectors have such
            words).

    Example:
        >>> import pathlib, tempfile
        >>> from kerastextzoo.embeddings import load_vectors
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "glove.txt")
        ...     _ = path.write_text("good 0.5 1\nbad -0.5 -1\n")
        ...     vectors = load_vectors(path)
        >>> vectors["bad"].tolist()
        [-0.5, -1.0]
    """
    _check_encoding(encoding, errors)
    if isinstance(words, str):
        raise InputError(f"`words` must be a collection of words; got {quoted(words)}; use a list")
    wanted = None if words is None else {s for word in words for s in spellings(word)}
    name = named(path)
    with opened(path) as (stream, size):
        form, promised = _detect(stream, size, name)
        table = _Table(wanted)
        _fill(table, form, stream, encoding, errors)
    table.raise_for_bad_rows(name)
    found = f"{table.read} rows" + (f" and {form.leftover} bytes" if form.leftover else "")
    if form.leftover or promised not in (None, table.read):
        raise InputError(
            f"{name}: the header promises {promised} rows of {form.width} values; found {found}; "
            "file truncated, header wrong, or a word with a space?"
        )
    table.warn(name)
    vectors = table.vectors(form.width)
    kind = "GloVe text" if promised is None else f"word2vec {form.name}"
    vectors.add_lifecycle_event(
        "load_vectors",
        path=os.fspath(path),
        format=kind,
        rows=table.read,
        duplicates=table.duplicates.count,
        replaced=table.replaced.count,
    )
    return vectors


def first_words(path: str | os.PathLike[str], most: int) -> list[str]:
    r"""Return the words of the first `most` rows, which most tools write most frequent first.

    Rows whose word can't be read are left out; `load_vectors` tells of them.

    Raises:
        InputError: The file is missing, or none of vectors.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "glove.txt")
        ...     _ = path.write_text("good 0.5 1\nbad -0.5 -1\n")
        ...     first_words(path, 1)
        ['good']
    """
    words = []
    with opened(path) as (stream, size):
        form, _ = _detect(stream, size, named(path))
        for row in islice(form.rows(stream), most):
            with suppress(_rows.BadRow):
                words.append(_rows.decoded(form.word(row), "utf-8", "strict"))
    return words


def check_width(path: str | os.PathLike[str], features: int) -> None:
    r"""Refuse a file whose vectors have not `features` numbers; only its start is read.

    Raises:
        InputError: They have another number, or the file is none of vectors.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "glove.txt")
        ...     _ = path.write_text("good 0.5 1\nbad -0.5 -1\n")
        ...     check_width(path, 2)
    """
    name = named(path)
    with opened(path) as (stream, size):
        form, _ = _detect(stream, size, name)
    if form.width != features:
        raise InputError(
            f"{name}: each vector has {form.width} numbers; embedding_features is {features}; "
            "leave that out, for a file brings its own width, or take another file"
        )


@dataclass
class _Tally:
    """Counts something, and keeps the first few cases."""

    shown: int = 1
    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, case: str) -> None:
        self.count += 1
        if self.count <= self.shown:
            self.first.append(case)


@dataclass
class _Table:
    """The rows read so far: the words kept, their values in one growing buffer, the odd ones."""

    wanted: set[str] | None
    read: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    buffer: bytearray = field(default_factory=bytearray)
    duplicates: _Tally = field(default_factory=_Tally)
    control: _Tally = field(default_factory=_Tally)
    replaced: _Tally = field(default_factory=_Tally)
    bad: _Tally = field(default_factory=lambda: _Tally(shown=5))

    def add(self, word: str, values: numpy.ndarray) -> None:
        if not numpy.isfinite(values).all():
            raise _rows.BadRow(f"NaN or infinite values for the word {quoted(word)}")
        if word in self.rows:
            self.duplicates.add(f"{quoted(word)} in rows {self.rows[word]} and {self.read}")
            return
        if _rows.has_control(word):
            self.control.add(f"{quoted(word)} in row {self.read}")
        self.rows[word] = self.read
        self.buffer += values.astype(numpy.float32, copy=False).tobytes()

    def refuse(self, problem: _rows.BadRow) -> None:
        self.bad.add(f"row {self.read}: {problem}")

    def raise_for_bad_rows(self, name: str) -> None:
        if not self.bad.count:
            return
        count = f"{self.bad.count} bad rows: " if self.bad.count > 1 else ""
        told = "; ".join(self.bad.first)
        raise InputError(f"{name}: {count}{told}; mend the file or fetch it again")

    def warn(self, name: str) -> None:
        told = (
            (self.duplicates, "duplicate words; the first vector of each is kept"),
            (self.control, "words with control characters; they are kept"),
            (self.replaced, "words with bytes that could not be decoded; these are replaced"),
        )
        for tally, what in told:
            if tally.count:
                message = f"{name}: {tally.count} {what}; the first: {tally.first[0]}"
                warnings.warn(message, EmbeddingWarning, stacklevel=3)

    def vectors(self, width: int) -> KeyedVectors:
        vectors = KeyedVectors(width)
        # Not add_vectors: it would copy the table, which may fill half of the memory.
        vectors.vectors = numpy.frombuffer(self.buffer, dtype=numpy.float32).reshape(-1, width)
        vectors.index_to_key = list(self.rows)
        vectors.key_to_index = {word: index for index, word in enumerate(self.rows)}
        vectors.next_index = len(self.rows)
        return vectors


def _fill(
    table: _Table, form: _rows.RowFormat, stream: BinaryIO, encoding: str, errors: str
) -> None:
    for raw in form.rows(stream):
        table.read += 1
        try:
            word = _rows.decoded(form.word(raw), encoding, errors)
        except _rows.BadRow as problem:
            if isinstance(form, _rows.BinaryRows):  # where the next row begins, nobody knows
                hint = f"is the width {form.width} right, and no word before with a space?"
                table.refuse(_rows.BadRow(f"{problem}; {hint}"))
                return
            table.refuse(problem)
            continue
        if errors == "replace" and _REPLACEMENT in word:
            table.replaced.add(f"{quoted(word)} in row {table.read}")
        if table.wanted is not None and word not in table.wanted:
            continue
        try:
            table.add(word, form.values(raw))
        except _rows.BadRow as problem:
            table.refuse(problem)


def _detect(stream: BinaryIO, size: int | None, name: str) -> tuple[_rows.RowFormat, int | None]:
    """Return the format and the promised number of rows, with the stream at the first row."""
    stream.seek(len(_BOM) if stream.read(len(_BOM)) == _BOM else 0)
    start = stream.tell()
    line = stream.readline(_rows.LONGEST_LINE)
    fields = line.split()
    if len(fields) == 2 and all(f.isdigit() and len(f) <= _DIGITS for f in fields):  # noqa: PLR2004
        start = stream.tell()
        promised, width = map(int, fields)
        text = _rows.looks_like_text(stream.readline(_rows.LONGEST_LINE))
        form = _rows.TextRows(width) if text else _rows.BinaryRows(width)
        _check_header(promised, form, None if size is None else size - start, name)
        stream.seek(start)
        return form, promised
    if not line:
        raise InputError(f"{name}: the file is empty")
    width = min(_rows.count_numbers(fields), len(fields) - 1)
    if not 2 <= width <= _rows.WIDEST:  # noqa: PLR2004
        raise unreadable(name, line)
    stream.seek(start)
    return _rows.TextRows(width), None


def _check_header(promised: int, form: _rows.RowFormat, left: int | None, name: str) -> None:
    promise = f"{name}: the header promises {promised} rows of {form.width} values"
    if promised < 1 or not 1 <= form.width <= _rows.WIDEST:
        raise InputError(
            f"{promise}; expected at least 1 row and 1 to {_rows.WIDEST} values; file damaged?"
        )
    needed = promised * form.smallest - 1  # the last newline may be missing
    if left is not None and left < needed:
        raise InputError(
            f"{promise}, at least {needed} bytes; found {left} bytes, room for at most "
            f"{(left + 1) // form.smallest} rows; file truncated, or header wrong?"
        )


def _check_encoding(encoding: str, errors: str) -> None:
    if errors not in {"strict", "replace"}:
        raise InputError(f"`errors` must be strict or replace; got {quoted(errors)}")
    try:
        known = b"a 1\n".decode(encoding) == "a 1\n"
    except (LookupError, ValueError):
        known = False
    if not known:
        raise InputError(
            f"`encoding` must be a text encoding that extends ASCII; got {quoted(encoding)}; "
            "try 'utf-8', 'gb18030' or 'latin-1'"
        )

"""The two ways to write a row of vectors: text and word2vec's binary form.

Both formats cut a stream into raw rows, and a raw row into its word and its values. Neither
allocates anything by what a header says.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar, Protocol

import numpy

from kerastextzoo.errors import quoted

LONGEST_LINE = 2**20
LONGEST_WORD = 4096
WIDEST = 2**16
_BLOCK = 2**20
_CONTROL = frozenset(range(32)) | {127}


class BadRow(ValueError):
    """A row that cannot be used; the message goes behind its number."""


class RowFormat(Protocol):
    """How rows of one width are written."""

    name: ClassVar[str]
    width: int
    leftover: int  # bytes after the last whole row, known when all rows are read

    @property
    def smallest(self) -> int:
        """Bytes of the shortest possible row."""

    def rows(self, stream: BinaryIO) -> Iterator[bytes]:
        """Cut the rest of the stream into raw rows."""

    def word(self, row: bytes) -> bytes:
        """Return the word of a raw row; raise `BadRow` if the width is wrong."""

    def values(self, row: bytes) -> numpy.ndarray:
        """Return the values of a raw row, `(width,)` in float32."""


@dataclass
class TextRows:
    """`word 0.1 0.2 ...` on a line; split from the right, for some words hold spaces."""

    name: ClassVar[str] = "text"
    width: int
    leftover: int = field(default=0, init=False)

    @property
    def smallest(self) -> int:
        return 2 * self.width + 2

    def rows(self, stream: BinaryIO) -> Iterator[bytes]:
        while line := stream.readline(LONGEST_LINE):
            yield line
            if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                return

    def word(self, row: bytes) -> bytes:
        fields = row.split()
        surplus = len(fields) - self.width
        if len(row) >= LONGEST_LINE:
            raise BadRow(f"a line of {LONGEST_LINE} bytes or more; expected a word and its values")
        if surplus < 1:
            raise BadRow(f"{max(len(fields) - 1, 0)} values; expected {self.width}")
        if surplus > 1 and (found := count_numbers(fields[1:])) > self.width:
            raise BadRow(f"{found} values; expected {self.width}")
        return b" ".join(fields[:surplus])

    def values(self, row: bytes) -> numpy.ndarray:
        try:
            with numpy.errstate(over="ignore"):
                return numpy.array(row.split()[-self.width :], dtype=numpy.float32)
        except ValueError as error:
            raise BadRow(f"not a number: {quoted(error)}") from error


@dataclass
class BinaryRows:
    """The word, a space, then `width` little-endian floats; some writers add a newline."""

    name: ClassVar[str] = "binary"
    width: int
    leftover: int = field(default=0, init=False)

    @property
    def smallest(self) -> int:
        return 4 * self.width + 2

    def rows(self, stream: BinaryIO) -> Iterator[bytes]:
        rest = b""
        while more := stream.read(_BLOCK):
            block = rest + more
            start = 0
            while (space := block.find(b" ", start)) >= 0:
                end = space + 1 + 4 * self.width
                if end > len(block):
                    break
                yield block[start:end]
                start = end
            rest = block[start:]
            if space < 0 and len(rest) > LONGEST_WORD:
                break
        self.leftover = len(rest.removeprefix(b"\n"))

    def word(self, row: bytes) -> bytes:
        word = row[: -4 * self.width - 1].removeprefix(b"\n")
        if not _CONTROL.isdisjoint(word):
            shown = quoted(word.decode("latin-1"))
            raise BadRow(f"control characters where a word should be: {shown}")
        return word

    def values(self, row: bytes) -> numpy.ndarray:
        return numpy.frombuffer(row[-4 * self.width :], dtype="<f4")


def decoded(word: bytes, encoding: str, errors: str = "strict") -> str:
    """Return the word as text; raise `BadRow` if it is none."""
    if not word:
        raise BadRow("the word is empty")
    if len(word) > LONGEST_WORD:
        raise BadRow(f"a word of {len(word)} bytes; expected at most {LONGEST_WORD}")
    try:
        return word.decode(encoding, errors)
    except UnicodeDecodeError as error:
        shown = word.decode("ascii", "backslashreplace")
        raise BadRow(
            f"word {quoted(shown)} is not {encoding}; "
            "pass the file's encoding, such as gb18030, or errors=replace for a few bad words"
        ) from error


def has_control(text: str) -> bool:
    """Say whether there is an ASCII control character in the text."""
    return not _CONTROL.isdisjoint(map(ord, text))


def count_numbers(fields: list[bytes]) -> int:
    """Count the numbers at the end of the fields.

    >>> count_numbers([b"3", b".", b"0.5", b"-1e3"])
    2
    """
    for count, text in enumerate(reversed(fields)):
        try:
            float(text)
        except ValueError:
            return count
    return len(fields)


def looks_like_text(line: bytes) -> bool:
    """Say whether the first line after a header is a row of text rather than of raw floats."""
    values = line.partition(b" ")[2]
    fields = values.split()
    numbers = sum(count_numbers([text]) for text in fields)
    return 2 * numbers >= len(fields) > 0 and _CONTROL.isdisjoint(b"".join(fields))

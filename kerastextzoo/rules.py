"""What is wrong with data, said in one line that names the rows."""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from kerastextzoo.errors import InputError

SHOWN = 5
_T = TypeVar("_T")


class DataWarning(UserWarning):
    """Something in the data was guessed or dropped."""


def _message(where: object, what: str, rest: str, rows: Sequence[str], count: int | None) -> str:
    """Say what is wrong in how many rows, and name the first five."""
    count = len(rows) if count is None else count
    more = ", ..." if count > SHOWN else ""
    many = f" in {count} rows ({', '.join(rows[:SHOWN])}{more})" if count > 1 else ""
    text = f"{':'.join([str(where), *filter(None, rows[:1])])}: {what}{many}; {rest}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def input_error(
    where: object, what: str, rest: str, rows: Sequence[str] = (), count: int | None = None
) -> InputError:
    """Return the error that says what is wrong where.

    Args:
        where: The file, or another name of the data.
        what: What is wrong.
        rest: What came, what was expected, the way out.
        rows: The first rows that it is wrong in.
        count: How many there are; None: these.
    """
    return InputError(_message(where, what, rest, rows, count))


class Warner:
    """Warns of what was guessed or dropped, and remembers it.

    Attributes:
        said: All warnings so far.
    """

    def __init__(self, said: Iterable[str] = ()) -> None:
        self.said = list(said)

    def __call__(
        self,
        where: object,
        what: str,
        rest: str,
        rows: Sequence[str] = (),
        count: int | None = None,
    ) -> None:
        """Warn; the arguments are those of `input_error`."""
        self.said.append(_message(where, what, rest, rows, count))
        warnings.warn(self.said[-1], DataWarning, stacklevel=3)


@dataclass(frozen=True)
class Rule:
    """What each row must keep to.

    Attributes:
        what: What is wrong with a row that breaks it; `{largest}` stands for the largest size.
        expected: What was expected, and how to mend it.
    """

    what: str
    expected: str


@dataclass
class Found:
    """How often something was found, and where first."""

    rows: list[str] = field(default_factory=list)
    count: int = 0
    value: object = None
    largest: int = 0

    def add(self, row: str, value: object = None, size: int = 0) -> None:
        """Note one more, in this row."""
        if not self.count:
            self.value = value
        if self.count < SHOWN:
            self.rows.append(row)
        self.count += 1
        self.largest = max(self.largest, size)


def fold(text: str) -> str:
    """Return what texts have in common that differ in case and white space alone.

    >>> fold("So  GOOD ")
    'so good'
    """
    folded = text.casefold()
    # Most texts have nothing but single spaces, which is quicker to see than to mend.
    if folded.isprintable() and "  " not in folded:
        return folded.strip(" ")
    return " ".join(folded.split())


def utf8(text: str, otherwise: _T) -> bytes | _T:
    r"""Return a text in UTF-8; something else if it holds halves of surrogate pairs.

    >>> utf8("é", None), utf8("\ud800", None)
    (b'\xc3\xa9', None)
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        return otherwise

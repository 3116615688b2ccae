"""How texts are read, and what is wrong with their rows, each in one line.

Rows stream by: what is found is counted, and told when the last row has been seen. Bytes and
encodings are in `kerastextzoo.decoding`, the kinds of files in `kerastextzoo.formats`.
"""

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from kerastextzoo.errors import InputError, quoted
from kerastextzoo.progress import Progress

LONGEST_LABEL = 200
_SHOWN = 5
_T = TypeVar("_T")

Source = str | os.PathLike[str]
Rows = Iterable[tuple[str, list[object]]]  # where in the file, and the cells of the wanted columns


class DataWarning(UserWarning):
    """Something in the data was guessed or dropped."""


def _message(where: object, what: str, rest: str, rows: Sequence[str], count: int | None) -> str:
    """Say what is wrong in how many rows, and name the first five."""
    count = len(rows) if count is None else count
    more = ", ..." if count > _SHOWN else ""
    many = f" in {count} rows ({', '.join(rows[:_SHOWN])}{more})" if count > 1 else ""
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


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files of texts are read.

    Attributes:
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        separator: Between the columns of a .csv or .tsv file; None: by its suffix.
        label_map: New names of labels by the old ones.
        encoding: None for UTF-8, or UTF-16 if the file starts with its byte order mark.
        errors: `strict` refuses bytes that can't be decoded, `replace` counts and replaces them.
        skip_bad_rows: Leave broken rows out, with a warning, instead of refusing the file.
        strip_nul: Remove NUL characters, with a warning, instead of refusing the file.
        max_text_bytes: The longest text, in UTF-8.
        max_expanded_bytes: The most that a packed file may expand to; None for 200 times its size,
            at least 64 MiB and at most 4 GiB.
    """

    text_column: str = "text"
    label_column: str = "label"
    separator: str | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    errors: str = "strict"
    skip_bad_rows: bool = False
    strip_nul: bool = False
    max_text_bytes: int = 2**20
    max_expanded_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.errors not in {"strict", "replace"}:
            raise InputError(f"errors: got {quoted(self.errors)}; expected strict or replace")
        if self.separator is not None and (
            len(self.separator) != 1 or self.separator in '"\r\n' or not self.separator.isascii()
        ):
            rest = "expected one ASCII character, such as ';' or a TAB"
            raise InputError(f"separator: got {quoted(self.separator)}; {rest}")
        if not all(map(str.strip, self.label_map.values())):
            raise InputError("label_map: got an empty label; expected OLD=NEW with both")
        for name in ("max_text_bytes", "max_expanded_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name}: got {value}; expected 1 or more")


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
class _Found:
    """How often something was found, and where first."""

    rows: list[str] = field(default_factory=list)
    count: int = 0
    value: object = None
    largest: int = 0

    def add(self, row: str, value: object = None, size: int = 0) -> None:
        if not self.count:
            self.value = value
        if self.count < _SHOWN:
            self.rows.append(row)
        self.count += 1
        self.largest = max(self.largest, size)


@dataclass
class _Label:
    """A label, how it is written, and how often."""

    label: str
    shown: str
    count: int = 0


_NO_TEXT = Rule("text missing or no string", "expected a string; mend or remove the row")
_NUL = Rule("NUL characters", "expected text; remove them, or strip NUL")
_IMPOSSIBLE = Rule(
    "text with impossible characters", "expected text; remove halves of surrogate pairs"
)
_NO_LABEL = Rule("label missing", "expected a name or a whole number; add it or remove the row")
_BAD_LABEL = Rule(
    "not a label (the longest has {largest} characters)",
    f"expected one line of up to {LONGEST_LABEL} characters; is it the column of texts?",
)


class Checks:
    """What is wrong with the rows of one source, counted while they stream by.

    Args:
        source: The file, or another name of the data, for messages.
        reading: How it is read.
        progress: Called while a large file is read, with bytes.

    Attributes:
        warner: Remembers the warnings.
        replaced: Characters that stand for bytes which can't be decoded.
        replaced_as: The encoding they are not in.
    """

    def __init__(self, source: object, reading: Reading, progress: Progress | None = None) -> None:
        self.source = source
        self.reading = reading
        self.progress = progress
        self.warner = Warner()
        self.replaced = 0
        self.replaced_as = ""
        self._broken: dict[Rule, _Found] = {}
        self._blank, self._nuls, self._replaced = _Found(), _Found(), _Found()
        self._numbers = self._texts = self._removed = 0
        self._first = ""
        self._labels: dict[tuple[type, str | int], _Label] = {}
        self._too_long = Rule(
            "text too long (the longest has {largest} bytes)",
            f"expected up to {reading.max_text_bytes}; cut the text, or raise max_text_bytes",
        )

    def warn(
        self,
        what: str,
        rest: str,
        rows: Sequence[str] = (),
        count: int | None = None,
        where: object = None,
    ) -> None:
        """Warn at once of something in this source."""
        self.warner(where or self.source, what, rest, rows, count)

    def broken(self, rule: Rule, row: str, value: object, size: int = 0) -> None:
        """Note that a row breaks a rule; the first one's value is quoted."""
        self._broken.setdefault(rule, _Found()).add(row, value, size)

    def replaced_in(self, row: str) -> None:
        """Note that a row has characters that stand for bytes which can't be decoded."""
        self._replaced.add(row)

    def text(self, row: str, value: object) -> str | None:
        """Return the text of a row; None if it can't be used."""
        if isinstance(value, str) and "\0" in value and self.reading.strip_nul:
            self._nuls.add(row)
            self._removed += value.count("\0")
            value = value.replace("\0", "")
        size = 0
        if not isinstance(value, str):
            rule = _NO_TEXT
        elif (data := _utf8(value, None)) is None:
            rule = _IMPOSSIBLE
        elif b"\0" in data:
            rule = _NUL
        elif (size := len(data)) > self.reading.max_text_bytes:
            rule = self._too_long
        else:
            return value
        self.broken(rule, row, value, size)
        return None

    def label(self, row: str, value: object) -> str | None:
        """Return the label of a row; None if it can't be used."""
        if not isinstance(value, str | int):
            self.broken(_NO_LABEL, row, value)
            return None
        known = self._labels.get((type(value), value)) or self._read_label(row, value)
        if known is None:
            return None
        known.count += 1
        return known.label

    def _read_label(self, row: str, value: str | int) -> "_Label | None":
        label = str(value).strip()
        if not label:
            self.broken(_NO_LABEL, row, value)
            return None
        if (
            len(label.splitlines()) != 1
            or len(label) > LONGEST_LABEL
            or b"\0" in _utf8(label, b"\0")
        ):
            self.broken(_BAD_LABEL, row, value, len(label))
            return None
        written: str | int = value
        if label in self.reading.label_map:
            written = label = self.reading.label_map[label].strip()
        shown = quoted(written) if isinstance(written, str) else str(written)
        self._labels[type(value), value] = known = _Label(label, shown)
        return known

    def has_words(self, row: str, text: str) -> bool:
        """Tell whether a text is more than blanks; count those that are not, and numbers."""
        self._texts += 1
        self._first = self._first or text
        if not text.strip():
            self._blank.add(row)
            return False
        self._numbers += bool(re.fullmatch(r"[\s.,+-]*\d[\d\s.,+-]*", text))
        return True

    def finish(self) -> None:
        """Tell what was found in all rows.

        Raises:
            InputError: Rows break a rule, and they are not to be skipped; no text has words; or a
                label is written in several ways.
        """
        for rule, found in self._broken.items():
            what, rest = rule.what.format(largest=found.largest), f"got {quoted(found.value)}; "
            rest += f"{rule.expected}, or skip bad rows"
            if not self.reading.skip_bad_rows:
                raise input_error(self.source, what, rest, found.rows, found.count)
            self.warn(f"{what}, skipped", rest, found.rows, found.count)
        if self._replaced.count and self.replaced:
            rest = f"got {self.replaced} that are not {self.replaced_as}; "
            rest += "try another encoding if these are many"
            found = self._replaced
            self.warn("characters replaced", rest, found.rows, found.count)
        if self._nuls.count:
            rest = f"got {self._removed}; expected text"
            self.warn("NUL characters removed", rest, self._nuls.rows, self._nuls.count)
        self._tell_blank()
        self._check_spellings()

    def _tell_blank(self) -> None:
        if self._texts and self._blank.count == self._texts:
            rest = f"expected words in column {quoted(self.reading.text_column)}"
            what = f"all {self._texts} texts are empty"
            raise input_error(self.source, what, f"{rest}; name another column")
        if self._blank.count:
            rest = "expected words; add them or remove the row"
            self.warn("empty text dropped", rest, self._blank.rows, self._blank.count)
        if 2 * self._numbers > self._texts:
            rest = f"got {quoted(self._first)}; expected words; is it the column of texts?"
            self.warn(f"{self._numbers / self._texts:.0%} of the texts are numbers", rest)

    def _check_spellings(self) -> None:
        """Refuse labels that differ in case, space or form alone, such as 1 and 1.0."""
        spellings: dict[str, Counter[str]] = {}
        for known in self._labels.values():
            form = re.sub(r"^([+-]?\d+)\.0+$", r"\1", fold(known.label))
            spellings.setdefault(form, Counter())[known.shown] += known.count
        several = [counts for counts in spellings.values() if len(counts) > 1]
        if not several:
            return
        shown = several[0].most_common(_SHOWN)
        got = ", ".join(f"{label} ({count} rows)" for label, count in shown)
        what = f"{len(several)} labels are written in several ways"
        rest = f"got {got}; expected one way; make them the same, or map one with label_map"
        raise input_error(self.source, what, rest)


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


def _utf8(text: str, otherwise: _T) -> bytes | _T:
    """Return a text in UTF-8; something else if it holds halves of surrogate pairs."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return otherwise

"""From a path to text: how to read, bytes, encoding, and what is wrong with rows in one line.

The kinds of files are in `kerastextzoo.formats`.
"""

import codecs
import gzip
import os
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from kerastextzoo.errors import InputError, quoted

LONGEST_LABEL = 200
_SHOWN = 5
_MANY_NULS = 0.1
_MEGABYTE = 2**20
_T = TypeVar("_T")

Source = str | os.PathLike[str]
Lines = Iterable[tuple[str, str]]  # where in the file, and what is there
Rows = list[tuple[str, list[object]]]  # where in the file, and the cells of the wanted columns


class DataWarning(UserWarning):
    """Something in the data was guessed or dropped."""


def _message(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> str:
    """Say what is wrong in how many rows, and name the first five."""
    more = ", ..." if len(rows) > _SHOWN else ""
    many = f" in {len(rows)} rows ({', '.join(rows[:_SHOWN])}{more})" if len(rows) > 1 else ""
    text = f"{':'.join([str(where), *filter(None, rows[:1])])}: {what}{many}; {rest}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def input_error(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> InputError:
    """Return the error that says what is wrong where."""
    return InputError(_message(where, what, rest, rows))


def warn_of(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> None:
    """Warn of what was guessed or dropped where."""
    warnings.warn(_message(where, what, rest, rows), DataWarning, stacklevel=3)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files of texts are read.

    Attributes:
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
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
    encoding: str | None = None
    errors: str = "strict"
    skip_bad_rows: bool = False
    strip_nul: bool = False
    max_text_bytes: int = _MEGABYTE
    max_expanded_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.errors not in {"strict", "replace"}:
            raise InputError(f"errors: got {quoted(self.errors)}; expected strict or replace")
        for name in ("max_text_bytes", "max_expanded_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name}: got {value}; expected 1 or more")

    def keep(
        self,
        where: object,
        rows: Iterable[tuple[str, _T]],
        good: Callable[[_T], bool],
        what: str,
        rest: str,
    ) -> list[tuple[str, _T]]:
        """Return the good rows; the first bad one is quoted in the error or the warning.

        Raises:
            InputError: There are bad rows, and they are not to be skipped.
        """
        rows = list(rows)
        bad = [(row, value) for row, value in rows if not good(value)]
        if not bad:
            return rows
        found, names = f"got {quoted(bad[0][1])}", [row for row, _ in bad]
        if not self.skip_bad_rows:
            raise input_error(where, what, f"{found}; {rest}, or skip bad rows", names)
        warn_of(where, f"{what}, skipped", f"{found}; {rest}", names)
        return [(row, value) for row, value in rows if good(value)]


def read_bytes(path: Path, reading: Reading) -> bytes:
    """Read a file, unpacked."""
    if not path.is_file():
        raise input_error(path, "not a regular file", "expected one; write it to a file first")
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    usual = min(max(200 * path.stat().st_size, 64 * _MEGABYTE), 4096 * _MEGABYTE)
    most = reading.max_expanded_bytes or usual
    try:
        with gzip.open(path) as file:
            data = file.read(most + 1)
    except EOFError:
        problem = "a truncated gzip file"
    except (gzip.BadGzipFile, zlib.error) as error:
        problem = str(error)
    else:
        check_size(path, len(data), most)
        return data
    raise input_error(path, "damaged", f"got {problem}; expected gzip; get the file again")


def check_size(path: Path, size: int, most: int) -> None:
    """Refuse what expands to too much."""
    if size > most:
        rest = f"got more than {most} bytes from {path.stat().st_size}; raise max_expanded_bytes"
        raise input_error(path, "expands to too much", f"{rest} if the file can be trusted")


def read_text(path: Path, reading: Reading) -> str:
    """Decode a file; line ends become newlines."""
    data, encoding = read_bytes(path, reading), reading.encoding
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and encoding is None
    chosen = encoding or ("utf-16" if marked else "utf-8")
    if not marked:
        _check_nuls(path, data, chosen)
    try:
        text = data.decode(chosen)
    except UnicodeDecodeError as error:
        if reading.errors == "strict":
            raise _undecoded(path, data, chosen, error, named=encoding is not None) from None
        text = _replace(path, data, chosen)
    except (LookupError, ValueError):
        got = f"got {quoted(chosen)}; expected one that Python knows; try utf-8 or gb18030"
        raise input_error(path, "no such encoding", got) from None
    if marked:
        rest = "got its byte order mark; name an encoding if that is wrong"
        warn_of(path, "read as UTF-16", rest)
    if encoding and codecs.lookup(encoding).name not in {"utf-8", "utf-8-sig"} and _is_utf8(data):
        rest = "expected another; leave the encoding out if texts look wrong"
        warn_of(path, f"valid UTF-8 was read as {encoding}", rest)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _without_nuls(path, text, reading)


def _undecoded(
    path: Path, data: bytes, chosen: str, error: UnicodeDecodeError, named: bool
) -> InputError:
    start, way = error.start, "try another encoding" if named else "try encoding gb18030"
    if _is_utf8(data):
        way = "it is valid UTF-8, so leave the encoding out"
    row = len(re.findall("\r\n?|\n", data[:start].decode(chosen, "ignore"))) + 1
    got = f"got byte 0x{data[start : start + 1].hex()} at offset {start}"
    rest = f"{got}; expected {chosen}; {way}, or errors replace for a few bad bytes"
    return input_error(path, "not decoded", rest, [str(row)])


def _replace(path: Path, data: bytes, chosen: str) -> str:
    text = data.decode(chosen, "replace")
    number = text.count("\ufffd") - data.decode(chosen, "ignore").count("\ufffd")
    rows = [row for row, line in lines(text) if "\ufffd" in line]
    rest = f"got {number} that are not {chosen}; try another encoding if these are many"
    warn_of(path, "characters replaced", rest, rows)
    return text


def _is_utf8(data: bytes) -> bool:
    """Tell whether bytes beyond ASCII are surely UTF-8; UTF-16 is full of NUL."""
    if data.isascii() or b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_nuls(path: Path, data: bytes, chosen: str) -> None:
    share = data.count(0) / max(1, len(data))
    if share > _MANY_NULS and not re.match("utf.?(16|32)", chosen.lower()):
        # In UTF-16 the upper half of an ASCII character is NUL.
        likely = "utf-16-be" if data[::2].count(0) > data[1::2].count(0) else "utf-16-le"
        rest = f"expected text; it may be UTF-16 without a mark: try encoding {likely}"
        raise input_error(path, f"{share:.0%} of the bytes are NUL", rest)


def _without_nuls(path: Path, text: str, reading: Reading) -> str:
    number = text.count("\0")
    if not number:
        return text
    rows = [row for row, line in lines(text) if "\0" in line]
    if not reading.strip_nul:
        rest = f"got {number}; expected text; remove them, or strip NUL"
        raise input_error(path, "NUL characters", rest, rows)
    warn_of(path, "NUL characters removed", f"got {number}; expected text", rows)
    return text.replace("\0", "")


def lines(text: str) -> Lines:
    """Return lines with their numbers, from 1."""
    # str.splitlines would also split at characters that may be part of a text.
    return ((str(number), line) for number, line in enumerate(text.split("\n"), 1))


def check_texts(source: object, rows: Rows, reading: Reading) -> Rows:
    """Return the rows whose first cell is a text that can be used."""
    bad = [row for row, cells in rows if isinstance(cells[0], str) and "\0" in cells[0]]
    if bad and reading.strip_nul:
        warn_of(source, "NUL characters removed", "expected text", bad)
        rows = [(row, [_strip_nul(cells[0]), *cells[1:]]) for row, cells in rows]
    texts = [(row, cells[0]) for row, cells in rows]
    rest = "expected a string; mend or remove the row"
    texts = reading.keep(
        source, texts, lambda v: isinstance(v, str), "text missing or no string", rest
    )
    rest = "expected text; remove NUL and halves of surrogate pairs"
    texts = reading.keep(source, texts, _is_unicode, "text with impossible characters", rest)
    most = reading.max_text_bytes
    longest = max((len(str(value).encode()) for _, value in texts), default=0)
    rest = f"expected up to {most}; cut the text, or raise max_text_bytes"
    what = f"text too long (the longest has {longest} bytes)"
    texts = reading.keep(source, texts, lambda v: len(str(v).encode()) <= most, what, rest)
    kept = {row for row, _ in texts}
    return rows if len(kept) == len(rows) else [found for found in rows if found[0] in kept]


def check_labels(source: object, rows: Rows, reading: Reading) -> Rows:
    """Return the rows whose second cell is a label."""
    values = [(row, cells[1]) for row, cells in rows]
    rest = "expected a name or a whole number; add it or remove the row"
    values = reading.keep(source, values, _is_named, "label missing", rest)
    longest = max((len(str(label).strip()) for _, label in values), default=0)
    what = f"not a label (the longest has {longest} characters)"
    rest = f"expected one line of up to {LONGEST_LABEL} characters; is it the column of texts?"
    values = reading.keep(source, values, _is_label, what, rest)
    kept = {row for row, _ in values}
    return rows if len(kept) == len(rows) else [found for found in rows if found[0] in kept]


def fold(text: str) -> str:
    """Return what texts have in common that differ in case and white space alone.

    >>> fold("So  GOOD ")
    'so good'
    """
    return " ".join(text.casefold().split())


def check_spellings(source: object, labels: Iterable[object]) -> None:
    """Refuse labels that differ in case, space or form alone, such as 1 and 1.0."""
    spellings: dict[str, Counter[str]] = {}
    for label in labels:
        shown = quoted(label) if isinstance(label, str) else str(label)
        form = re.sub(r"^([+-]?\d+)\.0+$", r"\1", fold(str(label)))
        spellings.setdefault(form, Counter())[shown] += 1
    several = [counts for counts in spellings.values() if len(counts) > 1]
    if several:
        got = ", ".join(
            f"{shown} ({count} rows)" for shown, count in several[0].most_common(_SHOWN)
        )
        what = f"{len(several)} labels are written in several ways"
        raise input_error(source, what, f"got {got}; expected one way; make them the same")


def tell_oddities(
    source: object, rows: Sequence[str], texts: Sequence[str], labels: Sequence[str]
) -> None:
    """Warn of repeated texts, of texts with several labels, and of numbers as texts."""
    numbers = sum(bool(re.fullmatch(r"[\s.,+-]*\d[\d\s.,+-]*", text)) for text in texts)
    if 2 * numbers > len(texts):
        rest = f"got {quoted(texts[0])}; expected words; is it the column of texts?"
        warn_of(source, f"{numbers / len(texts):.0%} of the texts are numbers", rest)
    places: dict[str, list[int]] = {}
    for i, text in enumerate(texts):
        places.setdefault(fold(text), []).append(i)
    repeated = [found for found in places.values() if len(found) > 1]
    torn = [found for found in repeated if len({labels[i] for i in found}) > 1]
    again = [rows[i] for found in repeated for i in found[1:]]
    if again:
        warn_of(source, "repeated text", "expected different ones; they count as often", again)
    if torn:
        named = ", ".join(quoted(label) for label in sorted({labels[i] for i in torn[0]}))
        what = f"{len(torn)} texts have several labels"
        rest = f"got {named} for {quoted(texts[torn[0][0]])}; no model can learn both"
        warn_of(source, what, rest, [rows[i] for found in torn for i in found])


def _strip_nul(value: object) -> object:
    return value.replace("\0", "") if isinstance(value, str) else value


def _is_named(value: object) -> bool:
    return isinstance(value, str | int) and bool(str(value).strip())


def _is_label(value: object) -> bool:
    label = str(value).strip()
    return len(label.splitlines()) == 1 and len(label) <= LONGEST_LABEL and _is_unicode(label)


def _is_unicode(value: object) -> bool:
    try:
        return b"\0" not in str(value).encode()
    except UnicodeEncodeError:
        return False

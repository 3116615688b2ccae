"""A path to rows: bytes, encoding, format, and what is wrong with them in one line.

To read a new kind of file, write a reader and add its suffix to `READERS`.
"""

import codecs
import csv
import difflib
import gzip
import io
import json
import os
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from kerastextzoo.errors import InputError, nearest, quoted

EMBEDDED = "docstrings"
LONGEST_LABEL = 200
ACCEPTED = (
    "expected a .csv, .tsv or .jsonl file, each of them also as .gz, a folder with one sub-folder "
    f"of .txt files a class, or the name {EMBEDDED!r}"
)
_SHOWN = 5
_T = TypeVar("_T")

Source = str | os.PathLike[str]
Lines = Iterable[tuple[str, str]]  # where in the file, and what is there
Rows = list[tuple[str, list[object]]]  # where in the file, and the cells of the wanted columns
Reader = Callable[[Path, str | None, Sequence[str]], Rows]


class DataWarning(UserWarning):
    """Something in the data was guessed or dropped."""


def _message(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> str:
    """Say what is wrong in how many rows, and name the first five."""
    more = ", ..." if len(rows) > _SHOWN else ""
    many = f" in {len(rows)} rows ({', '.join(rows[:_SHOWN])}{more})" if len(rows) > 1 else ""
    text = f"{':'.join([str(where), *rows[:1]])}: {what}{many}; {rest}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def input_error(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> InputError:
    """Return the error that says what is wrong where."""
    return InputError(_message(where, what, rest, rows))


def warn_of(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> None:
    """Warn of what was guessed or dropped where."""
    warnings.warn(_message(where, what, rest, rows), DataWarning, stacklevel=3)


def require(
    where: object,
    values: Iterable[tuple[str, _T]],
    good: Callable[[_T], bool],
    what: str,
    rest: str,
) -> None:
    """Check one value a row; the first bad one is quoted."""
    bad = [(row, value) for row, value in values if not good(value)]
    if bad:
        raise input_error(where, what, f"got {quoted(bad[0][1])}; {rest}", [row for row, _ in bad])


def read_rows(
    source: Source, columns: Sequence[str], encoding: str | None, readers: dict[str, Reader]
) -> Rows:
    """Read the wanted columns of a file or folder.

    Raises:
        InputError: It can't be read, or some of its rows can't.
    """
    path = Path(source)
    if re.match(r"[A-Za-z][\w+.-]+:/", str(source)):
        raise input_error(
            source, "remote paths are not read", "expected a local file; copy it here"
        )
    try:
        if path.is_dir():
            return _read_folder(path, encoding, columns)
        if not path.exists():
            raise input_error(path, "no such file or folder", f"{_near(path)}{ACCEPTED}")
        reader = readers.get(Path(path.name.lower().removesuffix(".gz")).suffix)
        if reader is None:
            raise input_error(path, "not a known kind of file", ACCEPTED)
        rows = reader(path, encoding, columns)
    except OSError as error:
        raise input_error(path, "can't be read", f"got {error.strerror or error}") from None
    if not rows:
        raise input_error(path, "0 examples", "got an empty file; expected rows; check the path")
    return rows


def _near(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [*siblings, EMBEDDED], n=1)
    return f"did you mean {quoted(close[0])}? " if close else ""


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise input_error(path, "not a regular file", f"{ACCEPTED}; write it to a file first")
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            return file.read()
    except EOFError:
        problem = "a truncated gzip file"
    except (gzip.BadGzipFile, zlib.error) as error:
        problem = str(error)
    raise input_error(path, "damaged", f"got {problem}; expected gzip; get the file again")


def _read_text(path: Path, encoding: str | None) -> str:
    """Decode a file; line ends become newlines."""
    data = _read_bytes(path)
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and encoding is None
    chosen = encoding or ("utf-16" if marked else "utf-8")
    try:
        text = data.decode(chosen)
    except UnicodeDecodeError as error:
        start, way = error.start, "try another encoding" if encoding else "try encoding gb18030"
        row = len(re.findall("\r\n?|\n", data[:start].decode(chosen, "ignore"))) + 1
        got = f"got byte 0x{data[start : start + 1].hex()} at offset {start}"
        raise input_error(
            path, "not decoded", f"{got}; expected {chosen}; {way}", [str(row)]
        ) from None
    except (LookupError, ValueError):
        got = f"got {quoted(chosen)}; expected one that Python knows; try utf-8 or gb18030"
        raise input_error(path, "no such encoding", got) from None
    if marked:
        warn_of(
            path, "read as UTF-16", "got its byte order mark; name an encoding if that is wrong"
        )
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    rest = "expected text; remove NUL; if it is UTF-16 without a mark, try encoding utf-16-le"
    require(path, _lines(text), lambda line: "\0" not in line, "NUL characters", rest)
    return text


def _lines(text: str) -> Lines:
    # str.splitlines would also split at characters that may be part of a text.
    return ((str(number), line) for number, line in enumerate(text.split("\n"), 1))


def _read_csv(path: Path, encoding: str | None, columns: Sequence[str]) -> Rows:
    return _read_table(path, columns, _csv_records(path, _read_text(path, encoding)))


def _csv_records(path: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    line = 1
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield str(line), cells
            line = reader.line_num + 1
    except csv.Error as error:
        rest = 'expected "..." around a field and "" for a quote in it; close or double the quote'
        raise input_error(path, "unclosed quote", f"got {error}; {rest}", [str(line)]) from None


def _read_tsv(path: Path, encoding: str | None, columns: Sequence[str]) -> Rows:
    lines = _lines(_read_text(path, encoding))
    return _read_table(path, columns, ((row, line.split("\t")) for row, line in lines if line))


def _read_table(
    path: Path, columns: Sequence[str], records: Iterator[tuple[str, list[str]]]
) -> Rows:
    top, header = next(records, ("", []))
    if not header:
        return []
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        places = ", ".join(str(i) for i, name in enumerate(header, 1) if name == repeated[0])
        rest = f"got {quoted(repeated[0])} as columns {places}; expected different names"
        raise input_error(path, "repeated column name", rest, [top])
    for column in columns:
        _check_column(path, top, column, header)
    rows = list(records)
    if not rows:
        raise input_error(
            path, "0 examples after the header", "expected rows; check the path", [top]
        )
    rest = f"expected {len(header)}; quote or remove the separators in a text"
    numbers = ((row, len(cells)) for row, cells in rows)
    require(path, numbers, lambda n: n == len(header), "wrong number of columns", rest)
    return [(row, [cells[header.index(name)] for name in columns]) for row, cells in rows]


def _check_column(path: Path, row: str, column: str, known: Sequence[str]) -> None:
    marks = {"\t": "TAB", ";": "';'", ",": "','"}
    looks = [name for mark, name in marks.items() if len(known) == 1 and mark in known[0]]
    rest = f"{nearest(column, [quoted(name)[1:-1] for name in known])}; name the column"
    if looks:
        rest = f"got 1 column; the separator looks like {looks[0]}; "
        rest += "expected ',' in .csv, TAB in .tsv; "
        rest += "rename the file or change the separator"
    if column not in known:
        raise input_error(path, f"no column {quoted(column)}", rest, [row])


def _read_jsonl(path: Path, encoding: str | None, columns: Sequence[str]) -> Rows:
    lines = _lines(_read_text(path, encoding))
    parsed = [(row, _parse(line)) for row, line in lines if line.strip()]
    rest = "expected one JSON object a line; mend or remove it"
    require(path, parsed, lambda found: isinstance(found, dict), "not a JSON object", rest)
    records = [(row, found) for row, found in parsed if isinstance(found, dict)]
    for column in columns:
        if records and not any(column in record for _, record in records):
            _check_column(path, records[0][0], column, list(records[0][1]))
    return [(row, [record.get(name) for name in columns]) for row, record in records]


def _parse(line: str) -> object:
    """Return the JSON value, or as text why there is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return str(error).replace("line 1 column", "column")


def read_lines(path: Path, encoding: str | None, _: Sequence[str]) -> Rows:
    """Read each line as a text."""
    text = _read_text(path, encoding)
    return [(row, [line]) for row, line in _lines(text.removesuffix("\n"))] if text else []


def _read_folder(path: Path, encoding: str | None, columns: Sequence[str]) -> Rows:
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and entry.name[0] != ".")
    parts = [folder.name for folder in folders if folder.name.lower() in {"train", "test"}]
    if parts:
        rest = f"got {quoted(parts[0])}; expected one sub-folder a class; give that folder instead"
        raise input_error(path, "sub-folders are parts, not classes", rest)
    files = [file for folder in folders for file in sorted(folder.iterdir())]
    texts = [file for file in files if file.suffix.lower() == ".txt"]
    if not texts:
        raise input_error(path, "a folder without texts", ACCEPTED)
    if len(texts) < len(files):
        warn_of(path, f"{len(files) - len(texts)} files left out", "expected .txt files alone")
    rows: Rows = []
    for file in texts:
        cells: list[object] = [_read_text(file, encoding), file.parent.name]
        rows.append((f"{file.parent.name}/{file.name}", cells[: len(columns)]))
    return rows


READERS: dict[str, Reader] = {".csv": _read_csv, ".tsv": _read_tsv, ".jsonl": _read_jsonl}


def check_texts(source: Source, rows: Rows) -> list[str]:
    """Return the first cell of each row, a text."""
    values = [(row, cells[0]) for row, cells in rows]
    rest = "expected a string; mend or remove the row"
    require(source, values, lambda v: isinstance(v, str), "text missing or no string", rest)
    texts = [(row, str(value)) for row, value in values]
    rest = "expected text; remove NUL and halves of surrogate pairs"
    require(source, texts, _is_unicode, "text with impossible characters", rest)
    return [text for _, text in texts]


def check_labels(source: Source, rows: Rows) -> list[str]:
    """Return the second cell of each row, a label."""
    values = [(row, cells[1]) for row, cells in rows]
    rest = "expected a name or a whole number; add it or remove the row"
    require(source, values, _is_named, "label missing", rest)
    labels = [(row, str(value).strip()) for row, value in values]
    what = f"not a label (the longest has {max(len(label) for _, label in labels)} characters)"
    rest = f"expected one line of up to {LONGEST_LABEL} characters; is it the column of texts?"
    require(source, labels, _is_label, what, rest)
    return [label for _, label in labels]


def _is_named(value: object) -> bool:
    return isinstance(value, str | int) and bool(str(value).strip())


def _is_label(label: str) -> bool:
    return len(label.splitlines()) == 1 and len(label) <= LONGEST_LABEL and _is_unicode(label)


def _is_unicode(text: str) -> bool:
    try:
        return b"\0" not in text.encode()
    except UnicodeEncodeError:
        return False

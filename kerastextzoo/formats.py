"""The kinds of files and folders of texts, each turned into rows.

To read a new kind of file, write a reader and add its suffix to `READERS`.
"""

import csv
import difflib
import importlib
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from kerastextzoo.decoding import Lines, check_size, read_bytes, read_lines, read_text
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.label_checks import OneOrMore
from kerastextzoo.reading import Checks, Rows, Source
from kerastextzoo.rules import Rule, input_error

EMBEDDED = "docstrings"
ACCEPTED = (
    "expected a .csv, .tsv, .jsonl, .parquet or .fasttext file, each of them also as .gz, a folder "
    f"with one sub-folder of .txt files a class, or the name {EMBEDDED!r}"
)
CLASS_NAMES = "class.txt"
_PARTS = {
    "train": "train",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "val": "validation",
    "test": "test",
}
_UNLABELLED = "unsup"
_MOST_UNPACKED = 2**32
_LONGEST_FIELD = 2**26
_ROWS_AT_ONCE = 4096

Reader = Callable[[Path, Checks, Sequence[str]], Rows]


def read_rows(source: Source, columns: Sequence[str], checks: Checks) -> Rows:
    """Read the wanted columns of a file or folder, row by row.

    What is wrong with single rows is left to `checks.finish`.

    Raises:
        InputError: It can't be read, or it has no rows.
    """
    path, row = _local(source), None
    try:
        for row in _reader(path)(path, checks, columns):
            yield row
    except OSError as error:
        raise input_error(path, "can't be read", f"got {error.strerror or error}") from None
    if row is None:
        checks.finish()
        raise input_error(path, "0 examples", "expected rows; check the path")


def _reader(path: Path) -> Reader:
    if path.is_dir():
        return _read_folder
    reader = READERS.get(_kind(path))
    if not path.exists():
        raise input_error(path, "no such file or folder", f"{_near(path)}{ACCEPTED}")
    if reader is None:
        raise input_error(path, "not a known kind of file", ACCEPTED)
    return reader


def find_parts(source: Source) -> dict[str, Path]:
    """Return the official parts of a folder by name; none for a file or another folder."""
    path = _local(source)
    try:
        entries = sorted(path.iterdir()) if path.is_dir() else []
        candidates = [(part, entry) for entry in entries if (part := _part(entry))]
    except OSError as error:
        raise input_error(path, "can't be read", f"got {error.strerror or error}") from None
    found: dict[str, Path] = {}
    for part, entry in candidates:
        if part in found:
            got = f"got {quoted(found[part].name)} and {quoted(entry.name)}"
            raise input_error(path, f"two {part} parts", f"{got}; expected one; remove the other")
        found[part] = entry
    return found if "train" in found else {}


def _part(entry: Path) -> str | None:
    """Return which part this is, if it is one; a class may be called `train`, too."""
    if entry.is_dir():
        part = _PARTS.get(entry.name.lower())
        return part if part and any(child.is_dir() for child in entry.iterdir()) else None
    return _PARTS.get(_stem(entry)) if _kind(entry) in READERS else None


def _local(source: Source) -> Path:
    if re.match(r"[A-Za-z][\w+.-]+:/", str(source)):
        rest = "expected a local file; copy it here"
        raise input_error(source, "remote paths are not read", rest)
    return Path(source)


def _kind(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _stem(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).stem


def _near(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [*siblings, EMBEDDED], n=1)
    return f"did you mean {quoted(close[0])}? " if close else ""


def _read_csv(path: Path, checks: Checks, columns: Sequence[str]) -> Rows:
    # The limit of the csv module is one for the whole process.
    before = csv.field_size_limit(max(_LONGEST_FIELD, 2 * checks.reading.max_text_bytes))
    try:
        yield from _read_table(path, checks, columns, _csv_records(path, checks))
    finally:
        csv.field_size_limit(before)


def _csv_records(path: Path, checks: Checks) -> Iterator[tuple[str, list[str]]]:
    line, separator = 1, checks.reading.separator or ","
    ended = (f"{text}\n" for _, text in read_lines(path, checks))
    reader = csv.reader(ended, strict=True, delimiter=separator)
    try:
        for cells in reader:
            if cells:
                yield str(line), cells
            line = reader.line_num + 1
    except csv.Error as error:
        rest = 'expected "..." around a field and "" for a quote in it; close or double the quote'
        raise input_error(path, "unclosed quote", f"got {error}; {rest}", [str(line)]) from None


def _read_tsv(path: Path, checks: Checks, columns: Sequence[str]) -> Rows:
    separator = checks.reading.separator or "\t"
    found = ((row, line.split(separator)) for row, line in read_lines(path, checks) if line)
    return _read_table(path, checks, columns, found)


def _read_table(
    path: Path,
    checks: Checks,
    columns: Sequence[str],
    records: Iterator[tuple[str, list[str]]],
) -> Rows:
    top, header = next(records, ("", []))
    if not header:
        return
    check_header(path, top, columns, header)
    places = [header.index(name) for name in columns]
    rule = Rule(
        "wrong number of columns",
        f"expected {len(header)}; quote or remove the separators in a text",
    )
    cells = None
    for row, cells in records:
        if len(cells) == len(header):
            yield row, [cells[i] for i in places]
        else:
            checks.broken(rule, row, len(cells))
    if cells is None:
        rest = "expected rows; check the path"
        raise input_error(path, "0 examples after the header", rest, [top])


def check_header(path: object, row: str, columns: Sequence[str], header: Sequence[str]) -> None:
    """Refuse repeated column names, and the lack of a wanted one."""
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        places = ", ".join(str(i) for i, name in enumerate(header, 1) if name == repeated[0])
        rest = f"got {quoted(repeated[0])} as columns {places}; expected different names"
        raise input_error(path, "repeated column name", rest, [row])
    for column in columns:
        _check_column(path, row, column, header)


def _check_column(path: object, row: str, column: str, known: Sequence[str]) -> None:
    if column in known:
        return
    marks = {"\t": "TAB", ";": "';'", "|": "'|'", ",": "','"}
    looks = [name for mark, name in marks.items() if len(known) == 1 and mark in known[0]]
    rest = f"{nearest(column, [quoted(name)[1:-1] for name in known])}; name the column"
    if looks:
        rest = f"got 1 column; the separator looks like {looks[0]}; "
        rest += "expected ',' in .csv, TAB in .tsv; rename the file or give --sep"
    raise input_error(path, f"no column {quoted(column)}", rest, [row])


def _read_jsonl(path: Path, checks: Checks, columns: Sequence[str]) -> Rows:
    rule = Rule("not a JSON object", "expected one JSON object a line; mend or remove it")
    first, lacking = None, set(columns)
    for row, line in read_lines(path, checks):
        if not line.strip():
            continue
        record = _parse(line)
        if not isinstance(record, dict):
            checks.broken(rule, row, record)
            continue
        first = first or (row, list(record))
        lacking -= record.keys()
        yield row, [record.get(name) for name in columns]
    for column in columns:
        if first and column in lacking:
            _check_column(path, first[0], column, first[1])


def _parse(line: str) -> object:
    """Return the JSON value, or as text why there is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return str(error).replace("line 1 column", "column")


def _read_parquet(path: Path, checks: Checks, columns: Sequence[str]) -> Rows:
    try:
        # Neither library has types, and neither need be there.
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        rest = "expected the library pyarrow; pip install kerastextzoo[parquet]"
        raise input_error(path, "Parquet can't be read", rest) from None
    packed = path.suffix.lower() == ".gz"
    row = 0
    try:
        file = parquet.ParquetFile(
            io.BytesIO(b"".join(read_bytes(path, checks.reading))) if packed else path
        )
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(i).total_byte_size for i in groups)
        check_size(path, size, checks.reading.max_expanded_bytes or _MOST_UNPACKED)
        check_header(path, "", columns, file.schema_arrow.names)
        for batch in file.iter_batches(_ROWS_AT_ONCE, columns=list(columns)):
            cells = [batch.column(name).to_pylist() for name in columns]
            for values in zip(*cells, strict=True):
                row += 1
                yield str(row), list(values)
    except InputError:
        raise
    except (arrow.ArrowException, ValueError, OSError, KeyError, OverflowError) as error:
        rest = f"got {quoted(error)}; expected Parquet; get the file again"
        raise input_error(path, "damaged", rest) from None


def _read_fasttext(path: Path, checks: Checks, columns: Sequence[str]) -> Rows:
    return _fasttext_rows(read_lines(path, checks), checks, columns)


def _fasttext_rows(found: Lines, checks: Checks, columns: Sequence[str]) -> Rows:
    unlabelled = Rule(
        "no label at the start", "expected '__label__NAME text'; add it or remove the line"
    )
    for row, line in found:
        if not line.strip():
            continue
        if not _is_labelled(line):
            checks.broken(unlabelled, row, line)
            continue
        marks, text = OneOrMore(), line
        while _is_labelled(text.lstrip()):
            mark, text = [*re.split("[ \t]", text.lstrip(), maxsplit=1), ""][:2]
            marks.append(mark.removeprefix("__label__"))
        # A row of texts alone, if one column is wanted.
        yield row, list[object]((text, marks)[: len(columns)])


def _is_labelled(line: str) -> bool:
    return line.startswith("__label__")


def _read_txt(path: Path, checks: Checks, columns: Sequence[str]) -> Rows:
    """Read a .txt file, whose content tells what it is; without labels, each line is a text."""
    found = read_lines(path, checks)
    begun, first = [], ""
    for row, first in found:
        begun.append((row, first))
        if first:
            break
    everything = chain(begun, found)
    if _is_labelled(first):
        return _fasttext_rows(everything, checks, columns)
    labels_wanted = len(columns) > 1
    for names in (path.with_name(CLASS_NAMES + end) for end in ("", ".gz")):
        if names.exists() and (labels_wanted or re.fullmatch(r".*\t\d+", first)):
            return _numbered_rows(everything, names, checks, columns)
    if labels_wanted and first.strip():
        rest = f"expected lines that start with __label__, or {CLASS_NAMES} beside it; or else "
        raise input_error(path, "not a known kind of file", rest + ACCEPTED)
    return iter([]) if labels_wanted else ((row, [line]) for row, line in everything)


def _numbered_rows(found: Lines, names_path: Path, checks: Checks, columns: Sequence[str]) -> Rows:
    """Split lines of `text TAB label id`; the ids count the lines of another file from 0."""
    names = [name.strip() for name in read_text(names_path, checks).rstrip("\n").split("\n")]
    ids = {str(i): name for i, name in enumerate(names)}
    rule = Rule(
        "no such label id",
        f"expected text, TAB, a line number of {names_path.name} from 0 to {len(names) - 1}",
    )
    for row, line in found:
        text, _, number = line.rpartition("\t")
        if number.strip() in ids:
            yield row, list[object]((text, ids[number.strip()])[: len(columns)])
        elif line.strip():
            checks.broken(rule, row, number)


def _read_folder(path: Path, checks: Checks, columns: Sequence[str]) -> Rows:
    parts = find_parts(path)
    if parts:
        names = ", ".join(quoted(part.name) for part in parts.values())
        rest = f"got {names}; expected one sub-folder a class; use load_splits, or give one part"
        raise input_error(path, "a folder of official parts", rest)
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and entry.name[0] != ".")
    unlabelled = [folder for folder in folders if folder.name == _UNLABELLED]
    if unlabelled and len(folders) > 1:
        folders.remove(unlabelled[0])
        checks.warn(f"sub-folder {_UNLABELLED!r} left out", "its texts have no label")
    files = [file for folder in folders for file in sorted(folder.iterdir())]
    texts = [file for file in files if file.suffix.lower() == ".txt"]
    if not texts:
        raise input_error(path, "a folder without texts", ACCEPTED)
    if len(texts) < len(files):
        checks.warn(f"{len(files) - len(texts)} files left out", "expected .txt files alone")
    for file in texts:
        row = f"{file.parent.name}/{file.name}"
        cells: list[object] = [read_text(file, checks, row), file.parent.name]
        yield row, cells[: len(columns)]


READERS: dict[str, Reader] = {
    ".csv": _read_csv,
    ".tsv": _read_tsv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".json": _read_jsonl,
    ".parquet": _read_parquet,
    ".fasttext": _read_fasttext,
    ".ft": _read_fasttext,
    ".txt": _read_txt,
}

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
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.reading import (
    Lines,
    Reading,
    Rows,
    Source,
    check_size,
    input_error,
    lines,
    read_bytes,
    read_text,
    warn_of,
)

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

Reader = Callable[[Path, Reading, Sequence[str]], Rows]


def read_rows(source: Source, columns: Sequence[str], reading: Reading) -> Rows:
    """Read the wanted columns of a file or folder.

    Raises:
        InputError: It can't be read, or some of its rows can't.
    """
    path = _local(source)
    try:
        if path.is_dir():
            return _read_folder(path, reading, columns)
        reader = READERS.get(_kind(path))
        if not path.exists():
            raise input_error(path, "no such file or folder", f"{_near(path)}{ACCEPTED}")
        if reader is None:
            raise input_error(path, "not a known kind of file", ACCEPTED)
        rows = reader(path, reading, columns)
    except OSError as error:
        raise input_error(path, "can't be read", f"got {error.strerror or error}") from None
    if not rows:
        raise input_error(path, "0 examples", "got an empty file; expected rows; check the path")
    return rows


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


def _read_csv(path: Path, reading: Reading, columns: Sequence[str]) -> Rows:
    text = read_text(path, reading)
    # The limit of the csv module is one for the whole process.
    before = csv.field_size_limit(len(text) + 1)
    try:
        records = list(_csv_records(path, text))
    finally:
        csv.field_size_limit(before)
    return _read_table(path, reading, columns, iter(records))


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


def _read_tsv(path: Path, reading: Reading, columns: Sequence[str]) -> Rows:
    records = ((row, line.split("\t")) for row, line in lines(read_text(path, reading)) if line)
    return _read_table(path, reading, columns, records)


def _read_table(
    path: Path,
    reading: Reading,
    columns: Sequence[str],
    records: Iterator[tuple[str, list[str]]],
) -> Rows:
    top, header = next(records, ("", []))
    if not header:
        return []
    check_header(path, top, columns, header)
    rows = list(records)
    if not rows:
        rest = "expected rows; check the path"
        raise input_error(path, "0 examples after the header", rest, [top])
    numbers = [(row, len(cells)) for row, cells in rows]
    rest = f"expected {len(header)}; quote or remove the separators in a text"
    what = "wrong number of columns"
    reading.keep(path, numbers, lambda number: number == len(header), what, rest)
    places = [header.index(name) for name in columns]
    return [(row, [cells[i] for i in places]) for row, cells in rows if len(cells) == len(header)]


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
    marks = {"\t": "TAB", ";": "';'", ",": "','"}
    looks = [name for mark, name in marks.items() if len(known) == 1 and mark in known[0]]
    rest = f"{nearest(column, [quoted(name)[1:-1] for name in known])}; name the column"
    if looks:
        rest = f"got 1 column; the separator looks like {looks[0]}; "
        rest += "expected ',' in .csv, TAB in .tsv; "
        rest += "rename the file or change the separator"
    if column not in known:
        raise input_error(path, f"no column {quoted(column)}", rest, [row])


def _read_jsonl(path: Path, reading: Reading, columns: Sequence[str]) -> Rows:
    found = lines(read_text(path, reading))
    parsed = [(row, _parse(line)) for row, line in found if line.strip()]
    rest = "expected one JSON object a line; mend or remove it"
    what = "not a JSON object"
    parsed = reading.keep(path, parsed, lambda value: isinstance(value, dict), what, rest)
    records = [(row, value) for row, value in parsed if isinstance(value, dict)]
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


def _read_parquet(path: Path, reading: Reading, columns: Sequence[str]) -> Rows:
    try:
        # Neither library has types, and neither need be there.
        arrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError:
        rest = "expected the library pyarrow; pip install kerastextzoo[parquet]"
        raise input_error(path, "Parquet can't be read", rest) from None
    data = read_bytes(path, reading)
    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        groups = range(file.metadata.num_row_groups)
        size = sum(file.metadata.row_group(i).total_byte_size for i in groups)
        check_size(path, size, reading.max_expanded_bytes or _MOST_UNPACKED)
        check_header(path, "", columns, file.schema_arrow.names)
        table = file.read(columns=list(columns))
        cells = [table.column(name).to_pylist() for name in columns]
    except InputError:
        raise
    except (arrow.ArrowException, ValueError, OSError, KeyError, OverflowError) as error:
        rest = f"got {quoted(error)}; expected Parquet; get the file again"
        raise input_error(path, "damaged", rest) from None
    return [(str(i), list(values)) for i, values in enumerate(zip(*cells, strict=True), 1)]


def _read_fasttext(path: Path, reading: Reading, columns: Sequence[str]) -> Rows:
    return _fasttext_rows(path, lines(read_text(path, reading)), reading, columns)


def _fasttext_rows(path: Path, found: Lines, reading: Reading, columns: Sequence[str]) -> Rows:
    filled = [(row, line) for row, line in found if line.strip()]
    rest = "expected '__label__NAME text'; add it or remove the line"
    filled = reading.keep(path, filled, _is_labelled, "no label at the start", rest)
    pairs = [(row, re.split("[ \t]", line, maxsplit=1)) for row, line in filled]
    pairs = [(row, [*pair, ""][:2]) for row, pair in pairs]
    rest = "expected one; keep one label a line"
    pairs = reading.keep(
        path, pairs, lambda pair: not _is_labelled(pair[1].lstrip()), "several labels", rest
    )
    return _cut_off(
        ((row, text, label.removeprefix("__label__")) for row, (label, text) in pairs), columns
    )


def _cut_off(found: Iterable[tuple[str, str, str]], columns: Sequence[str]) -> Rows:
    """Return rows of texts with labels; of texts alone, if one column is wanted."""
    return [(row, list[object]((text, label)[: len(columns)])) for row, text, label in found]


def _is_labelled(line: str) -> bool:
    return line.startswith("__label__")


def _read_txt(path: Path, reading: Reading, columns: Sequence[str]) -> Rows:
    """Read a .txt file, whose content tells what it is; without labels, each line is a text."""
    text = read_text(path, reading)
    if _is_labelled(text.lstrip("\n")):
        return _fasttext_rows(path, lines(text), reading, columns)
    labels_wanted = len(columns) > 1
    for names in (path.with_name(CLASS_NAMES + end) for end in ("", ".gz")):
        if names.exists() and (labels_wanted or re.match(r"[^\n]*\t\d+(\n|$)", text)):
            return _numbered_rows(path, text, names, reading, columns)
    if labels_wanted and text.strip():
        rest = f"expected lines that start with __label__, or {CLASS_NAMES} beside it; or else "
        raise input_error(path, "not a known kind of file", rest + ACCEPTED)
    if labels_wanted or not text:
        return []
    return [(row, [line]) for row, line in lines(text.removesuffix("\n"))]


def _numbered_rows(
    path: Path, text: str, names_path: Path, reading: Reading, columns: Sequence[str]
) -> Rows:
    """Split lines of `text TAB label id`; the ids count the lines of another file from 0."""
    names = [name.strip() for _, name in lines(read_text(names_path, reading).rstrip("\n"))]
    ids = {str(i): name for i, name in enumerate(names)}
    found = [(row, line.rpartition("\t")) for row, line in lines(text) if line.strip()]
    last = len(names) - 1
    rest = f"expected text, TAB, a line number of {names_path.name} from 0 to {last}"
    found = reading.keep(
        path, found, lambda cells: cells[2].strip() in ids, "no such label id", rest
    )
    return _cut_off(((row, said, ids[number.strip()]) for row, (said, _, number) in found), columns)


def _read_folder(path: Path, reading: Reading, columns: Sequence[str]) -> Rows:
    parts = find_parts(path)
    if parts:
        names = ", ".join(quoted(part.name) for part in parts.values())
        rest = f"got {names}; expected one sub-folder a class; use load_splits, or give one part"
        raise input_error(path, "a folder of official parts", rest)
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and entry.name[0] != ".")
    unlabelled = [folder for folder in folders if folder.name == _UNLABELLED]
    if unlabelled and len(folders) > 1:
        folders.remove(unlabelled[0])
        warn_of(path, f"sub-folder {_UNLABELLED!r} left out", "its texts have no label")
    files = [file for folder in folders for file in sorted(folder.iterdir())]
    texts = [file for file in files if file.suffix.lower() == ".txt"]
    if not texts:
        raise input_error(path, "a folder without texts", ACCEPTED)
    if len(texts) < len(files):
        warn_of(path, f"{len(files) - len(texts)} files left out", "expected .txt files alone")
    rows: Rows = []
    for file in texts:
        cells: list[object] = [read_text(file, reading), file.parent.name]
        rows.append((f"{file.parent.name}/{file.name}", cells[: len(columns)]))
    return rows


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

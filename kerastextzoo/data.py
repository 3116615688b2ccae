"""From a file to texts with labels, and from those to training, validation and test parts.

To read a new kind of file, write a reader and add its suffix to `READERS`.
"""

import codecs
import csv
import difflib
import gzip
import hashlib
import io
import json
import os
import re
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kerastextzoo.docstrings import Progress, load_docstrings
from kerastextzoo.errors import InputError, nearest, quoted

EMBEDDED = "docstrings"
LONGEST_LABEL = 200
FEWEST_CLASSES = 2
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


@dataclass(frozen=True)
class Dataset:
    """Texts with their labels.

    >>> Dataset("two", ("good film", "bad film"), ("pos", "neg")).subset([1])
    Dataset(name='two', texts=('bad film',), labels=('neg',))

    Attributes:
        name: Where they come from, for people.
        texts: As they were read.
        labels: One a text.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            got = f"got {len(self.texts)} texts and {len(self.labels)} labels"
            raise _error(self.name, "texts and labels differ in number", f"{got}; expected as many")

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def fingerprint(self) -> str:
        """A SHA-256 over texts and labels; the name does not count."""
        return hashlib.sha256(json.dumps([self.texts, self.labels]).encode()).hexdigest()

    def subset(self, rows: Iterable[int]) -> "Dataset":
        """Return the rows of these numbers, counted from 0, in that order."""
        rows = list(rows)
        texts, labels = tuple(self.texts[i] for i in rows), tuple(self.labels[i] for i in rows)
        return Dataset(self.name, texts, labels)


def load_dataset(
    source: Source | None = None,
    *,
    text_column: str = "text",
    label_column: str = "label",
    encoding: str | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Read texts and labels; blank texts are dropped with a warning.

    Args:
        source: A path, or None for the embedded corpus; `ACCEPTED` says which there are.
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        encoding: None for UTF-8, or UTF-16 if the file starts with its byte order mark.
        progress: Called while the embedded corpus is collected for the first time.

    Raises:
        InputError: The file or some of its rows can't be used.
    """
    if source is None or source == EMBEDDED:
        return Dataset(EMBEDDED, *load_docstrings(progress))
    rows = _read(source, (text_column, label_column), encoding, READERS)
    texts, labels = _check_texts(source, rows), _check_labels(source, rows)
    blank = [row for (row, _), text in zip(rows, texts, strict=True) if not text.strip()]
    if len(blank) == len(rows):
        rest = f"expected words in column {quoted(text_column)}; name another column"
        raise _error(source, f"all {len(rows)} texts are empty", rest)
    if blank:
        _warn(source, "empty text dropped", "expected words; add them or remove the row", blank)
    kept = [i for i, text in enumerate(texts) if text.strip()]
    return Dataset(os.fspath(source), tuple(texts), tuple(labels)).subset(kept)


def load_texts(
    source: Source, *, text_column: str = "text", encoding: str | None = None
) -> list[str]:
    """Read texts to be classified: the column of texts, or each line of a .txt file.

    Blank texts are kept, so that there is one answer a row.

    Raises:
        InputError: The file or some of its rows can't be used.
    """
    if source == EMBEDDED:
        return list(load_dataset(source).texts)
    rows = _read(source, (text_column,), encoding, {**READERS, ".txt": _read_lines})
    return _check_texts(source, rows)


# What people are told


def _message(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> str:
    """Say what is wrong in how many rows, and name the first five."""
    more = ", ..." if len(rows) > _SHOWN else ""
    many = f" in {len(rows)} rows ({', '.join(rows[:_SHOWN])}{more})" if len(rows) > 1 else ""
    text = f"{':'.join([str(where), *rows[:1]])}: {what}{many}; {rest}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _error(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> InputError:
    return InputError(_message(where, what, rest, rows))


def _warn(where: object, what: str, rest: str, rows: Sequence[str] = ()) -> None:
    warnings.warn(_message(where, what, rest, rows), DataWarning, stacklevel=3)


def _require(
    where: object,
    values: Iterable[tuple[str, _T]],
    good: Callable[[_T], bool],
    what: str,
    rest: str,
) -> None:
    """Check one value a row; the first bad one is quoted."""
    bad = [(row, value) for row, value in values if not good(value)]
    if bad:
        raise _error(where, what, f"got {quoted(bad[0][1])}; {rest}", [row for row, _ in bad])


# From a path to rows


def _read(
    source: Source, columns: Sequence[str], encoding: str | None, readers: dict[str, Reader]
) -> Rows:
    path = Path(source)
    if re.match(r"[A-Za-z][\w+.-]+:/", str(source)):
        raise _error(source, "remote paths are not read", "expected a local file; copy it here")
    try:
        if path.is_dir():
            return _read_folder(path, encoding, columns)
        if not path.exists():
            raise _error(path, "no such file or folder", f"{_near(path)}{ACCEPTED}")
        reader = readers.get(Path(path.name.lower().removesuffix(".gz")).suffix)
        if reader is None:
            raise _error(path, "not a known kind of file", ACCEPTED)
        rows = reader(path, encoding, columns)
    except OSError as error:
        raise _error(path, "can't be read", f"got {error.strerror or error}") from None
    if not rows:
        raise _error(path, "0 examples", "got an empty file; expected rows; check the path")
    return rows


def _near(path: Path) -> str:
    siblings = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, [*siblings, EMBEDDED], n=1)
    return f"did you mean {quoted(close[0])}? " if close else ""


def _read_bytes(path: Path) -> bytes:
    if not path.is_file():
        raise _error(path, "not a regular file", f"{ACCEPTED}; write it to a file first")
    if path.suffix.lower() != ".gz":
        return path.read_bytes()
    try:
        with gzip.open(path) as file:
            return file.read()
    except EOFError:
        problem = "a truncated gzip file"
    except (gzip.BadGzipFile, zlib.error) as error:
        problem = str(error)
    raise _error(path, "damaged", f"got {problem}; expected gzip; get the file again")


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
        raise _error(path, "not decoded", f"{got}; expected {chosen}; {way}", [str(row)]) from None
    except (LookupError, ValueError):
        got = f"got {quoted(chosen)}; expected one that Python knows; try utf-8 or gb18030"
        raise _error(path, "no such encoding", got) from None
    if marked:
        _warn(path, "read as UTF-16", "got its byte order mark; name an encoding if that is wrong")
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    rest = "expected text; remove NUL; if it is UTF-16 without a mark, try encoding utf-16-le"
    _require(path, _lines(text), lambda line: "\0" not in line, "NUL characters", rest)
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
        raise _error(path, "unclosed quote", f"got {error}; {rest}", [str(line)]) from None


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
        raise _error(path, "repeated column name", rest, [top])
    for column in columns:
        _check_column(path, top, column, header)
    rows = list(records)
    if not rows:
        raise _error(path, "0 examples after the header", "expected rows; check the path", [top])
    rest = f"expected {len(header)}; quote or remove the separators in a text"
    numbers = ((row, len(cells)) for row, cells in rows)
    _require(path, numbers, lambda n: n == len(header), "wrong number of columns", rest)
    return [(row, [cells[header.index(name)] for name in columns]) for row, cells in rows]


def _check_column(path: Path, row: str, column: str, known: Sequence[str]) -> None:
    marks = {"\t": "TAB", ";": "';'", ",": "','"}
    looks = [name for mark, name in marks.items() if len(known) == 1 and mark in known[0]]
    rest = f"{nearest(column, [quoted(name)[1:-1] for name in known])}; name the column"
    if looks:
        rest = f"got 1 column; the separator looks like {looks[0]}; expected ',' in .csv, TAB in .tsv; "
        rest += "rename the file or change the separator"
    if column not in known:
        raise _error(path, f"no column {quoted(column)}", rest, [row])


def _read_jsonl(path: Path, encoding: str | None, columns: Sequence[str]) -> Rows:
    lines = _lines(_read_text(path, encoding))
    parsed = [(row, _parse(line)) for row, line in lines if line.strip()]
    rest = "expected one JSON object a line; mend or remove it"
    _require(path, parsed, lambda found: isinstance(found, dict), "not a JSON object", rest)
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


def _read_lines(path: Path, encoding: str | None, _: Sequence[str]) -> Rows:
    text = _read_text(path, encoding)
    return [(row, [line]) for row, line in _lines(text.removesuffix("\n"))] if text else []


def _read_folder(path: Path, encoding: str | None, columns: Sequence[str]) -> Rows:
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and entry.name[0] != ".")
    parts = [folder.name for folder in folders if folder.name.lower() in {"train", "test"}]
    if parts:
        rest = f"got {quoted(parts[0])}; expected one sub-folder a class; give that folder instead"
        raise _error(path, "sub-folders are parts, not classes", rest)
    files = [file for folder in folders for file in sorted(folder.iterdir())]
    texts = [file for file in files if file.suffix.lower() == ".txt"]
    if not texts:
        raise _error(path, "a folder without texts", ACCEPTED)
    if len(texts) < len(files):
        _warn(path, f"{len(files) - len(texts)} files left out", "expected .txt files alone")
    rows: Rows = []
    for file in texts:
        cells: list[object] = [_read_text(file, encoding), file.parent.name]
        rows.append((f"{file.parent.name}/{file.name}", cells[: len(columns)]))
    return rows


READERS: dict[str, Reader] = {".csv": _read_csv, ".tsv": _read_tsv, ".jsonl": _read_jsonl}


def _check_texts(source: Source, rows: Rows) -> list[str]:
    values = [(row, cells[0]) for row, cells in rows]
    rest = "expected a string; mend or remove the row"
    _require(source, values, lambda v: isinstance(v, str), "text missing or no string", rest)
    texts = [(row, str(value)) for row, value in values]
    rest = "expected text; remove NUL and halves of surrogate pairs"
    _require(source, texts, _is_unicode, "text with impossible characters", rest)
    return [text for _, text in texts]


def _check_labels(source: Source, rows: Rows) -> list[str]:
    values = [(row, cells[1]) for row, cells in rows]
    rest = "expected a name or a whole number; add it or remove the row"
    _require(source, values, _is_named, "label missing", rest)
    labels = [(row, str(value).strip()) for row, value in values]
    what = f"not a label (the longest has {max(len(label) for _, label in labels)} characters)"
    rest = f"expected one line of up to {LONGEST_LABEL} characters; is it the column of texts?"
    _require(source, labels, _is_label, what, rest)
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


# From texts and labels to parts


@dataclass(frozen=True)
class Splits:
    """Training, validation and test parts.

    Attributes:
        train: To learn from.
        validation: To choose by.
        test: To report on, seen once.
        label_names: All classes, sorted; the place is the class id.
        how: How the parts came about, in one sentence.
        rows: By part, the row numbers in the data set that it was taken from.
    """

    train: Dataset
    validation: Dataset
    test: Dataset | None
    label_names: tuple[str, ...]
    how: str
    rows: dict[str, list[int]]

    @property
    def fingerprint(self) -> str:
        """A SHA-256 over the texts and labels of the parts."""
        parts = [part and part.fingerprint for part in (self.train, self.validation, self.test)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def make_splits(
    data: Dataset,
    validation: Dataset | None = None,
    test: Dataset | None = None,
    *,
    seed: int,
    validation_share: float = 0.1,
    test_share: float = 0.1,
) -> Splits:
    """Split a data set; official parts stay as they are, the missing ones are cut from `data`.

    Texts that differ in case or white space alone always land in the same part.

    >>> data = Dataset("numbers", tuple(map(str, range(20))), ("even", "odd") * 10)
    >>> splits = make_splits(data, seed=0)
    >>> len(splits.train), splits.how
    (16, 'stratified 80/10/10, seed 0, no official split given')

    Args:
        data: What to learn from.
        validation: The official validation part.
        test: The official test part.
        seed: The same one gives the same parts.
        validation_share: How much of `data` becomes the validation part, above 0.
        test_share: How much becomes the test part; 0 for none.

    Raises:
        InputError: There are too few classes or texts, or labels that training lacks.
    """
    if not (0 < validation_share < 1 - test_share <= 1):
        got = f"got {validation_share} for validation and {test_share} for test"
        raise _error(data.name, "no such shares", f"{got}; expected positive ones, in sum below 1")
    names = _check_classes(data)
    given = {"validation": validation, "test": test}
    official = {name: part for name, part in given.items() if part is not None}
    for part in official.values():
        _check_known(part, names)
    wanted = {"test": test_share, "validation": validation_share}
    shares = {name: share for name, share in wanted.items() if share and name not in official}
    rows = _cut(data, shares, names, seed)
    parts = {name: data.subset(rows[name]) for name in rows} | official
    rows |= {name: list(range(len(part))) for name, part in official.items()}
    how = _describe(shares, list(official), seed)
    return Splits(parts["train"], parts["validation"], parts.get("test"), names, how, rows)


def _check_classes(data: Dataset) -> tuple[str, ...]:
    names = tuple(sorted(set(data.labels)))
    if len(names) < FEWEST_CLASSES:
        found = f"only {quoted(names[0])}" if names else "none"
        what = f"needs at least {FEWEST_CLASSES} classes, found {found}"
        raise _error(data.name, what, "name another column, or add examples of other classes")
    # No error on reading: to evaluate, a file with one text a class is fine.
    if len(names) > max(FEWEST_CLASSES, len(data) / 2):
        got = f"got {len(names)} classes in {len(data)} rows; expected few"
        raise _error(data.name, "more than half of the labels differ", f"{got}; columns swapped?")
    return names


def _check_known(part: Dataset, names: tuple[str, ...]) -> None:
    rows = [str(row) for row, label in enumerate(part.labels, 1) if label not in names]
    if rows:
        unseen = ", ".join(map(quoted, sorted(set(part.labels) - set(names))[:_SHOWN]))
        rest = f"got {unseen}; expected labels of training; add examples there or remove these"
        raise _error(part.name, "labels that training lacks", rest, rows)


def _cut(
    data: Dataset, shares: dict[str, float], names: tuple[str, ...], seed: int
) -> dict[str, list[int]]:
    """Return row numbers by part, what is left as `train`; repeats of a text stay together."""
    from sklearn.model_selection import train_test_split

    repeats: dict[str, list[int]] = {}
    for row, text in enumerate(data.texts):
        repeats.setdefault(" ".join(text.casefold().split()), []).append(row)
    groups = list(repeats.values())
    labels = [data.labels[rows[0]] for rows in groups]
    counts = Counter(labels)
    rare = min(names, key=lambda name: counts[name])
    if counts[rare] <= len(shares):
        rest = f"got {counts[rare]} different texts; expected {len(shares) + 1}; add some"
        raise _error(data.name, f"class {quoted(rare)} is too small to be split", rest)
    parts = {"train": list(range(len(groups)))}
    for name, share in shares.items():
        size = max(len(names), round(share * len(groups)))
        classes = [labels[i] for i in parts["train"]]
        try:
            parts["train"], parts[name] = train_test_split(
                parts["train"], test_size=size, random_state=seed, stratify=classes
            )
        except ValueError as error:
            rest = f"got {error}; add texts or lower its share"
            raise _error(data.name, f"the {name} part can't be cut", rest) from None
    return {name: sorted(row for i in part for row in groups[i]) for name, part in parts.items()}


def _describe(shares: dict[str, float], official: list[str], seed: int) -> str:
    given = f"official {' and '.join(official)} given" if official else "no official split given"
    if not shares:
        return f"{given}, nothing cut"
    sizes = [1 - sum(shares.values()), shares.get("validation", 0), shares.get("test", 0)]
    ratio = "/".join(f"{round(100 * size, 1):g}" for size in sizes if size)
    return f"stratified {ratio}, seed {seed}, {given}"


def label_ids(labels: Sequence[str], label_names: Sequence[str]) -> npt.NDArray[np.int32]:
    """Return the places of labels among the names, shape `(labels,)`.

    >>> label_ids(["b", "a"], ("a", "b"))
    array([1, 0], dtype=int32)

    Raises:
        InputError: A label is not among the names.
    """
    ids = {name: i for i, name in enumerate(label_names)}
    unknown = sorted(set(labels) - set(ids))
    if unknown:
        raise InputError(f"unknown label {quoted(unknown[0])}; {nearest(unknown[0], label_names)}")
    return np.array([ids[label] for label in labels], np.int32)

"""Texts with their labels, from a file, a data frame or a Hugging Face data set.

Files are read by `kerastextzoo.formats`; `kerastextzoo.splits` makes the parts for training.
"""

import hashlib
import json
import os
import sys
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.docstrings import load_docstrings
from kerastextzoo.errors import quoted
from kerastextzoo.formats import EMBEDDED, check_header, read_rows
from kerastextzoo.progress import Progress
from kerastextzoo.reading import Checks, DataWarning, Reading, Rows, Source, fold, input_error
from kerastextzoo.stored_texts import StoredTexts, TextWriter

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DataWarning",
    "Dataset",
    "Reading",
    "dataset_from_frame",
    "dataset_from_hub",
    "load_dataset",
    "load_texts",
]


@dataclass(frozen=True)
class Dataset:
    """Texts with their labels.

    >>> Dataset("two", ("good film", "bad film"), ("pos", "neg")).subset([1])
    Dataset(name='two', texts=('bad film',), labels=('neg',))

    Attributes:
        name: Where they come from, for people.
        texts: As they were read; many are kept on disk.
        labels: One a text.
        warnings: What was guessed or dropped on the way.
        origin: The file (`path`) and how it was read, where that is not the usual way.
    """

    name: str
    texts: Sequence[str]
    labels: tuple[str, ...]
    warnings: tuple[str, ...] = field(default=(), repr=False, compare=False)
    origin: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            got = f"got {len(self.texts)} texts and {len(self.labels)} labels"
            raise input_error(
                self.name, "texts and labels differ in number", f"{got}; expected as many"
            )

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def fingerprint(self) -> str:
        """A SHA-256 over texts and labels; the name does not count."""
        digest = hashlib.sha256()
        for pair in zip(self.texts, self.labels, strict=True):
            digest.update(json.dumps(pair).encode())
        return digest.hexdigest()

    @cached_property
    def keys(self) -> npt.NDArray[np.uint64]:
        """A number a text, `(texts,)`, the same where case and white space alone differ.

        Others share one by chance: in 10 million texts with a chance below 1 in 100,000.
        """
        return np.fromiter(map(_key, self.texts), np.uint64, len(self))

    def repeats(self) -> list[list[int]]:
        """Return the rows of each text that occurs more than once, by the numbers in `keys`."""
        order = np.argsort(self.keys, kind="stable")
        cuts = np.flatnonzero(np.diff(self.keys[order])) + 1
        groups = [rows.tolist() for rows in np.split(order, cuts) if len(rows) > 1]
        return sorted(groups)

    def subset(self, rows: Iterable[int]) -> "Dataset":
        """Return the rows of these numbers, counted from 0, in that order."""
        chosen = np.fromiter(rows, np.int64)
        several = self.texts
        texts = (
            several.take(chosen)
            if isinstance(several, StoredTexts)
            else tuple(several[i] for i in chosen)
        )
        labels = tuple(self.labels[i] for i in chosen)
        return _with_keys(replace(self, texts=texts, labels=labels), self.keys[chosen])


def _with_keys(data: Dataset, keys: npt.NDArray[np.uint64]) -> Dataset:
    # Where a cached property keeps its value.
    vars(data)["keys"] = keys
    return data


def _key(text: str) -> int:
    digest = hashlib.blake2b(fold(text).encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest)


def load_dataset(
    source: Source | None = None,
    *,
    text_column: str = "text",
    label_column: str = "label",
    encoding: str | None = None,
    progress: Progress | None = None,
    reading: Reading | None = None,
) -> Dataset:
    """Read texts and labels; blank texts are dropped with a warning.

    A file is read row by row, and many texts are kept on disk, so that it may be larger than
    memory.

    Args:
        source: A path, or None for the embedded corpus; see `kerastextzoo.formats.ACCEPTED`.
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        encoding: None for UTF-8, or UTF-16 if the file starts with its byte order mark.
        progress: Called now and then with what is done and what there is to do.
        reading: All about reading, in place of the column names and the encoding.

    Raises:
        InputError: The file or some of its rows can't be used.
    """
    if source is None or source == EMBEDDED:
        return Dataset(EMBEDDED, *load_docstrings(progress))
    if reading is None:
        reading = Reading(text_column=text_column, label_column=label_column, encoding=encoding)
    checks = Checks(os.fspath(source), reading, progress)
    rows = read_rows(source, (reading.text_column, reading.label_column), checks)
    data = _collect(rows, checks)
    usual = asdict(Reading())
    unusual = {name: value for name, value in asdict(reading).items() if value != usual[name]}
    origin = {"path": str(Path(source).resolve()), "reading": unusual}
    return _with_keys(replace(data, origin=origin), data.keys)


def load_texts(
    source: Source,
    *,
    text_column: str = "text",
    encoding: str | None = None,
    reading: Reading | None = None,
    progress: Progress | None = None,
) -> Sequence[str]:
    """Read texts to be classified: the column of texts, or each line of a .txt file.

    Blank texts are kept, so that there is one answer a row.

    Raises:
        InputError: The file or some of its rows can't be used.
    """
    if source == EMBEDDED:
        return load_dataset(source, progress=progress).texts
    reading = reading or Reading(text_column=text_column, encoding=encoding)
    checks, texts = Checks(os.fspath(source), reading, progress), TextWriter()
    for row, cells in read_rows(source, (reading.text_column,), checks):
        text = checks.text(row, cells[0])
        if text is not None:
            texts.append(text)
    checks.finish()
    return texts.finish()


def dataset_from_frame(
    frame: "pd.DataFrame",
    *,
    text_column: str = "text",
    label_column: str = "label",
    name: str = "frame",
) -> Dataset:
    """Take texts and labels from a pandas DataFrame; rows are counted from 1.

    Raises:
        InputError: A column is missing, or some of the rows can't be used.
    """
    columns, header = (text_column, label_column), [str(column) for column in frame.columns]
    check_header(name, "", columns, header)
    return _from_cells(name, [frame.iloc[:, header.index(column)].tolist() for column in columns])


def dataset_from_hub(
    dataset: Any,
    *,
    part: str | None = None,
    text_column: str = "text",
    label_column: str = "label",
    name: str = "hub",
) -> Dataset:
    """Take texts and labels from a `datasets.Dataset`; ids of a `ClassLabel` become its names.

    Nothing is downloaded.

    Args:
        dataset: A `datasets.Dataset`, or a `datasets.DatasetDict`, of which `part` is taken.
        part: Which data set of a `datasets.DatasetDict`.
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        name: What to call it in messages.

    Raises:
        InputError: A part or column is missing, or some of the rows can't be used.
    """
    if isinstance(dataset, Mapping):
        if part not in dataset:
            found = ", ".join(map(quoted, dataset))
            rest = f"got {found}; expected the name of one; give part"
            raise input_error(name, f"no part {quoted(part)}", rest)
        dataset = dataset[part]
    check_header(name, "", (text_column, label_column), dataset.column_names)
    labels = list(dataset[label_column])
    names = getattr(dataset.features[label_column], "names", None)
    if names is not None:
        # The hub's own id for "no label" is -1.
        labels = [None if label is None or label < 0 else names[label] for label in labels]
    return _from_cells(name, [list(dataset[text_column]), labels])


def _from_cells(name: str, cells: list[list[object]]) -> Dataset:
    rows = ((str(i), list(values)) for i, values in enumerate(zip(*cells, strict=True), 1))
    return _collect(rows, Checks(name, Reading()))


def _collect(rows: Rows, checks: Checks) -> Dataset:
    """Check rows of a text and a label while they come, and keep the good ones."""
    texts, labels, keys, places = TextWriter(), list[str](), array("Q"), list[str]()
    for row, (said, named) in rows:
        text = checks.text(row, said)
        label = None if text is None else checks.label(row, named)
        if text is None or label is None or not checks.has_words(row, text):
            continue
        texts.append(text)
        labels.append(sys.intern(label))
        keys.append(_key(text))
        places.append(row)
    checks.finish()
    if not labels:
        raise input_error(checks.source, "0 examples", "expected rows; check the source")
    data = Dataset(str(checks.source), texts.finish(), tuple(labels))
    _tell_repeats(_with_keys(data, np.array(keys, np.uint64)), places, checks)
    return _with_keys(replace(data, warnings=tuple(checks.warner.said)), data.keys)


def _tell_repeats(data: Dataset, places: Sequence[str], checks: Checks) -> None:
    """Warn of repeated texts, and of texts with several labels."""
    repeats = data.repeats()
    again = sorted(row for rows in repeats for row in rows[1:])
    if again:
        rest = "expected different ones; they count as often"
        checks.warn("repeated text", rest, [places[row] for row in again[:5]], len(again))
    torn = [rows for rows in repeats if len({data.labels[row] for row in rows}) > 1]
    if torn:
        named = ", ".join(quoted(label) for label in sorted({data.labels[i] for i in torn[0]}))
        rest = f"got {named} for {quoted(data.texts[torn[0][0]])}; no model can learn both"
        rows = [row for found in torn for row in found]
        what = f"{len(torn)} texts have several labels"
        checks.warn(what, rest, [places[row] for row in rows[:5]], len(rows))

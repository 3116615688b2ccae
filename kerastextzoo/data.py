"""Texts with their labels, from a file, a data frame or a Hugging Face data set.

Files are read by `kerastextzoo.formats`; `kerastextzoo.splits` makes the parts for training.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kerastextzoo.docstrings import Progress, load_docstrings
from kerastextzoo.errors import quoted
from kerastextzoo.formats import EMBEDDED, check_header, read_rows
from kerastextzoo.reading import (
    DataWarning,
    Reading,
    Rows,
    Source,
    check_labels,
    check_spellings,
    check_texts,
    input_error,
    tell_oddities,
    warn_of,
)

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
        texts: As they were read.
        labels: One a text.
    """

    name: str
    texts: tuple[str, ...]
    labels: tuple[str, ...]

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
    reading: Reading | None = None,
) -> Dataset:
    """Read texts and labels; blank texts are dropped with a warning.

    Args:
        source: A path, or None for the embedded corpus; see `kerastextzoo.formats.ACCEPTED`.
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        encoding: None for UTF-8, or UTF-16 if the file starts with its byte order mark.
        progress: Called while the embedded corpus is collected for the first time.
        reading: All about reading, in place of the column names and the encoding.

    Raises:
        InputError: The file or some of its rows can't be used.
    """
    if source is None or source == EMBEDDED:
        return Dataset(EMBEDDED, *load_docstrings(progress))
    if reading is None:
        reading = Reading(text_column=text_column, label_column=label_column, encoding=encoding)
    rows = read_rows(source, (reading.text_column, reading.label_column), reading)
    return _from_rows(os.fspath(source), rows, reading)


def load_texts(
    source: Source,
    *,
    text_column: str = "text",
    encoding: str | None = None,
    reading: Reading | None = None,
) -> list[str]:
    """Read texts to be classified: the column of texts, or each line of a .txt file.

    Blank texts are kept, so that there is one answer a row.

    Raises:
        InputError: The file or some of its rows can't be used.
    """
    if source == EMBEDDED:
        return list(load_dataset(source).texts)
    reading = reading or Reading(text_column=text_column, encoding=encoding)
    rows = read_rows(source, (reading.text_column,), reading)
    return [str(cells[0]) for _, cells in check_texts(source, rows, reading)]


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
    rows = [(str(i), list(values)) for i, values in enumerate(zip(*cells, strict=True), 1)]
    return _from_rows(name, rows, Reading())


def _from_rows(name: str, rows: Rows, reading: Reading) -> Dataset:
    rows = check_labels(name, check_texts(name, rows, reading), reading)
    if not rows:
        raise input_error(name, "0 examples", "expected rows; check the source")
    blank = [row for row, cells in rows if not str(cells[0]).strip()]
    if len(blank) == len(rows):
        rest = f"expected words in column {quoted(reading.text_column)}; name another column"
        raise input_error(name, f"all {len(rows)} texts are empty", rest)
    if blank:
        warn_of(name, "empty text dropped", "expected words; add them or remove the row", blank)
    kept = [(row, cells) for row, cells in rows if str(cells[0]).strip()]
    check_spellings(name, [cells[1] for _, cells in kept])
    texts = tuple(str(cells[0]) for _, cells in kept)
    labels = tuple(str(cells[1]).strip() for _, cells in kept)
    tell_oddities(name, [row for row, _ in kept], texts, labels)
    return Dataset(name, texts, labels)

"""Texts with their labels, from a file, a data frame or a Hugging Face data set.

Files are read by `kerastextzoo.formats`; `kerastextzoo.splits` makes the parts for training.
"""

import hashlib
import json
import os
from array import array
from collections import Counter
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
from kerastextzoo.label_sets import COLLECTIONS, Label, as_tuple, shown
from kerastextzoo.progress import Progress
from kerastextzoo.reading import Checks, Reading, Rows, Source
from kerastextzoo.rules import DataWarning, fold, input_error
from kerastextzoo.stored_texts import TextWriter, take_texts

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

    In multi-label data a text has any number of labels, given as a tuple, a list or a set.

    >>> Dataset("two", ("new long film", "film"), (("new", "long"), ())).labels
    (('long', 'new'), ())

    Attributes:
        name: Where they come from, for people.
        texts: As they were read; many are kept on disk.
        labels: One a text; in multi-label data a sorted tuple of labels a text.
        warnings: What was guessed or dropped on the way.
        origin: The file (`path`) and how it was read, where that is not the usual way.
    """

    name: str
    texts: Sequence[str]
    labels: tuple[Label, ...]
    warnings: tuple[str, ...] = field(default=(), repr=False, compare=False)
    origin: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.labels):
            got = f"got {len(self.texts)} texts and {len(self.labels)} labels"
            raise input_error(
                self.name, "texts and labels differ in number", f"{got}; expected as many"
            )
        several = sum(isinstance(label, COLLECTIONS) for label in self.labels)
        if 0 < several < len(self.labels):
            got = f"got {several} lists of labels and {len(self.labels) - several} labels"
            rest = f"{got}; expected lists in every row or in none"
            raise input_error(self.name, "labels and lists of labels mixed", rest)
        if several:
            sets = tuple(tuple(sorted(set(label))) for label in self.labels)
            object.__setattr__(self, "labels", sets)

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def multi_label(self) -> bool:
        """Whether a text may have any number of labels, so that `labels` holds tuples."""
        return bool(self.labels) and not isinstance(self.labels[0], str)

    @property
    def label_counts(self) -> Counter[str]:
        """How many texts have each label."""
        return Counter(name for label in self.labels for name in as_tuple(label))

    def as_multi_label(self) -> "Dataset":
        """Return the same texts with a tuple of labels each."""
        return self.with_labels(tuple(map(as_tuple, self.labels)))

    def with_labels(self, labels: tuple[Label, ...]) -> "Dataset":
        """Return the same texts with other labels."""
        return _with_keys(replace(self, labels=labels), self.keys)

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
        return text_keys(self.texts)

    def repeats(self) -> list[list[int]]:
        """Return the rows of each text that occurs more than once, by the numbers in `keys`."""
        order = np.argsort(self.keys, kind="stable")
        cuts = np.flatnonzero(np.diff(self.keys[order])) + 1
        groups = [rows.tolist() for rows in np.split(order, cuts) if len(rows) > 1]
        return sorted(groups)

    def subset(self, rows: Iterable[int]) -> "Dataset":
        """Return the rows of these numbers, counted from 0, in that order."""
        chosen = np.fromiter(rows, np.int64)
        texts = take_texts(self.texts, chosen)
        labels = tuple(self.labels[i] for i in chosen)
        return _with_keys(replace(self, texts=texts, labels=labels), self.keys[chosen])


def _with_keys(data: Dataset, keys: npt.NDArray[np.uint64]) -> Dataset:
    # Where a cached property keeps its value.
    vars(data)["keys"] = keys
    return data


def text_keys(texts: Sequence[str]) -> npt.NDArray[np.uint64]:
    """Return what `Dataset.keys` is for these texts, `(texts,)`."""
    return np.fromiter(map(_key, texts), np.uint64, len(texts))


def fingerprint_texts(texts: Sequence[str]) -> str:
    """Return a SHA-256 over texts."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(json.dumps(text).encode())
    return digest.hexdigest()


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
    label_separator: str | None = None,
    name: str = "frame",
) -> Dataset:
    """Take texts and labels from a pandas DataFrame; rows are counted from 1.

    A column of lists is multi-label data.

    Args:
        frame: Has a column of texts and one of labels.
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        label_separator: Between the labels of a row, where they are one string.
        name: What to call it in messages.

    Raises:
        InputError: A column is missing, or some of the rows can't be used.
    """
    columns, header = (text_column, label_column), [str(column) for column in frame.columns]
    check_header(name, "", columns, header)
    cells = [frame.iloc[:, header.index(column)].tolist() for column in columns]
    return _from_cells(name, cells, Reading(label_separator=label_separator))


def dataset_from_hub(
    dataset: Any,
    *,
    part: str | None = None,
    text_column: str = "text",
    label_column: str = "label",
    label_separator: str | None = None,
    name: str = "hub",
) -> Dataset:
    """Take texts and labels from a `datasets.Dataset`; ids of a `ClassLabel` become its names.

    A column of lists is multi-label data. Nothing is downloaded.

    Args:
        dataset: A `datasets.Dataset`, or a `datasets.DatasetDict`, of which `part` is taken.
        part: Which data set of a `datasets.DatasetDict`.
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        label_separator: Between the labels of a row, where they are one string.
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
    kind = dataset.features[label_column]
    names = getattr(getattr(kind, "feature", kind), "names", None)
    if names is not None:
        labels = [_hub_names(label, names) for label in labels]
    cells = [list(dataset[text_column]), labels]
    return _from_cells(name, cells, Reading(label_separator=label_separator))


def _hub_names(label: Any, names: Sequence[str]) -> Any:
    if isinstance(label, COLLECTIONS):
        return [_hub_names(each, names) for each in label]
    # The hub's own id for "no label" is -1.
    return None if label is None or label < 0 else names[label]


def _from_cells(name: str, cells: list[list[object]], reading: Reading) -> Dataset:
    rows = ((str(i), list(values)) for i, values in enumerate(zip(*cells, strict=True), 1))
    return _collect(rows, Checks(name, reading))


def _collect(rows: Rows, checks: Checks) -> Dataset:
    """Check rows of a text and its labels while they come, and keep the good ones."""
    texts, sets, keys, places = TextWriter(), list[tuple[str, ...]](), array("Q"), list[str]()
    for row, (said, named) in rows:
        text = checks.text(row, said)
        label_set = None if text is None else checks.labels.read(row, named)
        if text is None or label_set is None or not checks.has_words(row, text):
            continue
        texts.append(text)
        sets.append(label_set)
        keys.append(_key(text))
        places.append(row)
    checks.finish()
    if not sets:
        raise input_error(checks.source, "0 examples", "expected rows; check the source")
    labels: Iterable[Label] = sets if checks.labels.multi_label else (names[0] for names in sets)
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
        named = ", ".join(sorted({quoted(shown(data.labels[i])) for i in torn[0]}))
        rest = f"got {named} for {quoted(data.texts[torn[0][0]])}; no model can learn both"
        rows = [row for found in torn for row in found]
        what = f"{len(torn)} texts have several {'sets of ' if data.multi_label else ''}labels"
        checks.warn(what, rest, [places[row] for row in rows[:5]], len(rows))

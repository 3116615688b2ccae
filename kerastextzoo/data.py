"""From a file to texts with labels, and from those to training, validation and test parts.

Files are read by `kerastextzoo.reading`.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from kerastextzoo.docstrings import Progress, load_docstrings
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.reading import (
    EMBEDDED,
    READERS,
    DataWarning,
    Source,
    check_labels,
    check_texts,
    input_error,
    read_lines,
    read_rows,
    warn_of,
)

__all__ = [
    "DataWarning",
    "Dataset",
    "Splits",
    "label_ids",
    "load_dataset",
    "load_texts",
    "make_splits",
]

FEWEST_CLASSES = 2


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
) -> Dataset:
    """Read texts and labels; blank texts are dropped with a warning.

    Args:
        source: A path, or None for the embedded corpus; see `kerastextzoo.reading.ACCEPTED`.
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        encoding: None for UTF-8, or UTF-16 if the file starts with its byte order mark.
        progress: Called while the embedded corpus is collected for the first time.

    Raises:
        InputError: The file or some of its rows can't be used.
    """
    if source is None or source == EMBEDDED:
        return Dataset(EMBEDDED, *load_docstrings(progress))
    rows = read_rows(source, (text_column, label_column), encoding, READERS)
    texts, labels = check_texts(source, rows), check_labels(source, rows)
    blank = [row for (row, _), text in zip(rows, texts, strict=True) if not text.strip()]
    if len(blank) == len(rows):
        rest = f"expected words in column {quoted(text_column)}; name another column"
        raise input_error(source, f"all {len(rows)} texts are empty", rest)
    if blank:
        warn_of(source, "empty text dropped", "expected words; add them or remove the row", blank)
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
    rows = read_rows(source, (text_column,), encoding, {**READERS, ".txt": read_lines})
    return check_texts(source, rows)


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
        raise input_error(
            data.name, "no such shares", f"{got}; expected positive ones, in sum below 1"
        )
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
        raise input_error(data.name, what, "name another column, or add examples of other classes")
    # No error on reading: to evaluate, a file with one text a class is fine.
    if len(names) > max(FEWEST_CLASSES, len(data) / 2):
        got = f"got {len(names)} classes in {len(data)} rows; expected few"
        raise input_error(
            data.name, "more than half of the labels differ", f"{got}; columns swapped?"
        )
    return names


def _check_known(part: Dataset, names: tuple[str, ...]) -> None:
    rows = [str(row) for row, label in enumerate(part.labels, 1) if label not in names]
    if rows:
        unseen = ", ".join(map(quoted, sorted(set(part.labels) - set(names))[:5]))
        rest = f"got {unseen}; expected labels of training; add examples there or remove these"
        raise input_error(part.name, "labels that training lacks", rest, rows)


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
        raise input_error(data.name, f"class {quoted(rare)} is too small to be split", rest)
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
            raise input_error(data.name, f"the {name} part can't be cut", rest) from None
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

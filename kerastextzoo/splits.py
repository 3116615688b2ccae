"""Data sets to training, validation and test parts that share no text."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.data import Dataset, load_dataset
from kerastextzoo.errors import quoted
from kerastextzoo.formats import EMBEDDED, find_parts
from kerastextzoo.label_sets import Label, as_tuple, check_labels, multi_hot, stratify, without
from kerastextzoo.progress import Progress
from kerastextzoo.reading import Reading, Source
from kerastextzoo.rules import Warner, input_error

Rows = npt.NDArray[np.int64]  # row numbers, counted from 0
#: Class ids `(texts,)`, or of multi-label data 0 and 1 `(texts, classes)`.
LabelIds = npt.NDArray[np.integer[Any]]

FEWEST_CLASSES = 2
MOST_OVERLAP = 0.01
_IMBALANCE = 100


@dataclass(frozen=True)
class Splits:
    """Training, validation and test parts.

    Attributes:
        train: To learn from.
        validation: To choose by.
        test: To report on, seen once.
        label_names: All classes, sorted; the place is the class id.
        how: How the parts came about, in one sentence.
        rows: By part, the row numbers in the data set that it was taken from, `(texts,)`.
        warnings: What was guessed or dropped, in reading and in splitting.
    """

    train: Dataset
    validation: Dataset
    test: Dataset | None
    label_names: tuple[str, ...]
    how: str
    rows: dict[str, Rows]
    warnings: tuple[str, ...] = ()

    @property
    def multi_label(self) -> bool:
        """Whether a text may have any number of labels."""
        return self.train.multi_label

    @property
    def fingerprint(self) -> str:
        """A SHA-256 over the texts and labels of the parts."""
        parts = [part and part.fingerprint for part in (self.train, self.validation, self.test)]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def load_splits(
    source: Source | None = None,
    valid: Source | None = None,
    test: Source | None = None,
    *,
    seed: int,
    text_column: str = "text",
    label_column: str = "label",
    encoding: str | None = None,
    progress: Progress | None = None,
    reading: Reading | None = None,
    validation_share: float = 0.1,
    test_share: float = 0.1,
    min_class_count: int = 0,
    allow_overlap: bool = False,
    dedup: bool = False,
) -> Splits:
    """Read training, validation and test texts; cut the parts that there are not.

    Args:
        source: As for `load_dataset`, or a folder of official parts: `train` and `test` with one
            sub-folder a class, or files such as `train.txt`, `dev.txt` and `test.txt`.
        valid: The official validation texts, in place of those of the folder.
        test: The official test texts, in place of those of the folder.
        seed: The same one gives the same parts.
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        encoding: None for UTF-8, or UTF-16 if a file starts with its byte order mark.
        progress: Called now and then with what is done and what there is to do.
        reading: All about reading, in place of the column names and the encoding.
        validation_share: As for `make_splits`.
        test_share: As for `make_splits`.
        min_class_count: As for `make_splits`.
        allow_overlap: As for `make_splits`.
        dedup: As for `make_splits`.

    Raises:
        InputError: A file or some of its rows can't be used, or no such parts can be made.
    """
    if reading is None:
        reading = Reading(text_column=text_column, label_column=label_column, encoding=encoding)
    found = {} if source is None or source == EMBEDDED else find_parts(source)
    data = load_dataset(found.get("train", source), progress=progress, reading=reading)
    official = []
    for given, part in ((valid, "validation"), (test, "test")):
        path = given or found.get(part)
        official.append(load_dataset(path, progress=progress, reading=reading) if path else None)
    return make_splits(
        data,
        *official,
        seed=seed,
        validation_share=validation_share,
        test_share=test_share,
        min_class_count=min_class_count,
        allow_overlap=allow_overlap,
        dedup=dedup,
    )


def make_splits(
    data: Dataset,
    validation: Dataset | None = None,
    test: Dataset | None = None,
    *,
    seed: int,
    validation_share: float = 0.1,
    test_share: float = 0.1,
    min_class_count: int = 0,
    allow_overlap: bool = False,
    dedup: bool = False,
) -> Splits:
    """Split a data set; official parts stay as they are, the missing ones are cut from `data`.

    Texts that differ in case or white space alone always land in the same part. Each part gets its
    share of every class; of multi-label data, as nearly as the sets of labels allow.

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
        min_class_count: Classes with fewer examples in `data` are dropped from every part; of
            multi-label data, the labels and not the rows.
        allow_overlap: Accept official parts that share more than 1 % of their texts.
        dedup: Remove from `data` what an official part repeats, and from validation what test does.

    Raises:
        InputError: There are too few classes or texts, or labels that training lacks, or official
            parts share too many texts.
    """
    if not (0 < validation_share < 1 - test_share <= 1):
        got = f"got {validation_share} for validation and {test_share} for test"
        raise input_error(
            data.name, "no such shares", f"{got}; expected positive ones, in sum below 1"
        )
    given = {"train": data, "validation": validation, "test": test}
    sources = {name: part for name, part in given.items() if part is not None}
    _agree_on_labels(sources)
    warn = Warner(said for part in sources.values() for said in part.warnings)
    kept = {name: np.arange(len(part)) for name, part in sources.items()}
    said = [_drop_rare(sources, kept, min_class_count, warn)]
    said += _check_overlaps(sources, kept, allow_overlap, dedup, warn)
    found = {name: _take(part, kept[name]) for name, part in sources.items()}
    data = found.pop("train")
    names = _check_classes(data)
    _warn_of_imbalance(data, warn)
    for name, part in found.items():
        if not len(part):
            raise input_error(part.name, f"no texts left for {name}", "expected some; give others")
        _check_known(part, names)
    wanted = {"test": test_share, "validation": validation_share}
    shares = {name: share for name, share in wanted.items() if share and name not in found}
    cut = _cut(data, shares, names, seed)
    rows = {name: kept["train"][part] for name, part in cut.items()}
    rows |= {name: kept[name] for name in found}
    parts = {name: data.subset(part) for name, part in cut.items()} | found
    lacking = sorted(set(names) - set(parts["validation"].label_counts))
    if lacking:
        rest = f"got none of {', '.join(map(quoted, lacking[:5]))}; macro F1 is over all classes"
        warn(parts["validation"].name, f"{len(lacking)} classes not in validation", rest)
    return Splits(
        train=parts["train"],
        validation=parts["validation"],
        test=parts.get("test"),
        label_names=names,
        how="; ".join(filter(None, [_describe(data, shares, list(found), seed), *said])),
        rows=rows,
        warnings=tuple(warn.said),
    )


def _agree_on_labels(sources: dict[str, Dataset]) -> None:
    """Take single labels for sets of one where training has sets of labels."""
    several = sources["train"].multi_label
    for name, part in sources.items():
        if several and not part.multi_label:
            sources[name] = part.as_multi_label()
        if part.multi_label and not several:
            got = f"got {quoted(sources['train'].name)} with one label a row"
            rest = f"{got}; expected all parts alike; give those rows lists, or these one label"
            raise input_error(part.name, f"several labels a row in {name} alone", rest)


def _take(data: Dataset, rows: Rows) -> Dataset:
    return data if len(rows) == len(data) else data.subset(rows)


def _drop_rare(
    sources: dict[str, Dataset], kept: dict[str, Rows], fewest: int, warn: Warner
) -> str:
    """Take classes with too few examples out of the kept rows; say how many."""
    counts = sources["train"].label_counts
    rare = sorted(name for name, count in counts.items() if count < fewest)
    if not rare:
        return ""
    number = 0
    for name, part in sources.items():
        if part.multi_label:
            labels = without(part.labels, rare)
            number += sum(len(old) > len(new) for old, new in zip(part.labels, labels, strict=True))
            sources[name] = part.with_labels(labels)
            continue
        before = len(kept[name])
        kept[name] = np.array([i for i in kept[name] if part.labels[i] not in rare], np.int64)
        number += before - len(kept[name])
    lost = f"{number} rows" if not sources["train"].multi_label else f"from {number} rows"
    said = f"{len(rare)} classes of fewer than {fewest} examples dropped, {lost}"
    rest = f"got {', '.join(map(quoted, rare[:5]))}; lower min_class_count to keep them"
    warn(sources["train"].name, said, rest)
    return said


def _check_overlaps(
    sources: dict[str, Dataset], kept: dict[str, Rows], allow: bool, dedup: bool, warn: Warner
) -> list[str]:
    """Count texts of one part in another one; refuse many, or take them out if told to."""
    said = []
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        if first not in sources or second not in sources:
            continue
        keys = {name: sources[name].keys[kept[name]] for name in (first, second)}
        both = np.intersect1d(keys[first], keys[second])
        if not len(both):
            continue
        where, shown = sources[second].name, kept[second][np.isin(keys[second], both)]
        rows, what = [str(i + 1) for i in shown[:5]], f"texts of {second} that are in {first} too"
        example = f"got {quoted(sources[second].texts[shown[0]])}"
        share = len(both) / min(len(np.unique(part)) for part in keys.values())
        if dedup:
            repeated = np.isin(keys[first], both)
            kept[first] = kept[first][~repeated]
            said.append(f"{repeated.sum()} rows of {first} removed that {second} repeats")
            warn(sources[first].name, said[-1], example)
            continue
        if share > MOST_OVERLAP and not allow:
            rest = f"{example}; expected at most {MOST_OVERLAP:.0%}; remove them with dedup, or "
            rest += "allow_overlap"
            raise input_error(where, f"{share:.1%} {what}", rest, rows, len(shown))
        said.append(f"{share:.1%} {what}")
        rest = f"{example}; scores may be too good; dedup removes them"
        warn(where, said[-1], rest, rows, len(shown))
    return said


def _warn_of_imbalance(data: Dataset, warn: Warner) -> None:
    if is_lopsided(data):
        (most, many), *_, (least, few) = data.label_counts.most_common()
        got = f"got {many} of {quoted(most)} and {few} of {quoted(least)}"
        objective = "micro F1" if data.multi_label else "macro F1"
        rest = f"{got}; {objective} is the objective unless another is given"
        warn(data.name, f"classes differ in size more than {_IMBALANCE}-fold", rest)


def is_lopsided(data: Dataset) -> bool:
    """Tell whether one class is so much larger than another that accuracy says little."""
    counts = data.label_counts.values()
    return max(counts) > _IMBALANCE * min(counts)


def _check_classes(data: Dataset) -> tuple[str, ...]:
    names = tuple(sorted(data.label_counts))
    if len(names) < FEWEST_CLASSES:
        found = f"only {quoted(names[0])}" if names else "none"
        what = f"needs at least {FEWEST_CLASSES} classes, found {found}"
        raise input_error(data.name, what, "name another column, or add examples of other classes")
    # No error on reading: to evaluate, a file with one text a class is fine.
    if len(names) > max(FEWEST_CLASSES, len(data) / 2):
        got = f"got {len(names)} classes in {len(data)} rows; expected few"
        rest = f"{got}; columns swapped?"
        if not data.multi_label:
            rest += " or several labels a row? then give label_separator"
        raise input_error(data.name, "more than half of the labels differ", rest)
    return names


def _check_known(part: Dataset, names: tuple[str, ...]) -> None:
    known = set(names)
    sets = enumerate(map(as_tuple, part.labels), 1)
    rows = [str(row) for row, label_set in sets if not known.issuperset(label_set)]
    if rows:
        unseen = ", ".join(map(quoted, sorted(set(part.label_counts) - known)[:5]))
        rest = f"got {unseen}; expected labels of training; add examples there or remove these"
        raise input_error(part.name, "labels that training lacks", rest, rows)


def _cut(
    data: Dataset, shares: dict[str, float], names: tuple[str, ...], seed: int
) -> dict[str, Rows]:
    """Return row numbers by part, what is left as `train`; repeats of a text stay together."""
    from sklearn.model_selection import train_test_split

    # Each different text is one group, groups in the order of their first rows.
    _, first, group_of_row = np.unique(data.keys, return_index=True, return_inverse=True)
    group_of_row = np.argsort(np.argsort(first))[group_of_row]
    labels = label_ids(data.labels, names)[np.sort(first)]
    several = data.multi_label
    counts = labels.sum(axis=0) if several else np.bincount(labels, minlength=len(names))
    rare = int(counts.argmin())
    if counts[rare] <= len(shares):
        rest = f"got {counts[rare]} different texts; expected {len(shares) + 1}; add some, or "
        rest += "drop it with min_class_count"
        raise input_error(data.name, f"class {quoted(names[rare])} is too small to be split", rest)
    if several:
        all_shares = {"train": 1 - sum(shares.values()), **shares}
        parts = stratify(labels, all_shares, np.random.default_rng(seed))
        for name, part in parts.items():
            if not len(part):
                rest = f"got {len(first)} different texts; add texts or raise its share"
                raise input_error(data.name, f"the {name} part can't be cut", rest)
        return _rows_of_groups(parts, group_of_row)
    parts = {"train": np.arange(len(first))}
    for name, share in shares.items():
        size = max(len(names), round(share * len(first)))
        try:
            parts["train"], parts[name] = train_test_split(
                parts["train"], test_size=size, random_state=seed, stratify=labels[parts["train"]]
            )
        except ValueError as error:
            rest = f"got {error}; add texts or lower its share"
            raise input_error(data.name, f"the {name} part can't be cut", rest) from None
    return _rows_of_groups(parts, group_of_row)


def _rows_of_groups(groups: dict[str, Rows], group_of_row: Rows) -> dict[str, Rows]:
    return {name: np.flatnonzero(np.isin(group_of_row, part)) for name, part in groups.items()}


def _describe(data: Dataset, shares: dict[str, float], official: list[str], seed: int) -> str:
    given = f"official {' and '.join(official)} given" if official else "no official split given"
    if not shares:
        return f"{given}, nothing cut"
    sizes = [1 - sum(shares.values()), shares.get("validation", 0), shares.get("test", 0)]
    ratio = "/".join(f"{round(100 * size, 1):g}" for size in sizes if size)
    by = " by each label" if data.multi_label else ""
    return f"stratified{by} {ratio}, seed {seed}, {given}"


def label_ids(labels: Sequence[Label], label_names: Sequence[str]) -> LabelIds:
    """Return the places of labels among the names, `(labels,)`.

    For multi-label data, where each row has a tuple of labels, return `multi_hot`.

    >>> label_ids(["b", "a"], ("a", "b"))
    array([1, 0], dtype=int32)

    Raises:
        InputError: A label is not among the names.
    """
    if labels and not isinstance(labels[0], str):
        return multi_hot(labels, label_names)
    ids: dict[Label, int] = {name: i for i, name in enumerate(label_names)}
    check_labels(labels, label_names)
    return np.array([ids[label] for label in labels], np.int32)

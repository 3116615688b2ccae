"""Multi-label data: rows that carry any number of labels, none included.

A row's labels are a sorted tuple; for training they become a row of 0 and 1, one place a class.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.errors import InputError, nearest, quoted

Label = str | tuple[str, ...]  # one label a row, or all labels of a row
MultiHot = npt.NDArray[np.int8]  # (texts, classes), 1 where the text has the label
#: What a row's labels may come as.
COLLECTIONS = (tuple, list, set, frozenset, np.ndarray)
_AS_MUCH = 1e-9


def as_tuple(label: Label) -> tuple[str, ...]:
    """Return all labels of a row.

    >>> as_tuple("pos"), as_tuple(("new", "long"))
    (('pos',), ('new', 'long'))
    """
    return (label,) if isinstance(label, str) else label


def shown(label: Label) -> str:
    """Return a row's labels for people.

    >>> shown("pos"), shown(("long", "new")), shown(())
    ('pos', 'long, new', 'no label')
    """
    return ", ".join(as_tuple(label)) or "no label"


def multi_hot(labels: Sequence[Label], label_names: Sequence[str]) -> MultiHot:
    """Return which row has which label, `(rows, names)`.

    >>> multi_hot([("a", "b"), ("b",), ()], ("a", "b"))
    array([[1, 1],
           [0, 1],
           [0, 0]], dtype=int8)

    Raises:
        InputError: A label is not among the names.
    """
    ids = {name: i for i, name in enumerate(label_names)}
    check_labels(labels, ids)
    matrix = np.zeros((len(labels), len(label_names)), np.int8)
    for row, label in enumerate(labels):
        matrix[row, [ids[name] for name in as_tuple(label)]] = 1
    return matrix


def check_labels(labels: Iterable[Label], known: Iterable[str]) -> None:
    """Refuse labels that are not known.

    Raises:
        InputError: There is such a label.
    """
    unknown = sorted(set(chain.from_iterable(map(as_tuple, labels))) - set(known))
    if unknown:
        raise InputError(f"unknown label {quoted(unknown[0])}; {nearest(unknown[0], known)}")


def without(labels: Iterable[Label], dropped: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Return the rows' labels without some of them; a row may keep none.

    >>> without([("a", "b"), ("b",)], ["b"])
    (('a',), ())
    """
    gone = set(dropped)
    return tuple(tuple(name for name in as_tuple(label) if name not in gone) for label in labels)


def describe_labels(labels: Sequence[Label]) -> dict[str, Any]:
    """Return how many labels the rows have: `mean` and `most`, rows of `none`, `different` sets.

    >>> describe_labels([("a", "b"), ("b",), (), ("b",)])
    {'mean': 1.0, 'most': 2, 'none': 1, 'different': 3}
    """
    sizes = [len(as_tuple(label)) for label in labels]
    return {
        "mean": sum(sizes) / len(sizes),
        "most": max(sizes),
        "none": sizes.count(0),
        "different": len(set(labels)),
    }


def stratify(
    matrix: npt.NDArray[np.integer[Any]], shares: Mapping[str, float], rng: np.random.Generator
) -> dict[str, npt.NDArray[np.int64]]:
    """Share rows out so that each part gets its share of every label.

    The rarest label is shared out first, each of its rows to the part that lacks most of it; then
    the label that is rarest among the rows left, and rows without a label last (Sechidis et al.
    2011, https://doi.org/10.1007/978-3-642-23808-6_10).

    Args:
        matrix: Which row has which label, `(rows, classes)`.
        shares: How much each part gets; together 1.
        rng: Shuffles the rows, and decides where parts lack as much.

    Returns:
        Row numbers by part, in ascending order.

    Example:
        >>> rows = np.array([[1, 0], [0, 1]] * 10, np.int8)
        >>> parts = stratify(rows, {"train": 0.8, "test": 0.2}, np.random.default_rng(0))
        >>> rows[parts["test"]].sum(axis=0).tolist()
        [2, 2]
    """
    share = np.array(list(shares.values()))
    lacking = share[:, None] * matrix.sum(axis=0)  # (parts, classes)
    room = share * len(matrix)
    counts = matrix.sum(axis=0)
    part_of_row = np.full(len(matrix), -1)
    waiting = set(range(matrix.shape[1]))
    while (part_of_row < 0).any():
        label = min(waiting, key=lambda each: (counts[each], each), default=None)
        waiting -= {label}
        left = part_of_row < 0
        rows = np.flatnonzero(left if label is None else left & (matrix[:, label] > 0))
        for row in rng.permutation(rows):
            part = _most(room if label is None else lacking[:, label], room, rng)
            part_of_row[row] = part
            lacking[part] -= matrix[row]
            room[part] -= 1
            counts -= matrix[row]
    return {name: np.flatnonzero(part_of_row == part) for part, name in enumerate(shares)}


def _most(
    wanted: npt.NDArray[np.float64], room: npt.NDArray[np.float64], rng: np.random.Generator
) -> int:
    """Return the part that lacks most of a label, of those the one with most room."""
    best = np.flatnonzero(wanted >= wanted.max() - _AS_MUCH)
    best = best[room[best] >= room[best].max() - _AS_MUCH]
    return int(best[rng.integers(len(best))])

"""The tables of a report: classes, confusion, errors, settings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.evaluation import Evaluation

_MOST_CLASSES = 40
_MOST_PAIRS = 12
_STRONG = 0.8
_95_PERCENT = 1.959964


def interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was found on so many texts (Wilson 1927).

    Example:
        >>> low, high = interval(0.9, 100)
        >>> round(low, 3), round(high, 3)
        (0.826, 0.945)
    """
    if not count:
        return 0.0, 1.0
    z2 = _95_PERCENT**2
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    spread = math.sqrt(share * (1 - share) / count + z2 / (4 * count**2)) * _95_PERCENT
    return middle - spread / (1 + z2 / count), middle + spread / (1 + z2 / count)


def order_by_confusion(counts: npt.NDArray[np.int64]) -> list[int]:
    """Return an order of the classes in which those that are confused stand together.

    Example:
        >>> order = order_by_confusion(np.array([[9, 0, 8], [0, 9, 1], [7, 0, 9]]))
        >>> abs(order.index(0) - order.index(2))
        1
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(counts) < 3:  # noqa: PLR2004 - two classes stand together anyhow
        return list(range(len(counts)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    distances = 1 - (shares + shares.T) / 2
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    return [int(place) for place in leaves_list(tree)]


def describe_confusion(evaluation: Evaluation) -> dict[str, Any]:
    """Return the confusion matrix as rows of cells, and the pairs that are confused most.

    Of more than 40 classes those with the most errors are shown.
    """
    counts = np.array(evaluation.confusion, np.int64)
    names = [str(row["label"]) for row in evaluation.per_class]
    errors = counts.sum(axis=0) + counts.sum(axis=1) - 2 * counts.diagonal()
    shown = np.sort(np.argsort(-errors, kind="stable")[:_MOST_CLASSES])
    part = counts[np.ix_(shown, shown)]
    order = [int(shown[place]) for place in order_by_confusion(part)]
    totals = np.maximum(counts.sum(axis=1), 1)
    return {
        "names": [names[place] for place in order],
        "left_out": len(names) - len(order),
        "rows": [
            {
                "name": names[row],
                "total": int(counts[row].sum()),
                "cells": [_cell(counts, totals, row, column, names) for column in order],
            }
            for row in order
        ],
        "pairs": _pairs(counts, totals, names),
    }


def _cell(
    counts: npt.NDArray[np.int64],
    totals: npt.NDArray[Any],
    row: int,
    column: int,
    names: Sequence[str],
) -> dict[str, Any]:
    count, share = int(counts[row, column]), float(counts[row, column] / totals[row])
    kind = "right" if row == column else "wrong"
    # Else a few errors among many texts would be as white as none.
    depth = share if row == column else math.sqrt(share)
    return {
        "count": count,
        "kind": kind + (" strong" if depth > _STRONG else ""),
        "depth": round(100 * depth),
        "hint": f"{count:,} of {int(counts[row].sum()):,} texts of {names[row]} answered "
        f"{names[column]} ({share:.1%})",
    }


def _pairs(
    counts: npt.NDArray[np.int64], totals: npt.NDArray[Any], names: Sequence[str]
) -> list[dict[str, Any]]:
    wrong = counts.copy()
    np.fill_diagonal(wrong, 0)
    places = np.argsort(-wrong.ravel(), kind="stable")[:_MOST_PAIRS]
    rows, columns = np.unravel_index(places, wrong.shape)
    return [
        {
            "truth": names[row],
            "answer": names[column],
            "count": int(wrong[row, column]),
            "share": float(wrong[row, column] / totals[row]),
        }
        for row, column in zip(rows, columns, strict=True)
        if wrong[row, column]
    ]


def describe_errors(answers: Mapping[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the most confident errors with the names of their classes."""
    return [
        {
            **error,
            "truth": None if error["truth"] is None else names[error["truth"]],
            "answer": None if error["answer"] is None else names[error["answer"]],
            "text": error.get("text"),
        }
        for error in answers["errors"]
    ]


def describe_settings(
    found: Mapping[str, Any], defaults: Mapping[str, Any]
) -> list[tuple[str, str, bool]]:
    """Return each setting, its value, and whether that is not the default.

    Example:
        >>> describe_settings({"epochs": 3, "mistakes": []}, {"epochs": 20, "mistakes": []})
        [('epochs', '3', True), ('mistakes', '-', False)]
    """
    return [
        (name, _told(value), name in defaults and defaults[name] != value)
        for name, value in found.items()
    ]


def _told(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)

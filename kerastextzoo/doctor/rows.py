"""Rows and labels: their order, repeats, overlap, and whether there is anything to learn."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found
from kerastextzoo.doctor.linear import LinearProbe
from kerastextzoo.doctor.tokens import all_filled

_FEWEST_ROWS = 60
_FEWEST_OF_A_CLASS = 12
_SORTED = 0.5
_MUCH_OVERLAP = 0.01
_ALL = 0.999
_MANY_REPEATS = 0.2
_MANY_CONFLICTS = 0.02
_DOMINATES = 0.8
_CLEARLY = 3.0
_UNSCALED = 20.0
_ROOM = 0.15


def check_finite(case: Case) -> Iterator[Finding]:
    """Check that the inputs and labels are finite numbers."""
    arrays = [*keras.tree.flatten(case.program.x), case.program.y]
    bad = np.zeros(case.program.rows, np.int64)
    for array in arrays:
        if array.dtype.kind == "f":
            bad += (~np.isfinite(array)).reshape(len(array), -1).sum(-1)
    if bad.any():
        rows = np.flatnonzero(bad)
        yield found(
            "not-finite-data", numbers=int(bad.sum()), rows=len(rows), first_row=int(rows[0])
        )


def check_scale(case: Case) -> Iterator[Finding]:
    """Check that features are about as large as a network expects."""
    first = keras.tree.flatten(case.program.x)[0]
    if first.dtype.kind not in "fiu" or case.tokens is not None or case.embeddings:
        return
    if any(isinstance(layer, _NORMALISE) for layer in case.layers):
        return
    values = first[case.sample].astype(np.float64).reshape(-1, first.shape[-1])
    if np.percentile(np.abs(values), 95, axis=0).max() > _UNSCALED:
        yield found("features-not-scaled", lowest=values.min(), highest=values.max())


_NORMALISE = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.Normalization,
    keras.layers.Rescaling,
)


def check_steps(case: Case) -> Iterator[Finding]:
    """Check that a recurrent layer has steps to read."""
    for call in case.recurrent():
        shape = tuple(call.inputs.shape)
        if len(shape) == 3 and shape[1] == 1:  # noqa: PLR2004 - (batch, steps, features)
            yield found("one-time-step", layer=call.layer.name, features=shape[2], steps=1)
            return


def check_order(case: Case) -> Iterator[Finding]:
    """Check that batches have several classes."""
    program, classes = case.program, case.classes
    if program.shuffle or classes is None or case.num_classes < 2:  # noqa: PLR2004
        return
    size = program.batch_size
    whole = len(classes) // size
    if size < 2 or whole < 2:  # noqa: PLR2004
        return
    batches = classes[: whole * size].reshape(whole, size)
    alone = float((batches == batches[:, :1]).all(1).mean())
    shares = np.bincount(classes - classes.min()) / len(classes)
    expected = float((shares**size).sum())
    if alone - expected < _SORTED:
        return
    changes = int((np.diff(classes) != 0).sum())
    code = "sorted-by-class" if changes < 2 * case.num_classes else "batches-of-one-class"
    yield found(code, one_class=alone, expected=expected, changes_of_class=changes)


def check_balance(case: Case) -> Iterator[Finding]:
    """Check that no class is nearly all there is."""
    if case.classes is None or case.num_classes < 2:  # noqa: PLR2004
        return
    values, counts = np.unique(case.classes, return_counts=True)
    share = float(counts.max() / counts.sum())
    if share > _DOMINATES and share > 2 / case.num_classes:
        yield found("one-class-dominates", share=share, label=int(values[counts.argmax()]))


@cache
def _keys(case: Case) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return a number for each training and validation row, equal for equal inputs."""
    x, _ = case.program.validation_data or (None, None)
    return _numbers(case.program.x), np.zeros(0, np.int64) if x is None else _numbers(x)


def _numbers(x: Any) -> npt.NDArray[np.int64]:
    parts = [np.asarray(array) for array in keras.tree.flatten(x)]
    return np.array(
        [hash(tuple(_bytes(part[row]) for part in parts)) for row in range(len(parts[0]))]
    )


def _bytes(row: Any) -> bytes:
    if getattr(row, "dtype", None) is not None and row.dtype.kind in "iufb":
        # The same whatever the padding's length and the type of number.
        return np.trim_zeros(np.ravel(row).astype(np.float64)).tobytes()
    return str(row).encode()


def check_repeats(case: Case) -> Iterator[Finding]:
    """Check that rows don't repeat, least of all under another label."""
    keys, _ = _keys(case)
    _, which, counts = np.unique(keys, return_inverse=True, return_counts=True)
    repeats = len(keys) - len(counts)
    if case.classes is not None:
        lowest = np.full(len(counts), np.iinfo(np.int64).max)
        highest = np.full(len(counts), np.iinfo(np.int64).min)
        np.minimum.at(lowest, which, case.classes)
        np.maximum.at(highest, which, case.classes)
        rows = int((lowest != highest)[which].sum())
        if rows > _MANY_CONFLICTS * len(keys):
            yield found("conflicting-labels", share=rows / len(keys), rows=rows)
    if repeats > _MANY_REPEATS * len(keys):
        yield found("repeated-rows", share=repeats / len(keys), rows=repeats)


def check_overlap(case: Case) -> Iterator[Finding]:
    """Check that validation rows are no training rows."""
    keys, others = _keys(case)
    if not len(others):
        return
    share = float(np.isin(others, keys).mean())
    if share >= _ALL:
        yield found("validation-is-training", share=share, rows=len(others))
    elif share > _MUCH_OVERLAP:
        yield found("overlapping-splits", share=share, rows=len(others))


def check_validation_classes(case: Case) -> Iterator[Finding]:
    """Check that training and validation data have the same classes."""
    if case.program.validation_data is None or case.classes is None:
        return
    other = case.classes_of(case.program.validation_data[1])
    if other is None or len(other) < 5 * case.num_classes:
        return
    trained, validated = (set(np.unique(each).tolist()) for each in (case.classes, other))
    missing = len(trained ^ validated)
    if missing:
        yield found("validation-misses-classes", missing=missing, classes=len(trained | validated))


def check_signal(case: Case) -> Iterator[Finding]:
    """Check with a linear model that labels follow the inputs, and in both parts alike."""
    if case.classes is None or case.num_classes < 2 or case.program.rows < _FEWEST_ROWS:  # noqa: PLR2004
        return
    probe = LinearProbe(case)
    _, counts = np.unique(case.classes[probe.rows], return_counts=True)
    if not probe.usable or counts.min() < _FEWEST_OF_A_CLASS:
        return
    accuracy = probe.held_out()
    # By class, so that a large class counts no more than a small one.
    chance = 1 / len(counts)
    spread = float(np.sqrt((chance * (1 - chance) / counts).sum()) / len(counts))
    if accuracy < chance + _CLEARLY * spread:
        if case.tokens is not None and all_filled(case.tokens):
            yield found(
                "truncation-cuts-signal",
                share=1.0,
                length=case.tokens.shape[1],
                detail=f"a linear model finds nothing in what is left ({accuracy:.3g})",
                proposal=f"2 to 4 times the {case.tokens.shape[1]}",
            )
            return
        yield found(
            "labels-do-not-follow-texts", accuracy=accuracy, chance=chance, rows=len(probe.rows)
        )
    elif case.program.validation_data is not None:
        yield from _check_meaning(case, probe, accuracy, chance)


def _check_meaning(
    case: Case, probe: LinearProbe, training: float, chance: float
) -> Iterator[Finding]:
    """Check that class numbers and token ids of the validation data mean the same."""
    from scipy.optimize import linear_sum_assignment
    from sklearn.metrics import balanced_accuracy_score, confusion_matrix

    guessed, truth = probe.on_validation()
    accuracy = float(balanced_accuracy_score(truth, guessed))
    spread = np.sqrt(training * (1 - training) / len(truth)) + 1e-9
    if len(truth) < _FEWEST_ROWS // 2 or training - accuracy < max(_ROOM, _CLEARLY * spread):
        return
    table = confusion_matrix(truth, guessed)
    lines = linear_sum_assignment(-table)
    renumbered = float((table[lines] / np.maximum(table.sum(1), 1)).mean())
    if renumbered - accuracy > (training - accuracy) / 2:
        yield found("label-order-differs", accuracy=accuracy, renumbered=renumbered)
    elif accuracy < chance + (training - chance) / 2:
        yield found("vocabulary-of-other-data", accuracy=accuracy, training=training)

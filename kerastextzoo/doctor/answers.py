"""Model against loss: do the answers, the labels and the loss mean the same?"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found
from kerastextzoo.doctor.slopes import slope_of_loss

_TOLERANCE = 0.01
_ROUNDING = 1e-6
_GUESSES = 16
_BLIND = 0.5
_SHARES_RIGHT = (1.0, 0.8, 0.5)


def check_labels(case: Case) -> Iterator[Finding]:
    """Check that labels are numbers that the loss can take."""
    y, _form = case.program.y, case.loss_form
    if case.labels == "text":
        names = np.unique(y.astype(str))
        yield found(
            "labels-are-text", example=repr(str(names[0]))[:40], last=len(names) - 1, texts=len(y)
        )
        return
    if case.classes is None:
        return
    if case.num_classes == 1:
        yield found("one-class-only-in-data", rows=len(y), label=int(case.classes[0]))
        return
    if case.labels == "ids":
        lowest, highest = int(case.classes.min()), int(case.classes.max())
        wanted = f"0 to {case.num_classes - 1}"
        too_high = case.num_classes <= max(case.units, 2) <= highest
        if lowest < 0 or (lowest > 0 and too_high):
            yield found("labels-out-of-range", lowest=lowest, highest=highest, wanted=wanted)


def check_units(case: Case) -> Iterator[Finding]:
    """Check that there is one answer a text, and a unit for each class."""
    if case.answers.ndim > 2:  # noqa: PLR2004 - (rows, classes)
        yield found("answers-for-each-step", shape=str(("rows", *case.answers.shape[1:])))
        return
    if case.classes is None or case.num_classes < 2:  # noqa: PLR2004
        return
    units, needed = case.units, max(case.num_classes, int(case.classes.max()) + 1)
    if units == 1 and (case.tail[:1] == ["softmax"] or bool(np.all(case.answers == 1))):
        yield found("one-unit-softmax", classes=case.num_classes, answer=1.0)
    elif units == 1 and needed <= 2:  # noqa: PLR2004
        return
    elif units < case.num_classes and case.labels == "ids" and case.loss_form.kind != "regression":
        yield found("too-few-units", units=units, classes=needed)
    elif units > needed and case.labels == "ids":
        yield found("unused-units", units=units, classes=needed)


def check_loss(case: Case) -> Iterator[Finding]:
    """Check that the loss suits labels and answers."""
    form, units = case.loss_form, case.units
    if case.classes is None or case.num_classes < 2 or case.answers.ndim > 2:  # noqa: PLR2004
        return
    if form.kind == "regression":
        by_form = {"ids": "sparse_categorical_crossentropy", "one-hot": "categorical_crossentropy"}
        wanted = "binary_crossentropy" if units == 1 else by_form[case.labels]
        yield found(
            "regression-loss-on-classes", loss=form.name, classes=case.num_classes, wanted=wanted
        )
    elif form.kind == "sparse" and case.labels == "one-hot":
        columns = case.program.y.shape[1]
        yield found("one-hot-labels-with-integer-loss", loss=form.name, columns=columns)
    elif form.kind in {"categorical", "binary"} and case.labels == "ids" and units > 1:
        yield found("integer-labels-with-one-hot-loss", loss=form.name, units=units)
    elif form.kind == "binary" and case.labels == "one-hot" and units > 2:  # noqa: PLR2004
        yield found("binary-loss-on-exclusive-classes", loss=form.name, classes=units)


def check_answers(case: Case) -> Iterator[Finding]:
    """Check that answers are what the loss takes them for."""
    form, answers = case.loss_form, case.answers
    if answers.ndim > 2 or not np.all(np.isfinite(answers)):  # noqa: PLR2004
        return
    lowest, highest = float(answers.min()), float(answers.max())
    if _is_sigmoid_of_softmax(case):
        yield found("sigmoid-after-softmax", lowest=0.5, highest=1 / (1 + np.exp(-1.0)))
    elif form.kind in {"categorical", "sparse", "binary"} and not form.from_logits:
        if case.answers_are == "numbers":
            activation = "sigmoid" if case.units == 1 or form.kind == "binary" else "softmax"
            yield found(
                "logits-taken-for-probabilities",
                lowest=lowest,
                highest=highest,
                activation=activation,
            )
        elif form.kind != "binary" and case.units > 1 and case.answers_are == "sigmoid":
            total = float(answers.sum(-1).mean())
            yield found("sigmoid-with-categorical-loss", loss=form.name, sum=total)
    yield from _check_twice(case)


def _is_sigmoid_of_softmax(case: Case) -> bool:
    """Whether the logits of the answers sum to 1, as only a softmax's outputs do."""
    answers = case.answers.astype(np.float64)
    if case.units == 1:
        return case.tail[:2] == ["sigmoid", "softmax"]
    if answers.min() < 0.5 - 1e-6 or answers.max() > 0.7311:  # noqa: PLR2004
        return False
    logits = np.log(answers) - np.log1p(-answers)
    return bool(np.allclose(logits.sum(-1), 1, atol=1e-2))


def _check_twice(case: Case) -> Iterator[Finding]:
    form, units = case.loss_form, case.units
    if case.tail[:2] == ["sigmoid", "sigmoid"]:
        yield found("sigmoid-twice", best_loss=_floor(1), remedy="take one of the two out")
        return
    if case.tail[:2] == ["softmax", "softmax"]:
        which = "one of the two in the model"
        yield found("softmax-twice", best_loss=_floor(units), which=which)
        return
    if _applies_once_more(case):
        if units == 1:
            yield found("sigmoid-twice", best_loss=_floor(units))
            return
        which = "from_logits=True" if form.from_logits else "the one in the loss"
        yield found(
            "softmax-twice", best_loss=_floor(units), which=f"{which}, or that of the model"
        )


def _floor(units: int) -> float:
    """Return the cross-entropy of a softmax over a perfect answer; of one unit, of a sigmoid."""
    return float(np.log1p(max(units - 1, 1) * np.exp(-1)))


def _applies_once_more(case: Case) -> bool:
    """Whether the loss takes probabilities for logits.

    What Keras undoes by itself does not count: a softmax whose logits it still knows.
    """
    if case.answers_are == "numbers" or case.classes is None:
        return False
    rows = case.sample[:_GUESSES]
    x, y = case.program.at(rows)
    classes = np.minimum(case.classes[rows], max(case.units - 1, 1))
    try:
        with case.quietly():
            for right in _SHARES_RIGHT:
                guess, expected = _guess(classes, case.units, right)
                got = float(case.loss(y, keras.ops.convert_to_tensor(guess)))
                if abs(got - expected) > _TOLERANCE * expected:
                    return False
            answers = case.program.model(x, training=False)
            known = float(case.loss(y, answers))
            plain = float(case.loss(y, keras.ops.convert_to_tensor(np.asarray(answers))))
    except Exception:
        return False
    return abs(known - plain) <= _ROUNDING * abs(plain)


def _guess(
    classes: npt.NDArray[np.int64], units: int, right: float
) -> tuple[npt.NDArray[np.float32], float]:
    """Return probabilities that are right to a share, and their loss if they pass for logits."""
    if units == 1:
        guess = np.where(classes == 1, right, 1 - right)[:, None]
        return guess.astype(np.float32), float(
            np.mean(np.log1p(np.exp(np.where(classes == 1, -1, 1) * guess[:, 0])))
        )
    guess = np.full((len(classes), units), (1 - right) / (units - 1))
    guess[np.arange(len(classes)), classes] = right
    expected = np.log(np.exp(guess[0] - right).sum())
    return guess.astype(np.float32), float(expected)


def check_slope(case: Case) -> Iterator[Finding]:
    """Check that the loss changes when the answers do."""
    answers = case.answers
    whole = bool(np.all(answers == np.round(answers))) and case.units > 1
    if whole and len(np.unique(answers)) > 1:
        yield found("answers-rounded", where="in the model", different_answers=_different(answers))
        return
    if answers.ndim > 2:  # noqa: PLR2004
        return
    draw = np.random.default_rng(case.seed)
    rows = case.sample[:_GUESSES]
    guesses = draw.uniform(0.15, 0.85, (len(rows), *answers.shape[1:])).astype(np.float32)
    if case.units > 1:
        guesses /= guesses.sum(-1, keepdims=True)
    slope = slope_of_loss(case.loss, case.program.y[rows], guesses)
    if slope is not None and slope == 0:
        yield found("answers-rounded", where="in the loss", slope_of_the_loss=slope)


def _different(answers: npt.NDArray[Any]) -> int:
    return len(np.unique(answers, axis=0))


def check_metrics(case: Case) -> Iterator[Finding]:
    """Check that no metric looks good for answers that rank the right class last."""
    if case.units < 3 or case.classes is None or case.answers.ndim > 2:  # noqa: PLR2004
        return
    y = case.program.y[case.sample]
    classes = np.minimum(case.classes[case.sample], case.units - 1)
    right = np.eye(case.units, dtype=np.float32)[classes]
    # Different probabilities, so that no two classes tie.
    wrong = np.arange(1, case.units + 1, dtype=np.float32) * (1 - right) * 1.0
    wrong /= wrong.sum(-1, keepdims=True)
    for metric in _metrics(case.program.model):
        blind, best = (_value(metric, y, answers) for answers in (wrong, right))
        if best is not None and blind is not None and best > 0.99 and blind >= _BLIND:  # noqa: PLR2004
            instead = "categorical_accuracy"
            yield found(
                "misleading-metric",
                metric=str(metric.name),
                blind=blind,
                instead=instead if case.labels == "one-hot" else f"sparse_{instead}",
            )
            return


def _value(metric: Any, y: Any, answers: Any) -> float | None:
    """Return a metric's value; None if it takes no such answers."""
    try:
        fresh = type(metric).from_config(metric.get_config())
        fresh.update_state(y, answers)
        return float(np.asarray(fresh.result()))
    except Exception:
        return None


def _metrics(model: keras.Model) -> list[Any]:
    """Return the compiled metrics; what `accuracy` means Keras chooses well itself."""
    compiled = getattr(model, "_compile_metrics", None)
    given = keras.tree.flatten(getattr(compiled, "_user_metrics", None) or [])
    named = [keras.metrics.get(each) for each in given if each not in {"accuracy", "acc"}]
    return [each for each in named if isinstance(each, keras.metrics.Metric)]

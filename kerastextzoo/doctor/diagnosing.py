"""The examination: all checks, in order, on one program."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import keras

from kerastextzoo.doctor import (
    answers,
    gradients,
    inference,
    rates,
    rows,
    steps,
    tokens,
)
from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.effects import try_remedy
from kerastextzoo.doctor.findings import Diagnosis, Finding, explained, ranked, verdict_on
from kerastextzoo.doctor.learning import (
    Learning,
    check_batch_norm,
    check_dropout,
    check_learning,
)
from kerastextzoo.doctor.program import Program, as_program, seeded
from kerastextzoo.progress import Track, silent
from kerastextzoo.seeds import derive_seed


class Check(NamedTuple):
    """One look at a program.

    Attributes:
        name: What it looks at.
        look: A case to findings.
    """

    name: str
    look: Callable[[Case], Iterable[Finding]]


#: Those that neither train nor read all rows' texts.
QUICK: tuple[Check, ...] = (
    Check("finite numbers", rows.check_finite),
    Check("token ids", tokens.check_range),
    Check("labels", answers.check_labels),
    Check("what is trained", gradients.check_trainable),
    Check("units", answers.check_units),
    Check("loss", answers.check_loss),
    Check("answers", answers.check_answers),
    Check("slope of the loss", answers.check_slope),
    Check("metrics", answers.check_metrics),
    Check("start", gradients.check_start),
    Check("embedding", gradients.check_embedding),
    Check("gradients", gradients.check_gradients),
    Check("dead or stuck units", gradients.check_units),
    Check("learning rate", rates.check_schedule),
    Check("optimizer", rates.check_reset),
    Check("clipping", rates.check_clip),
    Check("weight decay", rates.check_decay),
    Check("order of rows", rows.check_order),
    Check("scale of features", rows.check_scale),
    Check("time steps", rows.check_steps),
    Check("balance", rows.check_balance),
    Check("padding and unknown words", tokens.check_tokens),
    Check("masks", steps.check_masks),
    Check("state that is read", steps.check_last_step),
    Check("reach of the gradient", steps.check_reach),
    Check("dropout in use", inference.check_repeatable),
)
DATA: tuple[Check, ...] = (
    Check("repeats", rows.check_repeats),
    Check("overlap", rows.check_overlap),
    Check("classes of validation", rows.check_validation_classes),
    Check("labels follow texts", rows.check_signal),
)
#: Findings after which nothing can run.
_FATAL = frozenset({"labels-are-text", "not-finite-data", "ids-beyond-embedding"})


def diagnose(
    model: keras.Model,
    x: Any,
    y: Any = None,
    *,
    batch_size: int = 32,
    epochs: int = 10,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    validation_data: Any = None,
    shuffle: bool = True,
    quick: bool = False,
    seed: int = 0,
    track: Track = silent,
) -> Diagnosis:
    """Find out why a model does not learn, or would not.

    Model, optimizer and data stay as they are: copies are trained. A model that can't be copied
    gets its weights back.

    Args:
        model: Compiled, of any kind, with one output.
        x: Inputs as for `fit`; or batches of inputs and labels, such as a `tf.data.Dataset`, then
            in their own order, without y.
        y: Labels, `(rows,)` or `(rows, classes)`.
        batch_size: Rows of one step.
        epochs: Of the training, over which the learning rate is followed.
        callbacks: Of the training; copies of them are played through.
        validation_data: Inputs and labels.
        shuffle: Whether `fit` shuffles the rows.
        quick: Only what needs no training and no linear model.
        seed: Of samples and trial trainings.
        track: Progress.

    Raises:
        InputError: There is nothing to examine.

    Example:
        >>> import keras, numpy as np
        >>> model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1, "softmax")])
        >>> model.compile("adam", "binary_crossentropy")
        >>> x, y = np.random.default_rng(0).normal(size=(80, 4)), np.arange(80) % 2
        >>> diagnose(model, x, y, quick=True).findings[0].code
        'one-unit-softmax'
    """
    program = as_program(
        model,
        x,
        y,
        batch_size=batch_size,
        epochs=epochs,
        callbacks=tuple(callbacks),
        validation_data=validation_data,
        shuffle=shuffle,
    )
    return examine(program, quick=quick, seed=seed, track=track)


def examine(
    program: Program, *, quick: bool = False, seed: int = 0, track: Track = silent
) -> Diagnosis:
    """Examine a program that is known to be whole; the arguments are those of `diagnose`."""
    started = time.monotonic()
    case = Case(program, seed=seed, track=track)
    with seeded(derive_seed(seed, "doctor")), case.quietly():
        done = _run(case, [*QUICK, *([] if quick else DATA)])
        if not quick and not any(_stops(finding) for finding in done.findings):
            learning = Learning(case)
            dynamic = (
                Check("batch normalisation", lambda case: check_batch_norm(case, learning)),
                Check("dropout", lambda case: check_dropout(case, learning)),
                Check("learning", lambda case: check_learning(case, learning)),
            )
            done.add(_run(case, dynamic))
        findings = ranked(explained(done.findings))
        if findings and not quick:
            findings[0] = try_remedy(case, findings[0])
    return Diagnosis(
        findings=findings,
        verdict=verdict_on(findings, quick=quick, skipped=done.skipped),
        checks=done.checks,
        skipped=done.skipped,
        seconds=time.monotonic() - started,
    )


class _Done:
    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.checks: list[str] = []
        self.skipped: dict[str, str] = {}

    def add(self, other: "_Done") -> None:
        """Take over what others found."""
        self.findings += other.findings
        self.checks += other.checks
        self.skipped |= other.skipped


def _run(case: Case, checks: Sequence[Check]) -> _Done:
    done = _Done()
    for place, check in enumerate(checks):
        if any(finding.code in _FATAL for finding in done.findings):
            break
        try:
            done.findings += check.look(case)
        except Exception as error:
            said = (str(error) or type(error).__name__).splitlines()[0]
            done.skipped[check.name] = f"{type(error).__name__}: {said[:120]}"
        else:
            done.checks.append(check.name)
        case.track("examining", place + 1, len(checks))
    return done


def _stops(finding: Finding) -> bool:
    """Whether a finding is sure enough that trying to train would tell nothing more."""
    return finding.severity == "error"

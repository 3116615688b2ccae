"""Trial trainings of copies: as the program would train, of one batch, at other rates."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.findings import Finding, found
from kerastextzoo.doctor.program import copy_optimizer, pick, seeded, without_dropout
from kerastextzoo.doctor.rates import peak_rate, plain_copy, rates_of
from kerastextzoo.doctor.slopes import Trainer
from kerastextzoo.seeds import derive_seed

_SECONDS = 8.0
_MOST_STEPS = 300
_FEWEST_STEPS = 20
_BATCH_STEPS = 150
_BATCH_ROWS = 32
_RANGE_STEPS = 60
_LEARNED = 0.9
_CLEARLY = 4.0
_AHEAD = 0.15
_MOVED = 0.02
_ADAM_RATES = (1e-3, 1e-2)
_FACTORS = (1e-4, 1e-3, 1e-2, 1e-1, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6)
_BETWEEN = 0.3
_BETTER = 0.5
_FAR = 30
_AS_WELL = 0.1
_LITTLE = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """How a short training went.

    Attributes:
        losses: Before each step.
        accuracy: On rows that it was trained on; None for labels that are no classes.
        in_training: The same in training mode.
        chance: Accuracy of always giving the largest class.
        rows: That accuracies are of.
        answers: Of those rows, `(rows, classes)`.
        whole: Whether it was as long as the program's training.
    """

    losses: Sequence[float]
    accuracy: float | None
    in_training: float | None
    chance: float
    rows: int
    answers: npt.NDArray[np.float32]
    whole: bool

    @property
    def start(self) -> float:
        """Mean loss of the first steps."""
        return float(np.mean(self.losses[: max(1, len(self.losses) // 20)]))

    @property
    def end(self) -> float:
        """Mean loss of the last steps."""
        return float(np.mean(self.losses[-max(1, len(self.losses) // 10) :]))

    @property
    def finite(self) -> bool:
        """Whether the loss stayed finite."""
        return bool(np.all(np.isfinite(self.losses))) and bool(np.all(np.isfinite(self.answers)))

    @property
    def stuck(self) -> bool:
        """Whether it learned nothing worth the name."""
        if not self.finite:
            return True
        if self.accuracy is None:
            return self.end > 0.99 * self.start
        spread = np.sqrt(self.chance * (1 - self.chance) / self.rows)
        ahead = self.accuracy - self.chance
        moved = self.end < (1 - _MOVED) * self.start
        return not moved or bool(ahead < max(_CLEARLY * spread, _AHEAD * (1 - self.chance)))


class Learning:
    """The trial trainings of a case, each made when it is asked for.

    Args:
        case: Whose loss takes its answers.
    """

    def __init__(self, case: Case) -> None:
        self.case = case

    @cached_property
    def trial(self) -> Trial:
        """A training as the program's, cut short."""
        case, program = self.case, self.case.program
        steps = program.epochs * program.steps_an_epoch
        rates = rates_of(case)
        with seeded(derive_seed(case.seed, "trial")), case.patient() as model:
            optimizer = copy_optimizer(program.model.optimizer)
            scheduled = isinstance(
                getattr(optimizer, "_learning_rate", None),
                keras.optimizers.schedules.LearningRateSchedule,
            )
            trainer = Trainer(model, case.loss, optimizer)
            losses: list[float] = []
            ends = time.monotonic() + _SECONDS
            most = min(steps, _MOST_STEPS)
            for rows in self._batches(most):
                if rates is not None and not scheduled:
                    place = len(losses) * len(rates) // steps
                    optimizer.learning_rate = float(rates[min(place, len(rates) - 1)])
                losses.append(trainer.step(*program.at(rows)))
                case.track("trying to train", len(losses), most)
                if not np.isfinite(losses[-1]) or time.monotonic() > ends:
                    break
            seen = self._seen_rows(len(losses))
            x, classes = pick(program.x, seen), case.classes
            answers = trainer.answers(x)
            in_training = trainer.answers(x, training=True)
        case.track("trying to train", most, most)
        known = classes is not None and answers.ndim == 2  # noqa: PLR2004
        truth = np.zeros(0, np.int64) if classes is None else classes[seen]
        return Trial(
            losses=losses,
            accuracy=case.right(answers, truth) if known else None,
            in_training=case.right(in_training, truth) if known else None,
            chance=_chance(truth) if known else 0.0,
            rows=len(seen),
            answers=answers,
            whole=len(losses) >= steps,
        )

    def _batches(self, steps: int) -> Iterator[npt.NDArray[np.int64]]:
        program, size = self.case.program, self.case.program.batch_size
        draw = np.random.default_rng(derive_seed(self.case.seed, "order"))
        order = np.arange(program.rows)
        made = 0
        while True:
            if program.shuffle:
                draw.shuffle(order)
            for start in range(0, program.rows, size):
                # A short last batch is left out: it would be another graph.
                if start and start + size > program.rows:
                    continue
                if made == steps:
                    return
                made += 1
                yield order[start : start + size]

    def _seen_rows(self, steps: int) -> npt.NDArray[np.int64]:
        """Return rows, most of which the trial was trained on."""
        program = self.case.program
        if program.shuffle or steps >= program.steps_an_epoch:
            return self.case.sample
        return self.case.sample[self.case.sample < max(steps * program.batch_size, 2)]

    @cached_property
    def batch(self) -> npt.NDArray[np.int64]:
        """One batch of several classes, no row twice under another label."""
        classes = self.case.classes
        if classes is None:
            return self.case.sample[:_BATCH_ROWS]
        order = np.random.default_rng(derive_seed(self.case.seed, "batch")).permutation(
            self.case.program.rows
        )
        by_class = [order[classes[order] == each] for each in np.unique(classes)]
        turns = [rows[turn] for turn in range(_BATCH_ROWS) for rows in by_class if turn < len(rows)]
        return np.array(turns[:_BATCH_ROWS])

    def overfit(self, optimizer: Any, *, steps: int = _BATCH_STEPS) -> tuple[list[float], float]:
        """Train a copy on one batch: the losses, and the share of right answers at the end."""
        case = self.case
        x, y = case.program.at(self.batch)
        classes = case.classes
        with seeded(derive_seed(case.seed, "overfit")), case.patient() as model:
            trainer = Trainer(model, case.loss, optimizer)
            losses: list[float] = []
            accuracy = 0.0
            ends = time.monotonic() + _SECONDS
            while len(losses) < steps and time.monotonic() < ends:
                losses.append(trainer.step(x, y))
                if not np.isfinite(losses[-1]):
                    break
                if classes is not None and len(losses) % 25 == 0:
                    accuracy = case.right(trainer.answers(x), classes[self.batch])
                    if accuracy == 1.0:
                        break
            if classes is not None:
                accuracy = case.right(trainer.answers(x), classes[self.batch])
        return losses, accuracy

    @cached_property
    def with_own_optimizer(self) -> tuple[list[float], float]:
        """One batch at the largest rate of the program's own optimizer."""
        rate = peak_rate(self.case)
        return self.overfit(copy_optimizer(self.case.program.model.optimizer, learning_rate=rate))

    @cached_property
    def with_adam(self) -> float:
        """The best accuracy on one batch with a plain Adam."""
        best = 0.0
        for rate in _ADAM_RATES:
            best = max(best, self.overfit(keras.optimizers.Adam(rate, global_clipnorm=1.0))[1])
            if best >= _LEARNED:
                break
        return best

    def at_rate(self, rate: float) -> float:
        """Return the lowest loss of one batch in a few steps at a rate; infinite if it explodes."""
        optimizer = plain_copy(self.case.program.model.optimizer)
        optimizer.learning_rate = rate
        losses, _ = self.overfit(optimizer, steps=_RANGE_STEPS)
        if not np.all(np.isfinite(losses)):
            return float("inf")
        return float(np.mean(losses[-5:]))


def _chance(classes: npt.NDArray[np.int64]) -> float:
    _, counts = np.unique(classes, return_counts=True)
    return float(counts.max() / counts.sum())


def check_learning(case: Case, learning: Learning) -> Iterator[Finding]:
    """Train a copy for a while; where it learns nothing, find out what of it is to blame."""
    trial = learning.trial
    if not trial.stuck:
        return
    yield from _check_rate(case, learning)
    yield from _symptoms(case, learning)


def check_batch_norm(case: Case, learning: Learning) -> Iterator[Finding]:
    """Check that the statistics of batch normalisation are those of the data."""
    layers = [layer for layer in case.layers if isinstance(layer, keras.layers.BatchNormalization)]
    trial = learning.trial
    if not layers or trial.accuracy is None or trial.in_training is None:
        return
    if len(trial.losses) < _FEWEST_STEPS:
        return
    steps = case.program.epochs * case.program.steps_an_epoch
    # Moving means need about this many steps to forget where they started.
    slow = [layer for layer in layers if layer.momentum**steps > 0.1 or not layer.trainable]  # noqa: PLR2004
    if slow and trial.in_training - trial.accuracy > 0.15:  # noqa: PLR2004
        yield found(
            "batch-norm-statistics",
            in_training=trial.in_training,
            in_use=trial.accuracy,
            layer=slow[0].name,
            momentum=float(slow[0].momentum),
        )


def _check_rate(case: Case, learning: Learning) -> Iterator[Finding]:
    """Look for a learning rate at which one batch is learned far better."""
    rate, trial = peak_rate(case), learning.trial
    losses, accuracy = learning.with_own_optimizer
    start = float(losses[0])
    # In a few steps dropout alone moves the loss.
    grew = not trial.finite or (
        len(trial.losses) >= _FEWEST_STEPS and trial.end > (1 + _MOVED) * start
    )
    if accuracy >= _LEARNED and not grew:
        return
    factors = [each for each in _FACTORS if 1e-6 < rate * each < 30]  # noqa: PLR2004
    tried = {rate * each: learning.at_rate(rate * each) for each in factors if each < 1 or not grew}
    lowest = min(tried.values(), default=start)
    # The smallest of those that do about as well: a whole training has time, and more to learn.
    enough = lowest + _AS_WELL * (start - lowest)
    better = min((each for each in tried if tried[each] <= enough), default=rate)
    between = float(f"{_BETWEEN * better:.1g}")
    if tried and (tried_between := learning.at_rate(between)) <= enough:
        better, tried[between] = between, tried_between
    reached = tried.get(better, start)
    end = trial.end if grew else float(np.mean(losses[-5:]))
    gain = start - reached
    if not np.isfinite(gain) or gain < _BETTER * start or start - end > _BETTER * gain:
        return
    if better < rate:
        yield found(
            "learning-rate-too-high",
            rate=rate,
            start=start,
            end=end,
            better=better,
            reached=reached,
        )
    elif better >= _FAR * rate and _hardly_moves(case, rate):
        # A little below is no fault: the program has the time of all its epochs.
        yield found(
            "learning-rate-too-low", rate=rate, start=start, end=end, better=better, reached=reached
        )


def _hardly_moves(case: Case, rate: float) -> bool:
    """Whether all steps of the training together can't take the weights anywhere."""
    if isinstance(case.program.model.optimizer, keras.optimizers.SGD):
        return True
    return rate * case.program.epochs * case.program.steps_an_epoch < 0.1  # noqa: PLR2004


def check_dropout(case: Case, learning: Learning) -> Iterator[Finding]:
    """Check that dropout leaves enough to learn from."""
    trial = learning.trial
    rates = [
        float(value)
        for layer in case.layers
        for name in ("rate", "dropout", "recurrent_dropout")
        if isinstance(value := getattr(layer, name, None), float)
    ]
    kept = float(np.prod([1 - each for each in rates])) if rates else 1.0
    if kept > _LITTLE or trial.in_training is None:
        return
    if trial.in_training > trial.chance + _AHEAD * (1 - trial.chance):
        return
    optimizer = copy_optimizer(case.program.model.optimizer, learning_rate=peak_rate(case))
    with without_dropout(case.layers):
        _, without = learning.overfit(optimizer)
    if without >= _LEARNED:
        yield found("over-regularised", kept=kept, accuracy=trial.in_training, without=without)


def _symptoms(case: Case, learning: Learning) -> Iterator[Finding]:
    trial = learning.trial
    if not trial.finite:
        yield found("not-finite-loss", loss=float(trial.losses[-1]), steps=len(trial.losses))
        return
    batch = learning.with_own_optimizer[1]
    if batch >= _LEARNED and trial.accuracy is not None:
        yield found(
            "only-one-batch-learned",
            rows=len(learning.batch),
            batch=batch,
            accuracy=trial.accuracy,
            steps=len(trial.losses),
            chance=trial.chance,
        )
    elif learning.with_adam < _LEARNED:
        yield found(
            "cannot-overfit-one-batch",
            steps=_BATCH_STEPS,
            rows=len(learning.batch),
            accuracy=learning.with_adam,
        )
    if trial.whole and trial.accuracy is not None:
        chosen = case.chosen(trial.answers)
        if len(np.unique(chosen)) == 1:
            yield found("one-class-only", rows=len(chosen), label=int(chosen[0]))
        elif trial.end > 0.97 * trial.start:
            yield found("no-movement", start=trial.start, end=trial.end)

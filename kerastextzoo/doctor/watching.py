"""A callback that tells while a model trains why it does not learn, and stops it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras.src.backend.common import global_state

from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.curves import (
    Guess,
    accuracy_in,
    find_dead_rate,
    find_over_fitting,
    find_standstill,
)
from kerastextzoo.doctor.findings import Finding, found
from kerastextzoo.doctor.program import Program, as_arrays, layers_of, pick, seeded
from kerastextzoo.errors import InputError

_SAMPLE = 256
_ONE_CLASS = 2
_FALLING = 0.02


def to_standard_error(finding: Finding) -> None:
    """Print a finding where progress goes."""
    sys.stderr.write(f"{finding}\n")


class Watch(keras.callbacks.Callback):
    """Tells what goes wrong while a model trains, each thing once.

    The training itself stays as it is: weights, optimizer and random numbers are those of a
    training without it. Once an epoch it asks the model about a sample of at most 256 rows; without
    rows it goes by the figures of the epochs alone.

    Args:
        x: Inputs of the training, an array or a list or a dictionary of arrays; or None.
        y: Their labels; or, with x None, all labels, to know what guessing gives.
        validation_data: Inputs and labels.
        stop: Whether to stop the training at the first finding.
        tell: Called with each finding.
        confusion: Gives the rows by true class and answer, `(classes, classes)`, where a caller
            has asked the model after each epoch anyhow.

    Attributes:
        findings: What was told.

    Raises:
        InputError: There are not as many inputs as labels.

    Example:
        >>> x = np.eye(4, dtype="float32")[[0, 1, 2, 3] * 8]
        >>> dense = keras.layers.Dense(2, "softmax", kernel_initializer="zeros")
        >>> model = keras.Sequential([keras.Input((4,)), dense])
        >>> model.compile("adam", "sparse_categorical_crossentropy")
        >>> watch = Watch(validation_data=(x, x.argmax(1) % 2), tell=lambda finding: None)
        >>> _ = model.fit(x, x.argmax(1) % 2, epochs=2, verbose=0, callbacks=[watch])
        >>> watch.findings
        []
    """

    def __init__(
        self,
        x: Any = None,
        y: Any = None,
        validation_data: tuple[Any, Any] | None = None,
        *,
        stop: bool = True,
        tell: Callable[[Finding], None] = to_standard_error,
        confusion: Callable[[], npt.ArrayLike] | None = None,
    ) -> None:
        super().__init__()
        self.x = None if x is None else as_arrays(x)
        self.y = None if y is None else np.asarray(y)
        self.validation = None
        if validation_data is not None:
            self.validation = (as_arrays(validation_data[0]), np.asarray(validation_data[1]))
        _check("x and y", self.x, self.y)
        _check("validation_data", *(self.validation or (None, None)))
        self.stop, self.tell, self.confusion = stop, tell, confusion
        self.findings: list[Finding] = []
        self._start_anew()

    def _start_anew(self) -> None:
        self._case: Case | None = None
        self._history: list[dict[str, float]] = []
        self._of_one_class = self._of_bad_statistics = 0
        self._steps = self._steps_of_an_epoch = 0
        self._first_loss: float | None = None
        self._from_start = True
        self._optimizer: tuple[Any, int] | None = None
        self._resets = 0

    def _found(self, code: str, **evidence: Any) -> None:
        self._note(found(code, **evidence))

    def _note(self, finding: Finding | None) -> None:
        if finding is None or finding.code in self.codes:
            return
        self.findings.append(finding)
        if self.stop:
            self.model.stop_training = True
        self.tell(finding)

    @property
    def codes(self) -> list[str]:
        """Of the findings."""
        return [finding.code for finding in self.findings]

    # When it looks.

    def on_train_begin(self, logs: Any = None) -> None:
        """Look at the data."""
        self._start_anew()
        rows = self.validation if self.x is None else (self.x, self.y)
        x, y = rows or (None, self.y)
        # What has several losses or outputs has no one answer either.
        if y is not None and not isinstance(self.model.loss, (list, tuple, dict)):
            self._case = Case(Program(model=self.model, x=y if x is None else x, y=y))
        self._look_at_data()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Take note of a training that goes on."""
        self._from_start = self._from_start and (epoch == 0 or self._steps > 0)
        self._steps_of_an_epoch = 0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Look at the loss."""
        self._steps += 1
        self._steps_of_an_epoch += 1
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if self._first_loss is None:
            self._first_loss = float(loss)
        self._look_for_numbers(float(loss))

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Look at everything else."""
        figures = {
            name: float(value) for name, value in (logs or {}).items() if np.ndim(value) == 0
        }
        figures["learning_rate"] = _rate(self.model.optimizer)
        self._history.append(figures)
        if not np.isfinite(figures.get("loss", 0.0)):
            self._look_for_numbers(figures["loss"])
            return
        self._look_at_optimizer(epoch)
        epochs = (self.params or {}).get("epochs") or epoch + 1
        self._note(find_dead_rate(self._history, epochs, self._steps_of_an_epoch))
        if self._case is not None and (self.x is not None or self.validation is not None):
            self._look_at_answers(self._case)
        if self.confusion is not None:
            self._look_at_confusion(np.asarray(self.confusion()))
        self._note(
            find_standstill(
                self._history,
                Guess.of_case(self._case) if self._case else Guess(),
                first_loss=self._first_loss if self._from_start else None,
                steps=self._steps,
            )
        )
        if self._from_start:
            self._note(find_over_fitting(self._history))

    # What it looks for.

    def _look_for_numbers(self, loss: float) -> None:
        if not np.isfinite(loss):
            self._found("not-finite-loss", loss=str(loss), steps=self._steps)

    def _look_at_data(self) -> None:
        if self.x is None or self.y is None or self.validation is None:
            return
        x, y = self.validation
        if _alike(self.x, x) and _alike(self.y, y):
            self._found("validation-is-training", share=1.0)

    def _look_at_optimizer(self, epoch: int) -> None:
        optimizer = self.model.optimizer
        steps = int(keras.ops.convert_to_numpy(optimizer.iterations))
        before, self._optimizer = self._optimizer, (optimizer, steps)
        if before is not None and (before[0] is not optimizer or steps <= before[1]):
            self._resets += 1
            self._found("optimizer-reset", times=self._resets, epochs=epoch + 1)

    # What it asks the model.

    def _look_at_answers(self, case: Case) -> None:
        rows = case.sample[:_SAMPLE]
        x, classes = pick(case.program.x, rows), case.classes
        with undisturbed(self.model), case.quietly():
            answers = self.model.predict_on_batch(x)
            if not isinstance(answers, np.ndarray) or not np.all(np.isfinite(answers)):
                return
            if len(self._history) == 1:
                difference = float(np.abs(answers - self.model.predict_on_batch(x)).max())
                if difference > 1e-3:  # noqa: PLR2004 - far above rounding
                    self._found("dropout-at-inference", difference=difference)
            if classes is None:
                return
            self._look_at_statistics(case, x, answers, classes[rows])
        chosen, truth = case.chosen(answers), classes[rows]
        one = len(np.unique(chosen)) == 1 and len(np.unique(truth)) > 1
        self._look_at_one_class(int(chosen[0]) if one else None, len(chosen))

    def _look_at_confusion(self, confusion: npt.NDArray[np.int64]) -> None:
        given, truth = confusion.sum(0), confusion.sum(1)
        one = (given > 0).sum() == 1 and (truth > 0).sum() > 1
        self._look_at_one_class(int(given.argmax()) if one else None, int(given.sum()))

    def _look_at_one_class(self, label: int | None, rows: int) -> None:
        stuck = label is not None and not self._is_falling()
        self._of_one_class = self._of_one_class + 1 if stuck else 0
        if self._of_one_class >= _ONE_CLASS and "batch-norm-statistics" not in self.codes:
            self._found("one-class-only", rows=rows, label=label)

    def _is_falling(self) -> bool:
        """Say whether the training loss falls, as that of a model does that is slow to start."""
        losses = [figures.get("loss", np.nan) for figures in self._history[-2:]]
        return losses[-1] > 0 and losses[-1] < (1 - _FALLING) * losses[0]

    def _look_at_statistics(
        self,
        case: Case,
        x: Any,
        answers: npt.NDArray[Any],
        classes: npt.NDArray[np.int64],
    ) -> None:
        layer = _batch_normalization(self.model)
        if layer is None:
            return
        chance = float(np.bincount(classes - classes.min()).max() / len(classes))
        in_use, in_training = case.right(answers, classes), 0.0
        accuracy = accuracy_in(self._history[-1])
        if in_use <= chance + 0.2 * (1 - chance) and (accuracy is None or accuracy > in_use):
            seen = keras.ops.convert_to_numpy(self.model(x, training=True))
            in_training = case.right(seen, classes)
        bad = in_training > in_use + 0.3 * (1 - chance)
        self._of_bad_statistics = self._of_bad_statistics + 1 if bad else 0
        if self._of_bad_statistics >= _ONE_CLASS:
            self._found(
                "batch-norm-statistics", in_training=in_training, in_use=in_use, layer=layer.name
            )


@contextmanager
def undisturbed(model: keras.Model) -> Iterator[None]:
    """Put back what asking the model may move: seeds, and the statistics of a normalisation."""
    of_layers = global_state.get_global_attribute("global_seed_generator")
    variables = [*model.non_trainable_variables, *([of_layers.state] if of_layers else [])]
    kept = [keras.ops.convert_to_numpy(variable).copy() for variable in variables]
    with seeded(0):
        try:
            yield
        finally:
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)


def _rate(optimizer: Any) -> float:
    return float(keras.ops.convert_to_numpy(optimizer.learning_rate))


def _batch_normalization(model: keras.Model) -> Any:
    found = (
        layer for layer in layers_of(model) if isinstance(layer, keras.layers.BatchNormalization)
    )
    return next(found, None)


def _check(names: str, x: Any, y: Any) -> None:
    if x is None or y is None:
        return
    sizes = {len(array) for array in keras.tree.flatten(x)}
    if sizes != {len(y)}:
        raise InputError(
            f"{names}: as many inputs as labels; got {sorted(sizes)[0]} inputs and {len(y)} "
            "labels; give each row its label"
        )


def _alike(one: Any, other: Any) -> bool:
    """Say whether two structures of arrays hold the same numbers."""
    first, second = keras.tree.flatten(one), keras.tree.flatten(other)
    return len(first) == len(second) and all(map(np.array_equal, first, second))

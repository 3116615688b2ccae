"""One program under examination: what its labels, loss and answers are, worked out once."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
from keras.src.losses.losses import LossFunctionWrapper

from kerastextzoo.doctor.calls import Call, recorded_calls, tail_of
from kerastextzoo.doctor.findings import DoctorError
from kerastextzoo.doctor.program import Program, layers_of, on_loan, pick
from kerastextzoo.doctor.rehearsal import Rehearsal, rehearse
from kerastextzoo.doctor.slopes import Slopes, slopes_of
from kerastextzoo.progress import Track, silent
from kerastextzoo.seeds import derive_seed

Labels = Literal["text", "ids", "one-hot", "several", "numbers"]
_SAMPLE = 256
_BATCH = 64
_MOST_ROWS = 10_000
_LOSSES = {
    "sparse_categorical_crossentropy": "sparse",
    "categorical_crossentropy": "categorical",
    "categorical_focal_crossentropy": "categorical",
    "categorical_hinge": "categorical",
    "kl_divergence": "categorical",
    "binary_crossentropy": "binary",
    "binary_focal_crossentropy": "binary",
    "mean_squared_error": "regression",
    "mean_absolute_error": "regression",
    "mean_absolute_percentage_error": "regression",
    "mean_squared_logarithmic_error": "regression",
    "huber": "regression",
    "log_cosh": "regression",
}


@dataclass(frozen=True)
class LossForm:
    """What a loss compares.

    Attributes:
        name: As Keras calls it.
        kind: `sparse`: class numbers; `categorical`: one-hot rows; `binary`: separate questions;
            `regression`: numbers; `own`: a function of the caller's.
        from_logits: Whether it applies softmax or sigmoid itself.
    """

    name: str
    kind: str
    from_logits: bool


class Case:
    """A program and what the checks share about it.

    Args:
        program: What is examined.
        seed: Of samples and trial trainings.
        track: Progress.

    Attributes:
        sample: Row numbers that are looked at more closely, at most 256.
        trains: Row numbers that trial trainings use, at most 10,000, in the program's order.
        refusal: What the loss said when it would not take labels and answers.
    """

    def __init__(self, program: Program, *, seed: int = 0, track: Track = silent) -> None:
        self.program, self.seed, self.track = program, seed, track
        self.refusal: str | None = None
        draw = np.random.default_rng(derive_seed(seed, "sample"))
        self.sample = np.sort(draw.permutation(program.rows)[:_SAMPLE])
        self.trains = np.sort(draw.permutation(program.rows)[:_MOST_ROWS])

    @cached_property
    def loss(self) -> Any:
        """The loss as a function of labels and answers to one number."""
        given = self.program.model.loss
        loss = keras.losses.get(given)
        return loss if isinstance(loss, keras.losses.Loss) else LossFunctionWrapper(loss)

    @cached_property
    def loss_form(self) -> LossForm:
        """What the loss compares."""
        given = keras.losses.get(self.program.model.loss)
        if isinstance(given, keras.losses.Loss):
            inner = getattr(given, "fn", None)
            own = inner is None or not _is_of_keras(inner)
            name = (
                getattr(inner, "__name__", type(given).__name__) if inner else type(given).__name__
            )
            logits = bool(getattr(given, "_fn_kwargs", {}).get("from_logits", False))
        else:
            own, name, logits = not _is_of_keras(given), given.__name__, False
        return LossForm(name, "own" if own else _LOSSES.get(name, "own"), logits)

    @cached_property
    def labels(self) -> Labels:
        """What a label is."""
        y = self.program.y
        if y.dtype.kind not in "biuf":
            return "text"
        whole = y.dtype.kind in "biu" or bool(np.all(np.isfinite(y)) and np.all(y == np.round(y)))
        if y.ndim == 1 or y.shape[1:] == (1,):
            return "ids" if whole else "numbers"
        sums = y.sum(-1) if y.ndim == 2 else np.zeros(1)  # noqa: PLR2004
        if np.allclose(sums, 1) and y.min() >= 0:
            return "one-hot"
        return "several" if whole and set(np.unique(y)) <= {0, 1} else "numbers"

    def classes_of(self, y: npt.NDArray[Any]) -> npt.NDArray[np.int64] | None:
        """Return the class number of each label, `(rows,)`; None where there is none."""
        if self.labels == "ids":
            return np.asarray(y).reshape(-1).astype(np.int64)
        return np.asarray(y).argmax(-1) if self.labels == "one-hot" else None

    @cached_property
    def classes(self) -> npt.NDArray[np.int64] | None:
        """The class number of each row; None for labels that are no classes."""
        return self.classes_of(self.program.y)

    @cached_property
    def num_classes(self) -> int:
        """How many classes there are."""
        if self.labels in {"one-hot", "several"}:
            return int(self.program.y.shape[1])
        return 0 if self.classes is None else len(np.unique(self.classes))

    @cached_property
    def tokens(self) -> npt.NDArray[np.int64] | None:
        """The token ids, `(rows, steps)`; None for inputs that are no ids."""
        for array in keras.tree.flatten(self.program.x):
            if array.ndim == 2 and array.shape[1] > 1 and array.size:  # noqa: PLR2004
                if array.dtype.kind in "iu":
                    return np.asarray(array)
                sample = array[:_SAMPLE] if array.dtype.kind == "f" else None
                # Padding functions give floats; nobody has features that are all whole numbers.
                if (
                    sample is not None
                    and self.embeddings
                    and np.all(np.isfinite(sample))
                    and np.all(sample == np.round(sample))
                ):
                    return np.asarray(array).astype(np.int64)
        return None

    @cached_property
    def embeddings(self) -> list[Any]:
        """The embedding layers."""
        return [layer for layer in self.layers if isinstance(layer, keras.layers.Embedding)]

    @cached_property
    def layers(self) -> list[Any]:
        """All layers, once the model is built."""
        if not self.program.model.built:
            with self.quietly():
                self.program.model(pick(self.program.x, self.sample[:2]))
        return layers_of(self.program.model)

    @cached_property
    def _seen(self) -> tuple[npt.NDArray[np.float32], list[Call]]:
        with self.quietly(), recorded_calls(self.layers) as calls:
            answers = self.program.model(pick(self.program.x, self.sample), training=False)
        return keras.ops.convert_to_numpy(answers).astype(np.float32), calls

    @property
    def answers(self) -> npt.NDArray[np.float32]:
        """What the model answers to the sample, `(sample, ...)`."""
        return self._seen[0]

    @property
    def calls(self) -> list[Call]:
        """What went through the layers for the sample."""
        return self._seen[1]

    @property
    def units(self) -> int:
        """Width of an answer."""
        return int(self.answers.shape[-1]) if self.answers.ndim > 1 else 1

    @cached_property
    def tail(self) -> list[str]:
        """The activations between the last weights and the answers, the last one first."""
        return tail_of(self.program.model, self.calls)

    @property
    def answers_are(self) -> Literal["softmax", "sigmoid", "numbers"]:
        """What the answers look like."""
        answers = self.answers.reshape(len(self.answers), -1)
        if not np.all(np.isfinite(answers)) or answers.min() < 0 or answers.max() > 1:
            return "numbers"
        # Of equal numbers between 0 and 1 the activation alone tells.
        if answers.shape[1] > 1 and np.allclose(answers.sum(-1), 1, atol=1e-3):
            return "softmax"
        if self.tail[:1] == ["softmax"]:
            return "softmax"
        if self.tail and self.tail[0] in {"linear", "relu", "tanh"}:
            return "numbers"
        return "sigmoid"

    @property
    def batch(self) -> npt.NDArray[np.int64]:
        """Row numbers of the batch whose gradient is looked at."""
        return self.sample[:_BATCH]

    @cached_property
    def slopes(self) -> Slopes | None:
        """The gradient of a batch; None where loss and answers don't fit, or none is trained."""
        x, y = self.program.at(self.batch)
        if not self.program.model.trainable_weights or self.labels == "text":
            return None
        with self.patient() as model:
            try:
                return slopes_of(model, self.loss, x, y, self.layers)
            except DoctorError:
                raise
            except Exception as error:
                self.refusal = (str(error) or type(error).__name__).splitlines()[0]
                return None

    @cached_property
    def rehearsal(self) -> Rehearsal | None:
        """What the callbacks do."""
        with self.quietly():
            return rehearse(self.program)

    def right(self, answers: npt.NDArray[Any], classes: npt.NDArray[np.int64]) -> float:
        """Return the share of right answers."""
        return float((self.chosen(answers) == classes).mean())

    def chosen(self, answers: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Return the class that each answer gives."""
        answers = np.asarray(answers)
        if answers.ndim > 1 and answers.shape[-1] > 1:
            last = answers.reshape(len(answers), -1, answers.shape[-1])[:, -1]
            return np.asarray(last.argmax(-1))
        middle = 0.0 if self.loss_form.from_logits else 0.5
        return (answers.reshape(len(answers), -1)[:, -1] > middle).astype(np.int64)

    @contextmanager
    def patient(self) -> Iterator[keras.Model]:
        """Give a model that may be trained."""
        with (
            self.quietly(),
            on_loan(self.program.model, pick(self.program.x, self.sample[:2])) as it,
        ):
            yield it

    @staticmethod
    @contextmanager
    def quietly() -> Iterator[None]:
        """Keep warnings to ourselves: what they are about becomes a finding."""
        logger = logging.getLogger("tensorflow")
        level = logger.level
        # It counts each trial training as one that could have been saved.
        logger.setLevel(logging.ERROR)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        finally:
            logger.setLevel(level)

    def recurrent(self) -> Sequence[Call]:
        """The calls of recurrent layers, outermost first."""
        inner = {id(layer) for call in self.calls for layer in _wrapped(call.layer)}
        return [
            call
            for call in self.calls
            if isinstance(call.layer, (keras.layers.RNN, keras.layers.Bidirectional))
            and id(call.layer) not in inner
        ]


def _wrapped(layer: Any) -> list[Any]:
    if not isinstance(layer, keras.layers.Bidirectional):
        return []
    return [layer.forward_layer, layer.backward_layer]


def _is_of_keras(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("keras.")

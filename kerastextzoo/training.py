"""Training of one model: seeded, shuffled, stopped when validation no longer improves."""

import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import keras
import numpy as np
import numpy.typing as npt
from pydantic import Field

from kerastextzoo.batching import EncodedTexts, TrainingBatches, plan_batches
from kerastextzoo.builders import get_spec
from kerastextzoo.distribution import open_strategy
from kerastextzoo.embeddings import Coverage
from kerastextzoo.errors import KerasTextZooError
from kerastextzoo.evaluation import OBJECTIVES, Evaluation, check_objective, evaluate_probabilities
from kerastextzoo.optimizers import EmbeddingUpdates, OptimizerName, create_optimizer
from kerastextzoo.precision import Precision, choose_precision, computing_in
from kerastextzoo.preparation import Preparation
from kerastextzoo.progress import Track, silent
from kerastextzoo.seeds import derive_seed
from kerastextzoo.spec import Config, Count, ModelConfig, SearchSpace, Task

#: Settings that say nothing to a model without an embedding.
OF_EMBEDDINGS = ("embedding", "embedding_features", "embedding_updates")
_PREDICTION_TOKENS = 2**15


class TrainingConfig(Config):
    """How a model is trained."""

    epochs: Count = 20
    """Most passes over the training texts."""
    batch_size: Count = 64
    """Texts of one step."""
    batch_tokens: Count | None = None
    """Tokens of one step, padding counted, in place of a number of texts; None: batch_size."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Step size of the optimizer."""
    optimizer: OptimizerName = "adam"
    """adam, adamw, nadam, rmsprop or sgd."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Largest norm of the gradient of all weights together; None: no limit."""
    embedding_updates: EmbeddingUpdates = "rows"
    """rows: a step of adam or adamw changes the words of its batch alone, without momentum (fast);
    dense: the update of a dense layer; stock: Keras's own, which takes a word that comes twice for
    two."""
    precision: Precision = "auto"
    """auto: mixed_float16 on GPUs that have units for it, else float32; or float32, mixed_float16,
    mixed_bfloat16. The saved model computes in float32."""
    patience: Count = 3
    """Epochs without a better validation score after which training stops."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: every class counts the same, however rare."""
    embedding: Literal["frozen", "fine_tuned", "random"] = "fine_tuned"
    """Start from word vectors and keep them, start from them and train, or start at random."""
    embedding_features: Count = 100
    """Width of the embedding; a file of vectors brings its own."""


def search_space(space: SearchSpace) -> TrainingConfig:
    """Draw training settings.

    Learning rates 0.0003 to 0.01, scale-free; batches of 32, 64 or 128; embedding frozen,
    fine-tuned or random, 50, 100 or 200 features wide.
    """
    return TrainingConfig.parse(
        {
            "learning_rate": space.Float("learning_rate", 3e-4, 1e-2, sampling="log", default=1e-3),
            "batch_size": space.Choice("batch_size", [32, 64, 128], default=64),
            "embedding": space.Choice(
                "embedding", ["frozen", "fine_tuned", "random"], default="fine_tuned"
            ),
            "embedding_features": space.Choice("embedding_features", [50, 100, 200], default=100),
        }
    )


class TrainingDivergedError(KerasTextZooError):
    """The loss left the finite numbers before any epoch ended well."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A trained model and how it got there.

    Attributes:
        model: The weights of the best epoch, uncompiled.
        history: One entry an epoch.
        best_epoch: Counted from 1.
        validation: The best epoch's evaluation on the validation texts.
        coverage: What the word vectors covered; None for a random start.
        seconds: Wall-clock time of the training.
    """

    model: keras.Model
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int
    validation: Evaluation
    coverage: Coverage | None
    seconds: float


def predict_probabilities(model: keras.Model, texts: EncodedTexts) -> npt.NDArray[np.float32]:
    """Return class probabilities, `(texts, classes)`, in the order of the texts."""
    batches = plan_batches(texts.lengths, 1, batch_tokens=_PREDICTION_TOKENS)
    answers = np.zeros((len(texts), model.output_shape[-1]), np.float32)
    for rows in batches:
        answers[rows] = keras.ops.convert_to_numpy(model.predict_on_batch(texts.padded(rows)))
    return answers


class _Validate(keras.callbacks.Callback):
    """Evaluates after each epoch, by the same code that evaluates a saved run."""

    def __init__(self, inference: keras.Model, preparation: Preparation) -> None:
        super().__init__()
        self.inference = inference
        self.preparation = preparation
        self.started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if np.isfinite(logs["loss"]):
            evaluation = evaluate_part(self.inference, self.preparation, "validation")
            logs.update({name: evaluation.objective(name) for name in OBJECTIVES})
        else:
            logs.update(dict.fromkeys(OBJECTIVES, float("nan")))
        logs["seconds"] = round(time.monotonic() - self.started, 3)


class _Pace(keras.callbacks.Callback):
    """Sets the order of each epoch's texts, and shows how far training is."""

    def __init__(self, batches: TrainingBatches, what: str, epochs: int, track: Track) -> None:
        super().__init__()
        self.batches, self.what, self.epochs, self.track = batches, what, epochs, track
        self.steps = len(batches)
        self.epoch = 0
        self.note = ""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.epoch = self.batches.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        # The last step waits for the validation, which may be the end.
        done = self.epoch * self.steps + batch
        self.track(self.what, done, self.epochs * self.steps, self.note)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.note = (
            f"epoch {epoch + 1}/{self.epochs} loss {logs['loss']:.4f} "
            f"val_loss {logs['val_loss']:.4f} val_accuracy {logs['val_accuracy']:.4f}"
        )

    def on_train_end(self, logs: Any = None) -> None:
        self.track(self.what, self.epochs * self.steps, self.epochs * self.steps, self.note)


def evaluate_part(model: keras.Model, preparation: Preparation, part: str) -> Evaluation:
    """Evaluate a model on the `train`, `validation` or `test` texts, which it can read."""
    return evaluate_probabilities(
        predict_probabilities(model, preparation.texts[part]),
        preparation.label_ids[part],
        preparation.splits.label_names,
    )


def fit(
    preparation: Preparation,
    model: str,
    settings: ModelConfig | None = None,
    config: TrainingConfig | None = None,
    *,
    seed: int = 0,
    objective: str = "val_accuracy",
    strategy: str = "none",
    track: Track = silent,
) -> Fitted:
    """Train one model and keep the weights of its best epoch.

    Args:
        preparation: The data, made ready.
        model: A name of `kerastextzoo.builders.list_models()`.
        settings: The model's settings; None: its defaults.
        config: The training's settings; None: the defaults.
        seed: Of weights, order and dropout; the same seed gives the same numbers on a CPU.
        objective: Which validation figure makes an epoch the best.
        strategy: `none`, or `mirrored` for all devices of this machine.
        track: Progress.

    Raises:
        InputError: A name or a setting is wrong.
        TrainingDivergedError: No epoch ended with a finite loss.
    """
    spec = get_spec(model)
    settings = settings or spec.config()
    config = config or TrainingConfig()
    mode = OBJECTIVES[check_objective(objective)]
    preparation = preparation.suited_to(settings)
    embedding, coverage = preparation.start(config.embedding, config.embedding_features)
    task = Task(
        vocabulary_size=preparation.vocabulary_size,
        num_classes=len(preparation.splits.label_names),
        embedding=embedding,
        embedding_trainable=config.embedding != "frozen",
    )
    keras.utils.set_random_seed(derive_seed(seed, "training"))
    devices = open_strategy(strategy)
    policy = choose_precision(config.precision)
    with devices.scope(), computing_in(policy):
        network = spec.build(settings, task)
        network.compile(
            optimizer=create_optimizer(
                config.optimizer, config.learning_rate, config.clip_norm, config.embedding_updates
            ),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )
    # Outside the scope and without the optimizer: it answers on one device, and a file of it is a
    # third of the size.
    inference = keras.Model(network.inputs, network.outputs, name=network.name)
    batches = TrainingBatches(
        preparation.texts["train"],
        preparation.label_ids["train"],
        batch_size=config.batch_size,
        seed=derive_seed(seed, "order"),
        multiple_of=devices.num_replicas_in_sync,
        batch_tokens=config.batch_tokens,
    )
    started = time.monotonic()
    history = network.fit(
        batches.as_dataset(),
        epochs=config.epochs,
        class_weight=preparation.class_weights() if config.class_weights == "balanced" else None,
        verbose=0,
        # The batches do it, by seed and epoch.
        shuffle=False,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            _Validate(inference, preparation),
            keras.callbacks.EarlyStopping(
                objective, mode=mode, patience=config.patience, restore_best_weights=True
            ),
            _Pace(batches, f"training {model}", config.epochs, track),
        ],
    ).history
    best_epoch = _best_epoch(history[objective], mode)
    if policy != "float32":
        with computing_in("float32"):
            inference = spec.build(settings, task)
        inference.set_weights(network.get_weights())
    return Fitted(
        model=inference,
        history=[
            {"epoch": epoch + 1, **{name: float(values[epoch]) for name, values in history.items()}}
            for epoch in range(len(history["loss"]))
        ],
        best_epoch=best_epoch,
        validation=evaluate_part(inference, preparation, "validation"),
        coverage=coverage,
        seconds=time.monotonic() - started,
    )


def _best_epoch(scores: list[float], mode: str) -> int:
    values = np.array(scores) * (1 if mode == "max" else -1)
    if not np.isfinite(values).any():
        raise TrainingDivergedError(
            "training diverged: the loss is not finite after the first epoch; "
            "lower learning_rate or set clip_norm"
        )
    return int(np.nanargmax(np.where(np.isfinite(values), values, -np.inf))) + 1

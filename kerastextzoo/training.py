"""Training of one model: seeded, shuffled, stopped when validation no longer improves."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import numpy.typing as npt
from keras.src.backend.common import global_state
from pydantic import BeforeValidator, Field

from kerastextzoo.batching import EncodedTexts, TrainingBatches, plan_batches
from kerastextzoo.builders import get_spec
from kerastextzoo.callbacks import AskJudge, AverageWeights, KeepBest, Pace, Record, Validate
from kerastextzoo.checkpoints import Checkpoint, digest, of_member
from kerastextzoo.distribution import open_strategy
from kerastextzoo.doctor.findings import Finding, ranked
from kerastextzoo.doctor.watching import Watch
from kerastextzoo.embeddings import Coverage
from kerastextzoo.errors import InputError, KerasTextZooError
from kerastextzoo.evaluation import (
    OBJECTIVES,
    Evaluation,
    choose_objective,
    evaluate_probabilities,
)
from kerastextzoo.mistakes import Mistake, MistakeName, combine
from kerastextzoo.optimizers import EmbeddingUpdates, OptimizerName, create_optimizer
from kerastextzoo.precision import Precision, choose_precision, computing_in
from kerastextzoo.preparation import Preparation
from kerastextzoo.progress import Track, silent
from kerastextzoo.schedules import Decay, WarmUpAndDecay
from kerastextzoo.seeds import derive_seed
from kerastextzoo.spec import (
    Config,
    Count,
    ModelConfig,
    Rate,
    SearchSpace,
    Task,
    split_at_commas,
)
from kerastextzoo.wide import LinearModel

#: Settings that say nothing to a model that reads vectors in place of token ids.
OF_TOKENS = (
    "embedding",
    "embedding_features",
    "embedding_updates",
    "word_dropout",
    "wide_ngrams",
    "wide_buckets",
)
_PREDICTION_TOKENS = 2**15


class TrainingConfig(Config):
    """How a model is trained."""

    epochs: Count = 20
    """Most passes over the training texts."""
    batch_size: Count = 64
    """Texts of one batch."""
    batch_tokens: Count | None = None
    """Tokens of one batch, padding counted, in place of a number of texts; None: batch_size."""
    accumulation: Count = 1
    """Batches whose gradients make one step; above 1 the embedding's updates are dense."""
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
    warm_up: Rate = 0.0
    """Share of all steps in which the learning rate rises from 0."""
    decay: Decay = "none"
    """How the learning rate falls to 0 after that, over all epochs: none, linear or cosine."""
    weight_averaging: Rate = 0.99
    """Share of the weights' running mean that each step keeps, such as 0.99; the mean is validated
    and saved in place of the last weights. 0: no mean."""
    label_smoothing: Rate = 0.0
    """Share of the true class's probability that training spreads over all classes."""
    word_dropout: Rate = 0.0
    """Share of the words that training replaces by the unknown word."""
    wide_ngrams: Annotated[int, Field(ge=0, le=5)] = 0
    """Tokens of the longest n-gram of a linear model beside the network, which then learns what
    that does not know; 0: the network alone."""
    wide_buckets: Count = 2**18
    """Rows of the linear model's table, into which n-grams are hashed."""
    ensemble: Count = 1
    """Networks that are trained, each with its own seed; the mean of their probabilities counts."""
    patience: Count = 3
    """Epochs without a better validation score after which training stops."""
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: every class counts the same, however rare; not for multi-label data, where each
    class gets a threshold of its own instead."""
    mistakes: Annotated[tuple[MistakeName, ...], BeforeValidator(split_at_commas)] = ()
    """What recipes that reproduce a failure do wrong on purpose: last_padded_step, not_shuffled,
    rounded_probabilities, schedule_stepped_by_batch, sigmoid_after_softmax, softmax_twice."""
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
        history: One entry an epoch; those of an ensemble say of which `member`.
        best_epoch: Counted from 1; of an ensemble, that of its best member.
        validation: The best epoch's evaluation on the validation texts.
        probabilities: Its answers to them, `(texts, classes)`.
        coverage: What the word vectors covered; None for a random start.
        seconds: Wall-clock time of the training, with what came before a break.
        stopped: Why it was stopped before its end; None where it ended by itself.
        findings: What went wrong on the way, as far as one could see.
    """

    model: keras.Model
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int
    validation: Evaluation
    probabilities: npt.NDArray[np.float32]
    coverage: Coverage | None
    seconds: float
    stopped: str | None = None
    findings: Sequence[Finding] = ()


def predict_probabilities(model: keras.Model, texts: EncodedTexts) -> npt.NDArray[np.float32]:
    """Return class probabilities, `(texts, classes)`, in the order of the texts.

    Of a model for multi-label data they do not sum to 1.
    """
    batches = plan_batches(texts.lengths, 1, batch_tokens=_PREDICTION_TOKENS)
    answers = np.zeros((len(texts), model.output_shape[-1]), np.float32)
    for rows in batches:
        answers[rows] = keras.ops.convert_to_numpy(model.predict_on_batch(texts.padded(rows)))
    return answers


def evaluate_part(
    model: keras.Model,
    preparation: Preparation,
    part: str,
    thresholds: Sequence[float] | None = None,
) -> Evaluation:
    """Evaluate a model on the `train`, `validation` or `test` texts.

    The thresholds of multi-label data are chosen on these texts unless they are given.
    """
    return evaluate_probabilities(
        predict_probabilities(model, preparation.texts[part]),
        preparation.label_ids[part],
        preparation.label_names,
        thresholds,
    )


def evaluate_test(
    model: keras.Model, preparation: Preparation, validation: Evaluation
) -> Evaluation | None:
    """Evaluate a model on the test texts, if any, with the thresholds of the validation texts."""
    if "test" not in preparation.texts:
        return None
    return evaluate_part(model, preparation, "test", validation.thresholds)


def check_for_data(config: TrainingConfig, preparation: Preparation) -> None:
    """Refuse settings that contradict each other, or multi-label data.

    Raises:
        InputError: There are such settings.
    """
    if config.mistakes and config.wide_ngrams:
        raise InputError(
            f"mistakes {','.join(config.mistakes)}: of a network alone; got wide_ngrams "
            f"{config.wide_ngrams}; leave one of them out"
        )
    if not preparation.multi_label:
        return
    if config.class_weights == "balanced":
        preparation.class_weights()
    if config.mistakes:
        raise InputError(
            f"mistakes {','.join(config.mistakes)}: for one label a row; got multi-label data; "
            "leave mistakes out, or give one label a row"
        )


@contextmanager
def _counting_names_anew() -> Iterator[None]:
    """Name layers as if they were the process's first, and go on as before.

    TensorFlow arranges sums by the names of their parts, so with other numbers in the names the
    same training rounds differently.
    """
    before = global_state.get_global_attribute("object_name_uids")
    global_state.set_global_attribute("object_name_uids", None)
    try:
        yield
    finally:
        global_state.set_global_attribute("object_name_uids", before)


@dataclass(frozen=True, eq=False, kw_only=True)
class Compiled:
    """What a training starts from: a network that is built and compiled, and its batches.

    Attributes:
        network: Compiled.
        build: Makes another of the same shape.
        batches: Of the training texts.
        preparation: Suited to the network.
        embedding: What its embedding starts from, a matrix or a width.
        coverage: What the word vectors cover; None for a random start.
        linear: The linear model below it, if there is one.
        devices: What it is trained on.
        policy: What it computes in.
    """

    network: keras.Model
    build: Callable[[], keras.Model]
    batches: TrainingBatches
    preparation: Preparation
    embedding: npt.NDArray[np.float32] | int
    coverage: Coverage | None
    linear: LinearModel | None
    devices: Any
    policy: str


def _compile(
    preparation: Preparation,
    model: str,
    settings: ModelConfig,
    config: TrainingConfig,
    *,
    seed: int,
    strategy: str,
) -> Compiled:
    spec, multi_label = get_spec(model), preparation.multi_label
    embedding, coverage = preparation.start(config.embedding, config.embedding_features)
    mistake = combine(config.mistakes)
    linear = preparation.linear(config.wide_ngrams, config.wide_buckets)
    task = Task(
        vocabulary_size=preparation.vocabulary_size,
        num_classes=len(preparation.label_names),
        embedding=embedding,
        embedding_trainable=config.embedding != "frozen",
        multi_label=multi_label,
        hide_padding=mistake.hide_padding,
    )
    keras.utils.set_random_seed(derive_seed(seed, "training"))
    devices = open_strategy(strategy)
    policy = choose_precision(config.precision)
    batches = TrainingBatches(
        preparation.texts["train"],
        preparation.label_ids["train"],
        batch_size=config.batch_size,
        seed=derive_seed(seed, "order"),
        multiple_of=devices.num_replicas_in_sync,
        batch_tokens=config.batch_tokens,
        word_dropout=0.0 if settings.reads else config.word_dropout,
        scores=linear.scores if linear else None,
    )
    batches = mistake.batches(batches)
    _check_accumulation(config, batches)

    def build() -> keras.Model:
        network = mistake.network(spec.build(settings, task), preparation.config.max_length)
        return linear.beside(network) if linear else network

    with devices.scope(), computing_in(policy):
        network = build()
        network.compile(
            optimizer=create_optimizer(
                config.optimizer,
                mistake.learning_rate(_learning_rate(config, len(batches))),
                config.clip_norm,
                config.embedding_updates,
                config.accumulation,
            ),
            loss=_loss(config, mistake, multi_label=multi_label),
            metrics=[_micro_f1()] if multi_label else ["accuracy"],
        )
    return Compiled(
        network=network,
        build=build,
        batches=batches,
        preparation=preparation,
        embedding=embedding,
        coverage=coverage,
        linear=linear,
        devices=devices,
        policy=policy,
    )


@_counting_names_anew()
def compile_network(
    preparation: Preparation,
    model: str,
    settings: ModelConfig | None = None,
    config: TrainingConfig | None = None,
    *,
    seed: int = 0,
    strategy: str = "none",
) -> Compiled:
    """Build and compile what `fit` would train, of an ensemble the first member; train nothing.

    The arguments are those of `fit`.

    Raises:
        InputError: A name or a setting is wrong.
    """
    config = config or TrainingConfig()
    if config.ensemble > 1:
        config, seed = config.replace(ensemble=1), derive_seed(seed, "member", 0)
    settings = settings or get_spec(model).config()
    preparation = preparation.suited_to(settings)
    check_for_data(config, preparation)
    return _compile(preparation, model, settings, config, seed=seed, strategy=strategy)


@_counting_names_anew()
def fit(
    preparation: Preparation,
    model: str,
    settings: ModelConfig | None = None,
    config: TrainingConfig | None = None,
    *,
    seed: int = 0,
    objective: str | None = None,
    strategy: str = "none",
    track: Track = silent,
    checkpoint: Path | None = None,
    judge: Callable[[int, float], str | None] | None = None,
    watch: bool = True,
    tell: Callable[[Finding], None] = lambda finding: None,
) -> Fitted:
    """Train one model and keep the weights of its best epoch.

    With a checkpoint, a training that was killed or stopped goes on after its last whole epoch when
    it is called again with the same arguments, to the same result, bit for bit on a CPU. Its
    `epochs` may be more than before, unless `warm_up` or `decay` depends on them.

    Args:
        preparation: The data, made ready.
        model: A name of `kerastextzoo.builders.list_models()`.
        settings: The model's settings; None: its defaults.
        config: The training's settings; None: the defaults.
        seed: Of weights, order and dropout; the same seed gives the same numbers on a CPU.
        objective: Which validation figure makes an epoch the best; None: `val_accuracy`, or
            `val_micro_f1` for multi-label data.
        strategy: `none`, or `mirrored` for all devices of this machine.
        track: Progress.
        checkpoint: A file that is written after each epoch; of an ensemble, one a member, with its
            number in the name. If it is there, the training goes on from it.
        judge: Asked after each epoch, and about the last one in the checkpoint before it goes on:
            the epoch, counted from 1, and the best objective so far to a reason to stop now, or
            None. The checkpoint does not record the stop, so the training can go on later. The
            members of an ensemble are stopped one by one, and all of them start.
        watch: Whether to look out for what keeps it from learning, which changes nothing in it.
        tell: Called with what is found while it trains.

    Raises:
        InputError: A name or a setting is wrong; the checkpoint is damaged or of another training.
        TrainingDivergedError: No epoch ended with a finite loss.
    """
    settings = settings or get_spec(model).config()
    config = config or TrainingConfig()
    multi_label = preparation.multi_label
    objective = choose_objective(objective, multi_label=multi_label)
    preparation = preparation.suited_to(settings)
    check_for_data(config, preparation)
    if config.ensemble > 1:
        alone = config.replace(ensemble=1)
        members = [
            fit(
                preparation,
                model,
                settings,
                alone,
                seed=derive_seed(seed, "member", number),
                objective=objective,
                strategy=strategy,
                track=track,
                checkpoint=of_member(checkpoint, number + 1),
                judge=judge,
                watch=watch,
                tell=tell,
            )
            for number in range(config.ensemble)
        ]
        return _join(members, preparation, objective)
    compiled = _compile(preparation, model, settings, config, seed=seed, strategy=strategy)
    network, batches, linear = compiled.network, compiled.batches, compiled.linear
    # Outside the scope and without the optimizer: it answers on one device, and a file of it is a
    # third of the size.
    inference = keras.Model(network.input, network.output, name=network.name)
    averaging = None
    if config.weight_averaging or compiled.policy != "float32":
        with computing_in("float32"):
            inference = compiled.build()
        inference.set_weights(network.get_weights())
        averaging = AverageWeights(inference, config.weight_averaging, config.accumulation)
    record, best = Record(), KeepBest(inference, objective, config.patience)
    asking = AskJudge(judge, best, config.epochs) if judge else None
    # Of the same weights, which are averaged and kept in the other.
    served = linear.serve(inference) if linear else inference
    started = time.monotonic()
    saving, ended = None, False
    if checkpoint:
        identity = {
            "model": model,
            **settings.model_dump(mode="json"),
            **config.model_dump(mode="json"),
            "epochs": config.epochs if _is_scheduled(config) else None,
            "precision": compiled.policy,
            "replicas": compiled.devices.num_replicas_in_sync,
            "seed": seed,
            "objective": objective,
            **_identify(preparation, compiled.embedding),
        }
        saving = Checkpoint(checkpoint, identity, network, record, best, averaging)
        ended = saving.restore(config.epochs)
        started -= saving.seconds
    done = len(record.history)
    if asking and done:
        ended = asking.stops(done, ended=ended)
    validate = Validate(
        lambda: evaluate_part(served, preparation, "validation"), multi_label=multi_label
    )
    watching = _watch(preparation, validate, tell) if watch else None
    network.fit(
        batches.as_dataset(),
        initial_epoch=done,
        epochs=done if ended else config.epochs,
        class_weight=preparation.class_weights() if config.class_weights == "balanced" else None,
        verbose=0,
        # The batches do it, by seed and epoch.
        shuffle=False,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            *([averaging] if averaging else []),
            validate,
            *([watching] if watching else []),
            record,
            best,
            *([saving] if saving else []),
            *([asking] if asking else []),
            Pace(batches, f"training {model}", config.epochs, track),
        ],
    )
    if best.best_epoch is None:
        raise TrainingDivergedError(
            "training diverged: the loss is not finite after the first epoch; "
            "lower learning_rate or set clip_norm"
        )
    return Fitted(
        model=served,
        history=record.history,
        best_epoch=best.best_epoch,
        **_validate(served, preparation),
        coverage=compiled.coverage,
        seconds=time.monotonic() - started,
        stopped=asking.reason if asking else None,
        findings=tuple(watching.findings) if watching else (),
    )


def _validate(model: keras.Model, preparation: Preparation) -> dict[str, Any]:
    """Return what `Fitted` tells of the validation texts."""
    answers = predict_probabilities(model, preparation.texts["validation"])
    truth, names = preparation.label_ids["validation"], preparation.label_names
    return {
        "validation": evaluate_probabilities(answers, truth, names),
        "probabilities": answers,
    }


def _watch(preparation: Preparation, validate: Validate, tell: Callable[[Finding], None]) -> Watch:
    """Look out by the figures that there are anyhow, so that it costs nothing."""

    def confusion() -> list[list[int]]:
        return validate.evaluation.confusion if validate.evaluation else [[0]]

    return Watch(
        y=preparation.label_ids["train"],
        stop=False,
        tell=tell,
        confusion=None if preparation.multi_label else confusion,
    )


def _join(members: Sequence[Fitted], preparation: Preparation, objective: str) -> Fitted:
    """Make one model of several, which answers with the mean of their probabilities."""
    name = members[0].model.name
    alone = members[0].model.input
    texts = keras.Input(alone.shape[1:], dtype=alone.dtype, name=alone.name)
    answers = [
        keras.Model(member.model.input, member.model.output, name=f"{name}_{number}")(texts)
        for number, member in enumerate(members, 1)
    ]
    joined = keras.Model(texts, keras.layers.Average(dtype="float32")(answers), name=name)
    way = max if OBJECTIVES[objective] == "max" else min
    return Fitted(
        model=joined,
        history=[
            {"member": number, **epoch}
            for number, member in enumerate(members, 1)
            for epoch in member.history
        ],
        best_epoch=way(members, key=lambda each: each.validation.objective(objective)).best_epoch,
        **_validate(joined, preparation),
        coverage=members[0].coverage,
        seconds=sum(member.seconds for member in members),
        stopped=next((member.stopped for member in members if member.stopped is not None), None),
        findings=ranked([finding for member in members for finding in member.findings]),
    )


def _check_accumulation(config: TrainingConfig, batches: TrainingBatches) -> None:
    if config.accumulation > 1 and batches.multiple_of > 1:
        raise InputError(
            f"setting accumulation: 1 with more than one device; got {config.accumulation}; use "
            "strategy none, or raise the size of a batch"
        )
    if config.accumulation > len(batches):
        raise InputError(
            f"setting accumulation: at most the {len(batches)} batches of an epoch; got "
            f"{config.accumulation}; lower it, or lower the size of a batch"
        )


def _identify(
    preparation: Preparation, embedding: npt.NDArray[np.float32] | int
) -> dict[str, int | str]:
    """Return what a training takes from its data, in short."""
    return {
        "data": preparation.fingerprint,
        "seed of the data": preparation.seed,
        "vocabulary": digest(preparation.encoder.to_json()),
        "vectors": embedding if isinstance(embedding, int) else digest(embedding),
    }


def _is_scheduled(config: TrainingConfig) -> bool:
    return config.warm_up > 0 or config.decay != "none"


def _learning_rate(config: TrainingConfig, batches: int) -> float | WarmUpAndDecay:
    if not _is_scheduled(config):
        return config.learning_rate
    # Where gradients are accumulated, Keras still asks for the rate of a batch, not of a step.
    steps = config.epochs * batches
    return WarmUpAndDecay(config.learning_rate, steps, config.warm_up, config.decay)


def _micro_f1() -> Any:
    return keras.metrics.F1Score("micro", threshold=0.5, name="micro_f1")


def _loss(config: TrainingConfig, mistake: Mistake, *, multi_label: bool) -> Any:
    if multi_label:
        return keras.losses.BinaryCrossentropy(label_smoothing=config.label_smoothing)
    if not config.label_smoothing and not config.mistakes:
        return "sparse_categorical_crossentropy"

    def crossentropy(label_ids: Any, probabilities: Any) -> Any:
        classes = keras.ops.one_hot(
            keras.ops.cast(label_ids, "int32"), probabilities.shape[-1], dtype=probabilities.dtype
        )
        return keras.losses.categorical_crossentropy(
            classes, mistake.answers(probabilities), label_smoothing=config.label_smoothing
        )

    return crossentropy

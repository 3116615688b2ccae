"""A network of the zoo, built and compiled as its settings say, with the batches that train it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
from keras.src.backend.common import global_state

from kerastextzoo.batching import TrainingBatches
from kerastextzoo.builders import get_spec
from kerastextzoo.distribution import open_strategy
from kerastextzoo.embeddings import Coverage
from kerastextzoo.errors import InputError
from kerastextzoo.mistakes import Mistake, combine
from kerastextzoo.optimizers import create_optimizer
from kerastextzoo.precision import choose_precision, computing_in
from kerastextzoo.preparation import Preparation
from kerastextzoo.schedules import WarmUpAndDecay
from kerastextzoo.seeds import derive_seed
from kerastextzoo.spec import ModelConfig, Task
from kerastextzoo.training_config import TrainingConfig
from kerastextzoo.wide import LinearModel


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
    for name in ("wide_lead", "wide_sublinear_tf"):
        given = getattr(config, name)
        if given and not config.wide_ngrams:
            raise InputError(
                f"{name} {str(given).lower()}: of a linear model beside the network; got "
                f"wide_ngrams 0; set wide_ngrams=2, or leave {name} out"
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
def counting_names_anew() -> Iterator[None]:
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


def compile_alone(
    preparation: Preparation,
    model: str,
    settings: ModelConfig,
    config: TrainingConfig,
    *,
    seed: int,
    strategy: str,
) -> Compiled:
    """Build and compile one network; the arguments are those of `fit`, checked and complete."""
    spec, multi_label = get_spec(model), preparation.multi_label
    embedding, coverage = preparation.start(config.embedding, config.embedding_features)
    mistake = combine(config.mistakes)
    linear = preparation.linear(config.ngrams)
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


@counting_names_anew()
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
    return compile_alone(preparation, model, settings, config, seed=seed, strategy=strategy)


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


def is_scheduled(config: TrainingConfig) -> bool:
    """Whether the learning rate depends on how long the training is."""
    return config.warm_up > 0 or config.decay != "none"


def _learning_rate(config: TrainingConfig, batches: int) -> float | WarmUpAndDecay:
    if not is_scheduled(config):
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

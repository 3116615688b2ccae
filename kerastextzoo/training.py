"""Training of one model: seeded, shuffled, stopped when validation no longer improves."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.batching import EncodedTexts, plan_batches
from kerastextzoo.builders import get_spec
from kerastextzoo.callbacks import (
    AskJudge,
    AverageWeights,
    KeepBest,
    KeepChosen,
    Pace,
    Record,
    Validate,
)
from kerastextzoo.checkpoints import (
    REFIT,
    SELF_TRAINING,
    Checkpoint,
    digest,
    of_member,
    of_stage,
)
from kerastextzoo.compiling import (
    check_for_data,
    compile_alone,
    counting_names_anew,
    is_scheduled,
)
from kerastextzoo.doctor.findings import Finding, ranked
from kerastextzoo.doctor.watching import Watch
from kerastextzoo.embeddings import Coverage
from kerastextzoo.errors import KerasTextZooError
from kerastextzoo.evaluation import (
    Evaluation,
    best_by,
    choose_objective,
    evaluate_probabilities,
)
from kerastextzoo.precision import computing_in
from kerastextzoo.preparation import Preparation
from kerastextzoo.progress import Track, silent
from kerastextzoo.pseudo_labels import SelfTraining, choose_sure
from kerastextzoo.seeds import derive_seed
from kerastextzoo.spec import ModelConfig
from kerastextzoo.training_config import TrainingConfig
from kerastextzoo.wide import WORDS, input_like

__all__ = [
    "Fitted",
    "TrainingConfig",
    "TrainingDivergedError",
    "evaluate_part",
    "evaluate_test",
    "fit",
    "predict_probabilities",
]

_PREDICTION_TOKENS = 2**15


class TrainingDivergedError(KerasTextZooError):
    """The loss left the finite numbers before any epoch ended well."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """A trained model and how it got there.

    Attributes:
        model: The weights of the best epoch, or of the refit, uncompiled.
        history: One entry an epoch; those of an ensemble say of which `member`.
        best_epoch: Counted from 1; of an ensemble, that of its best member.
        validation: The best epoch's evaluation on the validation texts.
        probabilities: Its answers to them, `(texts, classes)`; a refit changes neither.
        coverage: What the word vectors covered; None for a random start.
        seconds: Wall-clock time of the training, with what came before a break.
        self_training: What it learned from texts without labels; None where it was given none.
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
    self_training: SelfTraining | None = None
    stopped: str | None = None
    findings: Sequence[Finding] = ()


def predict_probabilities(model: keras.Model, texts: EncodedTexts) -> npt.NDArray[np.float32]:
    """Return class probabilities, `(texts, classes)`, in the order of the texts.

    Of a model for multi-label data they do not sum to 1.
    """
    reads_words = isinstance(model.input, dict)
    lengths = np.maximum(texts.lengths, texts.words.lengths) if reads_words else texts.lengths
    answers = np.zeros((len(texts), model.output_shape[-1]), np.float32)
    for rows in plan_batches(lengths, 1, batch_tokens=_PREDICTION_TOKENS):
        given: Any = texts.padded(rows)
        if reads_words:
            given = {texts.input_name: given, WORDS: texts.words.padded(rows)}
        answers[rows] = keras.ops.convert_to_numpy(model.predict_on_batch(given))
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


@counting_names_anew()
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
    unlabelled: Sequence[str] | None = None,
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
            number in the name, and one more for self-training and for a refit. If it is there, the
            training goes on from it.
        judge: Asked after each epoch, and about the last one in the checkpoint before it goes on:
            the epoch, counted from 1, and the best objective so far to a reason to stop now, or
            None. The checkpoint does not record the stop, so the training can go on later. The
            members of an ensemble are stopped one by one, and all of them start.
        watch: Whether to look out for what keeps it from learning, which changes nothing in it.
        tell: Called with what is found while it trains.
        unlabelled: More texts: those whose label the trained model gives a probability of at least
            `kerastextzoo.pseudo_labels.SURE` are learned from in a second training, with that
            label. The better of the two on the validation texts is kept.

    Raises:
        InputError: A name or a setting is wrong; the checkpoint is damaged or of another training.
        TrainingDivergedError: No epoch ended with a finite loss.
    """
    settings = settings or get_spec(model).config()
    config = config or TrainingConfig()
    objective = choose_objective(objective, multi_label=preparation.multi_label)
    preparation = preparation.suited_to(settings)
    check_for_data(config, preparation)
    train = partial(
        _train, model=model, settings=settings, objective=objective, strategy=strategy, track=track
    )

    more = None if unlabelled is None else preparation.encode_unlabelled(unlabelled)

    def train_one(seed: int, checkpoint: Path | None) -> Fitted:
        watched = partial(train, config=config, seed=seed, watch=watch, tell=tell)
        fitted = watched(preparation, checkpoint=checkpoint, judge=judge)
        learned = preparation
        if more is not None and fitted.stopped is None:
            fitted, learned = _self_train(
                partial(watched, checkpoint=of_stage(checkpoint, SELF_TRAINING)),
                fitted, preparation, more, objective,
            )  # fmt: skip
        if not config.refit or fitted.stopped is not None:
            return fitted
        again = train(
            learned.whole, config=config, seed=seed, checkpoint=of_stage(checkpoint, REFIT),
            chosen=fitted.best_epoch,
        )  # fmt: skip
        return replace(fitted, model=again.model, seconds=fitted.seconds + again.seconds)

    if config.ensemble == 1:
        return train_one(seed, checkpoint)
    members = [
        train_one(derive_seed(seed, "member", number), of_member(checkpoint, number + 1))
        for number in range(config.ensemble)
    ]
    return _join(members, preparation, objective)


def _self_train(
    train: Callable[[Preparation], Fitted],
    first: Fitted,
    preparation: Preparation,
    texts: EncodedTexts,
    objective: str,
) -> tuple[Fitted, Preparation]:
    """Train once more, on the texts that a first model is sure of, too.

    Returns:
        The better of the two trainings, and what it learned from.
    """
    answers = predict_probabilities(first.model, texts)
    sure = choose_sure(answers, multi_label=preparation.multi_label)
    told = SelfTraining(len(texts), 0, digest(texts.tokens))
    first = replace(first, self_training=told)
    if not len(sure.rows):
        return first, preparation
    more = preparation.with_more(texts.take(sure.rows), sure.label_ids, told.fingerprint)
    try:
        second = replace(train(more), self_training=told._replace(learned=len(sure.rows)))
    except TrainingDivergedError:
        return first, preparation
    # The first of equals.
    found = [(second, more), (first, preparation)]
    best, learned = best_by(objective)(
        found, key=lambda each: each[0].validation.objective(objective)
    )
    return replace(best, seconds=first.seconds + second.seconds), learned


@counting_names_anew()
def _train(
    preparation: Preparation,
    *,
    model: str,
    settings: ModelConfig,
    config: TrainingConfig,
    seed: int,
    objective: str,
    strategy: str,
    track: Track,
    checkpoint: Path | None,
    judge: Callable[[int, float], str | None] | None = None,
    watch: bool = False,
    tell: Callable[[Finding], None] = lambda finding: None,
    chosen: int | None = None,
) -> Fitted:
    """Train one network; `chosen` is its last and best epoch, where that was found out before."""
    config = config.replace(ensemble=1)
    epochs = chosen or config.epochs
    compiled = compile_alone(preparation, model, settings, config, seed=seed, strategy=strategy)
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
    record = Record()
    best = (
        KeepChosen(inference, objective, chosen)
        if chosen
        else KeepBest(inference, objective, config.patience)
    )
    asking = AskJudge(judge, best, epochs) if judge else None
    # Of the same weights, which are averaged and kept in the other.
    served = linear.serve(inference) if linear else inference
    started = time.monotonic()
    saving, ended = None, False
    if checkpoint:
        identity = {
            "model": model,
            **settings.model_dump(mode="json"),
            **config.model_dump(mode="json"),
            "epochs": config.epochs if is_scheduled(config) else None,
            "precision": compiled.policy,
            "replicas": compiled.devices.num_replicas_in_sync,
            "seed": seed,
            "objective": objective,
            **_identify(preparation, compiled.embedding),
        }
        saving = Checkpoint(checkpoint, identity, network, record, best, averaging)
        ended = saving.restore(epochs)
        started -= saving.seconds
    done = len(record.history)
    if asking and done:
        ended = asking.stops(done, ended=ended)
    validate = Validate(
        lambda: evaluate_part(served, preparation, "validation"),
        multi_label=preparation.multi_label,
    )
    watching = _watch(preparation, validate, tell) if watch else None
    network.fit(
        batches.as_dataset(),
        initial_epoch=done,
        epochs=done if ended else epochs,
        class_weight=preparation.class_weights() if config.class_weights == "balanced" else None,
        verbose=0,
        # The batches do it, by seed and epoch.
        shuffle=False,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            *([averaging] if averaging else []),
            *([] if chosen else [validate]),
            *([watching] if watching else []),
            record,
            best,
            *([saving] if saving else []),
            *([asking] if asking else []),
            Pace(batches, f"training {model}", epochs, track),
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
        **_validate(predict_probabilities(served, preparation.texts["validation"]), preparation),
        coverage=compiled.coverage,
        seconds=time.monotonic() - started,
        stopped=asking.reason if asking else None,
        findings=tuple(watching.findings) if watching else (),
    )


def _validate(answers: npt.NDArray[np.float32], preparation: Preparation) -> dict[str, Any]:
    """Return what `Fitted` tells of the answers to the validation texts."""
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
    texts = keras.tree.map_structure(input_like, members[0].model.input)
    answers = [
        keras.Model(member.model.input, member.model.output, name=f"{name}_{number}")(texts)
        for number, member in enumerate(members, 1)
    ]
    joined = keras.Model(texts, keras.layers.Average(dtype="float32")(answers), name=name)
    best = best_by(objective)(members, key=lambda each: each.validation.objective(objective))
    return Fitted(
        model=joined,
        history=[
            {"member": number, **epoch}
            for number, member in enumerate(members, 1)
            for epoch in member.history
        ],
        best_epoch=best.best_epoch,
        # Not what the joined model answers: after a refit it has learned from these texts.
        **_validate(np.mean([each.probabilities for each in members], axis=0), preparation),
        coverage=members[0].coverage,
        seconds=sum(member.seconds for member in members),
        self_training=best.self_training,
        stopped=next((member.stopped for member in members if member.stopped is not None), None),
        findings=ranked([finding for member in members for finding in member.findings]),
    )


def _identify(preparation: Preparation, embedding: npt.NDArray[np.float32] | int) -> dict[str, Any]:
    """Return what a training takes from its data, in short."""
    return {
        "data": preparation.fingerprint,
        "seed of the data": preparation.seed,
        "vocabulary": digest(preparation.encoder.to_json()),
        "vectors": embedding if isinstance(embedding, int) else digest(embedding),
        # Left out where there is none, as in the checkpoints of older versions.
        **({"added texts": list(preparation.added)} if preparation.added else {}),
    }

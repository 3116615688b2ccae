"""A run: a trained model in a folder that stands on its own.

`run.json` records how it came to be, `model.keras` the network, `vocabulary.json` the text's way
to ids, or `sentence_encoder.json` whose vectors it reads, `labels.json` the classes, `history.csv`
the epochs, `split.json` the rows of each part, `evaluation.json` the figures by class,
`answers.json` how sure and how right the validation texts were answered; `curves.png` and
`confusion.png` show them. For multi-label data there are `thresholds.json`, from which probability
each class is given, and `classes.png`.
"""

import platform
import shutil
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from kerastextzoo import __version__, plots
from kerastextzoo.answering import Answering, AnswerWarning
from kerastextzoo.answers import ANSWERS, describe_answers, with_texts, write_answers
from kerastextzoo.batching import EncodedTexts, EncodedVectors
from kerastextzoo.builders import get_spec
from kerastextzoo.checkpoints import REFIT, SELF_TRAINING, check_apart, remove
from kerastextzoo.checkup import recorded
from kerastextzoo.distribution import describe_device
from kerastextzoo.doctor import Finding
from kerastextzoo.errors import InputError, KerasTextZooError, named, quoted
from kerastextzoo.evaluation import (
    OBJECTIVES,
    Evaluation,
    choose_objective,
)
from kerastextzoo.network_file import NETWORK, load_network
from kerastextzoo.progress import Track, silent
from kerastextzoo.sentence_encoder import SentenceEncoder
from kerastextzoo.settings import check_training
from kerastextzoo.storage import (
    FORMAT,
    check_free,
    read_bounded,
    read_json,
    staged,
    verify,
    write_atomically,
    write_json,
)
from kerastextzoo.text import TextEncoder, are_texts
from kerastextzoo.training import (
    Fitted,
    TrainingConfig,
    evaluate_test,
    fit,
    predict_probabilities,
)

if TYPE_CHECKING:
    import keras

    from kerastextzoo.preparation import Preparation
    from kerastextzoo.spec import ModelConfig

KIND = "run"
THRESHOLDS = "thresholds.json"
_RESTORE = "restore it from a copy"
_UNKNOWN_ID = 1
_SHOWN = 5
_VERSIONED = ("tensorflow", "keras", "keras-tuner", "gensim", "numpy")


def versions() -> dict[str, str]:
    """Return what a result may depend on: this package, those it computes with, Python."""
    packages = {name: version(name) for name in _VERSIONED}
    return {"kerastextzoo": __version__, **packages, "python": platform.python_version()}


class Run(Answering):
    """A trained model, loaded from its folder.

    Args:
        directory: What `train` or `tune` wrote.

    Attributes:
        files: The names of the files that its manifest vouches for.

    Raises:
        InputError: The folder is no run, or a file in it has changed.
        KerasTextZooError: Its files are as they were written, but don't fit each other.
    """

    def __init__(self, directory: str | Path) -> None:
        self.directory = Path(directory)
        self.files = verify(self.directory, KIND)
        # What a manifest leaves out, it does not vouch for.
        self._reader = SentenceEncoder if SentenceEncoder.FILE in self.files else TextEncoder
        for name in ("run.json", "labels.json", NETWORK, self._reader.FILE):
            if name not in self.files:
                raise InputError(f"{named(self.directory)}: its manifest lacks {name}; {_RESTORE}")
        self.record: dict[str, Any] = self._read("run.json", _is_record)
        self.label_names: list[str] = self._read("labels.json", _are_labels)

    def _read(self, name: str, is_right: Callable[[Any], bool]) -> Any:
        content = read_json(self.directory / name)
        if not is_right(content):
            raise InputError(f"{named(self.directory / name)} is not as runs have it; {_RESTORE}")
        return content

    @cached_property
    def model(self) -> "keras.Model":
        """The network: token ids `(batch, steps)` to probabilities `(batch, classes)`.

        Or, where the run has a sentence encoder, its vectors `(batch, steps, features)`.
        """
        model = load_network(self.directory / NETWORK)
        if isinstance(self.encoder, TextEncoder):
            largest, rows = len(self.encoder.vocabulary) - 1, _embedding(model).input_dim
            # On a GPU such an id would silently be read as zeros.
            if largest >= rows:
                told = f"the largest token id {largest} is beyond the embedding of {rows} rows"
                self._refuse(told)
        classes = model.output_shape[-1]
        if len(self.label_names) != classes:
            self._refuse(f"{len(self.label_names)} labels for {classes} probabilities")
        return model

    def _refuse(self, what: str) -> NoReturn:
        told = f"artifact inconsistent: {what}; train again, or restore it from a copy"
        raise KerasTextZooError(f"{named(self.directory)}: {told}")

    @cached_property
    def encoder(self) -> TextEncoder | SentenceEncoder:
        """Strings to token ids, or to vectors.

        Raises:
            InputError: The sentence encoder is missing, or is another one than in training.
        """
        path = self.directory / self._reader.FILE
        try:
            return self._reader.from_json(read_bounded(path).decode())
        except (KeyError, TypeError, UnicodeDecodeError) as error:
            raise InputError(f"{named(path)} is not as runs have it: {error}; {_RESTORE}") from None

    @property
    def settings(self) -> "ModelConfig":
        """The model's settings."""
        return get_spec(self.record["model"]).config.parse(self.record["settings"])

    @property
    def metrics(self) -> dict[str, float]:
        """The figures of the best epoch, and of the test texts where there are any."""
        metrics: dict[str, float] = self.record["metrics"]
        return metrics

    @property
    def evaluation(self) -> dict[str, Evaluation]:
        """The figures by class, on the `validation` texts and on the `test` texts, if any."""
        parts = read_json(self.directory / "evaluation.json")
        return {name: Evaluation(**figures) for name, figures in parts.items()}

    @property
    def answers(self) -> dict[str, Any] | None:
        """What `kerastextzoo.answers` keeps of the validation texts; None in older runs."""
        return read_json(self.directory / ANSWERS) if ANSWERS in self.files else None

    def predict_proba(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return class probabilities `(texts, classes)`, classes in the order of `label_names`.

        Warns:
            AnswerWarning: Some texts are empty, or hold no word that the run knows.
        """
        encoded: EncodedTexts = self.encoder.encode(texts)
        _tell_meaningless(texts, encoded)
        return predict_probabilities(self.model, encoded)

    @cached_property
    def thresholds(self) -> npt.NDArray[np.float32] | None:
        """From which probability each class is given, `(classes,)`; None unless multi-label."""
        if THRESHOLDS not in self.files:
            return None
        found: dict[str, float] = self._read(THRESHOLDS, _are_thresholds)
        if list(found) != self.label_names:
            self._refuse(f"{len(found)} thresholds for {len(self.label_names)} labels, or others")
        return np.array(list(found.values()), np.float32)


def _is_record(content: Any) -> bool:
    parts = ("settings", "training", "text", "data", "metrics", "versions")
    return (
        isinstance(content, dict)
        and isinstance(content.get("model"), str)
        and all(isinstance(content.get(name), dict) for name in parts)
    )


def _are_labels(content: Any) -> bool:
    return isinstance(content, list) and are_texts(content) and len({*content}) == len(content) > 1


def _are_thresholds(content: Any) -> bool:
    return isinstance(content, dict) and all(isinstance(n, float | int) for n in content.values())


def _embedding(model: "keras.Model") -> Any:
    """Return the layer that looks token ids up; an ensemble has one in each of its members."""
    layers = [*model.layers]
    while not any(found := [layer for layer in layers if layer.name == "embedding"]):
        layers = [inner for layer in layers for inner in getattr(layer, "layers", ())]
        if not layers:
            raise KerasTextZooError(f"model {quoted(model.name)} has no layer named 'embedding'")
    return found[0]


def _tell_meaningless(texts: Sequence[str], encoded: EncodedTexts) -> None:
    foreign = _without_known_word(texts, encoded)
    empty = [row for row in foreign if not texts[row - 1].strip()]
    foreign = [row for row in foreign if texts[row - 1].strip()]
    for rows, what in ((empty, "are empty"), (foreign, "hold no known word")):
        if rows:
            shown = ", ".join(map(str, rows[:_SHOWN])) + (", ..." if len(rows) > _SHOWN else "")
            told = f"{len(rows)} of {len(texts)} texts {what} (number {shown})"
            by_words = not isinstance(encoded, EncodedVectors)
            rest = (
                f"each is answered like {'a text of unknown words alone' if by_words else 'none'}"
            )
            warnings.warn(f"{told}; {rest}", AnswerWarning, stacklevel=3)


def _without_known_word(texts: Sequence[str], encoded: EncodedTexts) -> list[int]:
    """Return the numbers of the texts without a known word; a sentence encoder knows them all."""
    if isinstance(encoded, EncodedVectors):
        return [row for row, text in enumerate(texts, 1) if not text.strip()]
    if not len(encoded):
        return []
    # Every text has a token, be it the unknown one.
    highest = np.maximum.reduceat(encoded.tokens, encoded.starts[:-1])
    return [row for row, token in enumerate(highest, 1) if token <= _UNKNOWN_ID]


def train(
    preparation: "Preparation",
    model: str,
    out: str | Path,
    *,
    settings: "ModelConfig | None" = None,
    config: TrainingConfig | None = None,
    seed: int = 0,
    objective: str | None = None,
    strategy: str = "none",
    recipe: str | None = None,
    watch: bool = True,
    findings: Sequence[Finding] = (),
    tell: Callable[[Finding], None] = lambda finding: None,
    command: str | None = None,
    track: Track = silent,
    checkpoint: Path | None = None,
    unlabelled: Sequence[str] | None = None,
) -> Run:
    """Train one model, evaluate it once on the test texts and write a run.

    Args:
        preparation: The data, made ready.
        model: A name of `kerastextzoo.builders.list_models()`.
        out: A folder that is not there yet.
        settings: The model's settings; None: its defaults.
        config: The training's settings; None: the defaults.
        seed: Of weights, order and dropout.
        objective: Which validation figure makes an epoch the best; None: `val_accuracy`, or
            `val_micro_f1` for multi-label data.
        strategy: `none`, or `mirrored` for all devices of this machine.
        recipe: Where the settings came from, to be recorded.
        watch: Whether to look out for what keeps it from learning, which changes nothing in it.
        findings: What was found before, to be recorded.
        tell: Called with what is found while it trains.
        command: What a user typed, to be recorded.
        track: Progress.
        checkpoint: A file outside `out`, written after each epoch and removed at the end. If it is
            there, a training that was killed goes on from it, to the same result on a CPU.
        unlabelled: More texts, of which those that the model is sure of are learned from, too; as
            for `kerastextzoo.training.fit`.

    Raises:
        InputError: A name or a setting is wrong, `out` is taken, or the checkpoint is damaged or
            of another training.
    """
    settings = settings or get_spec(model).config()
    config = config or TrainingConfig()
    objective = choose_objective(objective, multi_label=preparation.multi_label)
    check_training(
        settings,
        config,
        max_length=preparation.config.max_length,
        vectors=preparation.vectors,
        objective=objective,
        strategy=strategy,
    )
    out = check_free(Path(out))
    if checkpoint:
        check_apart(checkpoint, out)
    preparation = preparation.suited_to(settings)
    fitted = fit(
        preparation,
        model,
        settings,
        config,
        seed=seed,
        objective=objective,
        strategy=strategy,
        track=track,
        watch=watch,
        tell=tell,
        checkpoint=checkpoint,
        unlabelled=unlabelled,
    )
    test = evaluate_test(fitted.model, preparation, fitted.validation)
    write_run(
        out,
        preparation,
        fitted,
        settings=settings,
        config=config,
        seed=seed,
        objective=objective,
        strategy=strategy,
        recipe=recipe,
        test=test,
        findings=findings,
        command=command,
    )
    if checkpoint:
        stages = [REFIT] * config.refit + [SELF_TRAINING] * (unlabelled is not None)
        remove(checkpoint, members=config.ensemble, stages=stages)
    return Run(out)


def write_run(
    out: Path,
    preparation: "Preparation",
    fitted: Fitted,
    *,
    settings: "ModelConfig",
    config: TrainingConfig,
    seed: int,
    objective: str = "val_accuracy",
    strategy: str = "none",
    recipe: str | None = None,
    test: Evaluation | None = None,
    extra: dict[str, Any] | None = None,
    findings: Sequence[Finding] = (),
    command: str | None = None,
) -> None:
    """Write a run whole, or not at all.

    Args:
        out: A folder that is not there yet.
        preparation: The data it was trained on.
        fitted: The trained model.
        settings: The model's settings.
        config: The training's settings.
        seed: The user's seed.
        objective: Which validation figure made an epoch the best.
        strategy: How it was distributed.
        recipe: Where the settings came from.
        test: The evaluation on the test texts, where it may be told.
        extra: More files to write beside, by name, as JSON.
        findings: What was found before it was trained.
        command: What a user typed.
    """
    preparation = preparation.suited_to(settings)
    encoder = preparation.encoder
    with staged(out, KIND) as stage:
        fitted.model.save(stage / NETWORK)
        write_atomically(stage / encoder.FILE, encoder.to_json())
        names = preparation.label_names
        write_json(stage / "labels.json", list(names))
        if fitted.validation.thresholds is not None:
            thresholds = dict(zip(names, fitted.validation.thresholds, strict=True))
            write_json(stage / THRESHOLDS, thresholds)
        rows = {name: part.tolist() for name, part in preparation.rows.items()}
        write_json(stage / "split.json", rows)
        plots.write_history(fitted.history, stage / "history.csv")
        plots.draw_curves(fitted.history, fitted.best_epoch, stage / "curves.png")
        record = {
            "format": FORMAT,
            "model": fitted.model.name,
            "recipe": recipe,
            "command": command,
            "settings": settings.model_dump(mode="json"),
            "training": config.model_dump(mode="json"),
            "text": preparation.config.model_dump(mode="json"),
            "seed": seed,
            "objective": {"name": objective, "direction": OBJECTIVES[objective]},
            "strategy": strategy,
            "data": preparation.describe(),
            "embedding": {
                "start": preparation.describe_embedding()
                if fitted.coverage or preparation.reads
                else "random",
                "coverage": fitted.coverage.as_dict() if fitted.coverage else None,
            },
            "self_training": fitted.self_training and fitted.self_training._asdict(),
            "parameters": int(fitted.model.count_params()),
            "best_epoch": fitted.best_epoch,
            "epochs": len(fitted.history),
            "seconds": round(fitted.seconds, 3),
            "versions": versions(),
            "machine": platform.machine(),
            "device": describe_device(),
            "findings": recorded([*findings, *fitted.findings]),
            "metrics": {},
        }
        for name, content in (extra or {}).items():
            write_json(stage / name, content)
        answers = describe_answers(
            fitted.probabilities,
            preparation.label_ids["validation"],
            preparation.rows["validation"],
            fitted.validation.thresholds,
        )
        texts = preparation.validation_texts
        write_answers(stage / ANSWERS, with_texts(answers, texts) if texts else answers)
        _write_figures(stage, record, fitted.validation, test)


def copy_run(
    directory: Path,
    out: Path,
    test: Evaluation | None,
    findings: Sequence[Finding] = (),
    texts: Sequence[str] | None = None,
) -> None:
    """Copy a run and add what it scores on the test texts, where there are any.

    Args:
        directory: The run.
        out: A folder that is not there yet.
        test: The evaluation on the test texts.
        findings: What was found before it was trained.
        texts: The validation texts, of which a trial knows the ids alone.
    """
    run = Run(directory)
    # What was recorded before there were findings has none.
    kept = [Finding(**told) for told in run.record.get("findings", ())]
    with staged(out, KIND) as stage:
        for path in directory.iterdir():
            shutil.copy2(path, stage / path.name)
        record = {**run.record, "findings": recorded([*findings, *kept])}
        if texts and run.answers:
            write_answers(stage / ANSWERS, with_texts(run.answers, texts))
        _write_figures(stage, record, run.evaluation["validation"], test)


def _write_figures(
    stage: Path, record: dict[str, Any], validation: Evaluation, test: Evaluation | None
) -> None:
    metrics = {
        "val_accuracy": validation.accuracy,
        "val_macro_f1": validation.macro_f1,
        "val_loss": validation.loss,
    }
    if validation.micro_f1 is not None:
        metrics["val_micro_f1"] = validation.micro_f1
    if test is not None:
        metrics |= {"test_accuracy": test.accuracy, "test_macro_f1": test.macro_f1}
        if test.micro_f1 is not None:
            metrics["test_micro_f1"] = test.micro_f1
    write_json(stage / "run.json", {**record, "metrics": metrics})
    parts = {"validation": validation.as_dict()}
    if test is not None:
        parts["test"] = test.as_dict()
    write_json(stage / "evaluation.json", parts)
    plots.draw_answers(test or validation, stage)

"""The doctor for models of the zoo: before a training, or of a run that is there.

`examine` looks at the texts and at the network as it would be trained, `examine_run` at what a run
recorded.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from kerastextzoo.builders import get_spec
from kerastextzoo.compiling import Compiled, compile_network
from kerastextzoo.doctor import Diagnosis, Finding, diagnose
from kerastextzoo.doctor.curves import Guess, find_dead_rate, find_over_fitting, find_standstill
from kerastextzoo.doctor.findings import explained, found, ranked, verdict_on
from kerastextzoo.doctor.texts import LOW_COVERAGE, NO_COVERAGE, Texts, check_texts
from kerastextzoo.errors import InputError, quoted
from kerastextzoo.label_sets import as_tuple
from kerastextzoo.progress import Track, silent
from kerastextzoo.seeds import derive_seed
from kerastextzoo.training_config import TrainingConfig

if TYPE_CHECKING:
    from kerastextzoo.data import Dataset
    from kerastextzoo.evaluation import Evaluation
    from kerastextzoo.preparation import Preparation
    from kerastextzoo.run import Run
    from kerastextzoo.spec import ModelConfig

_MOST_ROWS = 10_000
_QUICK_ROWS = 2_000
# Of vectors there may be many a token.
_MOST_NUMBERS = 2**26
_UNKNOWN_ID = 1
_MUCH_UNKNOWN = 0.3
_MUCH_CUT = 0.05
# Recurrent layers take their steps one by one; a look that trains nothing needs few.
_QUICK_STEPS = 16
_USUAL = 99
# Nobody gets the tokenizer word for Chinese who does not ask for it.
_ASKED_FOR = frozenset({"unsegmented-text"})
# What is known better from the texts than from their ids, or is otherwise here: a batch is padded
# to its own longest text.
_OF_TEXTS = frozenset(
    {
        "conflicting-labels",
        "mostly-padding",
        "one-class-dominates",
        "overlapping-splits",
        "repeated-rows",
        "truncation-cuts-signal",
        "unknown-tokens",
        "validation-is-training",
    }
)


def examine(
    preparation: "Preparation",
    model: str,
    settings: "ModelConfig | None" = None,
    config: TrainingConfig | None = None,
    *,
    seed: int = 0,
    quick: bool = False,
    track: Track = silent,
) -> Diagnosis:
    """Find out whether a model would learn, and if not, why; nothing that is given is changed.

    Args:
        preparation: The data, made ready.
        model: A name of `kerastextzoo.builders.list_models()`.
        settings: The model's settings; None: its defaults.
        config: The training's settings; None: the defaults.
        seed: Of weights, samples and trial trainings.
        quick: Only what needs no training.
        track: Progress.

    Raises:
        InputError: A name or a setting is wrong.
    """
    started = time.monotonic()
    settings, config = settings or get_spec(model).config(), config or TrainingConfig()
    texts = _texts_of(preparation, config)
    words = not settings.reads
    try:
        compiled = compile_network(preparation, model, settings, config, seed=seed)
    except InputError as error:
        # Vectors that cover too little can't be used at all; why, the texts tell.
        findings = check_texts(texts, quick=True, words=words)
        if not any(finding.code == "low-coverage" for finding in findings):
            raise
        # It names the file and some of the words.
        findings = [
            replace(finding, cause=str(error)) if finding.code == "low-coverage" else finding
            for finding in findings
        ]
        return Diagnosis(
            findings=findings,
            verdict=verdict_on(findings, quick=True, skipped={}),
            checks=["texts"],
            seconds=time.monotonic() - started,
        )
    if texts.vectors is not None:
        texts = replace(texts, coverage=compiled.coverage)
    of_texts = _apart_from(check_texts(texts, quick=quick, words=words), config)
    seen = _diagnose(compiled, settings, config, seed=seed, quick=quick, track=track)
    kept = [finding for finding in seen.findings if finding.code not in _OF_TEXTS]
    findings = ranked(explained([*of_texts, *kept]))
    return replace(
        seen,
        findings=findings,
        verdict=verdict_on(findings, quick=quick, skipped=seen.skipped),
        checks=["texts", *seen.checks],
        seconds=time.monotonic() - started,
    )


def _texts_of(preparation: "Preparation", config: TrainingConfig) -> Texts:
    splits = preparation.splits
    return Texts(
        train=splits.train,
        validation=splits.validation,
        test=splits.test,
        encoder=preparation.encoder,
        vectors=None if config.embedding == "random" else preparation.vectors,
        most_words=preparation.config.max_vocabulary,
        batch_size=config.batch_size,
        shuffled="not_shuffled" not in config.mistakes,
        seed=preparation.seed,
    )


def _apart_from(findings: Sequence[Finding], config: TrainingConfig) -> list[Finding]:
    """Leave out what the settings take care of."""
    cared_for = {"one-class-dominates"} if config.class_weights == "balanced" else set()
    return [finding for finding in findings if finding.code not in cared_for]


def _diagnose(
    compiled: Compiled,
    settings: "ModelConfig",
    config: TrainingConfig,
    *,
    seed: int,
    quick: bool,
    track: Track,
) -> Diagnosis:
    shuffled = "not_shuffled" not in config.mistakes
    most = _QUICK_ROWS if quick else _MOST_ROWS
    parts = {
        name: _rows(compiled, name, most, seed, in_order=shuffled)
        for name in ("train", "validation")
    }
    texts, label_ids = compiled.preparation.texts, compiled.preparation.label_ids
    x, others = (texts[name].padded(rows) for name, rows in parts.items())
    if "last_padded_step" in config.mistakes:
        # The network adds it itself, which nobody sees from outside.
        x, others = (_widened(each, compiled.preparation.config.max_length) for each in (x, others))
    else:
        lengths = texts["train"].lengths[parts["train"]]
        # One long text would make padding of nearly all the rest; training pads batch by batch.
        steps = int(np.percentile(lengths, _USUAL, method="inverted_cdf"))
        # As many as the widest pool makes one of, and the same again: what follows it has steps.
        few = max(_QUICK_STEPS, 2 * max(map(max, settings.spans.values()), default=1))
        steps = max(2, min(steps, few) if quick else steps)
        x, others = x[:, :steps], others[:, :steps]
    y, truth = (np.asarray(label_ids[name][rows]) for name, rows in parts.items())
    inputs: Any = x
    if compiled.linear:
        inputs = {texts["train"].input_name: x, "scores": compiled.linear.scores[parts["train"]]}
    of_a_batch = -(-len(texts["train"]) // len(compiled.batches))
    return diagnose(
        compiled.network,
        inputs,
        y,
        batch_size=min(of_a_batch if config.batch_tokens else config.batch_size, len(y)),
        epochs=config.epochs,
        # The linear model's scores of other texts are found inside the network that is saved.
        validation_data=None if compiled.linear else (others, truth),
        shuffle=shuffled,
        quick=quick,
        seed=seed,
        track=track,
    )


def _widened(x: npt.NDArray[Any], steps: int) -> npt.NDArray[Any]:
    return np.pad(x, [(0, 0), (0, steps - x.shape[1]), *[(0, 0)] * (x.ndim - 2)])


def _rows(
    compiled: Compiled, part: str, most: int, seed: int, *, in_order: bool
) -> npt.NDArray[np.int64]:
    """Choose row numbers of a part; in the order of their class where training has it so."""
    texts = compiled.preparation.texts[part]
    numbers = texts.longest * math.prod(texts.tokens.shape[1:])
    most = max(2, min(most, _MOST_NUMBERS // numbers))
    draw = np.random.default_rng(derive_seed(seed, "checkup", part))
    rows = np.sort(draw.permutation(len(texts))[:most])
    if in_order:
        return rows
    return rows[np.argsort(compiled.preparation.label_ids[part][rows], kind="stable")]


def refuse(diagnosis: Diagnosis, config: TrainingConfig) -> None:
    """Refuse a training that can't succeed, unless its mistakes are made on purpose.

    Raises:
        InputError: There is such an error among the findings.
    """
    errors = [finding for finding in diagnosis.errors if finding.code not in _ASKED_FOR]
    if config.mistakes or not errors:
        return
    first = errors[0]
    # What can't even be compiled can't be trained either way.
    way_out = "" if diagnosis.checks == ["texts"] else ", or go on all the same with --no-doctor"
    raise InputError(f"the doctor found {first.code}: {first.cause}; {first.remedy}{way_out}")


def worth_telling(diagnosis: Diagnosis) -> list[Finding]:
    """Return the errors and warnings."""
    return [finding for finding in diagnosis.findings if finding.severity != "note"]


def as_json(diagnosis: Diagnosis) -> dict[str, Any]:
    """Return a diagnosis ready for JSON, which has no NaN.

    Example:
        >>> told = as_json(Diagnosis(findings=[found("weights-not-finite", numbers=1, layer="a")]))
        >>> told["findings"][0]["severity"]
        'error'
    """
    told: dict[str, Any] = _finite(diagnosis.as_dict())
    return told


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def recorded(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Return findings as a run records them, one of each code."""
    told: list[dict[str, Any]] = _finite([finding.as_dict() for finding in ranked(findings)])
    return told


# A run that is there.


def examine_run(run: "Run", data: "Dataset | None" = None) -> Diagnosis:
    """Read what a run recorded of its training, and how its answers look.

    Args:
        run: What `train` or `tune` wrote.
        data: Labelled texts on which it does badly, say.

    Raises:
        InputError: The data is multi-label, and the run is not.
    """
    started = time.monotonic()
    checks = {
        "history": _look_at_history(run),
        "answers": _look_at_answers(run.evaluation["validation"], run.label_names),
        "record": _look_at_record(run),
    }
    if data is not None:
        checks["data"] = _look_at_data(run, data)
    findings = ranked([finding for look in checks.values() for finding in look])
    return Diagnosis(
        findings=findings,
        verdict=_verdict_of_run(findings, run),
        checks=list(checks),
        seconds=time.monotonic() - started,
    )


def _verdict_of_run(findings: Sequence[Finding], run: "Run") -> str:
    told = [finding for finding in findings if finding.severity != "note"]
    if told:
        return f"Look at {told[0].code} first."
    accuracy = run.metrics["val_accuracy"]
    return f"Nothing found: it learned, to a validation accuracy of {accuracy:.4f}."


def _look_at_history(run: "Run") -> Iterator[Finding]:
    """Look at the curves of each network."""
    table = pd.read_csv(run.directory / "history.csv")
    members = [part for _, part in table.groupby("member")] if "member" in table else [table]
    guess = _guess(run.evaluation["validation"])
    texts, training = run.record["data"]["texts"]["train"], run.record["training"]
    for part in members:
        history = [{str(k): float(v) for k, v in row.items()} for row in part.to_dict("records")]
        steps = -(-texts // training["batch_size"])
        looks = (
            find_standstill(history, guess, steps=steps * len(history)),
            find_over_fitting(history),
            find_dead_rate(history, training["epochs"], steps),
        )
        yield from (finding for finding in looks if finding)


def _guess(evaluation: "Evaluation") -> Guess:
    shares = np.array([row["support"] for row in evaluation.per_class]) / evaluation.n
    return Guess.of_questions(shares) if evaluation.multi_label else Guess.of_shares(shares)


def _look_at_answers(evaluation: "Evaluation", names: Sequence[str]) -> Iterator[Finding]:
    """Look for answers that are all the same."""
    if evaluation.multi_label:
        return
    confusion = np.array(evaluation.confusion)
    given, truth = confusion.sum(0), confusion.sum(1)
    if (given > 0).sum() == 1 and (truth > 0).sum() > 1:
        label = [*names, *map(str, range(len(given)))][int(given.argmax())]
        yield found("one-class-only", rows=int(given.sum()), label=quoted(label))


def _look_at_record(run: "Run") -> Iterator[Finding]:
    """Look at what was noted before and while it was trained."""
    record = run.record
    yield from (Finding(**finding) for finding in record.get("findings", ()))
    coverage = record["embedding"]["coverage"]
    own = str(record["embedding"]["start"]).startswith("word2vec of the training texts")
    share = (coverage or {}).get("tokens")
    if share is not None and not own and share < LOW_COVERAGE:
        finding = found("low-coverage", coverage=share)
        yield finding if share < NO_COVERAGE else replace(finding, severity="warning")
    data = record["data"]
    cut = data["cut_off"]
    if cut["share"] > _MUCH_CUT:
        length = record["text"]["max_length"]
        finding = found(
            "truncation-cuts-signal",
            share=cut["share"],
            length=length,
            detail=f"95 % have up to {cut['p95']} tokens, the longest has {cut['longest']}",
            proposal=f"--max-length {cut['p95']}",
        )
        # Whether the rest tells anything, a record can't say.
        yield replace(finding, severity="note")
    if data["warnings"]:
        said = data["warnings"]
        yield found("read-with-warnings", number=len(said), first=said[0], all=list(said))


def _look_at_data(run: "Run", data: "Dataset") -> Iterator[Finding]:
    """Look at labels and words that the run does not know, and at its answers."""
    unseen = data.label_counts
    for name in run.label_names:
        del unseen[name]
    if unseen:
        rows = sum(not unseen.keys().isdisjoint(as_tuple(label)) for label in data.labels)
        finding = found(
            "unknown-labels",
            share=rows / len(data),
            rows=rows,
            labels=len(unseen),
            example=quoted(unseen.most_common(1)[0][0]),
        )
        yield finding
    draw = np.random.default_rng(derive_seed(0, "checkup"))
    some = data.subset(np.sort(draw.permutation(len(data))[:_MOST_ROWS]))
    if not run.record["data"].get("encoder"):
        tokens = run.encoder.encode(some.texts).tokens
        share = float((tokens == _UNKNOWN_ID).mean())
        if share > _MUCH_UNKNOWN:
            yield found("unknown-tokens", share=share, token=_UNKNOWN_ID)
    yield from _look_at_answers(run.evaluate(some), run.label_names)

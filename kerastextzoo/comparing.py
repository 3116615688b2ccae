"""Several models and the linear ones on the same split: who is ahead, and whether that is luck."""

import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo import plots
from kerastextzoo.answering import AnswerWarning
from kerastextzoo.baselines import MAJORITY, fit_baselines
from kerastextzoo.errors import InputError, named
from kerastextzoo.evaluation import macro_f1
from kerastextzoo.preparation import Preparation
from kerastextzoo.progress import Track, silent
from kerastextzoo.run import Run, train
from kerastextzoo.settings import Settings
from kerastextzoo.splits import LabelIds, Splits, label_ids
from kerastextzoo.storage import write_json

_RESAMPLES = 10_000
_DRAWS = 10  # at a time a tenth of them, or many kinds of texts would take much memory
_INTERVAL = (2.5, 97.5)
_TIMED_TEXTS = 1000


@dataclass(frozen=True)
class Entry:
    """One line of a leaderboard.

    Attributes:
        model: A model of the zoo or a baseline.
        accuracy: On the texts that are compared; in multi-label data the share of those whose
            classes are exactly the true ones.
        macro_f1: Likewise.
        seconds: Wall-clock time of the training.
        parameters: Numbers that were fitted.
        milliseconds: Of one answer from the raw text, many at a time.
        behind: How much accuracy (multi-label: micro F1) the best entry is ahead: low and high end
            of a 95 % interval, by a paired bootstrap over the texts. Where it holds 0, the order
            may be chance.
        run: Folder of the run; None for a baseline.
        micro_f1: For multi-label data, over all texts and classes together.
    """

    model: str
    accuracy: float
    macro_f1: float
    seconds: float
    parameters: int
    milliseconds: float
    behind: tuple[float, float]
    run: str | None = None
    micro_f1: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON; those that don't apply left out."""
        told = asdict(self)
        if self.micro_f1 is None:
            del told["micro_f1"]
        return told


@dataclass(frozen=True)
class Leaderboard:
    """Models on the same texts, best first.

    Attributes:
        part: `test`, or `validation` where there are no test texts.
        texts: How many texts that is.
        entries: By accuracy, or by micro F1 for multi-label data.
        verdict: In plain words, whether a network is worth its time.
    """

    part: str
    texts: int
    entries: tuple[Entry, ...]
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON keys of `compare`."""
        return {
            "part": self.part,
            "texts": self.texts,
            "leaderboard": [entry.as_dict() for entry in self.entries],
            "verdict": self.verdict,
        }


@dataclass(frozen=True, eq=False)
class _Answered:
    """What an entry is made from.

    For multi-label data `shares` counts for each text, in two columns, twice the classes that were
    rightly given, and the classes that were given or true: their sums make micro F1.
    """

    model: str
    right: npt.NDArray[np.bool_]
    macro_f1: float
    seconds: float
    parameters: int
    milliseconds: float
    run: str | None = None
    shares: npt.NDArray[np.int64] | None = None

    @property
    def score(self) -> float:
        """What entries are ranked by."""
        return float(self.right.mean()) if self.shares is None else float(_f1(self.shares.sum(0)))

    def ahead_of(self, other: "_Answered") -> tuple[float, float]:
        """Return a 95 % interval of how much better this one scores."""
        if self.shares is None or other.shares is None:
            return paired_interval(self.right, other.right)
        return _paired_f1_interval(self.shares, other.shares)


def compare(
    preparation: Preparation,
    models: Mapping[str, Settings],
    out: str | Path,
    *,
    seed: int = 0,
    objective: str | None = None,
    strategy: str = "none",
    refit: bool | None = None,
    command: str | None = None,
    track: Track = silent,
) -> Leaderboard:
    """Fit the baselines, train the models and rank them all.

    Each model becomes a run in `out`; one that is there already, with the same settings, seed and
    data, is taken as it is. `leaderboard.json` and `leaderboard.png` are written beside them.

    Args:
        preparation: The data, made ready.
        models: Settings of each model to train.
        out: A folder, new or of the same comparison.
        seed: Of weights, order and dropout.
        objective: Which validation figure makes an epoch the best; None: `val_accuracy`, or
            `val_micro_f1` for multi-label data.
        strategy: `none`, or `mirrored` for all devices of this machine.
        refit: Whether the linear models learn from the validation texts, too; None: if one of the
            networks does.
        command: What a user typed, to be recorded.
        track: Progress.

    Raises:
        InputError: `out` holds a run of other settings; or there are no test texts to compare
            what has learned from the validation texts.
    """
    splits, out = preparation.splits, Path(out)
    part = "validation" if splits.test is None else "test"
    refitted = any(each.training.refit for each in models.values())
    if part == "validation" and (refit or refitted):
        raise InputError(
            "setting refit: what has learned from the validation texts is compared on test texts; "
            "got none; give --test or --test-share, or leave refit out"
        )
    answered = list(_baselines(splits, part, refit=refitted if refit is None else refit))
    for model, settings in models.items():
        folder = out / model
        if folder.exists():
            run = _same_run(folder, preparation, settings, seed)
        else:
            run = train(
                preparation,
                model,
                folder,
                settings=settings.model,
                config=settings.training,
                seed=seed,
                objective=objective,
                strategy=strategy,
                track=track,
            )
        answered.append(_network(run, splits, part))
    board = rank(answered, part)
    out.mkdir(parents=True, exist_ok=True)
    told = {"command": command} if command else {}
    write_json(out / "leaderboard.json", board.as_dict() | told)
    plots.draw_leaderboard(board.as_dict()["leaderboard"], out / "leaderboard.png")
    return board


def rank_with_baselines(run: Run, splits: Splits) -> Leaderboard:
    """Rank one run among the baselines."""
    part = "validation" if splits.test is None else "test"
    return rank([*_baselines(splits, part), _network(run, splits, part)], part)


def _same_run(folder: Path, preparation: Preparation, settings: Settings, seed: int) -> Run:
    run = Run(folder)
    wanted = {
        "settings": settings.model.model_dump(mode="json"),
        "training": settings.training.model_dump(mode="json"),
        "text": preparation.config.model_dump(mode="json"),
        "seed": seed,
    }
    differ = [name for name, value in wanted.items() if run.record[name] != value]
    if run.record["data"]["fingerprint"] != preparation.fingerprint:
        differ.append("data")
    if differ:
        raise InputError(
            f"{named(folder)}: a run with other {', '.join(differ)} is there; give another --out"
        )
    return run


def _part(splits: Splits, part: str) -> Any:
    return splits.test if part == "test" else splits.validation


def _baselines(splits: Splits, part: str, *, refit: bool = False) -> Iterator[_Answered]:
    truth = label_ids(_part(splits, part).labels, splits.label_names)
    for baseline in fit_baselines(splits, refit=refit):
        yield _judge(
            truth,
            baseline.answers[part],
            splits,
            model=baseline.name,
            seconds=baseline.seconds,
            parameters=baseline.parameters,
            milliseconds=baseline.milliseconds,
        )


def _judge(truth: LabelIds, answers: npt.NDArray[Any], splits: Splits, **known: Any) -> _Answered:
    right, shares = answers == truth, None
    if splits.multi_label:
        right = right.all(axis=1)
        hits = 2 * (answers & (truth > 0)).sum(axis=1)
        shares = np.stack([hits, answers.sum(axis=1) + truth.sum(axis=1)], axis=1)
    macro = macro_f1(truth, answers, len(splits.label_names))
    return _Answered(right=right, macro_f1=macro, shares=shares, **known)


def _network(run: Run, splits: Splits, part: str) -> _Answered:
    data = _part(splits, part)
    truth = label_ids(data.labels, splits.label_names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AnswerWarning)
        probabilities = run.predict_proba(data.texts)
        some = data.texts[:_TIMED_TEXTS]
        started = time.monotonic()
        run.predict_proba(some)
        seconds = time.monotonic() - started
    thresholds = run.thresholds
    return _judge(
        truth,
        probabilities.argmax(axis=1) if thresholds is None else probabilities >= thresholds,
        splits,
        model=run.record["model"],
        seconds=run.record["seconds"],
        parameters=run.record["parameters"],
        milliseconds=1000 * seconds / len(some),
        run=str(run.directory),
    )


def rank(answered: Sequence[_Answered], part: str) -> Leaderboard:
    """Order the entries, and say how sure the order is."""
    order = sorted(answered, key=lambda entry: -entry.score)
    entries = tuple(
        Entry(
            model=entry.model,
            accuracy=float(entry.right.mean()),
            macro_f1=entry.macro_f1,
            seconds=round(entry.seconds, 3),
            parameters=entry.parameters,
            milliseconds=round(entry.milliseconds, 4),
            behind=order[0].ahead_of(entry),
            run=entry.run,
            micro_f1=None if entry.shares is None else entry.score,
        )
        for entry in order
    )
    return Leaderboard(part, len(order[0].right), entries, _verdict(order))


def paired_interval(
    one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_], seed: int = 0
) -> tuple[float, float]:
    """Return a 95 % interval of how much more accurate one is than the other.

    The texts are drawn again with replacement, both answers to a text together. Only the numbers
    of texts that one or the other alone has right matter, so they are drawn instead.

    Example:
        >>> right = np.arange(1000) % 10 > 0
        >>> paired_interval(right, right)
        (0.0, 0.0)
        >>> low, high = paired_interval(right, np.arange(1000) % 10 > 1)
        >>> bool(0 < low < 0.1 < high < 0.2)
        True
    """
    difference = one.astype(int) - other.astype(int)
    shares = np.bincount(difference + 1, minlength=3) / len(difference)
    drawn = np.random.default_rng(seed).multinomial(len(difference), shares, size=_RESAMPLES)
    low, high = np.percentile((drawn[:, 2] - drawn[:, 0]) / len(difference), _INTERVAL)
    return float(low), float(high)


def _f1(shares: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    found, total = shares[..., 0], shares[..., 1]
    return np.asarray(found / np.maximum(total, 1), np.float64)


def _paired_f1_interval(
    one: npt.NDArray[np.int64], other: npt.NDArray[np.int64], seed: int = 0
) -> tuple[float, float]:
    """Return a 95 % interval of how much more micro F1 one has, drawn like `paired_interval`."""
    kinds, counts = np.unique(np.concatenate([one, other], axis=1), axis=0, return_counts=True)
    rng, leads = np.random.default_rng(seed), []
    for _ in range(_DRAWS):
        drawn = rng.multinomial(len(one), counts / len(one), size=_RESAMPLES // _DRAWS) @ kinds
        leads.append(_f1(drawn[:, :2]) - _f1(drawn[:, 2:]))
    low, high = np.percentile(np.concatenate(leads), _INTERVAL)
    return float(low), float(high)


def _verdict(order: Sequence[_Answered]) -> str:
    linear = next(each for each in order if each.run is None and each.model != MAJORITY)
    network = next((each for each in order if each.run is not None), None)
    if network is None:
        return f"{linear.model} is the best linear model"
    low, high = network.ahead_of(linear)
    lead = 100 * (network.score - linear.score)
    told = f"{lead:+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
    if low > 0:
        return f"{network.model} is better than the best linear model, {linear.model}: {told}"
    if high < 0:
        return (
            f"no network is worth its time here: {linear.model} is better ({network.model}: {told})"
        )
    return (
        f"no network is clearly better than {linear.model} ({network.model}: {told}); "
        "the linear model is the cheaper choice"
    )

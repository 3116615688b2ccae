"""What is known of each trial: a folder with what was proposed, and `trial.json` once it ended."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.records import read_record

RECORD = "trial.json"
MODEL = "model"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One proposal and what came of it.

    Attributes:
        id: Counted from 0.
        status: `completed`, or `stopped` early or `failed` for the reason in `cause`.
        score: The objective on the validation texts; None where it failed.
        seconds: Of its epochs.
        values: What the search drew.
        model: A model of the zoo.
        config: All settings of the model (`model`) and the training (`training`).
        seed: Of weights, order and dropout.
        cause: Why it was stopped or failed, in one line.
        best_epoch: Counted from 1.
        parameters: Numbers of the model.
        multiply_adds: Of one token.
        history: One entry an epoch.
        times: When its process `started`, had made the `first_step` and had `trained`, in seconds
            since 1970; after a break, those of the last process.
    """

    id: int
    status: Literal["completed", "stopped", "failed"]
    score: float | None
    seconds: float
    values: dict[str, Any]
    model: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    cause: str | None = None
    best_epoch: int | None = None
    parameters: int | None = None
    multiply_adds: int | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON, the history and the times left out."""
        told = asdict(self)
        del told["history"], told["times"]
        return told

    def record(self) -> dict[str, Any]:
        """Return all fields by name, ready for JSON."""
        return asdict(self)


def trial_folder(search: Path, trial_id: int) -> Path:
    """Return the folder of a trial."""
    return search / "trials" / f"{trial_id:04d}"


def read_trial(folder: Path, *, mend: bool = False) -> Trial | None:
    """Return what is recorded of the trial in a folder; None where it has not ended.

    Args:
        folder: Of the trial.
        mend: Whether a damaged record is written anew from its copy.

    Raises:
        InputError: The record is damaged, and so is its copy.
    """
    path = folder / RECORD
    if not path.exists():
        return None
    found = read_record(path, mend=mend)
    known = {each.name for each in fields(Trial)}
    return Trial(**{name: value for name, value in found.items() if name in known})


def is_better(score: float, other: float, objective: str) -> bool:
    """Say whether a score is better than another.

    Example:
        >>> is_better(0.3, 0.4, "val_loss"), is_better(0.3, 0.4, "val_accuracy")
        (True, False)
    """
    return score > other if OBJECTIVES[objective] == "max" else score < other


def ranked(trials: list[Trial], objective: str) -> list[Trial]:
    """Return the trials, best first, the cheaper of two alike, then by id, failures last.

    Example:
        >>> known = {"status": "completed", "seconds": 1.0, "values": {}}
        >>> trials = [Trial(id=i, score=score, **known) for i, score in enumerate([0.5, 0.7])]
        >>> [trial.id for trial in ranked(trials, "val_accuracy")]
        [1, 0]
    """
    sign = -1 if OBJECTIVES[objective] == "max" else 1
    return sorted(
        trials,
        key=lambda trial: (
            trial.score is None,
            sign * trial.score if trial.score is not None else 0,
            trial.multiply_adds or 0,
            trial.id,
        ),
    )

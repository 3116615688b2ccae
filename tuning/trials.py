"""What is known of each trial: a folder with `trial.json`, and the run where it completed."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.storage import read_json

RECORD = "trial.json"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One proposal and what came of it.

    Attributes:
        id: Counted from 0.
        status: `completed`, or `failed` for the reason in `error`.
        score: The objective on the validation texts; None where it failed.
        seconds: Wall-clock time.
        values: What the search drew.
        config: All settings of the model (`model`) and the training (`training`).
        error: Why it failed, in one line.
    """

    id: int
    status: Literal["completed", "failed"]
    score: float | None
    seconds: float
    values: dict[str, Any]
    config: dict[str, Any] = field(default_factory=dict)
    error: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name, ready for JSON."""
        return asdict(self)


def trial_folder(search: Path, trial_id: int) -> Path:
    """Return the folder of a trial."""
    return search / "trials" / f"{trial_id:04d}"


def read_trial(search: Path, trial_id: int) -> Trial | None:
    """Return what is recorded of a trial; None where it has not ended."""
    folder = trial_folder(search, trial_id)
    return Trial(**read_json(folder / RECORD)) if folder.exists() else None


def ranked(trials: list[Trial], objective: str) -> list[Trial]:
    """Return the trials, best first, ties by id, failures last.

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
            trial.id,
        ),
    )

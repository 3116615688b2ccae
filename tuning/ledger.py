"""What was proposed, what came of it, and what the oracle knows: all that a resumed search needs.

The order in which the oracle was asked and told is written with each proposal, so that asking and
telling the same again brings it to where it was.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kerastextzoo.errors import InputError, named
from kerastextzoo.records import read_record, write_record
from kerastextzoo.storage import clear_leftovers
from kerastextzoo.tuning.oracles import Oracle
from kerastextzoo.tuning.stopping import find_hurdles
from kerastextzoo.tuning.trials import Trial, ranked, read_trial, trial_folder

PROPOSAL = "proposal.json"


@dataclass(kw_only=True)
class Ledger:
    """The trials of a search, on disk and here.

    Attributes:
        out: The folder of the search.
        oracle: Proposes.
        objective: What trials are ranked by.
        keep: How many models are kept.
        early_stopping: Whether a trial is stopped that is far behind the others.
        proposals: By trial, what `proposal.json` says.
        ended: The trials that have ended.
    """

    out: Path
    oracle: Oracle
    objective: str
    keep: int
    early_stopping: bool
    proposals: list[dict[str, Any]] = field(default_factory=list)
    ended: dict[int, Trial] = field(default_factory=dict)
    #: Trials of whose end the oracle does not know yet.
    _untold: list[int] = field(default_factory=list)
    #: What the oracle was told, and None for a question without an answer, since it last proposed.
    _events: list[int | None] = field(default_factory=list)

    def ranked(self) -> list[Trial]:
        """Return the trials that have ended, best first."""
        return ranked(list(self.ended.values()), self.objective)

    def note(self, trial: Trial) -> None:
        """Add a trial that has ended."""
        self.ended[trial.id] = trial
        self._untold.append(trial.id)

    def replay(self, max_trials: int) -> list[int]:
        """Read what was done before; return the trials that have not ended.

        Raises:
            InputError: The oracle would have proposed something else.
        """
        waiting = []
        while len(self.proposals) < max_trials:
            number = len(self.proposals)
            folder = trial_folder(self.out, number)
            if not (folder / PROPOSAL).exists():
                break
            recorded = read_record(folder / PROPOSAL, mend=True)
            for event in recorded["events"]:
                if event is None:
                    self.oracle.ask()
                else:
                    self._tell(event)
            proposal = self.oracle.ask()
            if proposal is None or proposal.values != recorded["values"]:
                raise InputError(
                    f"trial {number} in {named(self.out)} has other values than the search "
                    "proposes; it is damaged or of another version: choose another --out"
                )
            self._events.clear()
            self.proposals.append(recorded)
            clear_leftovers(folder)
            if trial := read_trial(folder, mend=True):
                self.note(trial)
            else:
                waiting.append(number)
        for folder in sorted((self.out / "trials").iterdir())[len(self.proposals) :]:
            # Begun and not proposed; those beyond the trials that are asked for now stay.
            if not (folder / PROPOSAL).exists():
                shutil.rmtree(folder)
        return waiting

    def _tell(self, number: int) -> None:
        self.oracle.tell(number, self.ended[number].score)
        self._untold.remove(number)
        self._events.append(number)

    def propose(self) -> int | None:
        """Write down another trial; None if there is none, or none before another one ends."""
        if self._events and self._events[-1] is None and not self._untold:
            # It was asked already, and knows nothing new.
            return None
        for number in list(self._untold):
            self._tell(number)
        proposal = self.oracle.ask()
        if proposal is None:
            self._events.append(None)
            return None
        folder = trial_folder(self.out, proposal.id)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        recorded = {
            "values": proposal.values,
            "epochs": proposal.epochs,
            "continues": proposal.continues,
            "events": self._events,
            "hurdles": find_hurdles(self._histories(), self.objective),
            "save_from": self._least_kept(),
        }
        write_record(folder / PROPOSAL, recorded)
        self._events = []
        self.proposals.append(recorded)
        return proposal.id

    def first(self, number: int) -> int:
        """Return the trial that began the training which this one goes on with."""
        while (earlier := self.proposals[number]["continues"]) is not None:
            number = earlier
        return number

    def _histories(self) -> list[list[float]]:
        """Return what the trials that have ended scored by epoch, where that may stop others."""
        if not self.early_stopping:
            return []
        return [[epoch[self.objective] for epoch in trial.history] for trial in self.ended.values()]

    def _least_kept(self) -> float | None:
        """Return the score of the last of the models that are kept, once there are so many."""
        best = self.ranked()[: self.keep]
        return best[-1].score if len(best) == self.keep else None

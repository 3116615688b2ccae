"""One file that holds all that the rest of a training depends on, written after each epoch.

A training that was killed goes on from there to the same result, bit for bit on a CPU: its random
numbers come from seed generators, whose states are variables like the weights, and from the seed
and the epoch. The file takes its name by one rename, so it is always that of a whole epoch.
"""

import hashlib
import json
import math
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from kerastextzoo.callbacks import AverageWeights, KeepBest, Record
from kerastextzoo.errors import InputError, named
from kerastextzoo.storage import clear_leftovers, replacing

# A table that is larger and not trained, such as a frozen embedding, is what it was at the start.
_LARGE = 2**16
_REST = "rest"
#: A training that follows: on the validation texts, too; on pseudo-labelled texts, too.
REFIT, SELF_TRAINING = "refit", "self-training"
# What reading bytes that were changed can raise.
_DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    EOFError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    OverflowError,
    zipfile.BadZipFile,
    zlib.error,
)


def digest(content: str | npt.NDArray[Any]) -> str:
    """Return the SHA-256 of a text, or of an array with its shape.

    Example:
        >>> digest("a")[:8]
        'ca978112'
    """
    if isinstance(content, str):
        return hashlib.sha256(content.encode()).hexdigest()
    known = hashlib.sha256(repr((content.dtype.str, content.shape)).encode())
    known.update(np.ascontiguousarray(content).data)
    return known.hexdigest()


def of_member(path: Path | None, number: int) -> Path | None:
    """Return the file of an ensemble's member, counted from 1.

    Example:
        >>> of_member(Path("a/state.npz"), 2).as_posix()
        'a/state-2.npz'
    """
    return path and path.with_name(f"{path.stem}-{number}{path.suffix}")


def of_stage(path: Path | None, stage: str) -> Path | None:
    """Return the file of a training that follows another one.

    Example:
        >>> of_stage(Path("a/state.npz"), REFIT).as_posix()
        'a/state-refit.npz'
    """
    return path and path.with_name(f"{path.stem}-{stage}{path.suffix}")


def check_apart(path: Path, out: Path) -> None:
    """Refuse a checkpoint in the folder of the run, which has to be new.

    Raises:
        InputError: It is there.
    """
    if out.absolute() in (path.absolute(), *path.absolute().parents):
        raise InputError(
            f"checkpoint {named(path)} is in the new folder {named(out)}; choose a file elsewhere"
        )


def remove(path: Path, *, members: int, stages: Sequence[str]) -> None:
    """Remove the files that a training with `path` leaves, and no other.

    Args:
        path: As `fit` was given it.
        members: Networks of the ensemble; 1: there is none.
        stages: The trainings that followed.
    """
    numbers = range(1, members + 1)
    files = [path] if members == 1 else [of_member(path, number) for number in numbers]
    for file in files + [of_stage(each, stage) for each in files for stage in stages]:
        if file:
            file.unlink(missing_ok=True)


def is_damaged(path: Path) -> bool:
    """Say whether a file holds no whole checkpoint."""
    try:
        _read(path)
    except InputError:
        return True
    return False


class Checkpoint(keras.callbacks.Callback):
    """Writes the state of a training to one file after each epoch; `restore` takes it up again.

    It comes after the callbacks whose state it writes, and before any whose stop is not the end.

    Args:
        path: The file.
        identity: What makes the training the one it is, by name, ready for JSON; a file of another
            is refused.
        network: The model that is trained, compiled.
        record: Its history.
        best: Its best epoch.
        averaging: The mean of its weights, if there is one.

    Attributes:
        seconds: How long the training in the file had taken.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        network: keras.Model,
        record: Record,
        best: KeepBest,
        averaging: AverageWeights | None,
    ) -> None:
        super().__init__()
        self.path, self.network = path, network
        self.record, self.best, self.averaging = record, best, averaging
        # As it comes back from the file.
        self.identity = json.loads(json.dumps(identity))
        self.seconds = 0.0
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Write the file."""
        rest: dict[str, Any] = {
            "identity": self.identity,
            "history": self.record.history,
            "ended": self.model.stop_training,
            "seconds": self.seconds + time.monotonic() - self.started,
            "best": [float(self.best.best), self.best.best_epoch],
            "averaging": self.averaging and [self.averaging.batches, self.averaging.shared],
            "zeros": [],
        }
        with replacing(self.path) as file, zipfile.ZipFile(file, "w") as archive:
            for name, variable in self._variables().items():
                array = keras.ops.convert_to_numpy(variable)
                # Such as the momentum of an embedding that is updated by rows.
                if array.size > _LARGE and not array.any():
                    rest["zeros"].append(name)
                else:
                    _write(archive, name, array)
            if self.best.best_epoch not in (None, epoch + 1):
                for number, _ in self._changing():
                    _write(archive, f"best/{number}", self.best.weights[number])
            rest["names"] = sorted(archive.namelist())
            _write(archive, _REST, np.array(json.dumps(rest)))

    def restore(self, epochs: int) -> bool:
        """Take up the state in the file, if there is one, and say whether that training has ended.

        Raises:
            InputError: The file is damaged, of another training or of more epochs, or can't be
                written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            clear_leftovers(self.path.parent, self.path.name)
        except OSError as error:
            raise InputError(
                f"checkpoint {named(self.path)} can't be written: {error.strerror}; choose another "
                "file"
            ) from None
        if not self.path.exists():
            return False
        arrays, rest = _read(self.path)
        names = {**rest["identity"], **self.identity}
        other = [name for name in names if rest["identity"].get(name) != self.identity.get(name)]
        if other:
            raise InputError(
                f"checkpoint {named(self.path)} is of another training, with another "
                f"{', '.join(other)}; choose another file, or remove it to start anew"
            )
        if len(rest["history"]) > epochs:
            raise InputError(
                f"setting epochs: checkpoint {named(self.path)} has trained for "
                f"{len(rest['history'])}; got {epochs}; raise it, or remove the file to start anew"
            )
        with self.network.distribute_strategy.scope():
            self.network.optimizer.build(self.network.trainable_variables)
        try:
            for name, variable in self._variables().items():
                variable.assign(np.zeros(variable.shape) if name in rest["zeros"] else arrays[name])
        except (KeyError, ValueError):
            raise InputError(
                f"checkpoint {named(self.path)} fits another version of this package; remove it "
                "to start anew"
            ) from None
        self.record.history[:] = rest["history"]
        self.seconds = rest["seconds"]
        if self.averaging:
            self.averaging.batches, self.averaging.shared = rest["averaging"]
        self.best.best, self.best.best_epoch = rest["best"]
        # Those of the last epoch are not in the file a second time.
        self.best.weights = self.best.judged.get_weights()
        for number, _ in self._changing():
            self.best.weights[number] = arrays.get(f"best/{number}", self.best.weights[number])
        return bool(rest["ended"])

    def _variables(self) -> dict[str, Any]:
        """Return all that changes, by its name in the file."""
        groups = {
            "network": [each for each in self.network.variables if _changes(each)],
            "optimizer": self.network.optimizer.variables,
        }
        if self.averaging:
            groups["averaged"] = [
                each for each in self.averaging.averaged.weights if _changes(each)
            ]
        return {
            f"{group}/{number}": variable
            for group, variables in groups.items()
            for number, variable in enumerate(variables)
        }

    def _changing(self) -> Iterator[tuple[int, Any]]:
        """Give the places of the best weights that training changes."""
        weights = enumerate(self.best.judged.weights)
        return ((number, weight) for number, weight in weights if _changes(weight))


def _changes(variable: Any) -> bool:
    return bool(variable.trainable) or math.prod(variable.shape) <= _LARGE


def _write(archive: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    array = np.asarray(array, order="C")
    header = np.lib.format.header_data_from_array_1_0(array)
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
        np.lib.format.write_array_header_1_0(entry, header)
        # As one piece; NumPy would copy it bit by bit.
        entry.write(array.reshape(-1).view(np.uint8).data)


def _read(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Return arrays by name, and the rest."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as entries:
            arrays = {name: entries[name] for name in entries.files}
        rest: dict[str, Any] = json.loads(str(arrays.pop(_REST)))
        # Sums in the archive guard its entries, but not its list of them.
        whole = rest["names"] == sorted(f"{name}.npy" for name in arrays)
    except _DAMAGE:
        whole = False
    if not whole:
        raise InputError(
            f"checkpoint {named(path)} is damaged, or none; restore it from a copy, or remove it "
            "to start anew"
        )
    return arrays, rest

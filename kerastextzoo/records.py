"""Small records that are written twice, so that one that was damaged by hand costs nothing.

A record is there when its own file is; its copy is written first.
"""

import shutil
import warnings
from pathlib import Path
from typing import Any

from kerastextzoo.errors import InputError, named
from kerastextzoo.storage import read_json, write_json


class DamagedRecordWarning(UserWarning):
    """A record could not be read, and its copy was."""


def copy_of(path: Path) -> Path:
    """Return where the copy of a record is.

    Example:
        >>> copy_of(Path("trials", "trial.json")).as_posix()
        'trials/trial.json.copy'
    """
    return path.with_name(f"{path.name}.copy")


def write_record(path: Path, content: Any) -> None:
    """Write a record, its copy first; after a crash it is the old one, the new one, or absent."""
    write_json(copy_of(path), content)
    write_json(path, content)


def damaged_of(path: Path) -> Path:
    """Return where a damaged file is kept.

    Example:
        >>> damaged_of(Path("trials", "trial.json")).as_posix()
        'trials/trial.json.damaged'
    """
    return path.with_name(f"{path.name}.damaged")


def read_record(path: Path, *, mend: bool = False) -> Any:
    """Read a record, or its copy where it is damaged.

    Args:
        path: What `write_record` wrote.
        mend: Whether to write it anew from its copy; the damaged file is kept under another name.

    Raises:
        InputError: It is missing, or damaged as its copy is.

    Warns:
        DamagedRecordWarning: The copy was read.
    """
    try:
        return read_json(path)
    except InputError as error:
        if not path.exists():
            raise
        try:
            content = read_json(copy_of(path))
        except InputError:
            raise error from None
        told = f"{str(error).rpartition(';')[0]}; its copy is used"
    if mend:
        # Not renamed: without a file of its name a record is not there.
        shutil.copyfile(path, damaged_of(path))
        write_json(path, content)
        told = f"{told}, and what was damaged is kept as {named(damaged_of(path).name)}"
    warnings.warn(told, DamagedRecordWarning, stacklevel=2)
    return content

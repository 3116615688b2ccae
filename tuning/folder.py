"""The folder of a search: what is searched, who holds it, and that nothing of others is touched."""

import json
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from kerastextzoo.errors import InputError, named, quoted
from kerastextzoo.records import copy_of, read_record, write_record
from kerastextzoo.storage import check_free, clear_leftovers, write_json

MARKER = "search.json"
_LOCK = "lock"
_HOLDER = "holder.json"


@contextmanager
def held(
    out: Path, identity: dict[str, Any], *, resume: bool = False, overwrite: bool = False
) -> Iterator[None]:
    """Make `out` the folder of this search, and keep all others out until it ends.

    Args:
        out: The folder.
        identity: What makes it this search.
        resume: Go on with the search that is there.
        overwrite: Delete the search that is there.

    Raises:
        InputError: It holds something else, another search, or one that is running.
    """
    marker = out / MARKER
    if resume and not marker.is_file():
        raise InputError(f"no search to resume in {named(out)}; leave out --resume")
    if overwrite and out.exists() and any(out.iterdir()) and not marker.is_file():
        raise InputError(f"{named(out)} holds no {MARKER}, so it is not deleted")
    if marker.is_file() and not resume and not overwrite:
        raise InputError(f"{named(out)} holds a search already; use --resume or --overwrite")
    if not marker.is_file() and not _is_start(out):
        check_free(out)
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(_told_of_holder(out)) from None
    try:
        if resume:
            _refuse_other(read_record(marker, mend=True), identity, out)
        elif marker.is_file():
            _empty(out)
        write_record(marker, identity)
        _note_holder(out)
        clear_leftovers(out)
        (out / "trials").mkdir(exist_ok=True)
        yield
    finally:
        # The lock's file stays: who deletes one may let two in.
        (out / _HOLDER).unlink(missing_ok=True)
        lock.release()


def _is_start(out: Path) -> bool:
    """Say whether a search was killed there before it had written what it is."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else set()
    hidden = {name for name in names if name.startswith(f".{MARKER}.") and name.endswith(".tmp")}
    return _LOCK in names and not names - hidden - {_LOCK, copy_of(Path(MARKER)).name}


def _note_holder(out: Path) -> None:
    started = datetime.now(UTC).isoformat(timespec="seconds")
    holder = {"process": os.getpid(), "host": platform.node(), "since": started}
    write_json(out / _HOLDER, holder)


def _told_of_holder(out: Path) -> str:
    try:
        holder = json.loads((out / _HOLDER).read_text("utf-8"))
        who = "process {process} on {host} since {since}".format(**holder)
    except (OSError, ValueError, KeyError):
        who = "another process"
    return f"{named(out)} is in use by {who}; wait for its end, stop it, or give another --out"


def _empty(out: Path) -> None:
    """Delete a search, what marks it as one last."""
    kept = {_LOCK, MARKER}
    for path in out.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    (out / MARKER).unlink()


def _refuse_other(recorded: dict[str, Any], wanted: dict[str, Any], out: Path) -> None:
    different = [name for name in wanted if recorded.get(name) != wanted[name]]
    if different:
        told = ", ".join(
            f"{name} was {quoted(recorded.get(name))}, is {quoted(wanted[name])}"
            for name in different
        )
        raise InputError(
            f"the search in {named(out)} is another one: {told}; "
            "give the same options, another --out, or --overwrite"
        )

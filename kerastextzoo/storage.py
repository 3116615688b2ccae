"""Files that are whole or not there, and folders that say what they hold.

A folder of ours has a `manifest.json` with its kind and a SHA-256 for each file. It is filled under
another name and takes its own by one rename, so a crash leaves the state before or the one after.
"""

import contextlib
import errno
import glob
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from kerastextzoo.errors import InputError, named

MANIFEST = "manifest.json"
FORMAT = 1
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write a file so that its name always stands for the old content or the new."""
    with replacing(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Give a file to fill, which takes the place of `path` by one rename if all goes well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def is_disk_full(error: BaseException) -> bool:
    """Say whether a write failed for want of room; other libraries only tell it in words.

    Example:
        >>> is_disk_full(OSError(errno.ENOSPC, "No space left on device")), is_disk_full(OSError())
        (True, False)
    """
    if getattr(error, "errno", None) in _FULL:
        return True
    return any(os.strerror(number) in str(error) for number in _FULL)


def write_json(path: Path, content: Any) -> None:
    """Write JSON that any reader accepts: no NaN, no infinity."""
    write_atomically(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_free(out: Path) -> Path:
    """Return `out` if it can become a new folder.

    Raises:
        InputError: Something is there already, or the name can't be used.
    """
    if "\0" in str(out):
        raise InputError(f"{named(out)}: a folder's name can't hold NUL; choose another --out")
    if out.is_dir() and not any(out.iterdir()):
        return out
    if out.exists() or out.is_symlink():
        raise InputError(f"{named(out)} exists already; choose another folder or remove it first")
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"can't write into {named(parent)}; choose another folder")
    return out


@contextlib.contextmanager
def staged(out: Path, kind: str) -> Iterator[Path]:
    """Give a folder to fill, which becomes `out` with its manifest if all goes well.

    Raises:
        InputError: Something is at `out` already.
    """
    check_free(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    stage = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir()
    try:
        yield stage
        _seal(stage, kind)
        stage.rename(out)
        _sync_folder(out.parent)
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _seal(folder: Path, kind: str) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
    digests = {path.relative_to(folder).as_posix(): _digest(path) for path in files}
    write_json(folder / MANIFEST, {"format": FORMAT, "kind": kind, "files": digests})


def move_into(folder: Path, out: Path) -> None:
    """Move the files of a sealed folder into an existing one, the manifest last.

    Until the manifest is there, `out` is not a folder of that kind; so a crash half-way is seen.
    """
    (out / MANIFEST).unlink(missing_ok=True)
    for path in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
        target = out / path.name
        if target.is_dir():
            shutil.rmtree(target)
        path.rename(target)
    folder.rmdir()
    _sync_folder(out)


def clear_leftovers(folder: Path, of: str | None = None) -> None:
    """Remove what writes that were killed left in a folder of ours, or of one file in any."""
    for leftover in folder.glob(".*.tmp" if of is None else f".{glob.escape(of)}.*.tmp"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def read_json(path: Path) -> Any:
    """Read JSON that we wrote.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{named(path)}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{named(path)} can't be read: {error}; restore it from a copy") from None


def files_of(folder: Path) -> list[Path]:
    """Return the files that a folder of ours vouches for, without its manifest."""
    return [folder / name for name in read_json(folder / MANIFEST)["files"]]


def verify(folder: Path, kind: str) -> None:
    """Check that a folder is of that kind and that no file has changed.

    Raises:
        InputError: It is not, or one has.
    """
    if not (folder / MANIFEST).is_file():
        there = "is no folder" if not folder.is_dir() else f"holds no {MANIFEST}"
        raise InputError(f"{named(folder)} {there}; expected a {kind} that this package wrote")
    manifest = read_json(folder / MANIFEST)
    if manifest.get("kind") != kind:
        raise InputError(f"{named(folder)} holds a {manifest.get('kind')}; expected a {kind}")
    if manifest.get("format") != FORMAT:
        raise InputError(
            f"{named(folder)} has format {manifest.get('format')}; this version reads {FORMAT}; "
            "use the version that wrote it"
        )
    for name, digest in manifest["files"].items():
        if not (folder / name).is_file():
            raise InputError(f"{named(folder / name)} is missing; the {kind} is damaged")
        if _digest(folder / name) != digest:
            raise InputError(
                f"{named(folder / name)} differs from the manifest; the {kind} is damaged"
            )

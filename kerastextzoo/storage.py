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
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, NoReturn

from kerastextzoo.errors import InputError, named, quoted

MANIFEST = "manifest.json"
FORMAT = 1
#: Bytes of the largest JSON file that is read; a vocabulary of ten million words has as many.
LARGEST_JSON = 256 * 1024**2
_LARGEST_MANIFEST = 4 * 1024**2
_MOST_FILES = 10_000
_OURS = "that this package wrote"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What no folder may be called, or hold in its name, on Windows, where a run may be copied to.
_DEVICES = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    *(f"{kind}{n}" for kind in ("COM", "LPT") for n in "123456789"),
}
_FORBIDDEN = {*'<>:"|?*\\', *map(chr, range(32))}


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
    if _is_reserved(out.name):
        raise InputError(
            f"{named(out)}: not every system can have a folder called {quoted(out.name)}; use "
            "letters, digits, '-', '_' and, inside, '.'; choose another --out"
        )
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise InputError(f"can't write into {named(parent)}; choose another folder")
    return out


def _is_reserved(name: str) -> bool:
    device = name.partition(".")[0].rstrip().upper()
    return device in _DEVICES or name.endswith((".", " ")) or not _FORBIDDEN.isdisjoint(name)


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


def read_bounded(path: Path, most: int = LARGEST_JSON) -> bytes:
    """Return the content of a file that is not larger than what we write.

    Raises:
        InputError: It is missing, no plain file, or too large.
    """
    try:
        # Looked at before it is opened: a pipe would block for ever.
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{named(path)} is no file; expected one that this package wrote")
        if status.st_size > most:
            raise InputError(
                f"{named(path)} has {status.st_size} bytes; at most {most} are read; "
                "restore it from a copy"
            )
        return path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{named(path)}: no such file") from None
    except OSError as error:
        raise InputError(f"{named(path)} can't be read: {error}; restore it from a copy") from None


def parse_json(text: bytes, path: Path) -> Any:
    """Read JSON as the standard has it: no NaN, no name twice.

    Raises:
        InputError: It is damaged.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_each_once)
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as error:
        why = str(error)
    raise InputError(f"{named(path)} can't be read: {why}; restore it from a copy")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name occurs twice in one object")
    return content


def read_json(path: Path) -> Any:
    """Read JSON that we wrote.

    Raises:
        InputError: The file is missing, too large or damaged.
    """
    return parse_json(read_bounded(path), path)


def files_of(folder: Path) -> list[Path]:
    """Return the files that a folder of ours vouches for, without its manifest."""
    return [folder / name for name in _read_manifest(folder)["files"]]


def verify(folder: Path, kind: str) -> frozenset[str]:
    """Check that a folder is of that kind and that no file has changed; return its files' names.

    What the folder holds besides is not vouched for.

    Raises:
        InputError: It is not, or one has.
    """
    if not (folder / MANIFEST).is_file():
        raise InputError(f"{named(folder)} {_what_is_there(folder)}; expected a {kind} {_OURS}")
    manifest = _read_manifest(folder)
    if manifest["kind"] != kind:
        raise InputError(
            f"{named(folder)} holds a {quoted(manifest['kind'])[1:-1]}; expected a {kind}"
        )
    if manifest["format"] != FORMAT:
        raise InputError(
            f"{named(folder)} has format {quoted(manifest['format'])[1:-1]}; this version reads "
            f"{FORMAT}; use the version that wrote it"
        )
    for name, digest in manifest["files"].items():
        path = _inside(folder, name)
        if not path.is_file():
            raise InputError(f"{named(path)} is missing; the {kind} is damaged")
        if _digest(path) != digest:
            raise InputError(f"{named(path)} differs from the manifest; the {kind} is damaged")
    return frozenset(manifest["files"])


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    manifest: Any = parse_json(read_bounded(path, _LARGEST_MANIFEST), path)
    known = isinstance(manifest, dict) and {"format", "kind", "files"} <= manifest.keys()
    if not known or not isinstance(manifest["files"], dict):
        raise InputError(f"{named(path)} is no manifest of this package; restore it from a copy")
    if len(manifest["files"]) > _MOST_FILES:
        told = f"{len(manifest['files'])} files; at most {_MOST_FILES} are read"
        raise InputError(f"{named(path)} names {told}; restore it from a copy")
    return dict(manifest)


def _inside(folder: Path, name: str) -> Path:
    """Return the path of a file that a manifest names, which no name may lead out of."""
    parts = PurePosixPath(name).parts
    plain = parts and name == "/".join(parts) and not {"/", "..", "."} & {*parts}
    if not plain or PureWindowsPath(name).drive or {"\\", "\0"} & {*name}:
        raise InputError(
            f"{named(folder / MANIFEST)} names {quoted(name)}, which is no plain name of a file "
            "in that folder; nothing of it is read"
        )
    path = folder
    for part in parts:
        path /= part
        if path.is_symlink():
            raise InputError(
                f"{named(path)} is a link; a folder that stands on its own has none; "
                "put the file itself there"
            )
    return path


def _what_is_there(folder: Path) -> str:
    """Say in words what a path without a manifest holds."""
    if not folder.is_dir():
        return "is a file" if folder.exists() else "is no folder"
    if (folder / "saved_model.pb").exists():
        return f"holds a SavedModel and no {MANIFEST}: a SavedModel is a program, not data"
    if any(folder.glob("*.keras")):
        return f"holds a .keras file and no {MANIFEST}, so that nothing vouches for it"
    return f"holds no {MANIFEST}"

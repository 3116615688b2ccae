"""Work kept on disk for the next time, in folders that are whole or not there.

An entry is a folder named by what it was made of. It is checked before use; a damaged one is made
anew. Two processes that make the same entry at once don't collide: the first to finish wins, and
the other uses its entry. The oldest entries go when the cache grows too large.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from kerastextzoo.errors import InputError
from kerastextzoo.storage import staged, verify

_MOST_BYTES = 20 * 1024**3
_KIND = "cache entry"


def cache_folder() -> Path:
    """Return the folder that `KERASTEXTZOO_CACHE` names, or the user's cache folder."""
    chosen = os.environ.get("KERASTEXTZOO_CACHE")
    return Path(chosen) if chosen else platformdirs.user_cache_path("kerastextzoo", False)


def cached(name: str, made_of: Mapping[str, object], fill: Callable[[Path], None]) -> Path | None:
    """Return the folder of an entry, filled now unless it is there already.

    Args:
        name: What kind of work it is, for people who look into the cache.
        made_of: Everything the content depends on, as JSON values.
        fill: Writes the files of the entry into the folder it is given.

    Returns:
        The folder; None where the cache can't be written, so that there is nothing to read.
    """
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    entry = cache_folder() / f"{name}-{key[:32]}"
    if _is_whole(entry):
        os.utime(entry)
        return entry
    try:
        shutil.rmtree(entry, ignore_errors=True)
        with staged(entry, _KIND) as stage:
            fill(stage)
    except (OSError, InputError):
        # Another process was first, or the folder can't be written.
        return entry if _is_whole(entry) else None
    _make_room(entry)
    return entry


def _is_whole(entry: Path) -> bool:
    try:
        verify(entry, _KIND)
    except (OSError, InputError):
        return False
    return True


def _make_room(newest: Path) -> None:
    """Remove the entries that were used longest ago until the rest is small enough."""
    entries = [path for path in newest.parent.glob("*-*") if path.is_dir() and path != newest]
    sizes = {path: sum(file.stat().st_size for file in path.glob("*")) for path in entries}
    total = sum(sizes.values())
    for path in sorted(entries, key=lambda path: path.stat().st_mtime):
        if total <= _MOST_BYTES:
            return
        shutil.rmtree(path, ignore_errors=True)
        total -= sizes[path]

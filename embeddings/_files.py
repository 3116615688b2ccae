"""Open a file of vectors: local, regular, unzipped on the way, and never a pickle."""

import difflib
import gzip
import os
import re
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from kerastextzoo.errors import InputError, named, quoted

_HEAD = 512  # bytes that tell what a file is
_GZIP = b"\x1f\x8b"
_ACCEPTED = "word2vec .bin, word2vec text and GloVe text are read, each also gzipped"
_FROM_GENSIM = (
    "if you trust the file, convert it: "
    "KeyedVectors.load(old).save_word2vec_format('vectors.bin', binary=True)"
)
_FROM_ARRAY = "write one line per word instead: the word, then its numbers"
_UNPACK = "unpack it, or pack it with gzip"
_REFUSED = (
    (rb"\x80[\x02-\x05]", "a Python pickle, which can run code", _FROM_GENSIM),
    (
        rb"\(?c[\w.]+\r?\n\w+\r?\n|\([dl]p\d|[]}]q\x00",
        "a Python pickle, which can run code",
        _FROM_GENSIM,
    ),
    (rb"PK\x03\x04", "a zip archive (.zip, .npz, .keras, .pt)", "unpack it; " + _FROM_ARRAY),
    (rb"\x93NUMPY", "a numpy array without words", _FROM_ARRAY),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _FROM_ARRAY),
    (rb"\xba\x16\x4f\x2f", "a fastText model", "take the .vec file that lies beside it"),
    (rb"BZh[1-9]1AY&SY", "packed with bzip2", _UNPACK),
    (rb"\xfd7zXZ\x00", "packed with xz", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "packed with zstandard", _UNPACK),
    (rb"\xff\xfe|\xfe\xff", "UTF-16 text", "save it as UTF-8"),
)


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, int | None]]:
    """Open `path` for reading, unzipped, and give its size in bytes (None if it is gzipped).

    Raises:
        InputError: It is not a regular local file, it is of a kind that is not read, or its
            gzip stream is damaged. The last comes up while reading, inside the `with` block.
    """
    name = named(path)
    size: int | None = _size_of_regular_file(path)
    with _opened_plain(path) as plain:
        try:
            stream = plain
            head = _head(stream, name)
            if head.startswith(_GZIP):
                size = None
                stream = cast(BinaryIO, gzip.GzipFile(fileobj=plain))
                head = _head(stream, name)
            if not head:
                raise InputError(f"{name}: the file is empty; {_ACCEPTED}")
            yield stream, size
        except EOFError as error:
            raise InputError(f"{name}: the gzip file is truncated; fetch it again") from error
        except gzip.BadGzipFile as error:
            kind = "has a wrong checksum" if "CRC" in str(error) else "is damaged"
            raise InputError(f"{name}: the gzip file {kind} ({error}); fetch it again") from error
        except zlib.error as error:
            raise InputError(
                f"{name}: the gzip file is damaged ({error}); fetch it again"
            ) from error


def unreadable(name: str, line: bytes) -> InputError:
    """Return the error for a first line that belongs to no known format."""
    return InputError(
        f"{name}: row 1: neither a header 'rows width' nor a word with at least 2 numbers; "
        f"got {quoted(line[:100].decode('ascii', 'backslashreplace'))}; {_ACCEPTED}"
    )


def _opened_plain(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise InputError(
            f"{named(path)}: cannot be read: {error.strerror}; check its permissions"
        ) from error


def _head(stream: BinaryIO, name: str) -> bytes:
    head = stream.read(_HEAD)
    stream.seek(0)
    for pattern, kind, remedy in _REFUSED:
        if re.match(pattern, head):
            raise InputError(f"{name}: this is {kind}; {_ACCEPTED}; {remedy}")
    return head


def _size_of_regular_file(path: str | os.PathLike[str]) -> int:
    name = named(path)
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", os.fspath(path)):
        raise InputError(f"{name}: only local files are read, got a remote path; fetch it first")
    try:
        status = Path(path).stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{name}: there is no such file; {_near(Path(path))}") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name}: cannot be read: {error}") from error
    if not stat.S_ISREG(status.st_mode):
        kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe, socket or device"
        raise InputError(f"{name}: must be a regular file; got {kind}; give the path of a file")
    return status.st_size


def _near(path: Path) -> str:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"nor is there a folder {named(path.parent)}"
    close = difflib.get_close_matches(path.name, names, n=3)
    return f"did you mean {', '.join(map(quoted, close))}?" if close else "check the path"

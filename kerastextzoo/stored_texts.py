"""Many texts on disk instead of in memory, as a sequence of strings."""

import tempfile
import threading
from array import array
from collections.abc import Iterator, Sequence
from typing import IO, overload

import numpy as np
import numpy.typing as npt

from kerastextzoo.cache import cache_folder

_IN_MEMORY = 64 * 2**20  # bytes


class _UnnamedFile:
    """A file without a name: the system removes it, whatever becomes of this process."""

    def __init__(self) -> None:
        try:
            # Not the shared temporary folder, which may be a part of memory.
            cache_folder().mkdir(parents=True, exist_ok=True)
            self.file: IO[bytes] = tempfile.TemporaryFile(dir=cache_folder())  # noqa: SIM115
        except OSError:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115

        self._lock = threading.Lock()

    def read(self, start: int, size: int) -> bytes:
        """Return so many bytes from there; threads may share the file."""
        with self._lock:
            self.file.seek(start)
            return self.file.read(size)

    def __del__(self) -> None:
        self.file.close()


class StoredTexts(Sequence[str]):
    """Texts in a file that nobody else sees; each costs 16 bytes of memory.

    Args:
        file: Holds the texts in UTF-8, end to end.
        starts: Where each text starts, `(texts,)`.
        sizes: How many bytes each text has, `(texts,)`.
    """

    def __init__(
        self, file: _UnnamedFile, starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
    ) -> None:
        self._file, self._starts, self._sizes = file, starts, sizes

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> "StoredTexts": ...
    def __getitem__(self, row: int | slice) -> "str | StoredTexts":
        if isinstance(row, slice):
            return StoredTexts(self._file, self._starts[row], self._sizes[row])
        return self._file.read(self._starts[row], self._sizes[row]).decode()

    def __iter__(self) -> Iterator[str]:
        return (self[row] for row in range(len(self)))

    def take(self, rows: npt.ArrayLike) -> "StoredTexts":
        """Return the texts of these rows, which stay where they are."""
        rows = np.asarray(rows, np.int64)
        return StoredTexts(self._file, self._starts[rows], self._sizes[rows])


class TextWriter:
    """Collects texts: a few in memory, many in a file that goes when they are no longer used.

    Example:
        >>> writer = TextWriter()
        >>> writer.append("good")
        >>> writer.finish()
        ('good',)
    """

    def __init__(self, in_memory: int = _IN_MEMORY) -> None:
        self.in_memory = in_memory
        self._texts: list[str] = []
        self._sizes = array("q")
        self._bytes = 0
        self._file: _UnnamedFile | None = None

    def append(self, text: str) -> None:
        """Add a text."""
        data = text.encode()
        self._sizes.append(len(data))
        self._bytes += len(data)
        if self._file:
            self._file.file.write(data)
            return
        self._texts.append(text)
        if self._bytes > self.in_memory:
            self._file = _UnnamedFile()
            self._file.file.write("".join(self._texts).encode())
            self._texts.clear()

    def finish(self) -> Sequence[str]:
        """Return all texts: a tuple, or `StoredTexts`."""
        if not self._file:
            return tuple(self._texts)
        self._file.file.flush()
        sizes = np.array(self._sizes, np.int64)
        return StoredTexts(self._file, np.cumsum(sizes) - sizes, sizes)


def take_texts(texts: Sequence[str], rows: npt.NDArray[np.int64]) -> Sequence[str]:
    """Return the texts of these rows: a tuple, or `StoredTexts` of the same file.

    Example:
        >>> take_texts(("good", "bad"), np.array([1]))
        ('bad',)
    """
    return texts.take(rows) if isinstance(texts, StoredTexts) else tuple(texts[i] for i in rows)

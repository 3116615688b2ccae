"""Write word vectors in word2vec's formats, whole or not at all."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import numpy
from gensim.models import KeyedVectors

from kerastextzoo.embeddings import _rows
from kerastextzoo.errors import InputError, named, quoted

_KINDS = (".txt", ".bin")


def check_target(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Return `path` if `save_vectors` can write there; ask before a long training.

    Raises:
        InputError: The name ends in nothing known, is taken, or its folder can't be written to.
    """
    target = Path(path)
    name = quoted(target)
    if _kind(target) not in _KINDS:
        raise InputError(
            f"{name}: vectors are written as .txt or .bin, each also as .gz; choose such a name"
        )
    if target.is_dir() or (target.exists() and not overwrite):
        raise InputError(f"{name} exists already; choose another name, or overwrite it")
    folder = target.absolute().parent
    if not folder.is_dir():
        raise InputError(f"{name}: there is no folder {quoted(folder)}; make it first")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{name}: can't write into {quoted(folder)}; choose another folder")
    return target


def save_vectors(
    vectors: KeyedVectors, path: str | os.PathLike[str], *, overwrite: bool = False
) -> Path:
    """Write vectors as word2vec text (.txt) or binary (.bin), gzipped if `.gz` follows.

    The same vectors give the same bytes, and `load_vectors` gives the same vectors back. The file
    is written under another name first, so a crash leaves what was there before.

    Args:
        vectors: From `train_word2vec`, `train_fasttext` or `load_vectors`.
        path: The file, in a folder that exists.
        overwrite: Replace a file that is there.

    Raises:
        InputError: The file can't be written, or words or values don't fit the format.

    Example:
        >>> import pathlib, tempfile
        >>> from kerastextzoo.embeddings import load_vectors, train_word2vec
        >>> vectors = train_word2vec([["good", "film"]], dim=2)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = save_vectors(vectors, pathlib.Path(folder, "vectors.txt"))
        ...     bool((load_vectors(path).vectors == vectors.vectors).all())
        True
    """
    target = check_target(path, overwrite=overwrite)
    _check(vectors, target)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as plain:
            _write(vectors, target, plain)
            plain.flush()
            os.fsync(plain.fileno())
        temporary.replace(target)
    except OSError as error:
        raise InputError(
            f"{quoted(target)}: can't be written: {error.strerror or error}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return target


def _kind(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _check(vectors: KeyedVectors, path: Path) -> None:
    if not len(vectors.index_to_key):
        raise InputError(f"{named(path)}: there is no word to write; train on more text")
    for word, values in zip(vectors.index_to_key, vectors.vectors, strict=True):
        try:
            size = len(word.encode())
        except UnicodeEncodeError:
            size = 0
        if not 0 < size <= _rows.LONGEST_WORD or " " in word or _rows.has_control(word):
            raise InputError(
                f"{named(path)}: a word must have 1 to {_rows.LONGEST_WORD} bytes, no space and "
                f"no control character; got {quoted(word)}; split texts into words first"
            )
        if not numpy.isfinite(values).all():
            raise InputError(
                f"{named(path)}: NaN or infinite values for the word {quoted(word)}; train again "
                "with other settings"
            )


def _write(vectors: KeyedVectors, path: Path, plain: IO[bytes]) -> None:
    rows = _binary(vectors) if _kind(path) == ".bin" else _text(vectors)
    if path.suffix.lower() != ".gz":
        plain.writelines(rows)
        return
    # Neither name nor time in the file: the same vectors are the same bytes.
    with gzip.GzipFile(filename="", mode="wb", fileobj=plain, mtime=0) as packed:
        cast(IO[bytes], packed).writelines(rows)


def _header(vectors: KeyedVectors) -> bytes:
    return f"{len(vectors.index_to_key)} {vectors.vector_size}\n".encode()


def _text(vectors: KeyedVectors) -> Iterator[bytes]:
    yield _header(vectors)
    for word, values in zip(vectors.index_to_key, vectors.vectors, strict=True):
        # As strings numpy writes the fewest digits that give the same float32 again.
        yield f"{word} {' '.join(values.astype(numpy.float32).astype(str))}\n".encode()


def _binary(vectors: KeyedVectors) -> Iterator[bytes]:
    yield _header(vectors)
    for word, values in zip(vectors.index_to_key, vectors.vectors, strict=True):
        yield word.encode() + b" " + values.astype("<f4").tobytes()

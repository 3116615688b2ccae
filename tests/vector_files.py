"""Small vectors and the files they are written to, for tests of the embeddings."""

import gzip
import struct
from pathlib import Path

import numpy
from gensim.models import KeyedVectors

SENTENCES = [f"the {a} {b} was {c}".split() for a in "xyz" for b in "pqr" for c in ("good", "bad")]


def keyed(table: dict[str, list[float]]) -> KeyedVectors:
    vectors = KeyedVectors(len(next(iter(table.values()))))
    vectors.add_vectors(list(table), numpy.array(list(table.values()), dtype=numpy.float32))
    return vectors


def binary(rows: dict[bytes, list[float]], header: str | None = None, end: bytes = b"") -> bytes:
    width = len(next(iter(rows.values())))
    body = b"".join(w + b" " + struct.pack(f"<{len(v)}f", *v) + end for w, v in rows.items())
    return (header or f"{len(rows)} {width}").encode() + b"\n" + body


def packed(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def written(folder: Path, data: bytes, name: str = "vectors") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


TABLE = {"good": [0.5, -1.25, 3.0], "日本": [1e-7, 2.0, -3.5], "Zoo": [0.0, 0.1, 12345.678]}
BYTES = {word.encode(): values for word, values in TABLE.items()}

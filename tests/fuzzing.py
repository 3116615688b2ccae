"""Any bytes as a file of texts or of word vectors: read, or refused in one line.

`check` is one execution. The tests run it for seconds; for longer, guided by coverage (atheris):

    pip install atheris
    PYTHONPATH=. python tests/fuzzing.py corpus -max_total_time=600

`corpus` is a folder, filled with `SEEDS` first. What is found stops the run and is written to a
file, which the same command reads again.
"""

import contextlib
import gzip
import importlib
import inspect
import io
import shutil
import struct
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from kerastextzoo.data import Reading, load_dataset, load_texts
from kerastextzoo.embeddings import load_vectors
from kerastextzoo.errors import InputError
from kerastextzoo.formats import READERS

MODULES = [
    f"kerastextzoo.{name}"
    for name in ("decoding", "formats", "reading", "data", "embeddings.vectors", "embeddings._rows")
]
VECTORS = ("txt", "bin")
KINDS = [f"a{suffix}{end}" for suffix in READERS for end in ("", ".gz")]
KINDS += [f"v.{suffix}{end}" for suffix in VECTORS for end in ("", ".gz")]
READINGS = [
    Reading(),
    Reading(skip_bad_rows=True, strip_nul=True, errors="replace"),
    Reading(encoding="gb18030", max_text_bytes=64, separator=";"),
    Reading(encoding="utf-16", errors="replace"),
]


def _parquet() -> bytes:
    buffer = io.BytesIO()
    frame = pd.DataFrame({"text": ["good", "bad", "中"], "label": ["a", "b", "a"]})
    with contextlib.suppress(ImportError):
        frame.to_parquet(buffer)
    return buffer.getvalue()


TABLE = b'text,label\ngood film,pos\n"a, ""b""\nc",neg\n\xe4\xb8\xad,pos\n'
CONTENTS = {
    ".csv": TABLE,
    ".tsv": b"text\tlabel\ngood film\tpos\nbad\tneg\n",
    ".jsonl": b'{"text": "good", "label": "a"}\n{"text": "\\ud83d\\ude00", "label": 1}\n',
    ".fasttext": b"__label__a good film\n__label__b bad\n",
    ".parquet": _parquet(),
    ".txt": b"good\n\nbad\n",
}
WORDS = b"".join(word + b" " + struct.pack("<2f", 1, -2) for word in (b"good", b"\xe4\xb8\xad"))
SEEDS = [
    bytes([kind, reading]) + (gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    for kind, name in enumerate(KINDS)
    for content in (
        [b"2 2\ngood 1 -2\n\xe4\xb8\xad .5 3e-2\n", b"good 1 2\n. . . 2 1\n", b"2 2\n" + WORDS]
        if name.startswith("v")
        else [CONTENTS.get(Path(name.removesuffix(".gz")).suffix, TABLE)]
    )
    for reading in (0, 1)
]
_folder = Path(tempfile.gettempdir())


def check(data: bytes) -> bool:
    """Read the bytes after the first two, which say as what and how; tell whether it was read.

    Whatever comes out but an `InputError` of one line is a finding.
    """
    if len(data) < 2:
        return False
    name, reading = KINDS[data[0] % len(KINDS)], READINGS[data[1] % len(READINGS)]
    path = _folder / f"fuzz-{name}"
    path.write_bytes(data[2:])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if name.startswith("v"):
                vectors = load_vectors(path)
                return _holds(len(vectors.index_to_key) == len(vectors.vectors) > 0)
            with contextlib.suppress(InputError):
                load_texts(path, reading=reading)
            found = load_dataset(path, reading=reading)
            return _holds(len(found) > 0 and all(map(str.strip, found.label_counts)))
        except InputError as error:
            return not _holds(str(error).isprintable() and path.name in str(error))


def _holds(condition: bool) -> bool:
    if not condition:
        raise AssertionError("what was read is not whole")
    return True


def main() -> None:
    """Fuzz with atheris, whose options follow the folder of the corpus."""
    global _folder  # noqa: PLW0603 - atheris takes a function of the bytes alone
    atheris: Any = importlib.import_module("atheris")
    for module in map(importlib.import_module, MODULES):
        for function in vars(module).values():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                atheris.instrument_func(function)
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS):
        (corpus / f"seed-{number:03}").write_bytes(seed)
    _folder = Path(tempfile.mkdtemp())
    try:
        atheris.Setup(sys.argv, lambda data: check(data) and None)
        atheris.Fuzz()
    finally:
        shutil.rmtree(_folder)


if __name__ == "__main__":
    main()

"""What a case of a bad input is, and how its files are made."""

import gzip
import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from kerastextzoo.storage import MANIFEST

Make = Callable[[Path], object]
Row = tuple[str, str]

DONE, FAULT, REFUSED = 0, 1, 2

ROWS: list[Row] = [
    (f"{'good' if n % 2 else 'bad'} film number {n} of them", "pos" if n % 2 else "neg")
    for n in range(24)
]
CHINESE: list[Row] = [(f"电影 {text}", label) for text, label in ROWS]

SPACES = ("\u2028", "\u2029", "\x85", "\x1c", "\x0b")
# The quickest training there is.
QUICK = "--model cnn --epochs 1 --set filters=4 --set kernel_sizes=2 --set optimizer=sgd"
QUICK += " --set embedding=random --set embedding_features=4"
QUICK += " --set embedding_dropout=0 --set dropout=0"
INSPECT = "data inspect data.csv"
# All but one choice of a search: a dense layer or none.
ONE_CHOICE = "--set batch_size=32 --set learning_rate=0.01"
TRAIN = f"train {QUICK} --data data.csv --out out"
VECTORS = "embeddings inspect vectors.txt"
WITH_VECTORS = "--model cnn --set filters=4 --data data.csv --out out --embeddings vectors.txt"


@dataclass(frozen=True)
class Case:
    """One wrong input.

    Attributes:
        id: Of the row of the catalogue.
        make: Writes the files into the folder that the command runs in. A run that answers
            `pos` or `neg` lies there as `run` if the command names it.
        command: What is typed after `kerastextzoo`; what it may write is `out`.
        status: The exit status.
        says: Patterns that the error has to hold, or else one warning.
        tells: Patterns that the JSON on standard output has to hold.
    """

    id: str
    make: Make
    command: str
    status: int
    says: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()


def csv(rows: Sequence[Sequence[str]] = ROWS, header: str = "text,label") -> str:
    return "\n".join([header, *map(",".join, rows)]) + "\n"


def jsonl(*lines: str) -> str:
    rows = [json.dumps({"text": text, "label": label}) for text, label in ROWS]
    return "\n".join([*rows[:2], *lines, *rows[2:]]) + "\n"


def file(content: bytes | str, name: str = "data.csv") -> Make:
    data = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / name).write_bytes(data)


def files(**contents: str) -> Make:
    """Write each content to the .csv file of its name."""

    def make(folder: Path) -> None:
        for name, content in contents.items():
            (folder / f"{name}.csv").write_text(content, "utf-8")

    return make


def vectors(content: bytes | str) -> Make:
    return file(content, "vectors.txt")


def texts_and_vectors(content: str) -> Make:
    return lambda folder: (file(csv())(folder), vectors(content)(folder))


def with_row(number: int, *cells: str, rows: list[Row] = ROWS) -> list[Sequence[str]]:
    """Return the rows with one of them replaced; row 1 is the header."""
    return [*rows[: number - 2], cells, *rows[number - 1 :]]


def lettered(letters: str) -> list[Row]:
    """Return each row once with each letter at its end."""
    return [(f"{text} {letter}", label) for text, label in ROWS for letter in letters]


def nothing(folder: Path) -> None:
    """Write no file."""


def folder_of_notes(folder: Path) -> None:
    (folder / "notes").mkdir()
    (folder / "notes" / "readme.md").write_text("texts")


def pipe(name: str) -> Make:
    return lambda folder: os.mkfifo(folder / name)


def link_out_of_the_folder(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "real.csv").write_text(csv())
    (folder / "data").mkdir()
    (folder / "data" / "link.csv").symlink_to(folder / "elsewhere" / "real.csv")


def longer_vocabulary(folder: Path) -> None:
    """Give a run a word that its embedding has no row for, and a manifest that says so."""
    path, manifest = folder / "run" / "vocabulary.json", folder / "run" / MANIFEST
    encoder = json.loads(path.read_text())
    path.write_text(json.dumps({**encoder, "vocabulary": [*encoder["vocabulary"], "new"]}))
    said = json.loads(manifest.read_text())
    said["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(said))


ZIPPED = gzip.compress(csv().encode(), mtime=0)
RARE = [*ROWS, ("a strange film", "rare")]
PICKLE = pickle.dumps(shutil.rmtree)
KNOWN = ["good", "bad", "film", "number", "of", "them"]
GLOVE = "".join(f"{word} 0.{n} 0.2 0.3\n" for n, word in enumerate(KNOWN))
ALL_ROWS = (r'"rows": \{"data": 24\}',)

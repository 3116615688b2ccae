"""Files, labels, texts, splits, vectors and settings that are wrong, and what a user sees of them.

Each case goes through the command line. Those that are refused say why in one line and leave every
file as it was; those that work say what was guessed or dropped. An id is a row of the catalogue
that these rules come from, with a word behind it where a row has several cases.
"""

import gzip
import hashlib
import json
import os
import pickle
import re
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import Command
from vector_files import binary, packed

from kerastextzoo import cli
from kerastextzoo.data import Dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import train
from kerastextzoo.settings import share_out
from kerastextzoo.splits import make_splits
from kerastextzoo.storage import MANIFEST

Make = Callable[[Path], object]
Row = tuple[str, str]

IDS = {"F": 23, "L": 9, "T": 8, "S": 5, "E": 14, "C": 8}
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

FILES = [
    Case("F1", file(csv()), "data inspect dta.csv", REFUSED, ("dta.csv", "no such", "'data.csv'")),
    Case("F1-folder", folder_of_notes, "data inspect notes", REFUSED, ("notes", r"\.csv", "class")),
    Case("F2", file(""), INSPECT, REFUSED, ("data.csv", "0 examples")),
    Case("F3", file("text,label\n"), INSPECT, REFUSED, ("data.csv:1", "0 examples", "header")),
    Case("F4", file(csv().encode("utf-8-sig")), INSPECT, DONE, tells=ALL_ROWS),
    Case("F5", file(csv().encode("utf-16")), INSPECT, DONE, ("data.csv", "UTF-16"), ALL_ROWS),
    Case(
        "F6",
        file(csv().encode("utf-16-le")),
        INSPECT,
        REFUSED,
        ("data.csv", r"\d+%", "NUL", "encoding utf-16-le"),
    ),
    Case(
        "F7",
        file(csv(CHINESE).encode("gb18030")),
        INSPECT,
        REFUSED,
        ("data.csv:2:", "byte 0x", "encoding gb18030"),
    ),
    Case(
        "F8",
        file(csv(CHINESE)),
        f"{INSPECT} --encoding gb18030",
        DONE,
        ("data.csv", "UTF-8", "gb18030"),
        ALL_ROWS,
    ),
    Case(
        "F9",
        file(csv().encode().replace(b"number 3", b"number \xff")),
        INSPECT,
        REFUSED,
        ("data.csv:5:", "byte 0xff", "errors.replace"),
    ),
    Case(
        "F9-replace",
        file(csv().encode().replace(b"number 3", b"number \xff")),
        f"{INSPECT} --errors replace",
        DONE,
        ("data.csv:5:", "replaced", "got 1 "),
        ALL_ROWS,
    ),
    Case(
        "F10",
        file(csv(with_row(5, "a\0b", "pos"))),
        INSPECT,
        REFUSED,
        ("data.csv:5:", "NUL", "strip.(NUL|nul)"),
    ),
    Case(
        "F10-strip",
        file(csv(with_row(5, "a\0b", "pos"))),
        f"{INSPECT} --strip-nul",
        DONE,
        ("data.csv:5:", "NUL", "got 1;"),
        ALL_ROWS,
    ),
    Case(
        "F11",
        file(jsonl(r'{"text": "half \ud800", "label": "pos"}'), "data.jsonl"),
        "data inspect data.jsonl",
        REFUSED,
        ("data.jsonl:3:", "surrogate", "skip.bad.rows"),
    ),
    Case(
        "F11-skip",
        file(jsonl(r'{"text": "half \ud800", "label": "pos"}'), "data.jsonl"),
        "data inspect data.jsonl --skip-bad-rows",
        DONE,
        ("data.jsonl:3:", "skipped"),
        ALL_ROWS,
    ),
    Case(
        "F12",
        file(csv(with_row(5, '"never closed', "pos"))),
        INSPECT,
        REFUSED,
        ("data.csv:5:", "quote", "close"),
    ),
    Case(
        "F13",
        file(csv(with_row(3, "word " * 30_000, "pos"))),
        f"{INSPECT} --max-text-bytes 131072",
        REFUSED,
        ("data.csv:3:", "150000 bytes", "131072", "max.text.bytes"),
    ),
    Case("F13-csv", file(csv(with_row(3, "word " * 30_000, "pos"))), INSPECT, DONE, (), ALL_ROWS),
    Case(
        "F14",
        file(csv().replace(",", "\t")),
        INSPECT,
        REFUSED,
        ("data.csv", "1 column", "TAB"),
    ),
    Case(
        "F14-option",
        file(csv().replace(",", "\t")),
        INSPECT,
        REFUSED,
        ("--sep",),
    ),
    Case(
        "F15-more",
        file(csv(with_row(4, "well", "good film", "pos"))),
        INSPECT,
        REFUSED,
        ("data.csv:4:", "got '3'", "expected 2", "skip.bad.rows"),
    ),
    Case(
        "F15-fewer",
        file(csv(with_row(4, "good film"))),
        INSPECT,
        REFUSED,
        ("data.csv:4:", "got '1'", "expected 2", "skip.bad.rows"),
    ),
    Case(
        "F15-skip",
        file(csv([*ROWS, ("only a text",), ("and", "another", "pos")])),
        f"{INSPECT} --skip-bad-rows",
        DONE,
        ("data.csv:26:", "skipped", r"in 2 rows \(26, 27\)"),
        ALL_ROWS,
    ),
    Case("F16", file(csv().replace("\n", "\r")), INSPECT, DONE, tells=ALL_ROWS),
    Case(
        "F17",
        file(csv([(*row, row[0]) for row in ROWS], "text,label,text")),
        INSPECT,
        REFUSED,
        ("data.csv:1:", "'text'", "1, 3"),
    ),
    Case(
        "F18",
        file(jsonl('{"text": "half a'), "data.jsonl"),
        "data inspect data.jsonl",
        REFUSED,
        ("data.jsonl:3:", "JSON", "skip.bad.rows"),
    ),
    Case(
        "F18-skip",
        file(jsonl('{"text": "half a'), "data.jsonl"),
        "data inspect data.jsonl --skip-bad-rows",
        DONE,
        ("data.jsonl:3:", "skipped"),
        ALL_ROWS,
    ),
    *(
        Case(
            f"F19-{name}",
            file(content, "data.csv.gz"),
            "data inspect data.csv.gz",
            REFUSED,
            ("data.csv.gz", said),
        )
        for name, content, said in (
            ("truncated", ZIPPED[:-12], "truncated"),
            ("checksum", ZIPPED[:-8] + bytes(8), "CRC"),
            ("plain", csv().encode(), "[Nn]ot a gzip"),
        )
    ),
    Case(
        "F20",
        file(gzip.compress(b"x" * 65 * 2**20, 1), "data.csv.gz"),
        "data inspect data.csv.gz",
        REFUSED,
        ("data.csv.gz", "more than 67108864 bytes", "max.expanded.bytes"),
    ),
    Case(
        "F20-zip",
        file(b"PK\x03\x04" + bytes(60), "data.zip"),
        "data inspect data.zip",
        REFUSED,
        ("data.zip", r"expected a \.csv"),
    ),
    Case("F21", pipe("data.csv"), INSPECT, REFUSED, ("data.csv", "not a regular file", "write it")),
    Case("F21-vectors", pipe("vectors.txt"), VECTORS, REFUSED, ("vectors.txt", "a regular file")),
    Case("F22", nothing, "data inspect http://a.test/b.csv", REFUSED, ("http://a.test", "remote")),
    Case("F22-vectors", nothing, "embeddings inspect s3://a/b", REFUSED, ("s3:/", "remote")),
    Case("F23", link_out_of_the_folder, "data inspect data/link.csv", DONE, tells=ALL_ROWS),
]

LABELS = [
    Case(
        "L1",
        file(csv([(text, "pos") for text, _ in ROWS])),
        TRAIN,
        REFUSED,
        ("data.csv", "at least 2 classes", "only 'pos'"),
    ),
    Case("L2", file(csv(RARE)), TRAIN, REFUSED, ("'rare'", "got 1 ", "min.class.count")),
    Case("L2-drop", file(csv(RARE)), f"{TRAIN} --min-class-count 2", DONE, ("'rare'", "drop")),
    Case(
        "L3",
        file(csv(with_row(4, "good film", ""))),
        INSPECT,
        REFUSED,
        ("data.csv:4:", "label missing", "skip.bad.rows"),
    ),
    Case(
        "L3-null",
        file(jsonl('{"text": "a film", "label": null}', '{"text": "b"}'), "data.jsonl"),
        "data inspect data.jsonl",
        REFUSED,
        ("data.jsonl:3:", "label missing", r"2 rows \(3, 4\)"),
    ),
    Case(
        "L3-skip",
        file(csv([*ROWS, ("good film", "")])),
        f"{INSPECT} --skip-bad-rows",
        DONE,
        ("data.csv:26:", "skipped"),
        ALL_ROWS,
    ),
    Case(
        "L4",
        file(csv([*ROWS, ("a strange film", "rare"), ("an odd film", "rare")])),
        "evaluate run --data data.csv",
        DONE,
        ("data.csv", "2 of 26 texts", r"'rare' \(2\)", "count as wrong"),
        ('"n": 26',),
    ),
    Case(
        "L5",
        file(csv([(text, "1" if n % 3 else "1.0") for n, (text, _) in enumerate(ROWS)])),
        INSPECT,
        REFUSED,
        ("data.csv", r"'1' \(16 rows\)", r"'1\.0' \(8 rows\)"),
    ),
    Case(
        "L5-option",
        file(csv([(text, "1" if n % 3 else "1.0") for n, (text, _) in enumerate(ROWS)])),
        INSPECT,
        REFUSED,
        ("label.map",),
    ),
    Case(
        "L6",
        file(csv()),
        f"{TRAIN} --text-column label --label-column text",
        REFUSED,
        ("data.csv", "24 classes", "24 rows", "swapped"),
    ),
    Case(
        "L7",
        file(csv([(f"good film {n}", "pos") for n in range(310)] + ROWS[:6:2])),
        f"{TRAIN} --batch-size 128",
        DONE,
        ("data.csv", "310 of 'pos'", "3 of 'neg'", "macro F1"),
    ),
    Case(
        "L7-objective",
        file(csv([(f"good film {n}", "pos") for n in range(310)] + ROWS[:6:2])),
        f"{TRAIN} --batch-size 128",
        DONE,
        ("macro F1", "objective"),
    ),
    Case(
        "L8-newline",
        file(csv(with_row(5, "good film", '"two\nlines"'))),
        INSPECT,
        REFUSED,
        ("data.csv:5:", "9 characters", "one line"),
    ),
    Case(
        "L8-long",
        file(csv(with_row(5, "good film", "x" * 10_000))),
        INSPECT,
        REFUSED,
        ("data.csv:5:", "10000 characters"),
    ),
    Case(
        "L9",
        file(csv([*ROWS[1:], ("Good film number 3 of them", "neg")])),
        INSPECT,
        DONE,
        ("data.csv:4:", "1 texts", "several labels", "'neg', 'pos'", r"\(4, 25\)"),
    ),
]

TEXTS = [
    Case(
        "T1",
        file(csv([(re.sub(" ", "\u2028", text), label) for text, label in ROWS])),
        TRAIN,
        DONE,
    ),
    Case(
        "T1-predict",
        nothing,
        "predict run " + " ".join(f"'good{space}film'" for space in SPACES),
        DONE,
        tells=('("label".*){5}',),
    ),
    Case(
        "T2",
        file(csv([*ROWS, ("", "pos"), ("  ", "neg")])),
        INSPECT,
        DONE,
        ("data.csv:26:", "empty", "dropped", r"2 rows \(26, 27\)"),
    ),
    Case(
        "T2-predict",
        file("good film\n\nbad film\n  \n", "texts.txt"),
        "predict run --data texts.txt",
        DONE,
        ("2 of 4 texts", "empty", r"\(number 2, 4\)"),
        ('("label".*){4}',),
    ),
    Case(
        "T3",
        file(csv([(" ", label) for _, label in ROWS])),
        INSPECT,
        REFUSED,
        ("data.csv", "all 24 texts are empty"),
    ),
    Case(
        "T4",
        nothing,
        "predict run 'good film' 'xyzzy plugh' '?!'",
        DONE,
        ("2 of 3 texts", "no known word", r"\(number 2, 3\)"),
        ('("label".*){3}',),
    ),
    Case(
        "T4-evaluate",
        file(csv([("good film", "pos"), ("xyzzy", "neg")])),
        "evaluate run --data data.csv",
        DONE,
        ("1 of 2 texts", "no known word", r"\(number 2\)"),
        ('"n": 2',),
    ),
    Case(
        "T5",
        file(csv(with_row(3, "good film " * 2**20, "pos"))),
        INSPECT,
        REFUSED,
        ("data.csv:3:", "10485760 bytes", "max.text.bytes"),
    ),
    Case(
        "T5-cut",
        file(csv(with_row(3, "good film " * 2**18, "pos"))),
        f"{TRAIN} --max-text-bytes 20000000",
        DONE,
        ("1 of the training texts", "400"),
    ),
    Case(
        "T6",
        file(csv()),
        f"{TRAIN} --max-length 4",
        DONE,
        (r"100.*%", "4 tokens", "95"),
    ),
    Case(
        "T6-inspect",
        file(csv()),
        f"{INSPECT} --max-length 4",
        DONE,
        tells=('"texts": 1.0', "100.0% of the texts are longer than 4", '"95": 6'),
    ),
    Case(
        "T7",
        file(csv([(str(n), label) for n, (_, label) in enumerate(ROWS)])),
        INSPECT,
        DONE,
        ("data.csv", "100% of the texts are numbers", "column"),
    ),
    Case(
        "T8",
        file(csv([(f"{'好' if n % 2 else '坏'}电影{n}，真的", f"{n % 2}") for n in range(24)])),
        f"{TRAIN} --tokenizer word --set min_count=1",
        DONE,
        ("Chinese", "--tokenizer char or jieba"),
    ),
]

SPLITS = [
    # There is no command that makes folds; the nearest is a class too small for the one split.
    Case(
        "S1",
        file(csv([*ROWS, ("an odd film", "rare"), ("a strange film", "rare")])),
        TRAIN,
        REFUSED,
        ("data.csv", "'rare'", "got 2 ", "expected 3"),
    ),
    Case(
        "S2",
        files(data=csv(), valid=csv([("quite a good one", "pos")])),
        f"{TRAIN} --valid valid.csv",
        DONE,
        ("valid.csv", "'neg'", "macro F1 is over all classes"),
    ),
    Case(
        "S3",
        file(csv([*ROWS, ROWS[0], ROWS[1]])),
        INSPECT,
        DONE,
        ("data.csv:26:", "repeated text", r"2 rows \(26, 27\)"),
    ),
    Case(
        "S4",
        files(data=csv(), test=csv(ROWS[:6])),
        f"{TRAIN} --test test.csv",
        REFUSED,
        ("test.csv", "100.0%", r"6 rows \(1, 2, 3, 4, 5, ", "dedup", "allow.overlap"),
    ),
    Case(
        "S4-allow",
        files(data=csv(), test=csv(ROWS[:6])),
        f"{TRAIN} --test test.csv --allow-overlap",
        DONE,
        ("test.csv", "100.0%", "in train too"),
    ),
    Case(
        "S4-dedup",
        files(data=csv(), test=csv(ROWS[:6])),
        f"{TRAIN} --test test.csv --dedup",
        DONE,
        ("data.csv", "6 rows of train removed"),
    ),
    Case(
        "S4-few",
        files(data=csv(lettered("abcdefgh")), test=csv(lettered("hijkl"))),
        f"{TRAIN} --test test.csv",
        REFUSED,
        ("test.csv", r"20\.0%", "24 rows", "at most 1%"),
    ),
    Case(
        "S4-little",
        files(data=csv(lettered("abcde")), test=csv(lettered("vwxyz") + lettered("a")[:1])),
        f"{TRAIN} --test test.csv",
        DONE,
        ("test.csv:121:", r"0\.8%", "in train too"),
    ),
    # Texts and labels are columns of one file, so the nearest is a row with one of the two.
    Case("S5", file(csv([*ROWS, ("a film",)])), INSPECT, REFUSED, ("data.csv:26:", "expected 2")),
]

EMBEDDINGS = [
    Case(
        "E1",
        texts_and_vectors(GLOVE),
        f"train {WITH_VECTORS} --set embedding_features=50",
        REFUSED,
        ("vectors.txt", "3 numbers", "embedding_features", "50"),
    ),
    Case(
        "E1-tune",
        texts_and_vectors(GLOVE),
        f"tune {WITH_VECTORS} --set embedding_features=50",
        REFUSED,
        ("vectors.txt", "3 numbers", "embedding_features", "50"),
    ),
    Case(
        "E2",
        texts_and_vectors("der 1 2\ndie 3 4\n"),
        f"train {WITH_VECTORS}",
        REFUSED,
        ("vectors.txt", "0 of 6 words", r"\(0\.0 %; 0\.0 % of the tokens\)", "case or language"),
    ),
    Case(
        "E2-tune",
        texts_and_vectors("der 1 2\ndie 3 4\n"),
        f"tune {WITH_VECTORS}",
        REFUSED,
        ("vectors.txt", "0 of 6 words", "case or language"),
    ),
    Case(
        "E2-low",
        texts_and_vectors("GOOD 1 2\ndie 3 4\n"),
        f"train {WITH_VECTORS} --epochs 1",
        DONE,
        ("vectors.txt", "1 of 6 words", "% of the tokens", "case or language"),
    ),
    Case(
        "E3",
        longer_vocabulary,
        "predict run 'good film'",
        FAULT,
        ("run", "artifact inconsistent", r"id \d+", r"\d+ rows"),
    ),
    Case(
        "E4",
        vectors(PICKLE),
        VECTORS,
        REFUSED,
        ("vectors.txt", "pickle", "word2vec", "save_word2vec_format"),
    ),
    Case(
        "E5",
        vectors("300000000 1\n" + "a 1\n" * 20),
        VECTORS,
        REFUSED,
        ("vectors.txt", "300000000 rows of 1 values", "at least 1199999999 bytes", "found 80"),
    ),
    Case(
        "E6",
        vectors("1 2\na 1 2\nb 3 4\n"),
        VECTORS,
        REFUSED,
        ("vectors.txt", "promises 1 rows", "found 2 rows"),
    ),
    Case(
        "E7",
        vectors("3 2\na 0.10 0.20\nb 0.3 0.4\n"),
        VECTORS,
        REFUSED,
        ("vectors.txt", "promises 3 rows", "found 2 rows", "truncated"),
    ),
    Case(
        "E8",
        vectors(binary({b"a": [1, 2, 3], b"b": [4, 5, 6]}, "2 4")),
        VECTORS,
        REFUSED,
        ("vectors.txt", "2 rows of 4 values", "at least 35 bytes", "found 28"),
    ),
    Case(
        "E9",
        vectors("a 1 2\nb 3 4\na 5 6\nb 7 8\n"),
        VECTORS,
        DONE,
        ("vectors.txt", "2 duplicate", "first", "'a' in rows 1 and 3"),
        ('"words": 2', '"duplicates": 2'),
    ),
    Case(
        "E10",
        vectors(binary({b"x": [1, 2, 3], b"New York": [4, 5, 6], b"z": [7, 8, 9]})),
        VECTORS,
        REFUSED,
        ("vectors.txt", "row 3", "space"),
    ),
    Case(
        "E10-glove",
        vectors(". . . 1 2\nat a@b.c 3 4\n"),
        f"{VECTORS} --words '. . .'",
        DONE,
        tells=('"words": 2', '"dim": 2', '"at a@b.c"'),
    ),
    Case(
        "E11",
        vectors("a 1 2\nb 3\nc 4 5\n"),
        VECTORS,
        REFUSED,
        ("vectors.txt", "row 2", "1 values", "expected 2"),
    ),
    Case(
        "E12",
        vectors("a 1 2\nb nan 4\n"),
        VECTORS,
        REFUSED,
        ("vectors.txt", "row 2", "NaN", "'b'"),
    ),
    Case(
        "E12-inf",
        vectors(binary({b"a": [1, 2], b"b": [float("inf"), 1]})),
        VECTORS,
        REFUSED,
        ("vectors.txt", "row 2", "infinite", "'b'"),
    ),
    Case("E13", vectors(b"\xef\xbb\xbf2 2\na 1 2\nb 3 4\n"), VECTORS, DONE, (), ('"words": 2',)),
    Case(
        "E13-gb18030",
        vectors("2 2\n电 1 2\n影 3 4\n".encode("gb18030")),
        VECTORS,
        REFUSED,
        ("vectors.txt", "row 1", "utf-8", "encoding", "gb18030", "errors.replace"),
    ),
    Case(
        "E13-cut",
        vectors("a 1 2\n影 3 4\n".encode().replace("影".encode(), "影".encode()[:2])),
        VECTORS,
        REFUSED,
        ("vectors.txt", "row 2", "utf-8", "errors.replace"),
    ),
    Case(
        "E13-encoding",
        vectors("2 2\n电 1 2\n影 3 4\n".encode("gb18030")),
        f"{VECTORS} --encoding gb18030",
        DONE,
        tells=('"words": 2', "电"),
    ),
    Case(
        "E13-replace",
        vectors("a 1 2\n影 3 4\n".encode().replace("影".encode(), "影".encode()[:2])),
        f"{VECTORS} --errors replace",
        DONE,
        ("vectors.txt", "1 word", "row 2"),
        ('"words": 2',),
    ),
    Case("E14", vectors(""), VECTORS, REFUSED, ("vectors.txt", "empty")),
    Case("E14-zipped", vectors(packed(b"")), VECTORS, REFUSED, ("vectors.txt", "empty")),
    Case("E14-glove", vectors(GLOVE), VECTORS, DONE, tells=('"GloVe text"', '"dim": 3')),
]

CONFIGURATION = [
    Case(
        "C1",
        file(csv()),
        f"{TRAIN} --max-length 2 --set kernel_sizes=3,4",
        REFUSED,
        ("kernel_sizes", "3,4", "max_length", "2"),
    ),
    Case(
        "C1-tune",
        file(csv()),
        "tune --model cnn_lstm --data data.csv --out out --max-length 1",
        REFUSED,
        ("kernel_sizes", "3; 5; 2,3; 2,3,6; 3,5", "max_length", "1"),
    ),
    Case(
        "C2",
        file(csv()),
        "train --model cnn_lstm --data data.csv --out out --max-length 4 --set pool_size=5",
        REFUSED,
        ("pool_size", "5", "max_length", "4"),
    ),
    Case(
        "C2-tune",
        file(csv()),
        "tune --model cnn_lstm --data data.csv --out out --max-length 4 --set pool_size=5",
        REFUSED,
        ("pool_size", "5", "max_length", "4"),
    ),
    Case(
        "C3",
        file(csv()),
        f"{TRAIN} --set max_vocabulary=2",
        REFUSED,
        ("max_vocabulary", "3", "'2'"),
    ),
    Case(
        "C3-empty", file(csv()), f"{TRAIN} --set min_count=99", REFUSED, ("vocabulary", "min_count")
    ),
    Case("C4", nothing, "train --model cn", REFUSED, ("'cn'", "mean 'cnn'", "lstm, cnn_lstm")),
    # There is no configuration file: --set is the one way in.
    Case("C5", nothing, f"{TRAIN} --set filtres=3", REFUSED, ("'filtres'", "mean 'filters'")),
    *(
        Case(f"C6-{name}", file(csv()), f"{TRAIN} {option}", REFUSED, said)
        for name, option, said in (
            ("no-epochs", "--epochs 0", ("epochs", "equal to 1", "'0'")),
            ("negative-epochs", "--epochs -1", ("epochs", "equal to 1", "'-1'")),
            ("no-batch", "--batch-size 0", ("batch_size", "equal to 1", "'0'")),
            ("negative-rate", "--set learning_rate=-1", ("learning_rate", "than 0", "'-1'")),
            ("infinite-rate", "--set learning_rate=inf", ("learning_rate", "finite", "'inf'")),
        )
    ),
    # Before anything is read: no such data need be there.
    Case(
        "C6-no-trials",
        nothing,
        "tune --model cnn --data no.csv --max-trials 0",
        REFUSED,
        ("max_trials", "at least 1", "got 0"),
    ),
    *(
        Case(
            f"C7-{command}",
            nothing,
            f"{command} --model cnn --data no.csv --objective val_acc",
            REFUSED,
            ("'val_acc'", "mean 'val_accuracy'", "val_macro_f1", "for val_loss lower"),
        )
        for command in ("train", "tune")
    ),
    Case(
        "C8",
        file(csv()),
        f"tune {QUICK} --data data.csv --out out --max-trials 5 {ONE_CHOICE}",
        DONE,
        ("2 points", "will stop after 2 trials", "5"),
        ('"stopped": "all 2 points of the space were tried"',),
    ),
    Case(
        "C8-empty",
        file(csv()),
        f"tune {QUICK} --data data.csv --out out {ONE_CHOICE} --set dense_units=0",
        REFUSED,
        ("every setting is fixed", "use train"),
    ),
]

CASES = [*FILES, *LABELS, *TEXTS, *SPLITS, *EMBEDDINGS, *CONFIGURATION]


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERASTEXTZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    # It takes a process of its own, and has its own tests.
    monkeypatch.setattr(cli, "_export_again", lambda run: run)
    return Command(monkeypatch, capsys)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the good rows."""
    texts, labels = zip(*ROWS, strict=True)
    preparation = Preparation(make_splits(Dataset("films", texts, labels), seed=0))
    settings = share_out("cnn", {"epochs": 1, "filters": 4, "embedding": "random"})
    out = tmp_path_factory.mktemp("run") / "run"
    return train(
        preparation, "cnn", out, settings=settings.model, config=settings.training
    ).directory


def content(folder: Path) -> dict[Path, bytes | None]:
    """Return what is in a folder, and the bytes of what can be read; `out` apart."""
    paths = [path for path in folder.rglob("*") if folder / "out" not in (path, *path.parents)]
    return {path: path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.filterwarnings("always::UserWarning")
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_bad_input(
    case: Case, command: Command, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if " run " in case.command:
        shutil.copytree(request.getfixturevalue("run"), tmp_path / "run")
    case.make(tmp_path)
    before = content(tmp_path)
    status, out, err = command(*shlex.split(case.command), "--json", "--quiet")
    assert status == case.status, err
    assert content(tmp_path) == before
    lines = err.splitlines()
    assert all(line.isprintable() for line in lines)
    if status == DONE:
        result: Any = json.loads(out)
        assert isinstance(result, dict)
        assert all(line.startswith("warning: ") for line in lines)
        told = lines if case.says else []
        assert (tmp_path / "out").exists() == ("--out out" in case.command)
    else:
        assert (out, (tmp_path / "out").exists()) == ("", False)
        *noticed, told_last = lines
        assert told_last.startswith("error: ")
        assert all(line.startswith("warning: ") for line in noticed)
        told = [told_last]
    if case.says:
        assert any(all(re.search(what, line) for what in case.says) for line in told), err
    else:
        assert not lines
    assert all(re.search(what, out) for what in case.tells), out


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run records of data in which much had to be guessed or dropped."""
    folder = tmp_path_factory.mktemp("record")
    rows = [*ROWS, ROWS[0], ("", "pos"), ("only a text",), ("a\0b", "pos"), ("?", "neg")]
    (folder / "real.csv").write_bytes(csv(rows).encode().replace(b"?", b"\xff"))
    (folder / "data.csv").symlink_to(folder / "real.csv")
    options = "--errors replace --strip-nul --skip-bad-rows --encoding utf-8 --max-length 4"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("KERASTEXTZOO_CACHE", str(folder / "cache"))
        patch.setattr("sys.argv", ["kerastextzoo", *shlex.split(f"{TRAIN} {options}")])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    return (folder / "out" / "run.json").read_text()


@pytest.mark.filterwarnings("always::UserWarning")
@pytest.mark.parametrize(
    "what",
    [
        pytest.param('"encoding": "utf-8"', id="F8"),
        pytest.param("characters replaced", id="F9"),
        pytest.param("NUL characters removed", id="F10"),
        pytest.param("wrong number of columns, skipped", id="F15"),
        pytest.param("real.csv", id="F23"),
        pytest.param("empty text dropped", id="T2"),
        pytest.param("longer than 4 tokens", id="T6"),
        pytest.param("repeated text", id="S3"),
    ],
)
def test_what_was_guessed_is_recorded(record: str, what: str) -> None:
    assert what in record


def test_every_row_of_the_catalogue_has_a_case() -> None:
    rows = {f"{group}{number}" for group, last in IDS.items() for number in range(1, last + 1)}
    assert {case.id.split("-")[0] for case in CASES} == rows
    assert len({case.id for case in CASES}) == len(CASES)

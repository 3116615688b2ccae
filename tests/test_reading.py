"""Kinds of files, encodings, broken rows and leaking parts: what is read, what is said."""

import contextlib
import csv
import gzip
import json
import re
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kerastextzoo.data import (
    Dataset,
    DataWarning,
    Reading,
    dataset_from_frame,
    dataset_from_hub,
    load_dataset,
    load_texts,
)
from kerastextzoo.errors import InputError
from kerastextzoo.formats import READERS
from kerastextzoo.options import TrainingOptions
from kerastextzoo.splits import load_splits, make_splits

AWKWARD = (
    "so, good",
    'a "quoted" one',
    '"',
    "  leading",
    "中文 评论",
    "🙂👍🏽",
    "5' \\n",
    "{'a': 1}",
)
LABELS = ("neg", "中性", "pos")
# Sorted by label, because folders are.
TEXTS = tuple(f"{AWKWARD[i % len(AWKWARD)]} {i}" for i in range(1000))
PAIRS = list(zip(TEXTS, sorted(LABELS[i % 3] for i in range(1000)), strict=True))
THOUSAND = Dataset("thousand", TEXTS, tuple(label for _, label in PAIRS))
FRAME = pd.DataFrame({"n": range(1000), "label": THOUSAND.labels, "text": THOUSAND.texts})


def quote(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def parquet(frame: pd.DataFrame) -> bytes:
    pytest.importorskip("pyarrow")
    return frame.to_parquet()


def in_lines(rows: list[str]) -> bytes:
    return "\n".join(rows).encode()


CONTENTS: dict[str, Callable[[], bytes]] = {
    ".csv": lambda: in_lines(["text,label", *(f"{quote(t)},{quote(c)}" for t, c in PAIRS)]),
    ".tsv": lambda: in_lines(["text\tlabel", *(f"{t}\t{c}" for t, c in PAIRS)]),
    ".jsonl": lambda: in_lines([json.dumps({"text": t, "label": c}) for t, c in PAIRS]),
    ".fasttext": lambda: in_lines([f"__label__{c} {t}" for t, c in PAIRS]),
    ".parquet": lambda: parquet(FRAME),
}
SAME = {".ndjson": ".jsonl", ".json": ".jsonl", ".ft": ".fasttext", ".txt": ".fasttext"}


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("suffix", READERS)
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str, packed: bool) -> None:
    content = CONTENTS[SAME.get(suffix, suffix)]()
    path = tmp_path / f"a{suffix}{'.gz' * packed}"
    data = load_dataset(write(path, gzip.compress(content) if packed else content))
    assert data.fingerprint == THOUSAND.fingerprint
    assert list(load_texts(path)) == list(THOUSAND.texts)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_numbered_lines_give_the_same_rows(tmp_path: Path, packed: bool) -> None:
    names = in_lines(list(LABELS))
    content = in_lines([f"{text}\t{LABELS.index(label)}" for text, label in PAIRS])
    for name, lines in {"class.txt": names, "train.txt": content}.items():
        write(tmp_path / (name + ".gz" * packed), gzip.compress(lines) if packed else lines)
    path = tmp_path / f"train.txt{'.gz' * packed}"
    assert load_dataset(path).fingerprint == THOUSAND.fingerprint
    assert list(load_texts(path)) == list(THOUSAND.texts)


def test_folder_gives_the_same_rows(tmp_path: Path) -> None:
    for i, (text, label) in enumerate(PAIRS):
        write(tmp_path / label / f"{i:04}.txt", text)
    assert load_dataset(tmp_path).fingerprint == THOUSAND.fingerprint


def test_frame_gives_the_same_rows() -> None:
    assert dataset_from_frame(FRAME).fingerprint == THOUSAND.fingerprint
    renamed = FRAME.rename(columns={"text": "body"}).astype({"label": "category"})
    assert dataset_from_frame(renamed, text_column="body").fingerprint == THOUSAND.fingerprint


@pytest.fixture
def hub() -> Any:
    """The library of the hub, quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("datasets")


@pytest.mark.parametrize("as_class", [False, True])
def test_hub_data_gives_the_same_rows(hub: Any, as_class: bool) -> None:
    data = hub.Dataset.from_dict({"text": THOUSAND.texts, "label": THOUSAND.labels})
    if as_class:
        data = data.cast_column("label", hub.ClassLabel(names=list(LABELS)))
    parts = hub.DatasetDict({"train": data})
    assert dataset_from_hub(data).fingerprint == THOUSAND.fingerprint
    assert dataset_from_hub(parts, part="train").fingerprint == THOUSAND.fingerprint
    with pytest.raises(InputError, match="no part 'test'; got 'train'; expected"):
        dataset_from_hub(parts, part="test")


def test_hub_data_without_labels_is_refused(hub: Any) -> None:
    features = hub.Features({"text": hub.Value("string"), "label": hub.ClassLabel(names=["a"])})
    data = hub.Dataset.from_dict({"text": ["x", "y"], "label": [0, -1]}, features=features)
    with pytest.raises(InputError, match="hub:2: label missing"):
        dataset_from_hub(data)


def test_frame_without_the_column_or_with_gaps_is_refused() -> None:
    with pytest.raises(InputError, match="frame: no column 'body'; known: n, label, text"):
        dataset_from_frame(FRAME, text_column="body")
    with pytest.raises(InputError, match="frame: no column 'text'; known: 0, 1"):
        dataset_from_frame(pd.DataFrame([["x", "a"]]))
    assert len(dataset_from_frame(pd.DataFrame([["x", "a"]]), text_column="0", label_column="1"))
    gaps = pd.DataFrame({"text": ["x", "y"], "label": [1, None]})
    with pytest.raises(InputError, match="frame:1: label missing in 2 rows"):
        dataset_from_frame(gaps)


def test_parquet_without_its_library_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.parquet", b"")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install kerastextzoo\[parquet\]"):
        load_dataset(path)


# Folders of official parts


SIZES = {"train": 12, "validation": 4, "test": 6}


def imdb(folder: Path) -> Path:
    for part, size in {"train": 6, "test": 2}.items():
        for label in ("neg", "pos"):
            for i in range(size):
                write(folder / part / label / f"{i}.txt", f"{part} {label} {i}")
        write(folder / part / "urls.txt", "no text")
    write(folder / "imdb.vocab", "no text")
    return folder


def zoo(folder: Path, end: str = "") -> Path:
    for part, size in {"train": 6, "dev": 2, "test": 3}.items():
        rows = [f"{part} {label} {i}\t{label}" for label in (0, 1) for i in range(size)]
        lines = in_lines([*rows, ""])
        write(folder / f"{part}.txt{end}", gzip.compress(lines) if end else lines)
    write(folder / "class.txt", "金融\n体育\n")
    write(folder / "vocab.pkl", b"\x80 not opened")
    return folder


def test_imdb_layout_gives_its_test_part(tmp_path: Path) -> None:
    splits = load_splits(imdb(tmp_path), seed=0)
    assert splits.label_names == ("neg", "pos")
    assert splits.test
    assert set(splits.test.texts) == {f"test {c} {i}" for c in ("neg", "pos") for i in (0, 1)}
    assert len(splits.train) + len(splits.validation) == 12
    assert splits.how == "stratified 90/10, seed 0, official test given"


def test_unlabelled_texts_of_imdb_are_left_out(tmp_path: Path) -> None:
    write(imdb(tmp_path) / "train" / "unsup" / "0.txt", "no label")
    with pytest.warns(DataWarning, match="train: sub-folder 'unsup' left out"):
        assert load_splits(tmp_path, seed=0).label_names == ("neg", "pos")


@pytest.mark.parametrize("end", ["", ".gz"])
def test_zoo_layout_gives_all_parts(tmp_path: Path, end: str) -> None:
    splits = load_splits(zoo(tmp_path, end), seed=0)
    assert {name: len(rows) for name, rows in splits.rows.items()} == SIZES
    assert splits.label_names == ("体育", "金融")
    assert (splits.train.texts[0], splits.train.labels[0]) == ("train 0 0", "金融")
    assert splits.how == "official validation and test given, nothing cut"


def test_given_part_stands_in_for_the_one_of_the_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "more.csv", "text,label\na,体育\nb,金融\n")
    splits = load_splits(zoo(tmp_path / "zoo"), path, seed=0)
    assert splits.validation.texts == ("a", "b")


def test_files_of_any_kind_can_be_parts(tmp_path: Path) -> None:
    for part, size in {"train": 8, "test": 2}.items():
        rows = [f"{part} {i} {label},{label}" for i in range(size) for label in "ab"]
        write(tmp_path / f"{part}.csv", in_lines(["text,label", *rows]))
    splits = load_splits(tmp_path, seed=0)
    assert splits.test
    assert len(splits.test) == 4


def test_class_may_be_called_train(tmp_path: Path) -> None:
    for label in ("train", "plane"):
        write(tmp_path / label / "0.txt", f"by {label}")
    assert load_dataset(tmp_path).labels == ("plane", "train")


@pytest.mark.parametrize("layout", [imdb, zoo])
def test_official_parts_are_not_one_data_set(tmp_path: Path, layout: Any) -> None:
    with pytest.raises(InputError, match=r"official parts; got .*'train.*use load_splits, or give"):
        load_dataset(layout(tmp_path))


def test_two_files_for_one_part_are_refused(tmp_path: Path) -> None:
    write(zoo(tmp_path) / "valid.txt", "x\t0")
    with pytest.raises(InputError, match=r"two validation parts; got 'dev.txt' and 'valid.txt'"):
        load_splits(tmp_path, seed=0)


# Files that are read with a warning, or refused

CSV = "text,label\ngood film,pos\nbad film,neg\n"
CHINESE = "text,label\n好看电影,正面\n不好,负面\n"
LONG = CSV + f"{'x' * 2_000_000},pos\n"


@dataclass(frozen=True)
class File:
    """A file, how it is read, and what is said of it."""

    name: str
    content: str | bytes
    said: str
    reading: Reading


def case(id_: str, name: str, content: str | bytes, said: str, **reading: Any) -> Any:
    return pytest.param(File(name, content, said, Reading(**reading)), id=id_)


BOMB = gzip.compress(b"text,label\n" + b"%b,a\n" % (b"x" * 2**20) * 80, compresslevel=1)


@pytest.mark.parametrize(
    "file",
    [
        case("F6 le", "a.csv", CSV.encode("utf-16-le"), "50% of the bytes are NUL; .*16-le"),
        case("F6 be", "a.csv", CSV.encode("utf-16-be"), "try encoding utf-16-be"),
        case("F6 strip", "a.csv", CSV.encode("utf-16-le"), "are NUL", strip_nul=True),
        case("F7", "a.csv", CHINESE.encode("gb18030"), "a.csv:2: not decoded.*gb18030"),
        case("F8 not", "a.csv", CSV + "好,pos\n", ":4: not .* valid UTF-8", encoding="gb18030"),
        case("F9", "a.csv", CSV.encode() + b"\xff,pos\n", ":4: not decoded.*errors replace"),
        case("F13", "a.csv", LONG, r":4: text too long \(the longest has 2000000 bytes\)"),
        case("F13 set", "a.csv", CSV, "expected up to 8;.*raise max_text_b", max_text_bytes=8),
        case("F20", "a.csv.gz", BOMB, "more than 1000 bytes from .* raise max_expanded_bytes",
                max_expanded_bytes=1000),
        case("F20 usual", "a.csv.gz", BOMB, "expands to too much"),
        case("F20 parquet", "a.parquet", CONTENTS[".parquet"](), "expands to too much",
                max_expanded_bytes=1000),
        case("F18", "a.json", "[\n1]", "a.json:1: not a JSON object in 2 rows"),
        case("parquet", "a.parquet", "PAR1 no PAR1", "a.parquet: damaged; got "),
        case("parquet 0", "a.parquet", "", "a.parquet: damaged; got "),
        case("column", "a.parquet", CONTENTS[".parquet"](), "no column 'txt'; .*'text'",
                text_column="txt"),
        case("ft", "a.ft", "__label__a x\nno\n", "a.ft:2: no label at the start; got 'no'"),
        case("ft none", "a.ft", "__label__a __label__b x\nno\n", "a.ft:2: no label at the start"),
        case("ft twice", "a.ft", "__label__a __label__a x\n", "a.ft:1: a label twice in one row"),
        case("mixed", "a.jsonl", '{"text": "x", "label": "a"}\n{"text": "y", "label": ["b", "c"]}',
                r"lists of labels mixed; got 'a' \(row 1\) and \"\['b', 'c'\]\" \(row 2\)"),
        case("hot", "a.jsonl", '{"text": "x", "label": [0, 1, 0]}', "twice in .*; not a 0 or a 1"),
        case("null", "a.jsonl", '{"text": "x", "label": ["a"]}\n{"text": "y", "label": null}',
                "a.jsonl:2: label missing"),
        case("null in", "a.jsonl", '{"text": "x", "label": ["a", null]}', ":1: label missing"),
        case("parts", "a.csv", CSV + "x,a||b\n", ":4: label missing", label_separator="|"),
        case("spelt", "a.csv", CSV + "x,Pos|neg\n", "in several ways", label_separator="|"),
        case("ft later", "a.txt", "\n__label__a x\ny", "a.txt:3: no label at the start"),
        case("ft empty", "a.txt", "__label__ x\n", "a.txt:1: label missing"),
        case("empty ft", "a.ft", "\n", "0 examples"),
        case("empty txt", "a.txt", "", "0 examples"),
        case("txt", "a.txt", "x", "start with __label__, or class.txt beside it"),
        case("L5 case", "a.csv", CSV + "x,Pos\ny,pos\n", r"got 'pos' \(2 rows\), 'Pos' \(1"),
        case("L5 space", "a.csv", CSV + "x, pos\n", "1 labels are written in several ways"),
        case("L5 form", "a.csv", CSV + "x,1\ny,1.0\n", "got '1' .*'1.0'.*; expected one way"),
        case("L5 kind", "a.jsonl", '{"text": "x", "label": 1}\n{"text": "y", "label": "1"}',
                r"got 1 \(1 rows\), '1' \(1 rows\)"),
        case("all skipped", "a.csv", "text,label\nx\n", "0 examples", skip_bad_rows=True),
        case("encoding", "a.csv", CSV, "no such encoding", encoding="klingon"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::kerastextzoo.data.DataWarning")
def test_bad_file_is_refused(tmp_path: Path, file: File) -> None:
    path = write(tmp_path / file.name, file.content)
    before = path.read_bytes()
    with pytest.raises(InputError) as caught:
        load_dataset(path, reading=file.reading)
    assert re.search(file.said, str(caught.value)), caught.value
    assert str(caught.value).isprintable()
    assert [entry.name for entry in tmp_path.iterdir()] == [file.name]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "file",
    [
        case("F5", "a.csv", CSV.encode("utf-16"), "read as UTF-16"),
        case("F8", "a.csv", CHINESE, "valid UTF-8 was read as gb18030", encoding="gb18030"),
        case("F9", "a.csv", CSV.encode() + "\ufffd".encode() + b"\xff\xfe,pos\n",
                "a.csv:4: characters replaced; got 2 that are not utf-8", errors="replace"),
        case("F10", "a.csv", CSV + "x\0y\0,pos\n", ":4: NUL characters removed; got 2",
                strip_nul=True),
        case("F10 json", "a.jsonl", r'{"text": "\u0000x", "label": "a"}', ":1: NUL characters r",
                strip_nul=True),
        case("F11", "a.jsonl", '{"text": "x", "label": "a"}\n{"text": "\\ud800", "label": "a"}',
                "a.jsonl:2: text with impossible characters, skipped", skip_bad_rows=True),
        case("F13", "a.csv", LONG, ":4: text too long .*, skipped", skip_bad_rows=True),
        case("F15", "a.csv", CSV + "x\n" * 7, r"columns, skipped in 7 rows \(4, 5, 6, 7, 8, \.",
                skip_bad_rows=True),
        case("F18", "a.jsonl", '{\n{"text": "x", "label": "a"}', ":1: not a JSON obj.*, skipped",
                skip_bad_rows=True),
        case("L3", "a.csv", CSV + "x,\n", ":4: label missing, skipped", skip_bad_rows=True),
        case("L8", "a.csv", CSV + 'x,"a\nb"\n', ":4: not a label .*skipped", skip_bad_rows=True),
        case("ft", "a.ft", "__label__a x\nno\n", ":2: no label at the start, skipped",
                skip_bad_rows=True),
        case("twice", "a.ft", "__label__a x\n__label__a __label__a y\n",
                ":2: a label twice in one row, skipped", skip_bad_rows=True),
        case("L9 sets", "a.ft", "__label__a __label__b x\n__label__b x\n",
                "1 texts have several sets of labels in 2 rows.*got 'a, b', 'b' for 'x'"),
        case("T2", "a.csv", CSV + ",pos\n", ":4: empty text dropped"),
        case("T7", "a.csv", "text,label\n17,a\n1.5 2,b\nx,a\n", "67% of the texts are numbers"),
        case("S3", "a.csv", CSV + "Good  film,pos\n", "a.csv:4: repeated text"),
        case("L9", "a.csv", CSV + "good film,neg\n", r"1 texts have several labels in 2 rows"),
    ],
)  # fmt: skip
def test_odd_file_is_read_with_a_warning(tmp_path: Path, file: File) -> None:
    path = write(tmp_path / file.name, file.content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert len(load_dataset(path, reading=file.reading))
    said = [str(warning.message) for warning in caught]
    assert any(re.search(file.said, message) for message in said), said
    assert all(message.isprintable() for message in said)


def test_numbered_line_with_an_unknown_id_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "class.txt", "a\nb\n")
    path = write(tmp_path / "train.txt", "x\t0\ny\t2\nz\n")
    with pytest.raises(InputError, match=r"train.txt:2: no such label id in 2 rows \(2, 3\)"):
        load_dataset(path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"errors": "ignore"},
        {"max_text_bytes": 0},
        {"separator": ""},
        {"separator": "\n"},
        {"separator": "||"},
        {"label_map": {"1": " "}},
    ],
)
def test_impossible_way_of_reading_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(wrong))):
        Reading(**wrong)


def test_field_longer_than_the_csv_module_allows_is_read(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    data = load_dataset(write(tmp_path / "a.csv", CSV + f"{'x' * (before + 1)},pos\n"))
    assert len(data.texts[-1]) == before + 1
    assert csv.field_size_limit() == before


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8", "utf-8-sig", "ascii"])
def test_right_encoding_is_read_without_a_word(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.csv", CSV.encode(encoding))
    assert load_dataset(path, encoding=encoding).labels == ("pos", "neg")


# Parts


def numbers(start: int, stop: int, classes: int = 2) -> Dataset:
    rows = range(start, stop)
    labels = tuple(f"c{i % classes}" for i in rows)
    return Dataset(f"{start}.csv", tuple(f"Number {i}" for i in rows), labels)


def test_official_parts_that_share_texts_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        make_splits(numbers(0, 100), numbers(98, 118), seed=0)
    said = "98.csv:1: 10.0% texts of validation that are in train too in 2 rows (1, 2); got 'Number"
    assert said in str(caught.value)


def test_shared_texts_can_be_allowed() -> None:
    with pytest.warns(DataWarning, match="texts of test that are in train"):
        splits = make_splits(numbers(0, 100), test=numbers(98, 118), seed=0, allow_overlap=True)
    assert "10.0% texts of test that are in train too" in splits.how


def test_one_percent_is_told_alone() -> None:
    with pytest.warns(DataWarning, match=r"1\.0% texts of test"):
        splits = make_splits(numbers(0, 200), numbers(300, 400), numbers(199, 299), seed=0)
    assert splits.how.endswith("nothing cut; 1.0% texts of test that are in train too")


def test_dedup_takes_repeats_out_of_training() -> None:
    shouted = Dataset("t", ("NUMBER  3", "number 4 ", "new"), ("c1", "c0", "c1"))
    with pytest.warns(DataWarning, match="2 rows of train removed that test repeats"):
        splits = make_splits(numbers(0, 100), test=shouted, seed=0, dedup=True)
    rows = [*splits.rows["train"], *splits.rows["validation"]]
    assert sorted(rows) == [i for i in range(100) if i not in {3, 4}]
    data = numbers(0, 100)
    assert splits.train.texts == data.subset(splits.rows["train"]).texts
    assert "2 rows of train removed" in splits.how


def test_part_of_repeats_alone_is_refused() -> None:
    again = numbers(200, 204)
    with (
        pytest.raises(InputError, match="no texts left for validation"),
        pytest.warns(DataWarning, match="4 rows of validation removed that test repeats"),
    ):
        make_splits(numbers(0, 100), again, again, seed=0, dedup=True)


def test_rare_classes_are_dropped_from_every_part_on_request() -> None:
    rare = Dataset("rare", (*numbers(0, 40).texts, "x"), (*numbers(0, 40).labels, "odd"))
    test = Dataset("test", ("y", "z", "u"), ("odd", "c0", "c1"))
    with pytest.raises(InputError, match=r"class 'odd' is too small .* min_class_count"):
        make_splits(rare, seed=0)
    with pytest.warns(DataWarning, match="1 classes of fewer than 2 examples dropped, 2 rows"):
        splits = make_splits(rare, test=test, seed=0, min_class_count=2)
    assert splits.label_names == ("c0", "c1")
    assert splits.test
    assert splits.test.texts == ("z", "u")
    assert splits.rows["test"].tolist() == [1, 2]


def test_class_missing_in_validation_is_told() -> None:
    with pytest.warns(DataWarning, match="1 classes not in validation; got none of 'c1'"):
        make_splits(numbers(0, 40), Dataset("v", ("x",), ("c0",)), seed=0)


def test_imbalance_is_told_and_makes_macro_f1_the_objective() -> None:
    data = Dataset("a", numbers(0, 2020).texts, ("few",) * 15 + ("many",) * 2005)
    with pytest.warns(DataWarning, match="100-fold; got 2005 of 'many' and 15 of 'few'"):
        splits = make_splits(data, seed=0)
    assert TrainingOptions().choose_objective(splits) == "val_macro_f1"
    assert TrainingOptions(objective="val_loss").choose_objective(splits) == "val_loss"
    even = make_splits(numbers(0, 40), seed=0)
    assert TrainingOptions().choose_objective(even) == "val_accuracy"


def test_splits_remember_what_was_said() -> None:
    texts = ["good", "Good", *(f"text {i}" for i in range(40))]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = dataset_from_frame(pd.DataFrame({"text": texts, "label": [*"ab" * 21]}))
        said = make_splits(data, Dataset("v", ("x",), ("a",)), seed=0).warnings
    assert said == tuple(str(warning.message) for warning in caught)
    for message, what in zip(said, ("repeated", "several labels", "not in"), strict=True):
        assert what in message


# The command line


def test_options_reach_the_reader(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = zoo(tmp_path)
    write(path / "train.txt", (path / "train.txt").read_bytes() + b"broken\nodd \xff\t1\n")
    options = TrainingOptions(data=str(path), errors="replace", skip_bad_rows=True, quiet=True)
    with warnings.catch_warnings(), options.screen() as screen:
        warnings.simplefilter("always")
        splits = options.read_splits(screen)
    assert splits.train.texts[-1] == "odd \ufffd"
    said = capsys.readouterr().err
    assert "warning: " in said
    assert "train.txt:14: characters replaced; got 1" in said
    assert "train.txt:13: no such label id, skipped" in said


def test_options_are_those_of_the_library() -> None:
    assert TrainingOptions().reading() == Reading()
    given = TrainingOptions(sep="TAB", label_map=["1.0=1", "yes = 1"]).reading()
    assert (given.separator, given.label_map) == ("\t", {"1.0": "1", "yes": "1"})
    with pytest.raises(InputError, match="--label-map takes KEY=VALUE; got 'one'"):
        TrainingOptions(label_map=["one"]).reading()


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_separator_can_be_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "text;label\na,b;x\nc\td;y\n")
    assert load_dataset(path, reading=Reading(separator=";")).texts == ("a,b", "c\td")


def test_separator_that_a_file_seems_to_have_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text\tlabel\na\tx\n")
    with pytest.raises(InputError, match=r"got 1 column; the separator looks like TAB; .*--sep"):
        load_dataset(path)


def test_labels_can_be_mapped_on_one_spelling(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\na,1\nb,1.0\nc,0\n")
    assert load_dataset(path, reading=Reading(label_map={"1.0": "1"})).labels == ("1", "1", "0")


# Any bytes

STARTS = [b"", b"text,label\n", b"text\tlabel\nx\t", b'{"text": "x", "label": ', b"__label__a "]


def spoiled(content: bytes) -> Iterator[bytes]:
    """Return the content with parts of it overwritten or cut."""
    for place in range(0, len(content), max(1, len(content) // 40)):
        yield content[:place] + b"\xff\x00" + content[place + 2 :]
        yield content[:place]


def answered(path: Path, reading: Reading) -> None:
    """Read a file as data and as texts; only `InputError` may come out of it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(InputError):
            assert len(load_dataset(path, reading=reading))
        with contextlib.suppress(InputError):
            assert load_texts(path, reading=reading)


@pytest.mark.parametrize("suffix", READERS)
@given(
    start=st.sampled_from(STARTS),
    rest=st.binary() | st.text().map(str.encode),
    lenient=st.booleans(),
    encoding=st.sampled_from([None, "gb18030", "utf-16"]),
)
@example(start=b'{"text": "x", "label": ', rest=b"1" * 5000 + b"}", lenient=True, encoding=None)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_read_or_refused(
    suffix: str, start: bytes, rest: bytes, lenient: bool, encoding: str | None
) -> None:
    errors = "replace" if lenient else "strict"
    reading = Reading(skip_bad_rows=lenient, strip_nul=lenient, errors=errors, encoding=encoding)
    with tempfile.TemporaryDirectory() as folder:
        answered(write(Path(folder, f"a{suffix}"), start + rest), reading)


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz"])
def test_spoiled_binary_files_are_read_or_refused(tmp_path: Path, name: str) -> None:
    small = parquet(FRAME[:20]) if name == "a.parquet" else gzip.compress(CSV.encode())
    for content in spoiled(small):
        answered(write(tmp_path / name, content), Reading(skip_bad_rows=True, errors="replace"))

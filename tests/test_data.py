"""From files to splits: what is read, what is refused in which words, what is cut where."""

import gzip
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastextzoo.data import Dataset, DataWarning, load_dataset, load_texts
from kerastextzoo.errors import InputError
from kerastextzoo.rules import fold
from kerastextzoo.splits import Splits, label_ids, make_splits

ROOT = Path(__file__).resolve().parents[1]
TWO = Dataset("", ("good film", "bad film"), ("pos", "neg"))
CSV = "text,label\ngood film,pos\nbad film,neg\n"
TSV = CSV.replace(",", "\t")
JSONL = '{"text": "good film", "label": "pos"}\n{"label": "neg", "text": "bad film"}\n'


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refused(path: Path, **options: str) -> str:
    """Load what must be refused, and return what is said without the folder."""
    with pytest.raises(InputError) as caught:
        load_dataset(path, **options)  # type: ignore[arg-type]
    message = str(caught.value)
    assert "\n" not in message
    assert message.isprintable()
    return message.replace(f"{path.parent}/", "")


# Data sets


def test_texts_and_labels_of_different_number_are_refused() -> None:
    with pytest.raises(InputError, match="got 2 texts and 1 labels"):
        Dataset("a", ("x", "y"), ("1",))


def test_fingerprint_is_of_texts_and_labels_alone() -> None:
    assert TWO.fingerprint == Dataset("other", TWO.texts, TWO.labels).fingerprint
    others = [("a b", "c"), ("a", "b c"), ("a", "b", "c")]
    assert len({Dataset("", texts, texts).fingerprint for texts in others}) == 3


def test_subset_keeps_the_given_order() -> None:
    assert TWO.subset([1, 0]).texts == ("bad film", "good film")
    assert len(TWO.subset([])) == 0


def test_none_is_the_embedded_corpus() -> None:
    assert load_dataset().fingerprint == load_dataset("docstrings").fingerprint
    assert load_texts("docstrings")[0] == load_dataset().texts[0]


# Files that are read


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.csv", CSV, id="csv"),
        pytest.param("A.CSV", CSV, id="upper case"),
        pytest.param("a.tsv", TSV, id="tsv"),
        pytest.param("a.jsonl", JSONL, id="jsonl"),
        pytest.param("a.csv.gz", gzip.compress(CSV.encode()), id="csv.gz"),
        pytest.param("a.tsv.gz", gzip.compress(TSV.encode()), id="tsv.gz"),
        pytest.param("a.jsonl.gz", gzip.compress(JSONL.encode()), id="jsonl.gz"),
        pytest.param("a.csv", b"\xef\xbb\xbf" + CSV.encode(), id="byte order mark"),
        pytest.param("a.csv", CSV.replace("\n", "\r\n"), id="CRLF"),
        pytest.param("a.tsv", TSV.replace("\n", "\r"), id="CR"),
        pytest.param("a.csv", CSV.replace("\n", "\r"), id="CR in csv"),
        pytest.param("a.jsonl", JSONL.replace("\n", "\n\n"), id="blank lines"),
        pytest.param("a.csv", CSV.replace("pos", " pos "), id="spaces around a label"),
        pytest.param("a.csv", CSV.rstrip(), id="no last newline"),
        pytest.param("a.csv", "n,label,text\n1,pos,good film\n2,neg,bad film\n", id="more columns"),
    ],
)
def test_file_is_read(tmp_path: Path, name: str, content: str | bytes) -> None:
    data = load_dataset(write(tmp_path / name, content))
    assert (data.texts, data.labels) == (TWO.texts, TWO.labels)
    assert data.name == str(tmp_path / name)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised_by_its_mark(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path / "a.csv", ("\ufeff" + CSV).encode(encoding))
    with pytest.warns(DataWarning, match="read as UTF-16"):
        assert load_dataset(path).texts == TWO.texts


def test_encoding_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n好,1\n坏,2\n".encode("gb18030"))
    assert load_dataset(path, encoding="gb18030").texts == ("好", "坏")


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "review,stars\ngood,5\nbad,1\n")
    assert load_dataset(path, text_column="review", label_column="stars").labels == ("5", "1")


def test_whole_numbers_are_labels_in_json(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "x", "label": 1}\n{"text": "y", "label": 0}')
    assert load_dataset(path).labels == ("1", "0")


def test_quoted_csv_field_may_hold_commas_quotes_and_newlines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n"a, ""b""\nc",pos\nd "e" f,neg\n')
    assert load_dataset(path).texts == ('a, "b"\nc', 'd "e" f')


def test_bare_quotes_in_a_tsv_are_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", 'text\tlabel\n"so good\tpos\n5" screen\tneg\n""\tneg\n')
    assert load_dataset(path).texts == ('"so good', '5" screen', '""')


@pytest.mark.parametrize("character", ["\u2028", "\x85", "\x0b", "\x0c", "\x1c"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_rare_line_separators_are_text(tmp_path: Path, name: str, character: str) -> None:
    content = (CSV if name == "a.csv" else TSV).replace("good ", f"good{character}")
    assert load_dataset(write(tmp_path / name, content)).texts[0] == f"good{character}film"


def test_folder_has_one_sub_folder_a_class(tmp_path: Path) -> None:
    for name, text in {"pos/1.txt": "so\ngood", "neg/0.txt": "bad", ".git/x.txt": "no"}.items():
        write(tmp_path / name, text)
    data = load_dataset(tmp_path)
    assert (data.texts, data.labels) == (("bad", "so\ngood"), ("neg", "pos"))


def test_other_files_in_a_folder_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "pos" / "1.txt", "good")
    write(tmp_path / "pos" / "2.md", "no")
    with pytest.warns(DataWarning, match="1 files left out"):
        assert len(load_dataset(tmp_path)) == 1


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_blank_texts_are_dropped_with_a_warning(tmp_path: Path, name: str) -> None:
    content = "text,label\ngood,pos\n,pos\n \u3000,neg\nbad,neg\n"
    path = write(tmp_path / name, content if name == "a.csv" else content.replace(",", "\t"))
    with pytest.warns(DataWarning, match=r":3: empty text dropped in 2 rows \(3, 4\);"):
        assert load_dataset(path).texts == ("good", "bad")


# Files that are refused


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        pytest.param("a.csv", "", "a.csv: 0 examples;", id="F2 empty"),
        pytest.param("a.jsonl", "\n", "a.jsonl: 0 examples;", id="F2 blank"),
        pytest.param("a.csv", "text,label\n", "a.csv:1: 0 examples after the header", id="F3"),
        pytest.param("a.csv", CSV.encode("utf-16-le"), "try encoding utf-16-le", id="F6"),
        pytest.param("a.csv", "text,label\n好,1\n".encode("gb18030"), "a.csv:2: not", id="F7 row"),
        pytest.param("a.csv", "text,label\n好,1\n".encode("gb18030"), "0xba at offset 11", id="F7"),
        pytest.param("a.csv", "text,label\n好,1".encode("gbk"), "encoding gb18030", id="F7 way"),
        pytest.param("a.csv", b"\xff", "try another encoding", id="F7 other"),
        pytest.param("a.csv", CSV + "a\0b,pos\n", "a.csv:4: NUL characters", id="F10"),
        pytest.param("a.jsonl", JSONL + r'{"text": "\u0000", "label": "a"}', ":3: NUL", id="NUL"),
        pytest.param("a.jsonl", JSONL + r'{"text": "\ud800", "label": "a"}', ":3: text", id="F11"),
        pytest.param("a.jsonl", JSONL + r'{"text": "x", "label": "\ud800"}', ":3: not", id="F11 b"),
        pytest.param("a.csv", CSV + '"open,pos\nx,neg\n', "a.csv:4: unclosed quote", id="F12"),
        pytest.param("a.csv", CSV + '"a\n"b" c,pos\n', "a.csv:4: unclosed quote", id="F12 closed"),
        pytest.param("a.csv", TSV, "separator looks like TAB", id="F14 tab"),
        pytest.param("a.csv", CSV.replace(",", ";"), "separator looks like ';'", id="F14 ;"),
        pytest.param("a.tsv", CSV, "separator looks like ','", id="F14 comma"),
        pytest.param("a.csv", CSV + "a\nb,c,d\n", ":4: wrong number of columns in 2 rows (4, 5);"
                     " got '1'; expected 2", id="F15"),
        pytest.param("a.csv", CSV + "a\n" * 7, "in 7 rows (4, 5, 6, 7, 8, ...)", id="F15 many"),
        pytest.param("a.csv", 'text,label\n"a\nb",x\nc\n', "a.csv:4: wrong", id="F15 after lines"),
        pytest.param("a.csv", "text,label,text\na,b,c\n", "'text' as columns 1, 3", id="F17"),
        pytest.param("a.jsonl", JSONL + "{\n[1]\n", "a.jsonl:3: not a JSON object in 2 rows (3, 4)",
                     id="F18"),
        pytest.param("a.jsonl", "[" * 100_000, "a.jsonl:1: not a JSON object", id="F18 deep"),
        pytest.param("a.csv.gz", gzip.compress(CSV.encode())[:-4], "truncated", id="F19 cut"),
        pytest.param("a.csv.gz", gzip.compress(CSV.encode())[:-8] + b"12345678", "CRC", id="CRC"),
        pytest.param("a.csv.gz", CSV, "Not a gzipped file", id="F19 plain"),
        pytest.param("a.csv", CSV + "x,\ny, \n", ":4: label missing in 2 rows (4, 5)", id="L3"),
        pytest.param("a.jsonl", JSONL + '{"text": "x"}', "a.jsonl:3: label missing", id="L3 key"),
        pytest.param("a.jsonl", JSONL + '{"text": "x", "label": NaN}', "got 'nan'", id="NaN"),
        pytest.param("a.jsonl", JSONL + '{"text": "x", "label": null}', ":3: label", id="L3 null"),
        pytest.param("a.csv", CSV + 'x,"a\nb"\n', "a.csv:4: not a label", id="L8 lines"),
        pytest.param("a.csv", CSV + f"x,{'y' * 9999}\n", "has 9999 characters", id="L8 long"),
        pytest.param("a.jsonl", '{"label": "a"}\n' + JSONL, "a.jsonl:1: text missing", id="key"),
        pytest.param("a.jsonl", JSONL + '{"text": 5, "label": "a"}', "got '5'", id="number"),
        pytest.param("a.csv", "text,label\n,a\n ,b\n", "all 2 texts are empty", id="T3"),
        pytest.param("a.csv", CSV.replace("label", "lable"), "did you mean 'lable'?", id="column"),
        pytest.param("a.jsonl", JSONL.replace("text", "body"), "known: body, label", id="keys"),
        pytest.param("a.jsonl", "{}", "a.jsonl:1: no column 'text'", id="no key"),
        pytest.param("a.csv", '"te\nxt",label\na,b\n', r"known: te\nxt, label", id="one line"),
        pytest.param("a.docx", CSV, "expected a .csv, .tsv, .jsonl, .parquet or", id="suffix"),
        pytest.param("a", CSV, "not a known kind of file", id="no suffix"),
        pytest.param("a.txt", CSV, "not a known kind of file", id="txt"),
    ],
)  # fmt: skip
def test_bad_file_is_refused(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    assert said in refused(write(tmp_path / name, content))


@pytest.mark.parametrize("encoding", ["latin-none", "a\0b", "hex"])
def test_unknown_encoding_is_refused(tmp_path: Path, encoding: str) -> None:
    assert "no such encoding" in refused(write(tmp_path / "a.csv", CSV), encoding=encoding)


def test_wrong_encoding_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\né,1\n".encode("latin-1"))
    assert "a.csv:2: not decoded" in refused(path, encoding="gb18030")


def test_missing_file_names_what_is_near(tmp_path: Path) -> None:
    write(tmp_path / "reviews.csv", CSV)
    assert "no such file or folder; did you mean 'reviews.csv'?" in refused(tmp_path / "review.csv")


@pytest.mark.parametrize("name", ["a\nb.csv", "a\0.csv", "no/such/folder.csv", "x" * 300])
def test_odd_missing_name_is_one_line(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name)


@pytest.mark.parametrize("source", ["http://x/a.csv", "s3://b/a.csv", Path("hdfs://b/a.csv")])
def test_remote_path_is_refused(source: str | Path) -> None:
    with pytest.raises(InputError, match="remote paths are not read"):
        load_dataset(source)


def test_fifo_is_refused_and_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    assert "not a regular file" in refused(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["a.md", "pos/a.md"])
def test_folder_without_texts_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path / "data" / name, "x")
    assert "one sub-folder of .txt files a class" in refused(tmp_path / "data")


def test_folder_of_parts_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "data" / "train" / "pos" / "a.txt", "x")
    assert "got 'train'; expected one sub-folder a class" in refused(tmp_path / "data")


def test_undecodable_text_in_a_folder_names_its_file(tmp_path: Path) -> None:
    write(tmp_path / "data" / "pos" / "a.txt", b"good\n\xff")
    assert "data/pos/a.txt:2: not decoded" in refused(tmp_path / "data")


# Texts to be classified


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'text\none\n""\ntwo\n'),
        ("a.tsv", "text\tlabel\none\t\n\tx\ntwo\ty\n"),
        ("a.jsonl", '{"text": "one"}\n{"text": ""}\n{"text": "two", "label": null}\n'),
        ("a.txt", "one\n\ntwo\n"),
        ("a.txt.gz", gzip.compress(b"one\r\n\r\ntwo", mtime=0)),
    ],
)
def test_texts_need_no_label_and_may_be_blank(
    tmp_path: Path, name: str, content: str | bytes
) -> None:
    assert list(load_texts(write(tmp_path / name, content))) == ["one", "", "two"]


def test_texts_of_another_column_and_of_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "data" / "pos" / "a.txt", "x, y")
    assert list(load_texts(path.parents[1])) == ["x, y"]
    path = write(tmp_path / "a.csv", "text,body\na,b\n")
    assert list(load_texts(path, text_column="body")) == ["b"]


# Splits


def numbers(size: int, classes: int = 2, start: int = 0) -> Dataset:
    rows = range(start, start + size)
    return Dataset("numbers", tuple(map(str, rows)), tuple(f"c{i % classes}" for i in rows))


def shares(splits: Splits) -> list[dict[str, int]]:
    parts = (splits.train, splits.validation, splits.test)
    return [dict(sorted(part.label_counts.items())) for part in parts if part]


def test_split_is_stratified() -> None:
    data = Dataset("a", numbers(200).texts, ("a",) * 150 + ("b",) * 50)
    splits = make_splits(data, seed=0)
    assert shares(splits) == [{"a": 120, "b": 40}, {"a": 15, "b": 5}, {"a": 15, "b": 5}]
    assert splits.label_names == ("a", "b")
    assert splits.how == "stratified 80/10/10, seed 0, no official split given"


def test_rows_keep_the_order_and_cover_the_source_once() -> None:
    data = numbers(50)
    splits = make_splits(data, seed=3)
    assert list(splits.rows) == ["train", "test", "validation"]
    assert sorted(row for rows in splits.rows.values() for row in rows) == list(range(50))
    assert all((np.diff(rows) > 0).all() for rows in splits.rows.values())
    assert data.subset(splits.rows["validation"]) == splits.validation


def test_same_seed_same_split_another_seed_another() -> None:
    prints = [make_splits(numbers(50), seed=seed).fingerprint for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]


def test_split_is_the_same_in_another_process() -> None:
    code = (
        "from kerastextzoo.data import Dataset; from kerastextzoo.splits import make_splits; "
        "d = Dataset('numbers', tuple(map(str, range(50))), ('c0', 'c1') * 25); "
        "print(make_splits(d, seed=1).fingerprint)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    found = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True)
    assert found.stdout.decode().strip() == make_splits(numbers(50), seed=1).fingerprint


def test_repeats_land_on_one_side() -> None:
    texts = tuple(f"Text  {i}" for i in range(40)) + tuple(f"tEXT {i}\n" for i in range(40))
    splits = make_splits(Dataset("a", texts, ("x", "y") * 40), seed=0)
    for rows in splits.rows.values():
        assert {i % 40 for i in rows} == {i for i in rows if i < 40}


def test_official_parts_are_kept_and_nothing_is_cut() -> None:
    data, validation, test = numbers(20), numbers(4, start=20), numbers(6, start=24)
    splits = make_splits(data, validation, test, seed=0)
    assert (splits.train, splits.validation, splits.test) == (data, validation, test)
    assert splits.rows["test"].tolist() == list(range(6))
    assert splits.how == "official validation and test given, nothing cut"


def test_missing_part_is_cut_beside_an_official_one() -> None:
    splits = make_splits(numbers(20), test=numbers(6, start=20), seed=0)
    assert [len(part) for part in (splits.train, splits.validation)] == [18, 2]
    assert splits.how == "stratified 90/10, seed 0, official test given"


def test_test_share_of_zero_makes_no_test_part() -> None:
    splits = make_splits(numbers(20), seed=0, test_share=0)
    assert splits.test is None
    assert len(splits.train) == 18


@pytest.mark.parametrize("size", [6, 7, 30])
@pytest.mark.parametrize("classes", [2, 3])
def test_small_data_leaves_every_class_in_training(size: int, classes: int) -> None:
    if size // classes > 2:
        splits = make_splits(numbers(size, classes), seed=0)
        assert set(splits.train.labels) == set(splits.label_names)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (Dataset("a", ("x", "y"), ("p", "p")), "needs at least 2 classes, found only 'p'"),
        (Dataset("a", (), ()), "found none"),
        (numbers(9, 9), "got 9 classes in 9 rows; expected few; columns swapped?"),
        (Dataset("a", numbers(9).texts, ("p",) * 7 + ("q",) * 2), "class 'q' is too small to be"),
        (Dataset("a", ("x", "X", "x ", *numbers(9).texts), ("q",) * 3 + ("p",) * 9),
         "class 'q' is too small to be split; got 1 different texts; expected 3"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_split_is_refused(data: Dataset, said: str) -> None:
    with pytest.raises(InputError) as caught:
        make_splits(data, seed=0)
    assert said in str(caught.value)


@pytest.mark.parametrize(("validation", "test"), [(0, 0.1), (0.5, 0.5), (-1, 0), (0.1, -0.1)])
def test_impossible_shares_are_refused(validation: float, test: float) -> None:
    with pytest.raises(InputError, match="no such shares"):
        make_splits(numbers(20), seed=0, validation_share=validation, test_share=test)


def test_shares_too_large_for_the_data_are_refused() -> None:
    with pytest.raises(InputError, match="the validation part can't be cut"):
        make_splits(numbers(8), seed=0, validation_share=0.49, test_share=0.5)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_label_that_training_lacks_is_refused(part: str) -> None:
    other = Dataset("other.csv", ("x", "y", "z"), ("c0", "new", "new"))
    with pytest.raises(InputError) as caught:
        make_splits(numbers(20), seed=0, **{part: other})  # type: ignore[arg-type]
    said = "other.csv:2: labels that training lacks in 2 rows (2, 3); got 'new'"
    assert said in str(caught.value)


def test_label_ids_are_places_among_the_names() -> None:
    ids = label_ids(["b", "a", "b"], ("a", "b"))
    assert ids.dtype == np.int32
    assert ids.tolist() == [1, 0, 1]


def test_unknown_label_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'pos'"):
        label_ids(["poss"], ("neg", "pos"))


def test_case_and_any_white_space_are_folded() -> None:
    for code in [*range(0x3100), 0xFEFF, 0x1D7CE, 0x1F600]:
        for text in (f"A{chr(code)}b", f"{chr(code)}a  b{chr(code)}", f" a {chr(code)}"):
            assert fold(text) == " ".join(text.casefold().split())

"""Vector files: those that load, and those that must not."""

import os
import pickle
import struct
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from vector_files import TABLE, binary, keyed, packed, written

from kerastextzoo.embeddings import (
    EmbeddingWarning,
    check_width,
    first_words,
    load_vectors,
)
from kerastextzoo.errors import InputError

# --- Files that load


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("is_binary", [False, True], ids=["text", "binary"])
def test_reads_what_gensim_writes(tmp_path: Path, is_binary: bool, zipped: bool) -> None:
    path = tmp_path / ("vectors.gz" if zipped else "vectors")
    keyed(TABLE).save_word2vec_format(str(path), binary=is_binary)
    read = load_vectors(path)
    assert read.index_to_key == list(TABLE)
    numpy.testing.assert_array_equal(read.vectors, keyed(TABLE).vectors)
    assert read.vectors.dtype == numpy.float32
    kind = "word2vec binary" if is_binary else "word2vec text"
    assert read.lifecycle_events[-1]["format"] == kind
    assert first_words(path, 2) == list(TABLE)[:2]
    assert first_words(path, 99) == list(TABLE)
    assert read.most_similar("good", topn=1)[0][0] in TABLE


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(b"a 1 2\nb 3 4\n", ["a", "b"], id="glove"),
        pytest.param(b"a 1 2\nb 3 4", ["a", "b"], id="no last newline"),
        pytest.param(b"a 1 2\r\nb 3 4\r\n", ["a", "b"], id="crlf"),
        pytest.param(b"a\t1\t2\nb\t3\t4\n", ["a", "b"], id="tabs"),
        pytest.param(b". . . 1 2\nat x@y.z 3 4\n", [". . .", "at x@y.z"], id="E10 spaces"),
        pytest.param(b"1984 1 2\n7 3 4\n", ["1984", "7"], id="numbers as words"),
        pytest.param(b"\xef\xbb\xbfa 1 2\nb 3 4\n", ["a", "b"], id="E13 BOM, glove"),
        pytest.param(b"\xef\xbb\xbf2 2\na 1 2\nb 3 4\n", ["a", "b"], id="E13 BOM, header"),
        pytest.param(b"2 2\na 1 2 \nb 3 4 \n", ["a", "b"], id="spaces at the ends"),
        pytest.param("2 2\na\x85 1 2\nb\u2028 3 4".encode(), ["a\x85", "b\u2028"], id="U+0085"),
        pytest.param(binary({b"a": [1, 2], b"b": [3, 4]}), ["a", "b"], id="binary"),
        pytest.param(binary({b"a": [1, 2], b"b": [3, 4]}, end=b"\n"), ["a", "b"], id="newlines"),
        pytest.param(packed(b"a 1 2\nb 3 4\n"), ["a", "b"], id="E14 glove gz, no header"),
    ],
)
def test_variants(tmp_path: Path, data: bytes, words: list[str]) -> None:
    vectors = load_vectors(written(tmp_path, data))
    assert vectors.index_to_key == words
    assert vectors.vectors.tolist() == [[1, 2], [3, 4]]


def test_encoding_of_the_words(tmp_path: Path) -> None:
    path = written(tmp_path, "2 2\n中 1 2\n文 3 4\n".encode("gb18030"))
    assert load_vectors(path, encoding="gb18030").index_to_key == ["中", "文"]


@pytest.mark.parametrize("is_binary", [False, True], ids=["text", "binary"])
def test_words_keeps_the_spellings_that_are_looked_up(tmp_path: Path, is_binary: bool) -> None:
    path = tmp_path / "vectors"
    names = ["paris", "Paris", "PARIS", "pAris", "other", "usa"]
    keyed({name: [float(i), 1] for i, name in enumerate(names)}).save_word2vec_format(
        str(path), binary=is_binary
    )
    read = load_vectors(path, words=["paris", "USA"])
    assert read.index_to_key == ["paris", "Paris", "PARIS", "usa"]
    assert read["usa"].tolist() == [5, 1]
    assert load_vectors(path, words=[]).vectors.shape == (0, 2)


def test_large_rows_cross_the_blocks(tmp_path: Path) -> None:
    table = numpy.random.default_rng(0).normal(size=(400, 2000)).astype(numpy.float32)
    vectors = KeyedVectors(2000)
    vectors.add_vectors([f"w{i}" for i in range(400)], table)
    vectors.save_word2vec_format(str(tmp_path / "v"), binary=True)
    numpy.testing.assert_array_equal(load_vectors(tmp_path / "v").vectors, table)


def test_duplicate_words(tmp_path: Path) -> None:
    path = written(tmp_path, b"a 1 2\nb 3 4\na 5 6\nb 7 8\n")
    with pytest.warns(EmbeddingWarning, match=r"2 duplicate words.*'a' in rows 1 and 3"):
        vectors = load_vectors(path)
    assert vectors["a"].tolist() == [1, 2]
    assert len(vectors) == 2


def test_control_characters_in_a_text_file_are_kept_and_told(tmp_path: Path) -> None:
    path = written(tmp_path, b"2 2\na 1 2\n\x7f 3 4\n")
    with pytest.warns(EmbeddingWarning, match=r"control characters.*'\\x7f' in row 2"):
        assert load_vectors(path).index_to_key == ["a", "\x7f"]


def test_words_that_cannot_be_decoded_are_replaced_and_counted(tmp_path: Path) -> None:
    path = written(tmp_path, b"a 1 2\n\xe6\x97 3 4\nb\xff 5 6\n")
    with pytest.warns(EmbeddingWarning, match=r"2 words .*replaced; the first: '\ufffd' in row 2"):
        vectors = load_vectors(path, words=["a"], errors="replace")
    assert vectors.lifecycle_events[-1]["replaced"] == 2
    with pytest.warns(EmbeddingWarning):
        assert load_vectors(path, errors="replace").index_to_key == ["a", "\ufffd", "b\ufffd"]
    with pytest.raises(InputError, match="`errors` must be strict or replace; got 'ignore'"):
        load_vectors(path, errors="ignore")


@pytest.mark.parametrize("data", [b"a 1 2\nb 3 4\n", b"2 2\na 1 2\nb 3 4\n", packed(b"a 1 2\n")])
def test_the_width_is_checked_without_reading_the_rows(tmp_path: Path, data: bytes) -> None:
    path = written(tmp_path, data)
    check_width(path, 2)
    with pytest.raises(InputError, match="vector has 2 numbers; embedding_features is 3; leave"):
        check_width(path, 3)


WORD = st.text(st.characters(exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), words=st.lists(WORD, min_size=1, max_size=6, unique=True))
@pytest.mark.parametrize("is_binary", [False, True], ids=["text", "binary"])
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, is_binary: bool, data: st.DataObject, words: list[str]
) -> None:
    width = data.draw(st.integers(2, 5))
    finite = st.floats(width=32, allow_nan=False, allow_infinity=False)
    table = data.draw(hnp.arrays(numpy.float32, (len(words), width), elements=finite))
    vectors = KeyedVectors(width)
    vectors.add_vectors(words, table)
    path = tmp_path_factory.mktemp("trip") / "vectors"
    vectors.save_word2vec_format(str(path), binary=is_binary)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = load_vectors(path)
    assert read.index_to_key == words
    numpy.testing.assert_array_equal(read.vectors, table)


# --- Files that must not load

ZIPPED = packed(b"a 1 2\n" * 2000)
ROWS = {b"a": [1.0, 2.0, 3.0], b"b": [4.0, 5.0, 6.0], b"c": [7.0, 8.0, 9.0]}
BAD_FILES = {
    "E4 pickle": (pickle.dumps([1]), "a Python pickle.*save_word2vec_format"),
    "E4 pickle gz": (packed(pickle.dumps([1])), "a Python pickle"),
    "E4 pickle protocol 0": (pickle.dumps(InputError, protocol=0), "a Python pickle"),
    "E4 pickle protocol 1": (pickle.dumps({1: "a"}, protocol=1), "a Python pickle"),
    "E4 zip": (b"PK\x03\x04" + bytes(60), "a zip archive.*unpack it"),
    "E4 npy": (b"\x93NUMPY\x01\x00" + bytes(60), "numpy array without words.*one line per word"),
    "E4 hdf5": (b"\x89HDF\r\n\x1a\n" + bytes(60), "an HDF5 file"),
    "E4 fastText": (struct.pack("<i", 793712314) + bytes(60), "a fastText model.*vec"),
    "E5 bomb": (b"300000000 1\n" + b"a 1\n" * 20, "promises 300000000 rows of 1 values.*found 80"),
    "E5 bomb gz": (packed(b"300000000 1\n" + b"a 1\n" * 20), "promises 300000000 rows.*found 20"),
    "E5 wide": (b"1 2000000000\na 1\n", "promises 1 rows of 2000000000 values.*expected"),
    "E5 zero rows": (b"0 3\na 1 2 3\n", "promises 0 rows"),
    "E6 text": (b"1 2\na 1 2\nb 3 4\n", "promises 1 rows of 2 values; found 2 rows"),
    "E6 binary": (binary(ROWS, "2 3"), "promises 2 rows of 3 values; found 3 rows"),
    "E7 text": (b"3 2\na 0.10 0.20\nb 0.3 0.4\n", "promises 3 rows of 2 values; found 2 rows"),
    "E7 binary": (binary(ROWS)[:-5], "promises 3 rows of 3 values.*room for at most 2 rows"),
    "E7 binary gz": (packed(binary(ROWS)[:-5]), "promises 3 rows.*found 2 rows and 9 bytes"),
    "E8 text, wide": (b"1 3\na 1.00 2.00\n", "row 1: 2 values; expected 3"),
    "E8 text, narrow": (b"1 1\na 1 2\n", "row 1: 2 values; expected 1"),
    "E8 binary, wide": (binary(ROWS, "3 4"), "promises 3 rows of 4 values, at least 53 bytes"),
    "E8 binary, narrow": (binary(ROWS, "3 2"), "row 2: control characters.*is the width 2 right"),
    "E10 binary": (
        binary({b"x": [1, 2, 3], b"New York": [4, 5, 6], b"z": [7, 8, 9]}),
        "row 3: control characters.*no word before with a space",
    ),
    "E10 binary, last": (binary({b"a": [1, 2], b"New York": [3, 4]}), "found 2 rows and 5 bytes"),
    "E11 glove": (b"a 1 2\nb 3\nc 4 5\n", "row 2: 1 values; expected 2"),
    "E11 glove, more": (b"a 1 2\nb 3 4 5\n", "row 2: 3 values; expected 2"),
    "E11 several": (b"a 1 2\n" + b"b 3\n" * 7, "7 bad rows: row 2: .*; row 6: 1 values; exp.*; m"),
    "E12 text": (b"a 1 2\nb nan 4\n", "row 2: NaN or infinite values for the word 'b'"),
    "E12 text, too large": (b"a 1 2\nb 1e50 4\n", "row 2: NaN or infinite"),
    "E12 binary": (binary({b"a": [1, 2], b"b": [float("inf"), 1]}), "row 2: NaN.*'b'"),
    "E13 gb18030": ("2 2\n中 1 2\n文 3 4\n".encode("gb18030"), "row 1: word.*is not utf-8; pass"),
    "E13 cut word": (b"a 1 2\n\xe6\x97 3 4\n", r"row 2: word.*xe6.*is not utf-8"),
    "E13 utf-16": ("a 1 2\n".encode("utf-16"), "UTF-16 text.*save it as UTF-8"),
    "E14 empty": (b"", "the file is empty"),
    "E14 empty, BOM": (b"\xef\xbb\xbf", "the file is empty"),
    "E14 empty, gz": (packed(b""), "the file is empty"),
    "no vectors": (b"hello world\n", "row 1: neither a header 'rows width' nor a word"),
    "word list": (b"the 12345\nof 1234\n", "nor a word with at least 2 numbers"),
    "huge header": (b"9" * 5000 + b" 300\n", "neither a header"),
    "blank row": (b"a 1 2\n\nb 3 4\n", "row 2: 0 values; expected 2"),
    "empty word": (binary({b"a": [1, 2], b"": [3, 4], b"c": [5, 6]}), "row 2: the word is empty"),
    "not a number": (b"a 1 2\nb x 4\n", "row 2: not a number.*x"),
    "endless line": (b"a 1 2\nb 3 4" + b" " * 2**20 + b"\nc 5 6\n", "row 2: a line of 1048576"),
    "endless word": (b"1 2\n" + b"\x01" + b"a" * 2**13, "promises 1 rows of 2 values; found 0"),
    "gzip truncated": (ZIPPED[:-12], "the gzip file is truncated"),
    "gzip checksum": (ZIPPED[:-8] + bytes(8), "the gzip file has a wrong checksum"),
    "gzip garbage": (ZIPPED + b"x" * 20, "the gzip file is damaged"),
    "gzip damaged": (b"\x1f\x8b\x08\0\0\0\0\0\0\0" + b"\xff" * 50, "the gzip file is damaged"),
    "bzip2": (b"BZh91AY&SY" + bytes(50), "packed with bzip2.*gzip"),
}


@pytest.mark.parametrize(("data", "message"), BAD_FILES.values(), ids=BAD_FILES)
def test_bad_files(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_vectors(written(tmp_path, data))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("'/")


def test_no_byte_of_a_pickle_runs(tmp_path: Path) -> None:
    for number, data in enumerate([Bomb.dumped(tmp_path, p) for p in range(6)]):
        for content in (data, packed(data)):
            with pytest.raises(InputError):
                load_vectors(written(tmp_path, content, f"v{number}.bin"))
    assert not (tmp_path / "ran").exists()
    pickle.loads(Bomb.dumped(tmp_path, 4))
    assert (tmp_path / "ran").exists()


class Bomb:
    """Unpickling one creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.target),)

    @classmethod
    def dumped(cls, folder: Path, protocol: int) -> bytes:
        return pickle.dumps(cls(folder / "ran"), protocol)


@pytest.mark.parametrize(
    "header", ["300000000 1", "2000000000 300", "1 60000", "99999999999999999 3"]
)
@pytest.mark.parametrize("pack", [bytes, packed], ids=["plain", "gz"])
def test_memory_does_not_follow_the_header(
    tmp_path: Path, header: str, pack: Callable[[bytes], bytes]
) -> None:
    path = written(tmp_path, pack(f"{header}\n".encode() + bytes(range(1, 90))))
    start = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"header promises|is the width"):
            load_vectors(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 50e6
    assert time.perf_counter() - start < 1


def test_only_regular_local_files(tmp_path: Path) -> None:
    for remote in ("http://x.org/v.bin", "s3://bucket/v", "file:///etc/passwd"):
        with pytest.raises(InputError, match="only local files"):
            load_vectors(remote)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a regular file; got a pipe"):
        load_vectors(tmp_path / "pipe")
    with pytest.raises(InputError, match="got a folder"):
        load_vectors(tmp_path)
    written(tmp_path, b"a 1 2\n", "glove.6B.txt")
    with pytest.raises(InputError, match=r"no such file; did you mean 'glove\.6B\.txt'"):
        load_vectors(tmp_path / "glove6B.txt")
    with pytest.raises(InputError, match="check the path"):
        load_vectors(tmp_path / "qqqqqqq")
    with pytest.raises(InputError, match="nor is there a folder"):
        load_vectors(tmp_path / "no" / "v.bin")
    with pytest.raises(InputError, match="cannot be read"):
        load_vectors(str(tmp_path / "a\0b"))
    (tmp_path / "link").symlink_to(tmp_path / "glove.6B.txt")
    assert len(load_vectors(tmp_path / "link")) == 1


@pytest.mark.parametrize("encoding", ["utf-16", "nonsense", "hex"])
def test_bad_encoding(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(InputError, match="`encoding` must be a text encoding"):
        load_vectors(written(tmp_path, b"a 1 2\n"), encoding=encoding)


def test_words_must_not_be_one_string(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="`words` must be a collection"):
        load_vectors(written(tmp_path, b"a 1 2\n"), words="abc")


def test_file_is_named_however_long_its_path_is(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    with pytest.raises(InputError, match="broken"):
        load_vectors(written(folder, b"1 2\nx 1\n", "broken"))

"""Tests of kerastextzoo.embeddings: real files, bad files, word2vec, the matrix."""

import gzip
import os
import pickle
import struct
import subprocess
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kerastextzoo import embeddings
from kerastextzoo.embeddings import (
    Coverage,
    EmbeddingWarning,
    embedding_matrix,
    inspect_vectors,
    load_vectors,
    read_questions,
    save_vectors,
    train_fasttext,
    train_word2vec,
)
from kerastextzoo.embeddings.matrix import spellings
from kerastextzoo.errors import InputError

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


# --- word2vec

IN_A_PROCESS = """
import hashlib
from kerastextzoo.embeddings import train_word2vec
words = [f"w{i * i % 97}" for i in range(4000)]
vectors = train_word2vec([words[i:i + 20] for i in range(0, 4000, 20)], dim=16, epochs=2)
content = " ".join(vectors.index_to_key).encode() + vectors.vectors.tobytes()
print(hashlib.sha256(content).hexdigest())
"""


def test_word2vec_is_the_same_in_every_process() -> None:
    root = Path(__file__).parent.parent
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", IN_A_PROCESS],
            cwd=root,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for hash_seed in ("1", "2")
    ]
    first, second = (process.communicate()[0] for process in processes)
    assert len(first.strip()) == 64
    assert first == second


def test_word2vec_seeds_and_algorithms_differ() -> None:
    runs = [
        train_word2vec(SENTENCES, dim=8, seed=seed, skip_gram=sg).vectors
        for seed, sg in [(0, True), (0, True), (1, True), (-1, True), (0, False)]
    ]
    numpy.testing.assert_array_equal(runs[0], runs[1])
    for other in runs[2:]:
        assert not numpy.allclose(runs[0], other)


def test_word2vec_reads_any_iterable_and_reports_progress() -> None:
    reports: list[tuple[int, int]] = []
    from_list = train_word2vec(
        SENTENCES, dim=4, epochs=3, progress=lambda done, of: reports.append((done, of))
    )
    from_iterator = train_word2vec((tuple(s) for s in SENTENCES), dim=4, epochs=3)
    numpy.testing.assert_array_equal(from_list.vectors, from_iterator.vectors)
    assert reports == [(1, 3), (2, 3), (3, 3)]
    assert set(from_list.index_to_key) == {word for s in SENTENCES for word in s}
    assert set(train_word2vec(SENTENCES, dim=4, min_count=18).index_to_key) == {"the", "was"}


def test_word2vec_loses_no_word_of_a_long_sentence() -> None:
    words = [f"w{i}" for i in range(25_000)]
    assert len(train_word2vec([words], dim=2, epochs=1)) == 25_000


@pytest.mark.parametrize("name", ["dim", "window", "min_count", "epochs", "workers"])
@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_word2vec_settings_out_of_range(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=f"`{name}` must be a whole number of at least 1; got"):
        train_word2vec(SENTENCES, **{name: value})


@pytest.mark.parametrize(
    ("sentences", "message"),
    [
        ([], "at least one sentence with words"),
        ([[], []], "at least one sentence with words"),
        (["a sentence"], "sentence 1: a sentence must be a list of words; got 'a sentence'"),
        ([["a"], None], "sentence 2: a sentence must be a list"),
        ([["a", None]], "every word must be a string; got 'None'"),
        ([["a", ["b"]]], "every word must be a string"),
    ],
)
def test_word2vec_bad_sentences(sentences: list[list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        train_word2vec(sentences)


def test_word2vec_min_count_that_leaves_nothing() -> None:
    with pytest.raises(InputError, match="most frequent, 'the', occurs 18 times"):
        train_word2vec(SENTENCES, min_count=19)
    with pytest.raises(InputError, match="`seed` must be a whole number"):
        train_word2vec(SENTENCES, seed=0.5)  # type: ignore[arg-type]


# --- The matrix

VOCABULARY = ["", "[UNK]", "the", "PARIS", "usa", "cat", "unseen", "rare"]
COUNTS = [0, 7, 50, 5, 4, 3, 20, 1]
VECTORS: dict[str, list[float]] = {
    "the": [1, 2],
    "paris": [3, 4],
    "USA": [5, 6],
    "Cat": [7, 8],
    "CAT": [9, 9],
}


def test_matrix_rows_and_order_of_the_look_up() -> None:
    matrix, _ = embedding_matrix(VOCABULARY, keyed(VECTORS))
    assert matrix.dtype == numpy.float32
    assert matrix[:1].tolist() == [[0, 0]]
    assert matrix[2:6].tolist() == [[1, 2], [3, 4], [5, 6], [7, 8]]
    assert (matrix[[1, 6, 7]] != 0).all()
    assert spellings("iPhone") == ("iPhone", "iphone", "Iphone", "IPHONE")


def test_coverage_equals_brute_force() -> None:
    random = numpy.random.default_rng(3)
    letters = ["a", "B", "c", "De", "fg", "H", "iJ", "k"]
    pool = sorted({"".join(random.choice(letters, 2)) for _ in range(60)})
    vectors = keyed({word: [1.0, 2.0] for word in pool[::2]} | {"Ab": [1.0, 2.0]})
    vocabulary = ["", "[UNK]", *pool]
    counts = [0, 9, *random.integers(1, 100, len(pool)).tolist()]
    _, coverage = embedding_matrix(vocabulary, vectors, counts=counts)
    has = {
        word: any(f(word) in vectors for f in (str, str.lower, str.capitalize, str.upper))
        for word in pool
    }
    count = dict(zip(vocabulary, counts, strict=True))
    assert coverage.types_found == sum(has.values())
    assert coverage.types_total == len(pool)
    assert coverage.tokens_found == sum(count[word] for word in pool if has[word])
    assert coverage.tokens_total == sum(count[word] for word in pool)
    missing = sorted((w for w in pool if not has[w]), key=lambda w: (-count[w], pool.index(w)))
    assert coverage.missing == tuple(missing[:20])


def test_coverage_told() -> None:
    _, coverage = embedding_matrix(VOCABULARY, keyed(VECTORS), counts=COUNTS)
    assert str(coverage) == (
        "vectors for 4 of 6 words (66.7 %; 74.7 % of the tokens); without one: 'unseen', 'rare'"
    )
    assert coverage.as_dict() == {
        "types_found": 4,
        "types_total": 6,
        "tokens_found": 62,
        "tokens_total": 83,
        "missing": ["unseen", "rare"],
        "types": 4 / 6,
        "tokens": 62 / 83,
    }
    _, uncounted = embedding_matrix(VOCABULARY, keyed(VECTORS))
    assert uncounted.tokens is None
    assert "tokens" not in str(uncounted)
    assert Coverage(types_found=0, types_total=0).types == 0


def test_random_rows_are_seeded_and_spread_like_the_found_ones() -> None:
    random = numpy.random.default_rng(0)
    found = {f"w{i}": random.normal(0, 3, 50).tolist() for i in range(50)}
    vocabulary = ["", "[UNK]", *found, *(f"new{i}" for i in range(100))]
    runs = [embedding_matrix(vocabulary, keyed(found), seed=seed)[0] for seed in (0, 0, 1)]
    numpy.testing.assert_array_equal(runs[0], runs[1])
    numpy.testing.assert_array_equal(runs[0][2:52], runs[2][2:52])
    assert not numpy.allclose(runs[0], runs[2])
    assert runs[0][52:].std() == pytest.approx(3, rel=0.05)


def test_random_rows_without_a_found_vector_are_small() -> None:
    matrix, coverage = embedding_matrix(["", "[UNK]", "x", "y"], keyed({"z": [1.0, 2.0]}))
    assert coverage.types == 0
    assert (matrix[0] == 0).all()
    assert (abs(matrix[1:]) > 0).all()
    assert (abs(matrix) <= 0.05).all()


def test_minimum_coverage() -> None:
    vectors = keyed(VECTORS)
    embedding_matrix(VOCABULARY, vectors, counts=COUNTS, minimum_coverage=0.7)
    with pytest.raises(InputError, match=r"70\.0 % of the types.*66\.7 %.*case or language mism"):
        embedding_matrix(VOCABULARY, vectors, minimum_coverage=0.7)
    with pytest.raises(InputError, match=r"80\.0 % of the tokens.*74\.7 % of the tokens.*Chinese"):
        embedding_matrix(VOCABULARY, vectors, counts=COUNTS, minimum_coverage=0.8)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vocabulary": ["the", "cat"]}, "must begin with '' for padding.*got .*the"),
        ({"vocabulary": [""]}, "must begin with ''"),
        ({"counts": [1, 2]}, "got 2 counts for 8 words"),
        ({"minimum_coverage": 60}, "a share from 0 to 1; got '60'"),
        ({"seed": "x"}, "`seed` must be a whole number"),
    ],
)
def test_matrix_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        embedding_matrix(**({"vocabulary": VOCABULARY, "vectors": keyed(VECTORS)} | settings))


def test_names() -> None:
    assert embeddings.__all__ == sorted(embeddings.__all__)
    assert "keras" not in Path(embeddings.__file__).read_text().replace("kerastextzoo", "")


# --- saving, fastText, questions, inspecting


WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=" "), min_size=1, max_size=8
)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(
    table=st.dictionaries(WORDS, st.lists(FLOATS, min_size=3, max_size=3), min_size=1, max_size=8),
    name=st.sampled_from(["v.txt", "v.bin", "v.txt.gz", "V.BIN.GZ"]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_saved_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, table: dict[str, list[float]], name: str
) -> None:
    folder = tmp_path_factory.mktemp("saved")
    vectors = keyed(table)
    path = save_vectors(vectors, folder / name)
    read = load_vectors(path)
    assert read.index_to_key == list(table)
    assert read.vectors.tobytes() == vectors.vectors.tobytes()
    again = save_vectors(read, folder / f"again{name}")
    assert again.read_bytes() == path.read_bytes()
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["v.txt", "v.bin"])
def test_gensim_reads_what_we_write(tmp_path: Path, name: str) -> None:
    path = save_vectors(keyed(TABLE), tmp_path / name)
    read = KeyedVectors.load_word2vec_format(str(path), binary=name.endswith("bin"))
    assert read.index_to_key == list(TABLE)
    numpy.testing.assert_array_equal(read.vectors, keyed(TABLE).vectors)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a b": [1.0, 2.0]}, "no space"),
        ({"a\n": [1.0, 2.0]}, "no control character"),
        ({"": [1.0, 2.0]}, "1 to 4096 bytes"),
        ({"\ud800": [1.0, 2.0]}, "1 to 4096 bytes"),
        ({"x" * 5000: [1.0, 2.0]}, "1 to 4096 bytes"),
        ({"a": [1.0, float("nan")]}, "NaN or infinite.*'a'"),
    ],
)
def test_what_no_file_can_hold_is_not_saved(
    tmp_path: Path, table: dict[str, list[float]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        save_vectors(keyed(table), tmp_path / "v.txt")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no word to write"):
        save_vectors(KeyedVectors(2), tmp_path / "v.txt")


def test_saving_leaves_what_was_there_if_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save_vectors(keyed(TABLE), tmp_path / "v.bin")
    before = path.read_bytes()
    with pytest.raises(InputError, match="exists already"):
        save_vectors(keyed({"a": [1.0]}), path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        save_vectors(keyed({"a": [1.0]}), path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_fasttext_is_reproducible_and_shares_pieces() -> None:
    words = [[f"{stem}{end}" for end in ("ing", "ed", "s")] for stem in ("walk", "jump", "play")]
    runs = [train_fasttext(words * 9, dim=8, buckets=500, seed=seed) for seed in (0, 0, 1)]
    numpy.testing.assert_array_equal(runs[0].vectors, runs[1].vectors)
    assert (runs[0].vectors != runs[2].vectors).any()
    assert runs[0].vectors.shape == (9, 8)
    plain = train_word2vec(words * 9, dim=8)
    assert (plain.vectors != runs[0].vectors).any()
    same, other = runs[0].similarity("walking", "walked"), runs[0].similarity("walking", "plays")
    assert same > other
    with pytest.raises(InputError, match="`longest_piece` must be at least"):
        train_fasttext(words, shortest_piece=4, longest_piece=3)
    with pytest.raises(InputError, match="`buckets` must be"):
        train_fasttext(words, buckets=0)


def test_questions_are_scored_as_gensim_does(tmp_path: Path) -> None:
    random = numpy.random.default_rng(5)
    pool = [f"w{i}" for i in range(12)]
    vectors = keyed({word: random.normal(size=3).tolist() for word in pool})
    asked = [[str(random.choice([*pool, "none"])) for _ in range(4)] for _ in range(400)]
    lines = [" ".join(row) for row in asked if len(set(row)) == 4]
    path = tmp_path / "q.txt"
    path.write_text("\n".join([": one", *lines[:100], "", ": two", *lines[100:]]))
    found = inspect_vectors(vectors, questions=read_questions(path))
    accuracy, sections = vectors.evaluate_word_analogies(str(path))
    assert found.accuracy == pytest.approx(accuracy)
    assert found.analogies is not None
    for section, wanted in zip(found.analogies, sections, strict=False):
        assert section.right == len(wanted["correct"])
        assert section.asked == len(wanted["correct"]) + len(wanted["incorrect"])
    assert sum(section.total for section in found.analogies) == len(lines)


def test_inspection_of_vectors() -> None:
    vectors = keyed({"of": [1.0, 0.0], "film": [1.0, 0.1], "Good": [0.0, 1.0]})
    found = inspect_vectors(vectors, counts={"good": 3, "of": 9, "unseen": 5})
    assert list(found.neighbours) == ["good", "of"]
    word, cosine = found.neighbours["of"][0]
    assert word == "film"
    assert cosine == pytest.approx(1 / 1.01**0.5, rel=1e-5)
    assert found.coverage is not None
    assert found.coverage.missing == ("unseen",)
    assert list(inspect_vectors(vectors).neighbours) == ["film", "Good", "of"]
    with pytest.raises(InputError, match="no vector for the word 'fim'; did you mean 'film'"):
        inspect_vectors(vectors, words=["fim"])
    with pytest.raises(InputError, match="no vector for the word 'zzz'; name another word"):
        inspect_vectors(vectors, words=["zzz"])

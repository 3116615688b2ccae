"""word2vec, fastText, the matrix, saving, questions, inspecting."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from gensim.models import KeyedVectors
from hypothesis import given, settings
from hypothesis import strategies as st
from vector_files import SENTENCES, TABLE, keyed

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


def test_coverage_is_of_the_words_that_occur() -> None:
    vectors = keyed({"seen": [1.0, 2.0], "unseen": [3.0, 4.0]})
    vocabulary = ["", "[UNK]", "seen", "odd", "unseen"]
    matrix, coverage = embedding_matrix(vocabulary, vectors, counts=[0, 5, 3, 1, 0])
    assert (
        str(coverage)
        == "vectors for 1 of 2 words (50.0 %; 75.0 % of the tokens); without one: 'odd'"
    )
    assert matrix[4].tolist() == [3.0, 4.0]


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
    vectors = keyed({"z": [1.0, 2.0]})
    with pytest.warns(EmbeddingWarning, match=r"less than 30\.0 % of the types"):
        matrix, coverage = embedding_matrix(["", "[UNK]", "x", "y"], vectors, minimum_coverage=0)
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


def test_vectors_that_cover_almost_nothing_are_refused_and_those_that_cover_little_told(
    tmp_path: Path,
) -> None:
    vocabulary = ["", "[UNK]", *(f"w{n}" for n in range(100))]
    counts = [0, 0, *[1] * 100]

    def cover(words: int) -> Coverage:
        path = tmp_path / f"{words}.txt"
        path.write_text("".join(f"w{n} 1 2\n" for n in range(words)) + "other 3 4\n")
        return embedding_matrix(vocabulary, load_vectors(path), counts=counts)[1]

    with pytest.raises(
        InputError, match=r"/4\.txt': at least 5\.0 % .*4 of 100 .*4\.0 % of the to"
    ):
        cover(4)
    with pytest.warns(EmbeddingWarning, match=r"/5\.txt': less than 30\.0 %.*case or language"):
        cover(5)
    with pytest.warns(EmbeddingWarning, match=r"29 of 100 words"):
        cover(29)
    assert cover(30).tokens == 0.3


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

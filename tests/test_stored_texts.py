"""Texts larger than memory: kept on disk, read row by row, the same as those in memory."""

import gzip
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from kerastextzoo import decoding
from kerastextzoo.data import Dataset, load_dataset, load_texts
from kerastextzoo.preparation import Preparation
from kerastextzoo.splits import make_splits
from kerastextzoo.stored_texts import StoredTexts, TextWriter
from kerastextzoo.text import TextConfig

ROOT = Path(__file__).resolve().parents[1]
TEXTS = ("", "good", "中文 🙂", "a\nb\u2028", "x" * 70_000, "end")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERASTEXTZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def spill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep nothing in memory."""
    monkeypatch.setattr(TextWriter.__init__, "__defaults__", (0,))


def stored() -> StoredTexts:
    writer = TextWriter(in_memory=8)
    for text in TEXTS:
        writer.append(text)
    texts = writer.finish()
    assert isinstance(texts, StoredTexts)
    return texts


def test_stored_texts_are_a_sequence_of_strings() -> None:
    texts = stored()
    assert tuple(texts) == TEXTS
    assert [texts[row] for row in range(-2, 3)] == [TEXTS[row] for row in range(-2, 3)]
    assert tuple(texts[1::2]) == TEXTS[1::2]
    assert tuple(texts.take([4, 0, 0])) == (TEXTS[4], TEXTS[0], TEXTS[0])
    assert "good" in texts
    with pytest.raises(IndexError):
        texts[len(TEXTS)]


def test_threads_may_read_at_once() -> None:
    texts = stored()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda i: texts[i % len(TEXTS)], range(4000))) == [
            TEXTS[i % len(TEXTS)] for i in range(4000)
        ]


def test_few_texts_stay_in_memory() -> None:
    writer = TextWriter()
    writer.append("good")
    assert writer.finish() == ("good",)


@pytest.mark.usefixtures("spill")
def test_file_has_no_name(cache: Path) -> None:
    texts = stored()
    assert list(cache.iterdir()) == []
    assert texts[1] == "good"


@pytest.mark.usefixtures("spill")
def test_folder_that_cannot_be_written_is_no_obstacle(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("a file where the folder should be")
    assert tuple(stored()) == TEXTS


def test_nothing_is_left_when_the_process_is_killed(cache: Path) -> None:
    code = (
        "import sys, time\nfrom kerastextzoo.stored_texts import TextWriter\n"
        "writer = TextWriter(in_memory=0)\nfor i in range(10**6): writer.append('text')\n"
        "print('there', flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, env=os.environ.copy()
    )
    assert process.stdout
    assert process.stdout.readline() == b"there\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert list(cache.iterdir()) == []


def rows(number: int) -> list[tuple[str, str]]:
    return [(f"Text number {i % 37} of {i // 2}", "ab"[i % 2]) for i in range(number)]


def in_memory(number: int) -> Dataset:
    texts, labels = zip(*rows(number), strict=True)
    return Dataset("memory", texts, labels)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["text,label", *map(",".join, rows(200))]), "utf-8")
    return path


@pytest.mark.filterwarnings("ignore::kerastextzoo.data.DataWarning")
def test_data_on_disk_is_split_and_encoded_as_data_in_memory(
    file: Path, spill: None, cache: Path
) -> None:
    data, same = load_dataset(file), in_memory(200)
    assert isinstance(data.texts, StoredTexts)
    assert data.fingerprint == same.fingerprint
    np.testing.assert_array_equal(data.keys, same.keys)
    splits, others = make_splits(data, seed=0), make_splits(same, seed=0)
    assert isinstance(splits.train.texts, StoredTexts)
    assert splits.fingerprint == others.fingerprint
    config = TextConfig(min_count=1)
    one, other = Preparation(splits, config, cache=True), Preparation(others, config)
    assert one.encoder.vocabulary == other.encoder.vocabulary
    for part, texts in other.texts.items():
        assert isinstance(one.texts[part].tokens, np.memmap)
        np.testing.assert_array_equal(one.texts[part].tokens, texts.tokens)
        np.testing.assert_array_equal(one.texts[part].starts, texts.starts)
        np.testing.assert_array_equal(one.texts[part].uncut_lengths, texts.uncut_lengths)


AWKWARD = 'text,label\r\n"a, ""b""\nc🙂",中\r\n中文 text,b\rlast,中'


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.filterwarnings("ignore::kerastextzoo.data.DataWarning")
def test_where_pieces_end_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, encoding: str, packed: bool
) -> None:
    monkeypatch.setattr(decoding, "_PIECE", size)
    content = AWKWARD.encode(encoding)
    path = tmp_path / f"a.csv{'.gz' * packed}"
    path.write_bytes(gzip.compress(content) if packed else content)
    data = load_dataset(path, encoding=None if encoding.startswith("utf-8") else encoding)
    assert tuple(data.texts) == ('a, "b"\nc🙂', "中文 text", "last")
    assert data.labels == ("中", "b", "中")


@pytest.mark.parametrize("size", [1, 4, 2**20])
def test_row_and_byte_of_damage_do_not_depend_on_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(decoding, "_PIECE", size)
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\r\n好,1\r\n\xff".encode("latin-1", "ignore") + b"\xe5\xa5x,1")
    with pytest.raises(ValueError, match=r"a.csv:3: not decoded; got byte 0xff at offset 16"):
        load_dataset(path)


def test_line_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_LONGEST_LINE", 1000)
    monkeypatch.setattr(decoding, "_PIECE", 100)
    path = tmp_path / "a.txt"
    path.write_text("x\n" + "y" * 5_000_000)
    with pytest.raises(ValueError, match=r"a.txt:2: line too long"):
        load_texts(path)


def test_large_file_tells_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_LARGE", 100)
    monkeypatch.setattr(decoding, "_PIECE", 64)
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["text,label", *map(",".join, rows(30))]))
    told: list[tuple[int, int]] = []
    load_dataset(path, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (path.stat().st_size, path.stat().st_size)
    assert len(told) > 2

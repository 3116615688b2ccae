"""Work kept on disk: done once, checked before use, made anew when damaged."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerastextzoo import cache, preparation
from kerastextzoo.batching import EncodedTexts
from kerastextzoo.cache import cached
from kerastextzoo.preparation import Preparation
from kerastextzoo.splits import Splits
from kerastextzoo.text import TextConfig, TextEncoder, TextWarning

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KERASTEXTZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def fill(stage: Path) -> None:
    (stage / "a").write_text("content", "utf-8")


def never(stage: Path) -> None:
    raise AssertionError("made again")


def test_an_entry_is_made_once(folder: Path) -> None:
    entry = cached("demo", {"seed": 1}, fill)
    assert entry is not None
    assert entry.parent == folder
    assert cached("demo", {"seed": 1}, never) == entry
    assert cached("demo", {"seed": 2}, fill) != entry


@pytest.mark.parametrize("damage", ["changed", "missing", "half-written"])
def test_a_damaged_entry_is_made_anew(folder: Path, damage: str) -> None:
    entry = cached("demo", {}, fill)
    assert entry is not None
    if damage == "changed":
        (entry / "a").write_text("c0ntent", "utf-8")
    elif damage == "missing":
        (entry / "a").unlink()
    else:
        (entry / "manifest.json").write_text('{"format": 1, "ki', "utf-8")
    assert cached("demo", {}, fill) == entry
    assert (entry / "a").read_text("utf-8") == "content"


def test_a_cache_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way", "utf-8")
    monkeypatch.setenv("KERASTEXTZOO_CACHE", str(tmp_path / "file" / "cache"))
    assert cached("demo", {}, fill) is None


def test_the_oldest_entries_make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [cached("demo", {"n": n}, fill) for n in range(3)]
    for age, entry in enumerate(entries):
        assert entry is not None
        os.utime(entry, (age, age))
    size = sum(file.stat().st_size for entry in entries[:1] if entry for file in entry.iterdir())
    monkeypatch.setattr(cache, "_MOST_BYTES", 2 * size)
    newest = cached("demo", {"n": 9}, fill)
    assert set(folder.iterdir()) == {entries[1], entries[2], newest}


def test_two_processes_at_once_do_not_collide(folder: Path) -> None:
    program = (
        "import sys, time\n"
        "from kerastextzoo.cache import cached\n"
        "def fill(stage):\n"
        "    time.sleep(0.5)\n"
        "    (stage / 'a').write_text('content')\n"
        "entry = cached('demo', {}, fill)\n"
        "print((entry / 'a').read_text())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    both = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    assert [child.communicate(timeout=60)[0] for child in both] == ["content\n"] * 2
    assert len(list(folder.iterdir())) == 1


def test_texts_come_back_memory_mapped(tmp_path: Path) -> None:
    parts = [
        EncodedTexts(np.array([5, 6, 7], np.int32), np.array([0, 2, 3])),
        EncodedTexts(np.array([8], np.int32), np.array([0, 1])),
    ]
    EncodedTexts.write(tmp_path, iter(parts))
    texts = EncodedTexts.read(tmp_path)
    assert isinstance(texts.tokens, np.memmap)
    assert texts.padded([0, 1, 2]).tolist() == [[5, 6], [7, 0], [8, 0]]


def test_a_second_preparation_skips_the_work_and_is_the_same(
    folder: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Preparation(splits, TextConfig(min_count=1))
    first = Preparation(splits, TextConfig(min_count=1), cache=True)

    def again(*_: object, **__: object) -> None:
        raise AssertionError("tokenised again")

    monkeypatch.setattr(preparation, "fit_and_encode", again)
    monkeypatch.setattr(TextEncoder, "encode_parts", again)
    second = Preparation(splits, TextConfig(min_count=1), cache=True)
    for made in (first, second):
        assert made.encoder.vocabulary == plain.encoder.vocabulary
        for part, texts in plain.texts.items():
            np.testing.assert_array_equal(made.texts[part].tokens, texts.tokens)
            np.testing.assert_array_equal(made.texts[part].starts, texts.starts)
    # Other settings are other work.
    with pytest.raises(AssertionError, match="tokenised again"):
        Preparation(splits, TextConfig(min_count=2), cache=True)


def test_texts_that_are_cut_off_are_told_and_recorded(splits: Splits) -> None:
    with pytest.warns(TextWarning, match=r"longer than 4 tokens \(95 % have up to \d+"):
        cut = Preparation(splits, TextConfig(min_count=1, max_length=4))
    told = cut.describe()
    assert told["cut_off"]["texts"] == (cut.texts["train"].uncut_lengths > 4).sum() > 0
    assert any("longer than 4 tokens" in said for said in told["warnings"])
    assert Preparation(splits, TextConfig(min_count=1)).warnings == []

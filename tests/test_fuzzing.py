"""Seconds of what `fuzzing.py` does for as long as one likes."""

from pathlib import Path

import fuzzing
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "_folder", tmp_path)


@pytest.mark.parametrize("seed", fuzzing.SEEDS, ids=range(len(fuzzing.SEEDS)))
def test_seeds_are_read_or_refused(seed: bytes) -> None:
    fuzzing.check(seed)


def test_most_seeds_are_read() -> None:
    assert sum(map(fuzzing.check, fuzzing.SEEDS)) > len(fuzzing.SEEDS) / 2


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """A seed with some bytes cut, doubled or overwritten."""
    data = bytearray(draw(st.sampled_from(fuzzing.SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(2, max(2, len(data))))
        size = draw(st.integers(0, 8))
        data[start : start + size] = draw(st.binary(max_size=8) | st.just(bytes(data[start:])))
    return bytes(data)


@given(data=spoiled())
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_spoiled_files_are_read_or_refused(data: bytes) -> None:
    fuzzing.check(data)

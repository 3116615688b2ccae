"""The live table of a search: what runs is seen, it fits, and it is gone before the results."""

import re
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from kerastextzoo.console import Screen

# Where rich goes back to the first line of what it drew before.
_REDRAWN = re.compile(r"\r\x1b\[2K(?:\x1b\[1A\x1b\[2K)*")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm", "COLUMNS": "90"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LINES", "12")


def row(number: int, status: str = "completed", **news: Any) -> SimpleNamespace:
    values = {"filters": 32 * number, "batch_size": 64, **news.pop("values", {})}
    known = {"model": "cnn", "score": 0.9 - number / 100, "epoch": 3, "epochs": 3, "seconds": 75.0}
    return SimpleNamespace(
        **{**known, "id": number, "status": status, "values": values, "left": None, **news}
    )


def frames(text: str) -> list[list[str]]:
    """Return what was drawn, frame by frame, without control codes."""
    return [
        [line.strip() for line in re.sub(r"\x1b\[[?\d;]*\w|\r", "", frame).splitlines()]
        for frame in _REDRAWN.split(text)
    ]


def shown(capsys: pytest.CaptureFixture[str], rows: Sequence[Any], **options: bool) -> list[str]:
    with Screen(**options) as screen:
        screen.track("tuning cnn", 3, 10, "")
        screen.show(rows)
        return frames(capsys.readouterr().err)[-1]


@pytest.mark.usefixtures("terminal")
def test_a_search_is_seen_above_its_bar(capsys: pytest.CaptureFixture[str]) -> None:
    running = row(3, "running", epoch=1, seconds=30.4, left=65.0)
    failed = row(2, "failed", score=None, epoch=0)
    lines = shown(capsys, [row(1), failed, running])
    assert " ".join(lines[0].split()) == "trial status settings that differ score epoch time left"
    assert lines[2].split() == ["1", "completed", "filters=32", "0.8900", "3/3", "1:15"]
    assert lines[3].split() == ["2", "failed", "filters=64", "-", "0/3", "1:15"]
    assert lines[4].split() == ["3", "running", "filters=96", "0.8700", "1/3", "0:30", "1:05"]
    assert lines[5].startswith("tuning cnn")
    assert "30%" in lines[5]


@pytest.mark.usefixtures("terminal")
def test_what_does_not_fit_is_the_worst_of_what_has_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [row(number) for number in range(40)]
    lines = shown(capsys, [*rows, row(40, "running"), row(41, "running")])
    assert len(lines) <= 12
    assert [line.split()[0] for line in lines[2:-1]] == ["0", "1", "2", "3", "4", "40", "41", "and"]
    assert lines[-2] == "and 35 more"


@pytest.mark.usefixtures("terminal")
def test_each_trial_has_one_line_however_long_its_settings_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    long = [{f"setting_{place}": place + shift for place in range(30)} for shift in (0, 1)]
    lines = shown(capsys, [row(0, values=long[0]), row(1, values=long[1])])
    assert [line.split()[0] for line in lines[2:]] == ["0", "1", "tuning"]
    assert "… 0.8900 3/3 1:15" in " ".join(lines[3].split())


@pytest.mark.usefixtures("terminal")
def test_of_several_models_each_is_told_with_its_own_settings(
    capsys: pytest.CaptureFixture[str],
) -> None:
    first = row(1, model="cnn", values={"cnn/kernel_sizes": "2,3", "cnn/dense_units": 0})
    second = row(2, model="cnn", values={"cnn/kernel_sizes": "3,4,5", "cnn/dense_units": 0})
    third = row(2, model="lstm", values={"filters": 64})
    lines = shown(capsys, [first, second, third])
    assert "model=cnn filters=32 kernel_sizes=2,3 " in lines[2]
    assert "model=lstm filters=64 " in lines[4]


@pytest.mark.usefixtures("terminal")
def test_the_table_is_gone_before_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen() as screen:
        screen.show([row(1)])
        screen.result({}, "the result")
    found = capsys.readouterr()
    assert found.out == "the result\n"
    *drawn, last = frames(found.err)
    assert any("filters" in line or "completed" in line for frame in drawn for line in frame)
    assert not any(last)


@pytest.mark.usefixtures("terminal")
def test_quiet_shows_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, [row(1)], quiet=True) == []


def test_off_a_terminal_the_notes_are_all(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen() as screen:
        screen.show([row(1)])
        screen.track("tuning cnn", 1, 2, "1 completed")
        screen.show([row(1), row(2)])
    assert capsys.readouterr().err == "tuning cnn: 1 completed\n"

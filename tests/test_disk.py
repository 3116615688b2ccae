"""A disk that is full, in a real process: files may not grow beyond a limit soon reached."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from bad_inputs.making import QUICK, csv

ROOT = Path(__file__).resolve().parents[1]
_ROOM = 3_000


def _little_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, _ROOM))


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_a_disk_that_is_full_leaves_nothing_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(csv(), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERASTEXTZOO_CACHE": "no"}
    command = f"train {QUICK} --data data.csv --out out --quiet --no-doctor"
    done = subprocess.run(
        [sys.executable, "-m", "kerastextzoo", *command.split()],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_little_room,
    )
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: the disk is full, or a file may not grow")
    assert "bytes are free in this folder" in line
    assert (done.returncode, done.stdout) == (2, "")
    assert [path.name for path in tmp_path.iterdir() if path.name != "no"] == ["data.csv"]

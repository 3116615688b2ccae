"""Disks that are full or may not be written, in a real process."""

import os
import resource
import shutil
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


# A file system that nobody may write, as root as little as others, and that nobody else sees.
_READ_ONLY = ("unshare", "--mount", "--map-root-user", "sh", "-c")
_MOUNT = 'mount -t tmpfs -o ro,size=1m none "$0" && exec "$@"'


def _can_mount(folder: Path) -> bool:
    if not shutil.which("unshare"):
        return False
    command = [*_READ_ONLY, _MOUNT, str(folder), "true"]
    return not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", ["train", "tune", "export run --to"])
def test_a_disk_that_may_not_be_written_is_told_before_any_work(tmp_path: Path, name: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if not _can_mount(disk):
        pytest.skip("no file system can be mounted here")
    (tmp_path / "data.csv").write_text(csv(), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERASTEXTZOO_CACHE": "no"}
    rest = f"{QUICK} --data data.csv --out" if name in ("train", "tune") else ""
    words = f"{name} {rest} {disk / 'out'} --quiet".split()
    done = subprocess.run(
        [*_READ_ONLY, _MOUNT, str(disk), sys.executable, "-m", "kerastextzoo", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    told = f"error: can't write into '{disk}'; choose another folder\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", told)
    assert not list(disk.iterdir())

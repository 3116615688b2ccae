"""A search is killed and goes on as if it had not been; `benchmarks.kills` does it for longer."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at processes as Linux does")
@pytest.mark.parametrize(
    "how", [["--kills", "6"], ["--boundaries", "--every", "75"]], ids=["random", "boundaries"]
)
def test_nothing_is_lost_or_done_twice(how: list[str]) -> None:
    command = [sys.executable, "-m", "benchmarks.kills", *how]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "kills=0" not in done.stdout

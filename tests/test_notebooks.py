"""Every notebook runs from top to bottom in a fresh kernel, and shows what it showed before."""

import base64
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "notebooks"))
from execute import execute  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXPORTING = {"01_quickstart", "07_export_and_serve"}
#: A folder of some machine, or of somebody.
PLACE = re.compile(r"(?<![\w.:/])/(?:home|root|tmp|Users|usr|opt|var|work)/|[A-Z]:\\")
LARGEST_PICTURE = 150_000


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def kinds(notebook: Any) -> list[list[str]]:
    """Return what each cell shows, by kind."""
    return [
        sorted({kind for each in cell.get("outputs", []) for kind in each.get("data", ["text"])})
        for cell in notebook.cells
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")
def test_notebook_runs_and_shows_what_it_is_kept_with(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What `execute` sets is gone after the test.
    for name in ("PYTHONPATH", "TMPDIR", "MPLBACKEND", "COLUMNS"):
        monkeypatch.setenv(name, "")
    done = execute(path, tmp_path)
    assert kinds(done) == kinds(nbformat.read(path, as_version=4))
    exported = list(tmp_path.glob("*/saved_model/saved_model.pb"))
    exported += list(tmp_path.glob("*/serving/1/saved_model.pb"))
    assert bool(exported) == (path.stem in EXPORTING)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_with_outputs_that_hold_no_places_and_small_pictures(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    found = outputs(notebook)
    assert found
    assert not [
        each for each in found if each.output_type == "error" or each.get("name") == "stderr"
    ]
    for each in found:
        data = each.get("data", {"text/plain": each.get("text", "")})
        pictures = [data.pop(kind) for kind in list(data) if kind.startswith("image/")]
        assert all(len(base64.b64decode(each)) <= LARGEST_PICTURE for each in pictures)
        assert not PLACE.search(str(data)), data
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert all(len(cell.source.splitlines()) <= 40 for cell in code)

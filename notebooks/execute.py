"""Runs notebooks from top to bottom and keeps what they show.

    python notebooks/execute.py notebooks/*.ipynb

What differs from machine to machine is left out: times, and what libraries write to standard error.
"""

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]


def execute(path: Path, folder: Path) -> Any:
    """Return the notebook with its outputs, run in a fresh kernel in the folder."""
    os.environ |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "TMPDIR": str(folder),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "COLUMNS": "80",
    }
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    return notebook


def main() -> None:
    """Run the notebooks named and write them back."""
    for name in sys.argv[1:]:
        with TemporaryDirectory() as folder:
            notebook = execute(Path(name), Path(folder))
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        nbformat.write(notebook, name)
        print(name)


if __name__ == "__main__":
    main()

"""What is released: both archives are whole, pass their checks and work where nothing else is."""

import email
import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kerastextzoo.builders import list_models

ROOT = Path(__file__).resolve().parents[1]
SUBPACKAGES = ("builders", "embeddings", "tuning")
#: What lies about in a working tree and is no part of a release.
LITTER = ("kerastextzoo/recipes/__pycache__/x.pyc", "runs/cnn-1/manifest.json", "tests/a.pyc")
NOT_COPIED = (".git", ".venv", "__pycache__", "build", "dist", "*.egg-info", "shared", "runs")
CACHES = (".*_cache", ".hypothesis", ".ipynb_checkpoints", "_build", "_generated")


def python(executable: str | Path, *arguments: str | Path, cwd: Path) -> str:
    """Run Python without the caller's settings; return what it printed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [executable, *arguments], cwd=cwd, env=kept, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The source archive and the wheel that `python -m build` makes of it."""
    source = tmp_path_factory.mktemp("release") / "source"
    ignored = shutil.ignore_patterns(*NOT_COPIED, *CACHES)
    shutil.copytree(ROOT, source, symlinks=True, ignore=ignored)
    for name in LITTER:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).touch()
    python(sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist", cwd=source)
    (archive,), (wheel,) = (source.glob(f"dist/*{end}") for end in (".tar.gz", ".whl"))
    return archive, wheel


def contents(wheel: Path) -> dict[str, bytes]:
    """Return what is in the package, by name."""
    with zipfile.ZipFile(wheel) as opened:
        names = [name for name in opened.namelist() if name.startswith("kerastextzoo/")]
        return {name: opened.read(name) for name in names}


def metadata(wheel: Path) -> Any:
    """Return what the wheel says of itself."""
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(opened.read(name))


def test_wheel_made_of_the_source_archive_has_every_file_as_it_is(
    archives: tuple[Path, Path],
) -> None:
    found = contents(archives[1])
    expected = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in (ROOT / "kerastextzoo").rglob("*")
        if path.suffix in {".py", ".toml", ".html", ".typed"}
        and path.relative_to(ROOT).parts[1] not in SUBPACKAGES
    }
    for folder in SUBPACKAGES:
        for path in (ROOT / folder).rglob("*.py"):
            expected[f"kerastextzoo/{path.relative_to(ROOT).as_posix()}"] = path.read_bytes()
    assert sorted(found) == sorted(expected)
    assert found == expected


def test_source_archive_has_what_a_contributor_needs_and_no_litter(
    archives: tuple[Path, Path],
) -> None:
    with tarfile.open(archives[0]) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    wanted = [
        "Makefile",
        "conftest.py",
        "constraints.txt",
        "tests/conftest.py",
        "docs/doctor.md",
        "LICENSE",
    ]
    assert names.issuperset([*wanted, "notebooks/01_quickstart.ipynb", "README.zh-CN.md"])
    assert not names & {*LITTER}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_archives_pass_the_checks_of_a_package_index(archives: tuple[Path, Path]) -> None:
    python(sys.executable, "-m", "twine", "check", "--strict", *archives, cwd=archives[0].parent)


def test_wheel_says_what_it_needs_and_what_is_extra(archives: tuple[Path, Path]) -> None:
    said = metadata(archives[1])
    assert said["Requires-Python"] == ">=3.11"
    assert {"cuda", "dev", "ray", "sentence", "zh"} <= set(said.get_all("Provides-Extra"))
    assert any("and-cuda" in need for need in said.get_all("Requires-Dist"))


@pytest.fixture(scope="module")
def installed(
    archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., str]:
    """Runs the commands of a fresh environment, in an empty folder.

    The wheel is all that is installed there; the libraries it needs are those of this environment.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder / "venv")
    programs = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    (packages,) = (folder / "venv").rglob("site-packages")
    libraries = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (packages / "libraries.pth").write_text("\n".join(libraries), "utf-8")
    pip = ("-m", "pip", "--python", programs / "python", "--disable-pip-version-check")
    install = ("install", "--quiet", "--no-deps", "--no-index", archives[1])
    python(sys.executable, *pip, *install, cwd=folder)
    (empty := folder / "empty").mkdir()

    def run(name: str, *arguments: str) -> str:
        return python(programs / name, *arguments, cwd=empty)

    return run


def test_installed_commands_are_those_of_the_wheel(
    installed: Callable[..., str], archives: tuple[Path, Path]
) -> None:
    version = metadata(archives[1])["Version"]
    assert installed("kerastextzoo", "--version") == f"kerastextzoo {version}\n"
    assert "train" in installed("kerastextzoo", "--help")


#: Several commands in one process, which loads TensorFlow once.
DAY = """
import sys
from kerastextzoo import __file__, builders, cli
print(__file__, builders.__file__)
rows = [f"{w} film number {n},{l}" for n in range(30) for w, l in (("good", "pos"), ("bad", "neg"))]
open("films.csv", "w").write("\\n".join(["text,label", *rows]))
small = ["--epochs", "3", "--set", "buckets=100", "--set", "embedding_features=8"]
fast = ["--set", "learning_rate=0.05", "--no-doctor", "--out", "run"]
for command in (
    ["models"],
    ["train", "--model", "fasttext", "--data", "films.csv", *small, *fast],
    ["predict", "run", "a good film"],
):
    sys.argv = ["kerastextzoo", *command, "--json"]
    try:
        cli.main()
    except SystemExit as stopped:
        if stopped.code:
            raise
"""


def test_installed_wheel_lists_models_trains_and_predicts(installed: Callable[..., str]) -> None:
    files, *answers = installed("python", "-c", DAY).splitlines()
    assert all("environment" in file and "site-packages" in file for file in files.split())
    listed, trained, said = (json.loads(answer) for answer in answers)
    assert len(listed["models"]) == len(list_models())
    assert trained["metrics"]["val_accuracy"] == 1.0
    assert said["predictions"][0]["label"] == "pos"

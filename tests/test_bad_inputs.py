"""Files, labels, texts, splits, vectors and settings that are wrong, and what a user sees of them.

Each case goes through the command line. Those that are refused say why in one line and leave every
file as it was; those that work say what was guessed or dropped. An id is a row of the catalogue
that these rules come from, with a word behind it where a row has several cases.
"""

import ast
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import CASES
from bad_inputs.elsewhere import ELSEWHERE
from bad_inputs.making import DONE, ROWS, TRAIN, Case, csv
from commands import Command

from kerastextzoo import cli
from kerastextzoo.data import Dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import train
from kerastextzoo.settings import share_out
from kerastextzoo.splits import make_splits

IDS = {"F": 23, "L": 9, "T": 8, "S": 5, "E": 14, "C": 8, "R": 10, "N": 7, "A": 7}


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Command:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KERASTEXTZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    # It takes a process of its own, and has its own tests.
    monkeypatch.setattr(cli, "_export_again", lambda run: run)
    return Command(monkeypatch, capsys)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the good rows."""
    texts, labels = zip(*ROWS, strict=True)
    preparation = Preparation(make_splits(Dataset("films", texts, labels), seed=0))
    settings = share_out("cnn", {"epochs": 1, "filters": 4, "embedding": "random"})
    out = tmp_path_factory.mktemp("run") / "run"
    return train(
        preparation, "cnn", out, settings=settings.model, config=settings.training
    ).directory


def content(folder: Path) -> dict[Path, bytes | None]:
    """Return what is in a folder, and the bytes of what can be read; `out` apart."""
    paths = [path for path in folder.rglob("*") if folder / "out" not in (path, *path.parents)]
    return {path: path.read_bytes() if path.is_file() else None for path in paths}


@pytest.mark.filterwarnings("always::UserWarning")
@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in CASES])
def test_bad_input(
    case: Case, command: Command, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if " run " in case.command:
        shutil.copytree(request.getfixturevalue("run"), tmp_path / "run")
    case.make(tmp_path)
    before = content(tmp_path)
    status, out, err = command(*shlex.split(case.command), "--json", "--quiet")
    assert status == case.status, err
    assert content(tmp_path) == before
    lines = err.splitlines()
    assert all(line.isprintable() for line in lines)
    if status == DONE:
        result: Any = json.loads(out)
        assert isinstance(result, dict)
        assert all(line.startswith("warning: ") for line in lines)
        told = lines if case.says else []
        assert (tmp_path / "out").exists() == ("--out out" in case.command)
    else:
        assert (out, (tmp_path / "out").exists()) == ("", False)
        *noticed, told_last = lines
        assert told_last.startswith("error: ")
        assert all(line.startswith("warning: ") for line in noticed)
        told = [told_last]
    if case.says:
        assert any(all(re.search(what, line) for what in case.says) for line in told), err
    else:
        assert not lines
    assert all(re.search(what, out) for what in case.tells), out


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run records of data in which much had to be guessed or dropped."""
    folder = tmp_path_factory.mktemp("record")
    rows = [*ROWS, ROWS[0], ("", "pos"), ("only a text",), ("a\0b", "pos"), ("?", "neg")]
    (folder / "real.csv").write_bytes(csv(rows).encode().replace(b"?", b"\xff"))
    (folder / "data.csv").symlink_to(folder / "real.csv")
    options = "--errors replace --strip-nul --skip-bad-rows --encoding utf-8 --max-length 4"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("KERASTEXTZOO_CACHE", str(folder / "cache"))
        patch.setattr("sys.argv", ["kerastextzoo", *shlex.split(f"{TRAIN} {options}")])
        with pytest.raises(SystemExit, match="0"):
            cli.main()
    return (folder / "out" / "run.json").read_text()


@pytest.mark.filterwarnings("always::UserWarning")
@pytest.mark.parametrize(
    "what",
    [
        pytest.param('"encoding": "utf-8"', id="F8"),
        pytest.param("characters replaced", id="F9"),
        pytest.param("NUL characters removed", id="F10"),
        pytest.param("wrong number of columns, skipped", id="F15"),
        pytest.param("real.csv", id="F23"),
        pytest.param("empty text dropped", id="T2"),
        pytest.param("longer than 4 tokens", id="T6"),
        pytest.param("repeated text", id="S3"),
    ],
)
def test_what_was_guessed_is_recorded(record: str, what: str) -> None:
    assert what in record


def test_every_row_of_the_catalogue_has_a_case() -> None:
    rows = {f"{group}{number}" for group, last in IDS.items() for number in range(1, last + 1)}
    cases = {case.id.split("-")[0] for case in CASES}
    assert cases | {*ELSEWHERE} == rows
    assert len({case.id for case in CASES}) == len(CASES)


def test_tests_elsewhere_are_there() -> None:
    for place in {place for places in ELSEWHERE.values() for place in places}:
        name, test = place.split("::")
        tree = ast.parse(Path(__file__).with_name(name).read_text("utf-8"))
        assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, place

"""What the documents say is true: models, commands, options, links, and code that runs."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from commands import Command

from kerastextzoo.builders import MODELS, list_models
from kerastextzoo.cli import app

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = ["README.md", "README.zh-CN.md", "CONTRIBUTING.md", "CHANGELOG.md"]
READMES = DOCUMENTS[:2]


def read(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", read(name), flags=re.DOTALL)


@pytest.mark.parametrize("name", READMES)
def test_model_table_is_the_zoo(name: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", read(name), flags=re.MULTILINE)
    assert [row[0] for row in rows] == list_models()
    if name == "README.md":
        assert [row[1] for row in rows] == [spec.summary for spec in MODELS]


def test_both_languages_show_the_same_figures_and_commands() -> None:
    english, chinese = map(read, READMES)
    figure = re.compile(r"\d+(?:\.\d+)? %|\d[\d,]{4,}")
    assert sorted(figure.findall(english)) == sorted(figure.findall(chinese))
    command = re.compile(r"^(?:make|kerastextzoo|pip) [^#\n]*[^#\s]", flags=re.MULTILINE)
    assert command.findall(english) == command.findall(chinese)
    assert blocks(READMES[0], "python") == blocks(READMES[1], "python")
    link = re.compile(r"\]\(((?!README)(?!docs/how-to/)[^)#]+)\)")
    assert set(link.findall(english)) == set(link.findall(chinese))


def test_both_languages_have_the_same_parts() -> None:
    levels = [
        re.findall(r"^(#+) ", re.sub(r"```.*?```", "", read(name), flags=re.DOTALL), flags=re.M)
        for name in READMES
    ]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    prose = re.sub(r"```.*?```", "", read(name), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", prose):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_commands_and_options_exist() -> None:
    known: dict[str, Any] = {}
    for name, command in typer.main.get_group(app).commands.items():
        group = getattr(command, "commands", None)
        known |= (
            {f"{name} {sub}": found for sub, found in group.items()} if group else {name: command}
        )
    lines = re.findall(r"^kerastextzoo +(.*)$", read("README.md"), flags=re.MULTILINE)
    shown = set()
    for line in lines:
        name = next(name for name in known if re.match(rf"{name.replace(' ', ' +')}\b", line))
        shown.add(name)
        options = {option for parameter in known[name].params for option in parameter.opts}
        for option in re.findall(r"(?<!\S)--[a-z-]+", line.partition("#")[0]):
            assert option in options, f"{name} {option}"
    assert shown == set(known)


def test_make_targets_exist() -> None:
    makefile = read("Makefile")
    for name in DOCUMENTS:
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", read(name), flags=re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"{name}: make {target}"


def test_python_of_the_readme_runs(tmp_path: Path) -> None:
    code = [block for block in blocks("README.md", "python") if not block.startswith("# not run")]
    assert len(code) >= 2
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    found = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "runs/films/manifest.json").is_file()


@pytest.mark.filterwarnings("default")
def test_the_way_from_a_csv_file_to_a_server_runs(command: Command) -> None:
    reviews = blocks("docs/tutorials/first-classifier.md", "python")[0]
    exec(compile(reviews, "reviews", "exec"), {})
    (way,) = [block for block in blocks("README.md", "sh") if "curl" in block]
    lines = [shlex.split(line) for line in re.findall(r"^kerastextzoo ([^#\n]*)", way, flags=re.M)]
    # The last one does not end by itself; tests/test_serving.py starts it.
    *steps, last = lines
    assert last == ["serve", "runs/reviews"]
    for step in steps:
        status, _, err = command(*step)
        assert status == 0, f"{step}: {err}"

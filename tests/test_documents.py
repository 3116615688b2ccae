"""The pages in docs/: their code runs, their commands exist, what they show is what comes out."""

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main
from commands import Command

from kerastextzoo.builders import MODELS, create_model, list_models
from kerastextzoo.cli import app
from kerastextzoo.spec import ModelSpec

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
MADE = {"_build", "_generated", "notebooks"}
PAGES = {
    path.relative_to(DOCS).as_posix(): path
    for path in sorted(DOCS.rglob("*.md"))
    if path.relative_to(DOCS).parts[0] not in MADE
}
#: Made by `python -m benchmarks.doctor`, and held true by tests/test_doctor.py.
WRITTEN = {name: path for name, path in PAGES.items() if name != "doctor.md"}


class Block(NamedTuple):
    """A block of a page: its language, what the comment above it says, its lines."""

    language: str
    remark: str
    code: str

    @property
    def commands(self) -> list[str]:
        """The calls of this package in it, without their comments."""
        lines = self.code.splitlines() if self.language == "sh" else []
        return [line for line in lines if line.startswith("kerastextzoo ")]


def blocks(path: Path) -> Iterator[Block]:
    pattern = r"(?:<!-- ([^\n]*) -->\n)?^```(\w+)\n(.*?)^```$"
    for remark, language, code in re.findall(pattern, path.read_text("utf-8"), re.M | re.S):
        yield Block(language, remark, code)


def words(command: str) -> list[str]:
    """Split a command at spaces, as the shell would: quotes hold, a comment ends it."""
    return shlex.split(command, comments=True)[1:]


def test_there_is_a_page_for_each_model_and_nothing_is_left_out_of_the_contents() -> None:
    found = {path.stem for path in (DOCS / "zoo").glob("*.md")} - {"index", "recipes"}
    assert found == set(list_models())
    listed = set()
    for name, path in PAGES.items():
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", path.read_text("utf-8"), re.S):
            entries = [line for line in tree.splitlines() if line and line[0] != ":"]
            listed |= {(Path(name).parent / entry).as_posix() for entry in entries}
    missing = {name.removesuffix(".md") for name in PAGES} - listed - {"index"}
    assert not missing


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(name: str) -> None:
    prose = re.sub(r"```.*?```", "", PAGES[name].read_text("utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)#]+)\)", prose):
        if not target.startswith("https://"):
            # The notebooks are copied to where pages are built.
            place = target.replace("../notebooks/", "../../notebooks/")
            assert (PAGES[name].parent / place).exists(), target


@pytest.mark.parametrize("name", WRITTEN)
def test_commands_of_a_page_can_be_typed(name: str) -> None:
    group: Any = typer.main.get_group(app)
    for block in blocks(WRITTEN[name]):
        for command in block.commands:
            arguments = words(command)
            if arguments == ["--version"]:
                continue
            found, called = group, []
            while getattr(found, "commands", None):
                called.append(arguments.pop(0))
                assert called[-1] in found.commands, command
                found = found.commands[called[-1]]
            # Reads the options and their types; a name that does not exist is an error.
            found.make_context(" ".join(called), arguments)


def test_other_commands_name_targets_and_extras_that_exist() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = set(config["options.extras_require"])
    makefile = (ROOT / "Makefile").read_text("utf-8")
    named = set()
    for path in WRITTEN.values():
        text = path.read_text("utf-8")
        for found in re.findall(r"(?:kerastextzoo|\.)\[([\w,]+)\]", text):
            named |= set(found.split(","))
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, flags=re.M):
            assert re.search(rf"^{target}:", makefile, flags=re.M), f"make {target}"
    assert named
    assert named <= extras
    table = re.findall(r"^\| `(\w+)` \|", (DOCS / "install.md").read_text("utf-8"), flags=re.M)
    assert sorted(table) == sorted(extras)


def masked(text: str) -> list[str]:
    """Return the lines of an output without what differs from machine to machine."""
    lines = (re.sub(r"\d[\d.,]*", "#", line) for line in text.splitlines())
    return [" ".join(line.split()) for line in lines]


RUN = [name for name in WRITTEN if any(b.language == "python" for b in blocks(WRITTEN[name]))]


@pytest.mark.parametrize("name", RUN)
@pytest.mark.filterwarnings("default")
def test_code_of_a_page_runs_and_says_what_the_page_says(name: str, command: Command) -> None:
    if name in {"tutorials/doctor.md", "tutorials/reading-a-search.md"}:
        reviews = next(b for b in blocks(DOCS / "tutorials/first-classifier.md"))
        exec(compile(reviews.code, "reviews", "exec"), {})
    said: list[str] = []
    scope: dict[str, Any] = {}
    for block in blocks(WRITTEN[name]):
        if block.language == "python" and not block.remark.startswith("needs"):
            exec(compile(block.code, name, "exec"), scope)
        elif block.language == "text" and said:
            missing = set(masked(block.code)) - set(said)
            assert not missing, name
        said = []
        if block.remark == "run":
            for line in block.commands:
                status, out, err = command(*words(line))
                assert status == 0, f"{line}: {err}"
                said += masked(out)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built with warnings as errors."""
    folder = tmp_path_factory.mktemp("site")
    ignored = shutil.ignore_patterns(*MADE, "__pycache__", ".ipynb_checkpoints")
    shutil.copytree(DOCS, folder / "docs", ignore=ignored)
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=ignored)
    for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        shutil.copy(ROOT / name, folder)
    strict = ("--fail-on-warning", "--keep-going", "--quiet")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *strict, "docs", "pages"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "pages"


def test_built_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loading = re.compile(
        r"""<(?:script|img|iframe|source|link(?=[^>]*stylesheet))[^>]*?(?:src|href)=["'](//|https?:)"""
        r"""|@import|url\(["']?(?:https?:)?//"""
    )
    for path in site.rglob("*"):
        if path.suffix in {".html", ".css"}:
            assert not loading.search(path.read_text("utf-8")), path


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_page_of_a_model_shows_its_layers_its_settings_and_its_paper(
    spec: ModelSpec, site: Path
) -> None:
    page = (site / f"zoo/{spec.name}.html").read_text("utf-8")
    model = create_model(spec.name, vocabulary_size=20_000, num_classes=10)
    (picture,) = re.findall(r"<svg class=\"architecture\".*?</svg>", page, flags=re.S)
    assert picture.count("<rect") == len(model.layers)
    for layer in model.layers:
        assert type(layer).__name__ in picture
    assert f"{model.count_params():,} parameters" in page
    assert spec.reference in page
    for setting in spec.config.model_fields:
        assert f'<span class="pre">{setting}</span>' in page

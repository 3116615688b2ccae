"""What is packaged, what can be imported from where, and who may import whom.

Wheels are built from a fresh copy of the tree, because a stale `build/` folder would hide mistakes,
and names are looked up in other processes, because in the checkout `import builders` works.
"""

import ast
import configparser
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("builders", "embeddings", "tuning")
LINKS = [f"kerastextzoo/{folder}" for folder in FOLDERS]
SUBPACKAGES = [f"kerastextzoo.{folder}" for folder in FOLDERS]

# A module imports from its own row and from lower ones. A package is one unit.
ROWS = {
    unit: row
    for row, units in {
        4: "estimator cli cli_data cli_runs console options summary report serving "
        "__main__ __init__",
        3: "run training training_config compiling checkpoints callbacks mistakes evaluation "
        "inspection plots baselines comparing export settings tuning recipes doctor checkup "
        "answers answering served_model explaining pseudo_labels",
        2: "builders preparation sentence_preparation stored_preparation",
        1: "kernels layers optimizers text tokenizers token_places batching embeddings "
        "distribution precision schedules cost sentence_encoder wide network_file",
        0: "errors spec data splits formats reading decoding stored_texts docstrings cache "
        "progress seeds storage records rules label_checks label_sets templates",
    }.items()
    for unit in units.split()
}
# The units that may import a heavy library.
USERS = {
    "gensim": {"embeddings"},
    "keras_tuner": {"tuning"},
    "tensorboard": {"tuning"},
    "ray": {"tuning"},
    "fastapi": {"serving"},
    "starlette": {"serving"},
    "uvicorn": {"serving"},
    "sentence_transformers": {"sentence_encoder"},
    "transformers": {"sentence_encoder"},
    "tensorflow": {
        "batching",
        "options",
        "distribution",
        "doctor",
        "export",
        "kernels",
        "optimizers",
        "precision",
        "served_model",
        "text",
        "token_places",
        "tokenizers",
        "training",
    },
}

IN_GIT = (ROOT / ".git").exists()
# Without symbolic links git writes plain files; an sdist leaves the links out.
NO_LINKS = any((ROOT / link).is_file() or not ((ROOT / link).is_dir() or IN_GIT) for link in LINKS)
needs_links = pytest.mark.skipif(NO_LINKS, reason="this checkout has no symbolic links")


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    """Run a command without the caller's Python settings; return what it printed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MYPY"))}
    done = subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{command} in {cwd}:\n{done.stdout}{done.stderr}"
    return done.stdout


class Built(NamedTuple):
    """A copy of the source tree, the files of the wheel built from it, and their folder."""

    source: Path
    files: list[str]
    unpacked: Path


def build(hook: str, folder: Path) -> Built:
    """Copy the source tree into the folder and call a hook of the build backend there."""
    source = folder / "source"
    caches = shutil.ignore_patterns("__pycache__")
    for name in ("kerastextzoo", *FOLDERS):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=caches)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        text = (ROOT / name).read_bytes() if (ROOT / name).exists() else b"placeholder"
        (source / name).write_bytes(text)
    code = f"from setuptools import build_meta; build_meta.{hook}('..')"
    run(sys.executable, "-c", code, cwd=source)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "unpacked")
        return Built(source, archive.namelist(), folder / "unpacked")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build("build_wheel", tmp_path_factory.mktemp("wheel"))


def test_wheel_has_only_the_package_at_top_level_and_no_file_twice(wheel: Built) -> None:
    package, metadata = sorted({name.split("/")[0] for name in wheel.files})
    assert package == "kerastextzoo"
    assert re.fullmatch(r"kerastextzoo-[^-]+\.dist-info", metadata)
    assert len(wheel.files) == len(set(wheel.files))


def python_files(source: Path) -> list[str]:
    """Give the Python files of a source tree, in order, as the wheel has to name them."""
    names = [path.relative_to(source) for path in (source / "kerastextzoo").rglob("*.py")]
    for folder in FOLDERS:  # rglob does not follow the links
        paths = (source / folder).rglob("*.py")
        names += ["kerastextzoo" / path.relative_to(source) for path in paths]
    return sorted(name.as_posix() for name in names)


def test_wheel_has_every_source_file_once_what_they_read_and_the_marker(wheel: Built) -> None:
    packaged = [name for name in wheel.files if name.startswith("kerastextzoo/")]
    read = [
        path.relative_to(wheel.source).as_posix()
        for pattern in ("recipes/*.toml", "report/*.html", "serving/*.html")
        for path in (wheel.source / "kerastextzoo").glob(pattern)
    ]
    assert len(read) > 1
    wanted = [*python_files(wheel.source), *read, "kerastextzoo/py.typed"]
    assert sorted(packaged) == sorted(wanted)


def test_setup_cfg_lists_the_folders_with_an_init_file_and_where_they_are() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    folders = dict(re.findall(r"(\S+) *= *(\S+)", config["options"]["package_dir"]))
    assert folders == {name: name.split(".")[-1] for name in ("kerastextzoo", *SUBPACKAGES)}
    packages = [name.replace(".", "/") for name in config["options"]["packages"].split()]
    inits = [name for name in python_files(ROOT) if name.endswith("/__init__.py")]
    assert sorted(f"{package}/__init__.py" for package in packages) == inits


def locate(*flags: str, cwd: Path, installed: Path | None = None) -> dict[str, str | None]:
    """Say where a new process finds the sub-packages and, wrongly, the bare names."""
    code = f"""
import importlib.util, json, site, sys
{f"site.addsitedir({str(installed)!r})" if installed else ""}
specs = {{name: importlib.util.find_spec(name) for name in sys.argv[1:]}}
print(json.dumps({{name: spec and spec.origin for name, spec in specs.items()}}))
"""
    output = run(sys.executable, *flags, "-c", code, *SUBPACKAGES, *FOLDERS, cwd=cwd)
    origins: dict[str, str | None] = json.loads(output)
    return origins


def places(parent: Path) -> dict[str, str | None]:
    """Say where the names have to be: the sub-packages under the parent, bare names nowhere."""
    inside = {f"kerastextzoo.{folder}": str(parent / folder / "__init__.py") for folder in FOLDERS}
    return {**inside, **dict.fromkeys(FOLDERS)}


def test_installed_wheel_is_found_under_the_package_only(wheel: Built, tmp_path: Path) -> None:
    # -S leaves site-packages out, and with it any kerastextzoo that is installed already.
    origins = locate("-S", cwd=tmp_path, installed=wheel.unpacked)
    assert origins == places(wheel.unpacked / "kerastextzoo")


def test_editable_install_is_found_under_the_package_only(tmp_path: Path) -> None:
    editable = build("build_editable", tmp_path / "editable")
    origins = locate("-S", cwd=tmp_path, installed=editable.unpacked)
    real = {name: origin and str(Path(origin).resolve()) for name, origin in origins.items()}
    assert real == places(editable.source.resolve())


@needs_links
def test_bare_checkout_needs_no_install() -> None:
    origins = locate(cwd=ROOT)
    expected = places(ROOT / "kerastextzoo")  # an editable install would say ROOT
    assert [origins[name] for name in SUBPACKAGES] == [expected[name] for name in SUBPACKAGES]


@pytest.mark.skipif(not (IN_GIT and shutil.which("git")), reason="no git, or no git checkout")
def test_links_are_links_in_git() -> None:
    entries = run("git", "ls-files", "--stage", *LINKS, cwd=ROOT).splitlines()
    modes = {entry.split("\t")[1]: entry.split()[0] for entry in entries}
    assert modes == dict.fromkeys(LINKS, "120000")
    targets = [run("git", "show", f":{link}", cwd=ROOT) for link in LINKS]
    assert targets == [f"../{folder}" for folder in FOLDERS]


def unresolved_by_mypy(tool: str, folder: Path) -> list[str]:
    settings = f"[mypy]\nmypy_path = {ROOT}\nfollow_imports = silent\nno_site_packages = true\n"
    (folder / "mypy.ini").write_text(settings, encoding="utf-8")
    output = run(tool, "--cache-dir=cache", "use.py", cwd=folder, status=1)
    return re.findall(r'module named "(.+?)"  \[import-not-found\]', output)


def unresolved_by_basedpyright(tool: str, folder: Path) -> list[str]:
    settings = {"include": ["use.py"], "extraPaths": [str(ROOT)], "typeCheckingMode": "basic"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    output = run(tool, cwd=folder, status=1)
    return re.findall(r'Import "(.+?)" could not be resolved', output)


CHECKERS = {"mypy": unresolved_by_mypy, "basedpyright": unresolved_by_basedpyright}


@needs_links
@pytest.mark.parametrize("name", CHECKERS)
def test_type_checkers_follow_the_links(name: str, tmp_path: Path) -> None:
    tool = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if tool is None:
        pytest.skip(f"{name} is not installed")
    lines = [f"import {module}\n" for module in (*SUBPACKAGES, "kerastextzoo.nonsense")]
    (tmp_path / "use.py").write_text("".join(lines), encoding="utf-8")
    assert CHECKERS[name](tool, tmp_path) == ["kerastextzoo.nonsense"]


# Who imports whom


def sources() -> Iterator[tuple[str, str, ast.Module]]:
    """Yield path, unit and syntax tree of every library file."""
    for folder in ("kerastextzoo", *FOLDERS):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT)
            unit = folder if folder in FOLDERS else name.with_suffix("").parts[1]
            yield name.as_posix(), unit, ast.parse(path.read_text(encoding="utf-8"), str(name))


def imports(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import at or below the node, those for types left out."""
    below: Iterable[ast.AST] = ast.iter_child_nodes(node)
    if isinstance(node, ast.Import):
        yield from ((node.lineno, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        below = node.orelse
    for child in below:
        yield from imports(child)


def complaint(unit: str, imported: str) -> str | None:
    """Say what is wrong with an import, and the remedy; None for a good one."""
    top, *rest = imported.split(".")
    if unit not in USERS.get(top, {unit}):
        return f"{unit} imports {top}: call one of {sorted(USERS[top])}, which may"
    if top in FOLDERS or not top:
        return f"{imported!r} is not an absolute name: import it from kerastextzoo"
    if top != "kerastextzoo" or rest == ["__version__"]:
        return None
    target = rest[0] if rest and (rest[0] in ROWS or len(rest) > 1) else "__init__"
    if target not in ROWS:
        return f"{target} has no row: add it to ROWS"
    if ROWS[target] <= ROWS[unit]:
        return None
    return (
        f"{unit} (row {ROWS[unit]}) imports {imported} (row {ROWS[target]}): "
        f"move what both need to row {ROWS[unit]} or lower, or take it as an argument"
    )


def test_every_module_has_a_row() -> None:
    missing = [f"{path}: add it to ROWS" for path, unit, _ in sources() if unit not in ROWS]
    assert not missing, "\n".join(missing)


def test_no_module_imports_what_it_may_not() -> None:
    wrong = {
        f"{path}:{line}: {words}"
        for path, unit, tree in sources()
        for line, imported in imports(tree)
        if unit in ROWS and (words := complaint(unit, imported))
    }
    assert not wrong, "\n".join(sorted(wrong))


def test_every_library_that_is_imported_is_declared() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    lists = [config["options"]["install_requires"], *config["options.extras_require"].values()]
    named = re.findall(r"^\s*([\w-]+)", "\n".join(lists), flags=re.MULTILINE)
    declared = {name.replace("-", "_") for name in named} | {"kerastextzoo"}
    # What brings a library of another name: Keras runs on any of its backends.
    distributions = {
        "jax": "keras",
        "sklearn": "scikit_learn",
        "starlette": "fastapi",
        "torch": "sentence_transformers",
        "transformers": "sentence_transformers",
    }
    undeclared = {
        f"{path}: {top}"
        for path, _, tree in sources()
        for _, imported in imports(tree)
        if (top := imported.split(".")[0]) not in sys.stdlib_module_names
        and distributions.get(top, top) not in declared
    }
    assert not undeclared


@pytest.mark.parametrize(
    ("unit", "code", "words"),
    [
        ("data", "from kerastextzoo.layers import Sum", "(row 1)"),
        ("builders", "def f():\n    from kerastextzoo import training", "(row 3)"),
        ("export", "from kerastextzoo import create_model", "(row 4)"),
        ("spec", "import keras_tuner as kt", "call one of ['tuning']"),
        ("cli", "from builders.cnn import build", "not an absolute name"),
        ("cli", "from . import data", "not an absolute name"),
        ("cli", "from kerastextzoo.lost import found", "add it to ROWS"),
        ("cli", "if TYPE_CHECKING: import gensim\nelse: import keras_tuner", "['tuning']"),
    ],
)
def test_a_wrong_import_is_seen(unit: str, code: str, words: str) -> None:
    (found,) = [complaint(unit, imported) for _, imported in imports(ast.parse(code))]
    assert words in str(found)


def test_library_has_no_assert_statement() -> None:
    for path, _, tree in sources():
        lines = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Assert)]
        assert not lines, f"{path}: raise an error of kerastextzoo.errors in lines {lines}"


def loaded(code: str, *arguments: str) -> set[str]:
    """Run the code in a new process; return the top-level modules that it loads."""
    report = "atexit.register(lambda: print('\\n' + ' '.join({*sys.modules} - before)))"
    code = f"import atexit, sys; before = {{*sys.modules}}; {report}; {code}"
    names = run(sys.executable, "-c", code, *arguments, cwd=ROOT).splitlines()[-1]
    return {name.split(".")[0] for name in names.split()}


def test_durations_come_from_a_clock_that_never_jumps() -> None:
    for path, unit, tree in sources():
        # Processes of a search on several machines have to agree on a deadline.
        if unit == "tuning":
            continue
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert "time.time" not in calls, f"{path}: use time.monotonic()"


def test_importing_the_package_loads_the_standard_library_only() -> None:
    assert loaded("import kerastextzoo") - sys.stdlib_module_names == {"kerastextzoo"}


@needs_links
@pytest.mark.skipif(not (ROOT / "kerastextzoo/__main__.py").exists(), reason="no command line yet")
def test_help_loads_neither_tensorflow_nor_keras() -> None:
    code = "import runpy; runpy.run_module('kerastextzoo', run_name='__main__', alter_sys=True)"
    assert not loaded(code, "--help") & {"tensorflow", "keras"}

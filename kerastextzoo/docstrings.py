"""The embedded demo corpus: guess the library from the first paragraph of a docstring.

Source files of Python's standard library and of libraries that this package needs anyway are
parsed, never imported or run. To add a library, add a line to `LIBRARIES` and raise `RULES`.
"""

import ast
import gzip
import hashlib
import importlib.util
import json
import platform
import sysconfig
import warnings
import zlib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from kerastextzoo.cache import cache_folder
from kerastextzoo.progress import Progress
from kerastextzoo.storage import write_atomically

RULES = 1  # raise it whenever the same sources would give another corpus
LARGEST_CLASS = 5000  # a quarter of the corpus; TensorFlow alone would be two fifths
FEWEST_WORDS = 3
# The label, which is the name of the distribution too, and the name to import.
LIBRARIES = {
    "gensim": "gensim",
    "keras": "keras",
    "numpy": "numpy",
    "python": "",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "tensorflow": "tensorflow",
}

_Documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test"}


def load_docstrings(progress: Progress | None = None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts and the labels of the corpus, from the cache where it is there.

    Collecting takes tens of seconds, loading well under one. A library that is not installed has no
    class. A damaged cache is made anew; one that can't be written does no harm.

    Args:
        progress: Called with the files done and all files while the corpus is collected.

    Returns:
        Texts and labels, in an order that mixes the classes.
    """
    path = cache_folder() / f"docstrings-{fingerprint()}.jsonl.gz"
    pairs = _read(path)
    if pairs is None:
        pairs = collect_docstrings(progress=progress)
        _write(path, pairs)
    return tuple(text for text, _ in pairs), tuple(label for _, label in pairs)


def fingerprint(libraries: Iterable[str] = tuple(LIBRARIES)) -> str:
    """Return a SHA-256 over what the corpus depends on: versions and rules.

    >>> len(fingerprint(["python"]))
    64
    """
    versions = {library: _version(library) for library in libraries}
    return hashlib.sha256(json.dumps([RULES, versions], sort_keys=True).encode()).hexdigest()


def _version(library: str) -> str:
    if library == "python":
        return f"{platform.python_implementation()} {platform.python_version()}"
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        # One module may come from distributions of several names, such as tensorflow-cpu.
        found = metadata.packages_distributions().get(LIBRARIES[library], [])
        return ", ".join(f"{name} {metadata.version(name)}" for name in sorted(set(found)))


def collect_docstrings(
    libraries: Iterable[str] = tuple(LIBRARIES), progress: Progress | None = None
) -> list[tuple[str, str]]:
    """Collect texts and labels from the source files, whatever the cache holds.

    Args:
        libraries: Keys of `LIBRARIES`.
        progress: Called with the files done and all files.

    Returns:
        Pairs of text and label, ordered by the SHA-256 of the text. No text is there twice; one
        that two libraries share is left out.
    """
    files = [(library, path) for library in sorted(libraries) for path in _source_files(library)]
    labels: dict[str, set[str]] = {}
    for done, (library, path) in enumerate(files, 1):
        for text in _first_paragraphs(path):
            labels.setdefault(text, set()).add(library)
        if progress:
            progress(done, len(files))
    return _select({text: min(found) for text, found in labels.items() if len(found) == 1})


def _select(labels: dict[str, str]) -> list[tuple[str, str]]:
    """Keep the texts of smallest hash in each class, so that a new file moves few others."""
    left = dict.fromkeys(labels.values(), LARGEST_CLASS)
    chosen = []
    for text in sorted(labels, key=lambda text: hashlib.sha256(text.encode()).digest()):
        if left[labels[text]]:
            left[labels[text]] -= 1
            chosen.append((text, labels[text]))
    return chosen


def _source_files(library: str) -> list[Path]:
    root = _folder(library)
    if root is None:
        return []
    paths = sorted(path.relative_to(root) for path in root.rglob("*.py"))
    kept = (path for path in paths if _LEFT_OUT.isdisjoint(path.parts))
    return [root / path for path in kept if not path.stem.endswith("_test")]


def _folder(library: str) -> Path | None:
    if library == "python":
        return Path(sysconfig.get_path("stdlib"))
    # For a top-level name this finds the package without running any of it.
    spec = importlib.util.find_spec(LIBRARIES[library])
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None


def _first_paragraphs(path: Path) -> Iterator[str]:
    """Give the first paragraph of each docstring on one line; nothing for a file of no use."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, _Documented):
            text = _first_paragraph(ast.get_docstring(node) or "")
            # What can't be printed holds control characters or half a surrogate pair.
            if len(text.split()) >= FEWEST_WORDS and text.isprintable():
                yield text


def _first_paragraph(docstring: str) -> str:
    r"""Return the lines up to the first blank one, white space folded.

    >>> _first_paragraph("Sum  the rows\n of a matrix.\n \nSlowly.")
    'Sum the rows of a matrix.'
    """
    words: list[str] = []
    for line in docstring.strip().splitlines():
        if not line.strip():
            break
        words += line.split()
    return " ".join(words)


def _read(path: Path) -> list[tuple[str, str]] | None:
    """Return what `_write` wrote, or None if it is not there whole."""
    try:
        checksum, _, lines = gzip.decompress(path.read_bytes()).partition(b"\n")
    except (OSError, EOFError, zlib.error):
        return None
    if hashlib.sha256(lines).hexdigest().encode() != checksum.strip(b'"'):
        return None
    return [(text, label) for text, label in map(json.loads, lines.splitlines())]


def _write(path: Path, pairs: list[tuple[str, str]]) -> None:
    lines = "".join(json.dumps(pair) + "\n" for pair in pairs).encode()
    checksum = json.dumps(hashlib.sha256(lines).hexdigest()).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, gzip.compress(checksum + b"\n" + lines, mtime=0))
    except OSError:
        return  # the corpus is in memory; the next process collects it again

"""The embedded corpus: what is in it, that nothing is run for it, and its cache."""

import gzip
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kerastextzoo import docstrings
from kerastextzoo.cache import cache_folder
from kerastextzoo.docstrings import collect_docstrings, fingerprint, load_docstrings

ROOT = Path(__file__).resolve().parents[1]
WriteSource = Callable[[str, str, str | bytes], None]


@pytest.fixture
def write_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WriteSource:
    """Put source files where the libraries are looked for, with a cache of their own."""
    monkeypatch.setattr(docstrings, "_folder", lambda library: tmp_path / library)
    monkeypatch.setenv("KERASTEXTZOO_CACHE", str(tmp_path / "cache"))

    def write(library: str, name: str, code: str | bytes) -> None:
        path = tmp_path / library / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(code.encode() if isinstance(code, str) else code)

    return write


def documented(*texts: str) -> str:
    return "\n".join(f'def f{i}():\n    """{text}"""' for i, text in enumerate(texts))


def run_python(code: str, **environment: str) -> "subprocess.Popen[str]":
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.Popen([sys.executable, "-c", code], env=env, stdout=-1, stderr=-1, text=True)


def output(process: "subprocess.Popen[str]") -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.strip()


# The whole corpus


def test_corpus_has_seven_unbalanced_classes_the_largest_about_a_quarter() -> None:
    texts, labels = load_docstrings()
    counts = Counter(labels)
    assert len(texts) == len(labels)
    assert sorted(counts) == sorted(docstrings.LIBRARIES)
    assert 0.2 <= max(counts.values()) / len(labels) <= 0.25
    assert min(counts.values()) > 500


def test_texts_are_unlike_lines_of_three_words_or_more() -> None:
    texts, _ = load_docstrings()
    assert len(set(texts)) == len(texts)
    assert all(text == " ".join(text.split()) for text in texts)
    assert min(len(text.split()) for text in texts) == 3
    assert all(text.isprintable() for text in texts)


def test_order_mixes_the_classes() -> None:
    assert set(load_docstrings()[1][:200]) == set(docstrings.LIBRARIES)


def test_nothing_is_imported() -> None:
    code = (
        "import sys; from kerastextzoo.docstrings import *; load_docstrings(); "
        "print({'tensorflow', 'keras', 'numpy', 'scipy', 'sklearn', 'gensim'} & set(sys.modules))"
    )
    assert output(run_python(code)) == "set()"


def test_collecting_depends_on_neither_hash_seed_nor_time() -> None:
    code = (
        "import hashlib; from kerastextzoo.docstrings import *; "
        "print(hashlib.sha256(repr(collect_docstrings(['python'])).encode()).hexdigest())"
    )
    one, other = (run_python(code, PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert output(one) == output(other)


# The rules


def test_module_class_and_function_docstrings_count(write_source: WriteSource) -> None:
    code = '''"""Of the module."""
class A:
    """Of the class."""
    async def f(self):
        r"""Of a

        Second paragraph."""
        def g():
            """Of  the
            inner\tfunction."""
'''
    write_source("keras", "a.py", code)
    texts = {text for text, _ in collect_docstrings(["keras"])}
    assert texts == {"Of the module.", "Of the class.", "Of the inner function."}


def test_code_is_not_run(write_source: WriteSource, capfd: pytest.CaptureFixture[str]) -> None:
    write_source("keras", "a.py", '"""What is said."""\nprint("run")\nraise SystemExit\n')
    assert collect_docstrings(["keras"]) == [("What is said.", "keras")]
    assert capfd.readouterr() == ("", "")


def test_repeats_in_one_library_are_one_text(write_source: WriteSource) -> None:
    write_source("keras", "a.py", documented("Add  two numbers.", "Add two numbers."))
    write_source("keras", "b.py", documented("Add two numbers."))
    assert collect_docstrings(["keras"]) == [("Add two numbers.", "keras")]


def test_text_of_two_libraries_is_in_neither(write_source: WriteSource) -> None:
    write_source("keras", "a.py", documented("Add two numbers.", "Add two layers."))
    write_source("numpy", "a.py", documented("Add two numbers."))
    assert collect_docstrings(["keras", "numpy"]) == [("Add two layers.", "keras")]


@pytest.mark.parametrize("name", ["tests/a.py", "x/test/a.py", "site-packages/a.py", "a_test.py"])
def test_tests_and_other_packages_are_left_out(write_source: WriteSource, name: str) -> None:
    write_source("python", name, documented("One two three."))
    assert collect_docstrings(["python"]) == []


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("def f(:\n", id="no syntax"),
        pytest.param(b'"""\xff\xfe bad bytes here."""', id="no UTF-8"),
        pytest.param(b'"""A NUL \0 here too."""', id="NUL"),
        pytest.param('"""Half a \\ud800 pair."""', id="surrogate"),
        pytest.param('"""An escape \\x1b sequence."""', id="control character"),
        pytest.param('"""Two words."""', id="too short"),
        pytest.param(f"x = {'(' * 5000}{')' * 5000}", id="too deep"),
    ],
)
def test_what_is_of_no_use_is_skipped(write_source: WriteSource, code: str | bytes) -> None:
    write_source("keras", "a.py", code)
    write_source("keras", "b.py", documented("One two three."))
    assert collect_docstrings(["keras"]) == [("One two three.", "keras")]


def test_syntax_warnings_are_silent(write_source: WriteSource) -> None:
    write_source("keras", "a.py", '"""Match a \\d digit."""\nx = 1 is 1\n')
    assert len(collect_docstrings(["keras"])) == 1


def test_large_class_is_cut_and_a_new_text_moves_one_at_most(
    write_source: WriteSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docstrings, "LARGEST_CLASS", 10)
    write_source("keras", "a.py", documented(*(f"Text of number {i}." for i in range(30))))
    before = collect_docstrings(["keras"])
    write_source("keras", "0.py", documented("Text that is new."))
    assert len(before) == 10
    assert len(set(before) & set(collect_docstrings(["keras"]))) >= 9


def test_library_that_is_missing_has_no_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(docstrings.LIBRARIES, "keras", "no_such_module")
    assert collect_docstrings(["keras"]) == []


def test_progress_counts_files(write_source: WriteSource) -> None:
    for name in "ab":
        write_source("keras", f"{name}.py", "")
    seen: list[tuple[int, int]] = []
    collect_docstrings(["keras"], lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


# The cache


def cache_file() -> Path:
    (path,) = cache_folder().iterdir()
    return path


def test_second_load_reads_no_source(write_source: WriteSource) -> None:
    write_source("keras", "a.py", documented("One two three."))
    first = load_docstrings()
    write_source("keras", "a.py", documented("Four five six."))
    assert load_docstrings() == first == (("One two three.",), ("keras",))


def test_cache_is_the_same_bytes_again(write_source: WriteSource) -> None:
    write_source("keras", "a.py", documented("One two three.", "Four five six."))
    load_docstrings()
    before = cache_file().read_bytes()
    cache_file().unlink()
    load_docstrings()
    assert cache_file().read_bytes() == before


def cut(content: bytes) -> bytes:
    return content[:-5]


def change_a_text(content: bytes) -> bytes:
    return gzip.compress(gzip.decompress(content).replace(b"One", b"Two"))


@pytest.mark.parametrize("damage", [cut, change_a_text, lambda _: b"", lambda _: b"no gzip"])
def test_damaged_cache_is_made_anew(
    write_source: WriteSource, damage: Callable[[bytes], bytes]
) -> None:
    write_source("keras", "a.py", documented("One two three."))
    first = load_docstrings()
    whole = cache_file().read_bytes()
    cache_file().write_bytes(damage(whole))
    assert load_docstrings() == first
    assert cache_file().read_bytes() == whole


def test_cache_folder_that_cannot_be_made_is_no_error(
    write_source: WriteSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_source("keras", "a.py", documented("One two three."))
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERASTEXTZOO_CACHE", str(tmp_path / "file" / "cache"))
    assert load_docstrings()[0] == ("One two three.",)


def test_fingerprint_depends_on_versions_and_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    before = fingerprint()
    monkeypatch.setattr("importlib.metadata.version", lambda _: "0")
    versions = fingerprint()
    monkeypatch.setattr(docstrings, "RULES", 0)
    assert len({before, versions, fingerprint()}) == 3

"""What tests share: a small real corpus, made of the docstrings of Python's standard library."""

import gzip
import os
from pathlib import Path

import pytest
from commands import Command

from kerastextzoo.data import Dataset, load_dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.splits import Splits, make_splits
from kerastextzoo.text import TextConfig


def pytest_configure() -> None:
    """Give each process of tests cores of its own: threads that share them all take longer."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1 and hasattr(os, "sched_setaffinity"):
        number = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[number::workers] or cores)


@pytest.fixture(scope="session")
def corpus() -> Dataset:
    """The built-in corpus, whole."""
    return load_dataset()


@pytest.fixture(scope="session")
def sentences(corpus: Dataset) -> Dataset:
    """32 real sentences of four classes."""
    classes = ("numpy", "python", "scikit-learn", "tensorflow")
    rows = [
        row
        for name in classes
        for row in [r for r, label in enumerate(corpus.labels) if label == name][:200:25]
    ]
    return corpus.subset(rows)


@pytest.fixture(scope="session")
def splits(corpus: Dataset) -> Splits:
    """600 real texts of three classes, in order of their class, split."""
    classes = ("numpy", "python", "tensorflow")
    rows = [
        row
        for name in classes
        for row in [r for r, label in enumerate(corpus.labels) if label == name][:200]
    ]
    return make_splits(corpus.subset(rows), seed=0)


@pytest.fixture(scope="session")
def preparation(splits: Splits) -> Preparation:
    """The small splits, made ready."""
    return Preparation(splits, TextConfig(min_count=1), seed=0)


@pytest.fixture(scope="session")
def data(splits: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 texts of three classes in a file."""
    path = tmp_path_factory.mktemp("data") / "docs.tsv.gz"
    parts = (splits.train, splits.validation, splits.test)
    rows = [
        f"{label}\t{text}"
        for part in parts
        if part
        for label, text in zip(part.labels, part.texts, strict=True)
    ]
    path.write_bytes(gzip.compress("\n".join(["label\ttext", *rows]).encode()))
    return path


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    monkeypatch.chdir(tmp_path)
    return Command(monkeypatch, capsys)

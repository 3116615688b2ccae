"""Checkpoints: a training that was killed or stopped goes on to the same result, to the bit."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import model_checks
import numpy as np
import pytest

from kerastextzoo import checkpoints, run
from kerastextzoo.builders import MODELS, cnn
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.preparation import Preparation
from kerastextzoo.spec import ModelSpec
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig
from kerastextzoo.training import Fitted, TrainingConfig, TrainingDivergedError, fit

ROOT = Path(__file__).resolve().parent.parent
SMALL = cnn.CNNConfig(filters=4, kernel_sizes=(2, 3))
QUICK = TrainingConfig(
    epochs=3, batch_size=32, embedding="random", embedding_features=8, learning_rate=5e-3
)
TOKEN_MODELS = [pytest.param(spec, id=spec.name) for spec in MODELS if spec.config().reads is None]
same = model_checks.same_training


def _train(
    preparation: Preparation, path: Path | None, config: TrainingConfig = QUICK, **options: Any
) -> Fitted:
    return fit(preparation, "cnn", SMALL, config, checkpoint=path, **options)


def _texts(preparation: Preparation) -> list[str]:
    return list(preparation.splits.train.texts)


def _keep_each(path: Path) -> Any:
    """Return a judge that keeps the file of each epoch, as if training had been killed there."""

    def judge(epoch: int, best: float) -> None:
        for file in path.parent.glob(f"{path.stem}*{path.suffix}"):
            shutil.copy(file, file.with_suffix(f".{epoch}"))

    return judge


@pytest.mark.parametrize("spec", TOKEN_MODELS)
def test_every_model_goes_on_to_the_same_result(
    spec: ModelSpec, sentences: Dataset, tmp_path: Path
) -> None:
    model_checks.check_goes_on_from_a_checkpoint(spec, sentences, tmp_path)


@pytest.mark.parametrize(
    "settings",
    [
        {"weight_averaging": 0.0},
        {"optimizer": "nadam", "word_dropout": 0.2},
        {"precision": "mixed_float16", "accumulation": 4},
        {"precision": "mixed_bfloat16", "weight_averaging": 0.0},
        {"wide_ngrams": 2, "wide_buckets": 2**14},
        {"warm_up": 0.2, "decay": "cosine", "class_weights": "balanced"},
        {"embedding": "frozen", "embedding_features": 64},
    ],
    ids=",".join,
)
def test_every_setting_goes_on_to_the_same_result(
    preparation: Preparation, settings: dict[str, Any], tmp_path: Path
) -> None:
    config, path = QUICK.replace(**settings), tmp_path / "state.npz"
    whole = _train(preparation, path, config, judge=_keep_each(path))
    same(_train(preparation, path.with_suffix(".1"), config), whole)
    with np.load(path) as arrays:
        sizes = [arrays[name].size for name in arrays.files]
    frozen = config.embedding == "frozen"
    assert (max(sizes) < 2**16) == (frozen or preparation.vocabulary_size * 8 < 2**16)


def test_the_best_epoch_is_kept_over_breaks(preparation: Preparation, tmp_path: Path) -> None:
    config = QUICK.replace(learning_rate=0.1, epochs=9, patience=3)
    path = tmp_path / "state.npz"
    whole = _train(preparation, path, config, judge=_keep_each(path), objective="val_loss")
    assert 1 <= whole.best_epoch == len(whole.history) - 3, "the last epochs were not the best"
    for epoch in (whole.best_epoch, whole.best_epoch + 1):
        again = _train(preparation, path.with_suffix(f".{epoch}"), config, objective="val_loss")
        same(again, whole)
    # What has ended is not trained again.
    seen: list[int] = []

    def track(what: str, done: int, total: int, note: str = "") -> None:
        seen.append(done)

    same(_train(preparation, path, config, objective="val_loss", track=track), whole)
    assert len(seen) == 1


PROGRAM = """
import os, signal, sys
from pathlib import Path
from kerastextzoo import checkpoints, run
from kerastextzoo.builders import cnn
from kerastextzoo.data import load_dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig
from kerastextzoo.training import TrainingConfig, fit
path, where = Path(sys.argv[1]), sys.argv[2]
data = load_dataset()
rows = [r for name in ("numpy", "python", "tensorflow")
        for r in [i for i, label in enumerate(data.labels) if label == name][:200]]
preparation = Preparation(make_splits(data.subset(rows), seed=0), TextConfig(min_count=1), seed=0)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write = checkpoints._write
if where == "writing":
    checkpoints._write = lambda file, name, array: (
        die() if name == "optimizer/5" else write(file, name, array))
fit(preparation, "cnn", cnn.CNNConfig(filters=4, kernel_sizes=(2, 3)), TrainingConfig(
    epochs=3, batch_size=32, embedding="random", embedding_features=8, learning_rate=5e-3),
    checkpoint=path, judge=die if where == "after" else None)
"""


def test_killed_for_real_after_an_epoch_and_while_writing(
    preparation: Preparation, tmp_path: Path
) -> None:
    path = tmp_path / "state.npz"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    # Other layers that the process has made change nothing.
    keras.layers.Dense(2)
    contents = []
    for where in ("after", "writing"):
        command = [sys.executable, "-c", PROGRAM, str(path), where]
        died = subprocess.run(command, env=environment, capture_output=True, check=False)
        assert died.returncode == -signal.SIGKILL, died.stderr
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    assert len(list(tmp_path.iterdir())) == 2, "the half-written file is beside the whole one"
    same(_train(preparation, path), _train(preparation, None))
    assert list(tmp_path.iterdir()) == [path]


def test_an_ensemble_has_a_file_a_member(preparation: Preparation, tmp_path: Path) -> None:
    config, path = QUICK.replace(ensemble=2, epochs=2), tmp_path / "state.npz"
    whole = _train(preparation, None, config)

    class Killed(Exception): ...

    steps: list[int] = []

    def track(what: str, done: int, total: int, note: str = "") -> None:
        steps.append(done)
        # In the second epoch of the second member.
        if len(steps) == 2 * total - 3:
            raise Killed

    with pytest.raises(Killed):
        _train(preparation, path, config, track=track)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state-1.npz", "state-2.npz"]
    same(_train(preparation, path, config), whole)


@pytest.mark.parametrize("stage", ["refit", "self-training"])
def test_a_second_training_goes_on(preparation: Preparation, stage: str, tmp_path: Path) -> None:
    config, path = QUICK.replace(refit=stage == "refit", epochs=2), tmp_path / "state.npz"
    if stage == "self-training":
        # Its first model is sure of enough, its second is better.
        config = config.replace(learning_rate=2e-2, epochs=4)
        options: dict[str, Any] = {"unlabelled": [f"{text} too" for text in _texts(preparation)]}
    else:
        options = {}
    whole = _train(preparation, None, config, **options)

    class Killed(Exception): ...

    begun: list[int] = []

    def track(what: str, done: int, total: int, note: str = "") -> None:
        begun.extend([1] * (what.startswith("training") and done == 0))
        # At the end of the second training's first epoch.
        if len(begun) == 2 and note:
            raise Killed

    with pytest.raises(Killed):
        _train(preparation, path, config, track=track, **options)
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"state-{stage}.npz", "state.npz"]
    with pytest.raises(InputError, match=r"of another training, with another .*added texts"):
        _train(preparation, tmp_path / f"state-{stage}.npz", config)
    again = _train(preparation, path, config, **options)
    same(again, whole)
    assert again.self_training == whole.self_training


def test_multi_label_data(tmp_path: Path) -> None:
    words = ["red", "big", "old"]
    rng = np.random.default_rng(0)
    labels = [tuple(w for w in words if rng.random() < 0.5) for _ in range(100)]
    texts = tuple(f"some {' '.join(each)} thing {n % 7}" for n, each in enumerate(labels))
    data = make_splits(Dataset("things", texts, tuple(labels)), seed=0)
    prepared, path = Preparation(data, TextConfig(min_count=1), seed=0), tmp_path / "state.npz"
    whole = _train(prepared, path, judge=_keep_each(path))
    same(_train(prepared, path.with_suffix(".2")), whole)


def test_a_judge_stops_and_the_training_goes_on_later(
    preparation: Preparation, tmp_path: Path
) -> None:
    asked: list[tuple[int, float]] = []

    def judge(epoch: int, best: float) -> str | None:
        asked.append((epoch, best))
        return "end of the rung" if epoch == 2 else None

    path = tmp_path / "state.npz"
    whole = _train(preparation, None)
    rung = _train(preparation, path, judge=judge)
    assert rung.stopped == "end of the rung"
    assert len(rung.history) == 2
    figures = [epoch["val_accuracy"] for epoch in whole.history]
    assert asked == [(1, figures[0]), (2, max(figures[:2]))]
    # Asked again, it says the same, before another epoch is trained.
    same(_train(preparation, path, judge=judge), rung)
    assert asked[2:] == asked[1:2]
    again = _train(preparation, path, judge=lambda epoch, best: None)
    assert again.stopped is None
    same(again, whole)
    # What ended by itself can't be stopped.
    assert _train(preparation, path, judge=lambda epoch, best: "late").stopped is None


def test_the_judge_sees_a_figure_that_falls(preparation: Preparation) -> None:
    seen: list[float] = []

    def judge(epoch: int, best: float) -> None:
        seen.append(best)

    history = _train(preparation, None, objective="val_loss", judge=judge).history
    assert seen == list(np.minimum.accumulate([epoch["val_loss"] for epoch in history]))


def test_epochs_may_be_more_later(preparation: Preparation, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    _train(preparation, path, QUICK.replace(epochs=1))
    same(_train(preparation, path), _train(preparation, None))
    with pytest.raises(InputError, match=r"epochs: checkpoint .* has trained for 3; got 2; raise"):
        _train(preparation, path, QUICK.replace(epochs=2))


def test_a_checkpoint_of_another_training_is_refused(
    preparation: Preparation, tmp_path: Path, splits: Any
) -> None:
    path = tmp_path / "state.npz"
    config = QUICK.replace(epochs=1, decay="linear")
    _train(preparation, path, config)
    before = path.read_bytes()
    for changed, name in (
        ({"learning_rate": 1e-3, "epochs": 2}, "epochs, learning_rate"),
        ({"embedding": "frozen"}, "embedding, vectors"),
    ):
        with pytest.raises(InputError) as raised:
            _train(preparation, path, config.replace(**changed))
        assert "\n" not in str(raised.value)
        told = str(raised.value).removeprefix(f"checkpoint {str(path)!r} is of another training, ")
        assert sorted(told.removeprefix("with another ").split(";")[0].split(", ")) == (
            name.split(", ")
        )
        assert told.endswith("choose another file, or remove it to start anew")
    with pytest.raises(InputError, match="with another seed;"):
        _train(preparation, path, config, seed=1)
    with pytest.raises(InputError, match="with another filters;"):
        fit(preparation, "cnn", SMALL.replace(filters=5), config, checkpoint=path)
    other = Preparation(splits, TextConfig(min_count=2), seed=0)
    with pytest.raises(InputError, match="with another vocabulary;"):
        _train(other, path, config)
    assert path.read_bytes() == before


def test_a_damaged_file_is_told_of(preparation: Preparation, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    _train(preparation, path, QUICK.replace(epochs=1))
    good = path.read_bytes()
    arrays, rest = checkpoints._read(path)
    rng = np.random.default_rng(0)
    places = [*rng.integers(0, len(good), 150), *rng.integers(len(good) - 3000, len(good), 150)]
    told = 0
    for place in places:
        damaged = bytearray(good)
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            found, said = checkpoints._read(path)
        except InputError:
            told += 1
            continue
        # Not every byte of an archive says something.
        assert said == rest
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
    assert told > 200
    for content in (b"", b"state", good[: len(good) // 2], good[:-1]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"is damaged, or none; restore it .* or remove it"):
            checkpoints._read(path)
    with pytest.raises(InputError, match=f"checkpoint '{path}' is damaged"):
        _train(preparation, path)


def test_a_training_that_diverged_says_so_again(preparation: Preparation, tmp_path: Path) -> None:
    config = QUICK.replace(learning_rate=1e30, optimizer="sgd")
    for _ in "ab":
        with pytest.raises(TrainingDivergedError):
            _train(preparation, tmp_path / "state.npz", config)


def test_a_place_that_can_not_be_written_is_told_of(
    preparation: Preparation, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        _train(preparation, tmp_path / "file" / "state.npz")


@pytest.mark.parametrize("unlabelled", [None, ["an array of numbers"]])
@pytest.mark.parametrize("settings", [{}, {"ensemble": 2}, {"refit": True, "ensemble": 2}])
def test_a_run_leaves_no_checkpoint_and_takes_none_of_others(
    preparation: Preparation,
    settings: dict[str, Any],
    unlabelled: list[str] | None,
    tmp_path: Path,
) -> None:
    others = {"state-3.npz", "other.npz"} | (set() if settings else {"state-1.npz"})
    others |= set() if "refit" in settings else {"state-refit.npz"}
    for name in others | (set() if unlabelled else {"state-self-training.npz"}):
        (tmp_path / name).write_text("another's", "utf-8")
    left = {path.name for path in tmp_path.iterdir()}
    config, path = QUICK.replace(epochs=1, **settings), tmp_path / "state.npz"
    run.train(
        preparation,
        "cnn",
        tmp_path / "run",
        settings=SMALL,
        config=config,
        checkpoint=path,
        unlabelled=unlabelled,
    )
    assert {path.name for path in tmp_path.iterdir()} == left | {"run"}

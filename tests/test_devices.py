"""What a training computes with is told and recorded, and why it is no GPU."""

import ctypes.util
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from kerastextzoo.distribution import describe_device
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import train
from kerastextzoo.training import TrainingConfig


def test_a_run_says_what_it_was_computed_with_and_why(
    preparation: Preparation, tmp_path: Path
) -> None:
    config = TrainingConfig(epochs=1, embedding="random", embedding_features=4)
    told = train(preparation, "fasttext", tmp_path / "run", config=config).record["device"]
    assert told == describe_device()
    assert told.startswith("CPU (") or " x GPU (" in told


@pytest.mark.parametrize(
    ("built", "machine", "variable", "driver", "said"),
    [
        (False, [], None, None, "this build of TensorFlow uses no GPU"),
        (True, ["a GPU"], None, "libcuda.so.1", "left to others"),
        (True, [], "-1", "libcuda.so.1", "CUDA_VISIBLE_DEVICES hides"),
        (True, [], None, None, "no NVIDIA driver"),
        (True, [], None, "libcuda.so.1", "kerastextzoo[cuda]"),
    ],
)
def test_a_cpu_is_explained(
    monkeypatch: pytest.MonkeyPatch,
    built: bool,
    machine: list[Any],
    variable: str | None,
    driver: str | None,
    said: str,
) -> None:
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: built)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [])
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: machine)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if variable is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    assert said in describe_device()

"""Models on the JAX and PyTorch backends of Keras: the answers of TensorFlow, and a training step.

Each backend needs a process of its own. Those that are not installed are skipped.
"""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerastextzoo.builders import create_model, list_models

ROOT = Path(__file__).resolve().parent.parent
TOKENS = np.array([[3, 1, 2, 7, 5, 0, 0], [4, 0, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 7]])
VECTORS = np.random.default_rng(0).normal(size=(3, 7, 6)).astype(np.float32)
SETTINGS: dict[str, object] = {"vocabulary_size": 20, "num_classes": 3, "embedding": 6}
DROPPED: dict[str, object] = {"recurrent_dropout": 0.3}

PROGRAM = """
import json, sys
from pathlib import Path
import keras, numpy
from kerastextzoo.builders import create_model
from kerastextzoo.layers import explain_kernel
from kerastextzoo.optimizers import LazyAdamW, create_optimizer
folder = Path(sys.argv[1])
report = {"backend": keras.backend.backend(), "tensorflow": "tensorflow" in sys.modules}
tables = []
for kind in (LazyAdamW, keras.optimizers.AdamW):
    table = keras.Variable(numpy.arange(6.0).reshape(2, 3))
    optimizer = kind(0.1, global_clipnorm=1.0)
    for _ in range(3):
        optimizer.apply([keras.ops.convert_to_tensor(table) * 2 - 1], [table])
    tables.append(keras.ops.convert_to_numpy(table))
report["adamw"] = float(abs(tables[0] - tables[1]).max())
labels = numpy.array([0, 1, 2])
for name, settings in json.loads((folder / "models.json").read_text()).items():
    by_words = name != "sentence"
    tokens = numpy.load(folder / ("tokens.npy" if by_words else "vectors.npy"))
    keras.utils.set_random_seed(0)
    model = create_model(name.split("/")[0], **settings)
    stored = numpy.load(folder / f"{name.replace('/', '-')}.npz")
    model.set_weights([stored[f"arr_{i}"] for i in range(len(stored) - 1)])
    answers = model.predict(tokens, verbose=0)
    weights = model.get_layer("embedding" if by_words else "classes").trainable_variables[0]
    before = keras.ops.convert_to_numpy(weights).copy()
    model.compile(create_optimizer("adamw", 0.01, 1.0, "rows"), "sparse_categorical_crossentropy")
    loss = model.train_on_batch(tokens, labels)
    moved = keras.ops.convert_to_numpy(weights) - before
    report[name] = {
        "difference": float(abs(answers - stored["answers"]).max()),
        "loss": float(loss), "moved": float(abs(moved).max()),
        "kernels": [kernel.gpu for kernel in explain_kernel(model)],
    }
print(json.dumps(report))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_answer_as_tensorflow_and_train(backend: str, tmp_path: Path) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    models = {name: dict(SETTINGS) for name in list_models()}
    for name in ("lstm", "res_lstm"):
        for form in ("kernel", "state"):
            models[f"{name}/{form}"] = {**SETTINGS, **DROPPED, "recurrent_dropout_form": form}
    for name, settings in models.items():
        keras.utils.set_random_seed(1)
        model = create_model(name.split("/")[0], **settings)  # type: ignore[arg-type]
        answers = model.predict(VECTORS if name == "sentence" else TOKENS, verbose=0)
        weights = model.get_weights()
        np.savez(tmp_path / f"{name.replace('/', '-')}.npz", *weights, answers=answers)
    np.save(tmp_path / "tokens.npy", TOKENS)
    np.save(tmp_path / "vectors.npy", VECTORS)
    (tmp_path / "models.json").write_text(json.dumps(models), "utf-8")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    found = subprocess.run(command, capture_output=True, env=environment, text=True, check=False)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout.splitlines()[-1])
    assert said.pop("backend") == backend
    assert not said.pop("tensorflow"), "building a model must not need TensorFlow"
    assert said.pop("adamw") < 1e-6
    assert said.keys() == models.keys()
    for name, result in said.items():
        assert result["difference"] < 1e-4, name
        assert np.isfinite(result["loss"]), name
        assert result["moved"] > 1e-3, name
        # Texts have a mask.
        assert set(result["kernels"]) <= {"loop"}, name

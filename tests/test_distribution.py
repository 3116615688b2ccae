"""`mirrored`: one training on several devices, here two logical CPU devices of another process."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """
import json, shutil, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import numpy
from kerastextzoo import tuning
from kerastextzoo.builders import get_spec
from kerastextzoo.data import load_dataset
from kerastextzoo.splits import make_splits
from kerastextzoo.distribution import open_strategy
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run
from kerastextzoo.training import TrainingConfig, fit
data = load_dataset()
rows = [r for name in ("numpy", "tensorflow")
        for r in [i for i, label in enumerate(data.labels) if label == name][:200]]
preparation = Preparation(make_splits(data.subset(rows), seed=0), seed=0)
settings = get_spec("cnn").config(filters=8, dropout=0.0, embedding_dropout=0.0)
config = TrainingConfig(epochs=3, batch_size=16, embedding_features=8, learning_rate=0.005)
one, two = (fit(preparation, "cnn", settings, config, strategy=name).model.get_weights()
            for name in ("none", "mirrored"))
beside = config.replace(wide_ngrams=2, epochs=1)
wide = fit(preparation, "cnn", settings, beside, strategy="mirrored")
tokens = fit(preparation, "cnn", settings, strategy="mirrored", seed=0, config=config.replace(
    batch_tokens=300, class_weights="balanced", epochs=6))
from pathlib import Path
from kerastextzoo.errors import InputError
state, again = Path(sys.argv[1] + "-state.npz"), Path(sys.argv[1] + "-again.npz")
dropped = settings.replace(dropout=0.5, embedding_dropout=0.2)
whole = fit(preparation, "cnn", dropped, config, strategy="mirrored", checkpoint=state,
            judge=lambda epoch, best: shutil.copy(state, again) and None if epoch == 1 else None)
resumed = fit(preparation, "cnn", dropped, config, strategy="mirrored", checkpoint=again)
try:
    fit(preparation, "cnn", settings, config.replace(accumulation=2), strategy="mirrored")
except InputError as error:
    refused = str(error)
fixed = {**settings.model_dump(), **config.model_dump(exclude=["embedding"])}
# The devices are of this process alone.
result = tuning.tune(preparation, "cnn", sys.argv[1], max_trials=2, fixed=fixed,
                     strategy="mirrored", executor=tuning.InThisProcess())
run = Run(sys.argv[1])
print(json.dumps({
    "replicas": open_strategy("mirrored").num_replicas_in_sync,
    "difference": max(float(numpy.abs(a - b).max()) for a, b in zip(one, two)),
    "trials": [(t.status, t.cause) for t in result.trials],
    "best": result.best.score,
    "again": run.evaluate(preparation.splits.validation).accuracy,
    "strategy": run.record["strategy"],
    "wide": wide.validation.accuracy,
    "tokens": tokens.validation.accuracy,
    "resumed": all(numpy.array_equal(a, b) for a, b in zip(
        whole.model.get_weights(), resumed.model.get_weights(), strict=True)),
    "epochs": [len(whole.history), len(resumed.history)],
    "refused": refused,
}))
"""


def test_two_devices_train_as_one_does_and_a_search_uses_them(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    found = subprocess.run(command, capture_output=True, env=environment, text=True, check=False)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout.splitlines()[-1])
    assert said["replicas"] == 2
    assert said["difference"] < 1e-3
    assert said["trials"] == [["completed", None]] * 2
    assert said["best"] == said["again"] > 0.6
    assert said["strategy"] == "mirrored"
    assert said["tokens"] > 0.6
    assert said["wide"] > 0.6
    assert said["resumed"]
    assert said["epochs"] == [3, 3]
    assert said["refused"].startswith("setting accumulation: 1 with more than one device; got 2;")

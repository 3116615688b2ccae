"""A run as a SavedModel: raw strings in, probabilities and labels out, TensorFlow alone needed.

The graph is traced in a process that sees no GPU, so that no GPU-only operation is baked in, and
what was written is loaded and compared with the run before it is published.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from kerastextzoo.errors import InputError, KerasTextZooError, named
from kerastextzoo.sentence_encoder import SentenceEncoder
from kerastextzoo.storage import check_free, staged, verify

KIND = "saved_model"
_TOLERANCE = 1e-5
_FORBIDDEN_OPS = (b"Cudnn", b"PyFunc", b"ReadFile", b"WriteFile")
#: Texts that have broken text pipelines before; every export is compared on them.
HARD_TEXTS = (
    "",
    " \t\n ",
    "a",
    "It's 10 o'clock -- isn't it?!",
    "emoji \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",
    "\u4e2d\u6587\u548c English \u6df7\u5408 123",
    "\uff26\uff35\uff2c\uff2c \uff37\uff29\uff24\uff34\uff28",
    "line\u2028separator\u2029and\x85next\x1c\x0b\x0c\x00null",
    "[UNK] [PAD] <unk>",
    "\U00020000\U0002a6d6",
    "word " * 2000,
    "x" * 100_000,
)


def export(run: str | Path, to: str | Path) -> Path:
    """Write a run as a SavedModel.

    Signature `serving_default`: `texts` `(batch,)` strings to `probabilities` `(batch, classes)`
    and `label` `(batch,)` strings, and of a multi-label run `chosen` `(batch, classes)`, which
    classes reach their thresholds. Signature `labels`: the classes in order.

    Args:
        run: What `train` or `tune` wrote.
        to: A folder that is not there yet.

    Raises:
        InputError: `run` is no run, or can't be exported, or `to` is taken.
        KerasTextZooError: What was written does not answer as the run does.
    """
    run, to = Path(run), check_free(Path(to))
    verify(run, "run")
    if not can_export(run):
        raise InputError(
            f"{named(run)} reads the vectors of a sentence encoder, which runs in PyTorch and not "
            "in a SavedModel; use 'kerastextzoo predict', or train a model that reads words"
        )
    with staged(to, KIND) as stage:
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow"}
        child = subprocess.run(
            [sys.executable, "-m", "kerastextzoo.export", run, stage],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if child.returncode:
            raise KerasTextZooError(f"export failed: {child.stderr.strip().splitlines()[-1:]}")
    return to


def can_export(run: Path) -> bool:
    """Say whether TensorFlow alone can do all that a run does."""
    return not (run / SentenceEncoder.FILE).exists()


def _write(run_folder: Path, folder: Path) -> None:
    import tensorflow as tf

    from kerastextzoo.run import Run

    run = Run(run_folder)
    encoder: Any = run.encoder
    module = tf.Module()
    # SavedModel keeps what hangs on the module: the look-up table and the weights.
    module.lookup, module.model = encoder.lookup, run.model
    labels, thresholds = tf.constant(run.label_names), run.thresholds

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="texts")])  # type: ignore[untyped-decorator]
    def serve(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        probabilities = run.model(encoder(texts), training=False)
        served = {
            "probabilities": probabilities,
            "label": tf.gather(labels, tf.argmax(probabilities, axis=-1)),
        }
        if thresholds is not None:
            served["chosen"] = probabilities >= thresholds
        return served

    @tf.function(input_signature=[])  # type: ignore[untyped-decorator]
    def list_labels() -> dict[str, tf.Tensor]:
        return {"labels": labels}

    tf.saved_model.save(
        module, str(folder), signatures={"serving_default": serve, "labels": list_labels}
    )
    _check(run, folder)


def _check(run: Any, folder: Path) -> None:
    import numpy as np
    import tensorflow as tf

    graph = (folder / "saved_model.pb").read_bytes()
    found = [op.decode() for op in _FORBIDDEN_OPS if op in graph]
    if found:
        raise KerasTextZooError(f"the graph holds {found}, which not every machine can run")
    loaded = tf.saved_model.load(str(folder))
    served = loaded.signatures["serving_default"](texts=tf.constant(HARD_TEXTS))
    probabilities = run.predict_proba(HARD_TEXTS)
    difference = np.abs(served["probabilities"].numpy() - probabilities).max()
    # Not "greater": a NaN must fail as well.
    if not difference <= _TOLERANCE:
        raise KerasTextZooError(
            f"the SavedModel differs from the run by {difference:.2g}; allowed {_TOLERANCE}"
        )
    if run.thresholds is not None:
        sure = np.abs(probabilities - run.thresholds) > _TOLERANCE
        if (served["chosen"].numpy() != (probabilities >= run.thresholds))[sure].any():
            raise KerasTextZooError("the SavedModel chooses other classes than the run")


if __name__ == "__main__":
    try:
        _write(Path(sys.argv[1]), Path(sys.argv[2]))
    except InputError as error:
        raise SystemExit(str(error)) from None

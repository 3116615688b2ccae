"""The SavedModel: the graph of the text, the network and the labels in one."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from kerastextzoo.errors import KerasTextZooError
from kerastextzoo.export.checking import TOLERANCE, by_length, compare
from kerastextzoo.export.hard_texts import HARD_TEXTS, hard_texts
from kerastextzoo.storage import write_atomically

if TYPE_CHECKING:
    import numpy.typing as npt

    from kerastextzoo.run import Run

_WHAT = "the SavedModel"
_TEXTS = 10_000
_WORDS = 2000
_FORBIDDEN_OPS = (b"Cudnn", b"PyFunc", b"ReadFile", b"WriteFile")


def write(run: "Run", folder: Path) -> None:
    """Write a run as a SavedModel into a folder, and check it.

    Raises:
        KerasTextZooError: It does not answer as the run does.
    """
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
        told = {"labels": labels}
        return told if thresholds is None else {**told, "thresholds": tf.constant(thresholds)}

    signatures = {"serving_default": serve, "labels": list_labels}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    lines = [f"{_on_one_line(name)}\n" for name in run.label_names]
    write_atomically(folder / "assets" / "labels.txt", "".join(lines))
    check(run, folder)


def _on_one_line(label: str) -> str:
    r"""Escape backslashes and what can't be printed as Python does: "a\nb" becomes r"a\nb"."""
    return "".join(
        c if c.isprintable() and c != "\\" else c.encode("unicode_escape").decode() for c in label
    )


def check(run: "Run", folder: Path, number: int = _TEXTS) -> None:
    """Load a SavedModel and compare it with the run, on the texts that are hardest.

    Raises:
        KerasTextZooError: It differs, or holds what not every machine can run.
    """
    graph = (folder / "saved_model.pb").read_bytes()
    found = [op.decode() for op in _FORBIDDEN_OPS if op in graph]
    if found:
        raise KerasTextZooError(
            f"the graph holds {found}, which not every machine can run; "
            "export on a machine without a GPU"
        )
    loaded = tf.saved_model.load(str(folder))
    names = [name.decode() for name in loaded.signatures["labels"]()["labels"].numpy()]
    if names != run.label_names:
        raise KerasTextZooError(f"{_WHAT} has other labels than the run")
    serve = loaded.signatures["serving_default"]

    def answer(texts: list[str]) -> "npt.NDArray[Any]":
        served = {name: tensor.numpy() for name, tensor in serve(texts=tf.constant(texts)).items()}
        _check_choice(run, served)
        probabilities: npt.NDArray[Any] = served["probabilities"]
        return probabilities

    words = run.encoder.vocabulary[2 : 2 + _WORDS]  # type: ignore[union-attr]
    texts = hard_texts(words, number)
    # First those of all lengths at once.
    compare(run, iter([[*HARD_TEXTS]]), answer, _WHAT)
    compare(run, by_length(texts, [len(text) for text in texts]), answer, _WHAT)


def _check_choice(run: "Run", served: dict[str, Any]) -> None:
    probabilities = served["probabilities"]
    best = [run.label_names[place].encode() for place in probabilities.argmax(axis=1)]
    if served["label"].tolist() != best:
        raise KerasTextZooError(f"{_WHAT} gives a label that is not its most probable one")
    if run.thresholds is not None:
        sure = np.abs(probabilities - run.thresholds) > TOLERANCE
        if (served["chosen"] != (probabilities >= run.thresholds))[sure].any():
            raise KerasTextZooError(f"{_WHAT} chooses other classes than the run")

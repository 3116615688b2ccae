"""The network alone, from token ids to probabilities, for Keras, ONNX Runtime and LiteRT.

`preprocessing.json` beside it tells how text becomes ids, with examples to check that against.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from kerastextzoo.errors import InputError
from kerastextzoo.export.checking import by_length, compare
from kerastextzoo.export.hard_texts import hard_texts
from kerastextzoo.network_file import NETWORK, load_network
from kerastextzoo.storage import FORMAT, write_atomically, write_json

if TYPE_CHECKING:
    from kerastextzoo.run import Run

PREPROCESSING = "preprocessing.json"
MODEL_FILES = {"keras": NETWORK, "onnx": "model.onnx", "litert": "model.tflite"}
_OPSET = 18
_TEXTS = 400
_TEXTS_ONE_BY_ONE = 60
_WORDS = 2000
_EXAMPLES = (
    "It's 10 o'clock -- isn't it?!",
    "\uff26\uff35\uff2c\uff2c \uff37\uff29\uff24\uff34\uff28",
    "\u4e2d\u6587\u548c English \u6df7\u5408 123",
    "",
)
_STEPS = {
    "word": (
        "Unicode NFKC of each character, lower case; U+2019 becomes an apostrophe",
        "a space around '!', '?' and each character of category So",
        "all but letters, marks, digits, those signs and apostrophes becomes a space",
        "apostrophes at either end of a word are dropped; split at spaces",
    ),
    "char": (
        "Unicode NFKC of each character, lower case",
        "characters of the categories Z and C are dropped; each other one is a token",
    ),
    "jieba": (
        "as for 'word', up to the split",
        "from left to right the longest word of the vocabulary; runs of letters or digits stay "
        "whole; where none begins, a character is one unknown token",
    ),
}
Answer = Callable[[npt.NDArray[np.int32]], npt.NDArray[Any]]


def _write_keras(run: "Run", folder: Path) -> None:
    path = folder / MODEL_FILES["keras"]
    shutil.copyfile(run.directory / NETWORK, path)
    model = load_network(path)
    own = {type(layer).__name__ for layer in _layers(model) if _is_ours(layer)}
    _describe(run, folder, needs=sorted(own))
    answer = _function(model, tf.TensorSpec((None, None), tf.int32, name="ids"))
    _check(run, _TEXTS, lambda ids: answer(ids)["probabilities"].numpy(), path.name)


def _layers(model: Any) -> Iterator[Any]:
    for layer in model.layers:
        yield layer
        yield from _layers(layer) if hasattr(layer, "layers") else ()


def _is_ours(layer: Any) -> bool:
    return type(layer).__module__.startswith("kerastextzoo.")


def _write_onnx(run: "Run", folder: Path) -> None:
    import onnxruntime
    import tf2onnx

    path = folder / MODEL_FILES["onnx"]
    spec = tf.TensorSpec((None, None), tf.int32, name="ids")
    try:
        proto, _ = tf2onnx.convert.from_function(
            _function(run.model, spec),
            input_signature=[spec],
            opset=_OPSET,
            custom_op_handlers={"Erfc": (_erfc_by_erf, [])},
        )
        _put_finite(proto.graph)
        write_atomically(path, proto.SerializeToString())
        session = onnxruntime.InferenceSession(path)
    except Exception as error:
        # Converters raise whatever they like.
        raise _not_converted(run, "onnx", "tf2onnx", error) from None
    _describe(run, folder)
    _check(run, _TEXTS, lambda ids: session.run(["probabilities"], {"ids": ids})[0], path.name)


def _put_finite(graph: Any) -> None:
    """Put the lowest number for minus infinity, which comes out as NaN where a window is hidden."""
    from onnx import numpy_helper

    attributes = [each for node in graph.node for each in node.attribute]
    constants = [each.t for each in attributes if each.HasField("t")]
    for tensor in (*graph.initializer, *constants):
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and np.isneginf(values).any():
            finite = np.maximum(values, np.finfo(np.float32).min)
            tensor.CopyFrom(numpy_helper.from_array(finite, tensor.name))
    for each in attributes:
        if each.HasField("g"):
            _put_finite(each.g)


def _erfc_by_erf(context: Any, node: Any, name: str, arguments: Any) -> None:
    """Put 1 - erf(x) for erfc(x), which ONNX lacks; gelu asks for it."""
    shape, kind = context.get_shape(node.output[0]), context.get_dtype(node.output[0])
    erf = context.make_node("Erf", node.input)
    one = context.make_const(f"{name}/one", np.ones((), np.float32))
    context.remove_node(node.name)
    inputs = [one.output[0], erf.output[0]]
    context.make_node("Sub", inputs, outputs=node.output, name=name, shapes=[shape], dtypes=[kind])


def _write_litert(run: "Run", folder: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path = folder / MODEL_FILES["litert"]
    steps: int = run.encoder.max_length
    # Of fixed size: loops of recurrent layers have to be. More padding never changes an answer.
    spec = tf.TensorSpec((1, steps), tf.int32, name="ids")
    try:
        concrete = _function(run.model, spec).get_concrete_function()
        # Without the model: its variables become constants; as variables they come out empty.
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
        write_atomically(path, converter.convert())
        interpreter = Interpreter(str(path))
        interpreter.allocate_tensors()
    except Exception as error:
        raise _not_converted(run, "litert", "TensorFlow's converter", error) from None
    (given,), (returned,) = interpreter.get_input_details(), interpreter.get_output_details()

    def answer(ids: npt.NDArray[np.int32]) -> npt.NDArray[Any]:
        rows = []
        for row in np.pad(ids, ((0, 0), (0, steps - ids.shape[1]))):
            interpreter.set_tensor(given["index"], row[None])
            interpreter.invoke()
            rows.append(interpreter.get_tensor(returned["index"])[0])
        return np.stack(rows)

    _describe(run, folder, steps=steps)
    _check(run, _TEXTS_ONE_BY_ONE, answer, path.name)


WRITERS: dict[str, Callable[["Run", Path], None]] = {
    "keras": _write_keras,
    "onnx": _write_onnx,
    "litert": _write_litert,
}


def _function(model: Any, spec: tf.TensorSpec) -> Any:
    def probabilities(ids: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"probabilities": model(ids, training=False)}

    return tf.function(probabilities, input_signature=[spec])


def _not_converted(run: "Run", form: str, converter: str, error: Exception) -> InputError:
    why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return InputError(
        f"model {run.record['model']} can't become {form}: {converter} says: {why}; "
        "use --format saved_model, or another model"
    )


def _describe(run: "Run", folder: Path, steps: int | None = None, needs: Any = ()) -> None:
    encoder: Any = run.encoder
    examples = [
        {"text": text, "ids": encoder.encode([text]).padded([0])[0].tolist()} for text in _EXAMPLES
    ]
    thresholds = None if run.thresholds is None else run.thresholds.tolist()
    content = {
        "format": FORMAT,
        "model": run.record["model"],
        "input": {
            "name": "ids",
            "type": "int32",
            "shape": ["batch" if steps is None else 1, "steps" if steps is None else steps],
            "padding": "with padding_id, at the end",
        },
        "output": {"name": "probabilities", "type": "float32", "classes": run.label_names},
        "thresholds": thresholds,
        "labels": run.label_names,
        "tokenizer": encoder.tokenizer,
        "tokenizing": _STEPS[encoder.tokenizer],
        "max_length": encoder.max_length,
        "padding_id": 0,
        "unknown_id": 1,
        "without_a_token": [1],
        "vocabulary": encoder.vocabulary,
        "examples": examples,
        "layers_of_kerastextzoo": list(needs),
        "versions": run.record["versions"],
    }
    write_json(folder / PREPROCESSING, content)


def _check(run: "Run", number: int, answer: Answer, what: str) -> None:
    encoder: Any = run.encoder

    def answer_texts(texts: list[str]) -> npt.NDArray[Any]:
        return answer(encoder.encode(texts).padded(np.arange(len(texts))))

    texts = hard_texts(encoder.vocabulary[2 : 2 + _WORDS], number)
    tokens = " ".join(encoder.vocabulary[2 : 2 + _WORDS])
    # The longest there is, and some of each length.
    texts += [tokens[: 8**power] for power in range(7)]
    compare(run, by_length(texts, encoder.encode(texts).lengths.tolist()), answer_texts, what)

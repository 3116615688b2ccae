"""Raw texts to labels, and one short text through a SavedModel.

    python -m benchmarks.predicting imdb/test.tsv.gz

Theirs is stock Keras: TextVectorization, every text padded to 400 tokens, `model.predict`. Both use
a `cnn` of the same sizes; how well it answers does not matter here, so it is not trained.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.pairs import Figure, Pair, compare, read_arguments, show
from kerastextzoo.builders import create_model
from kerastextzoo.data import load_dataset
from kerastextzoo.text import TextConfig, fit_encoder
from kerastextzoo.training import predict_probabilities

_VOCABULARY = 20_000
_LENGTH = 400
_CALLS = 300
layers = keras.layers
# One core, nothing but TensorFlow.
_SERVE = """
import json, sys, time
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
seconds = []
for _ in range(int(sys.argv[2])):
    started = time.perf_counter()
    serve(texts=tf.constant(["a film that I would see again"]))
    seconds.append(time.perf_counter() - started)
print(json.dumps(seconds[20:]))
"""


def stock(texts: list[str]) -> keras.Model:
    """Build the zoo's `cnn` as Keras's own layers on padded texts."""
    vectorise = layers.TextVectorization(_VOCABULARY, output_sequence_length=_LENGTH)
    vectorise.adapt(texts)
    strings = keras.Input((), dtype="string")
    vectors = layers.Embedding(_VOCABULARY, 100)(vectorise(strings))
    phrases = [
        layers.GlobalMaxPooling1D()(layers.Conv1D(128, size, activation="relu")(vectors))
        for size in (2, 3, 4)
    ]
    return keras.Model(strings, layers.Dense(2, "softmax")(layers.Concatenate()(phrases)))


def measure(path: Path, number: int, blocks: int) -> list[Pair | Figure]:
    """Compare answers to many raw texts, and time one."""
    texts = list(load_dataset(path).texts[:number])
    encoder = fit_encoder(texts, TextConfig(tokenizer="word", max_length=_LENGTH))
    ours = create_model("cnn", vocabulary_size=len(encoder.vocabulary), num_classes=2)
    theirs, strings = stock(texts), tf.constant(texts)

    def answer() -> None:
        predict_probabilities(ours, encoder.encode(texts)).argmax(axis=1)

    def stock_answer() -> None:
        np.argmax(theirs.predict(strings, batch_size=256, verbose=0), axis=1)

    work = f"{len(texts):,} raw texts to labels"
    pair = compare(work, answer, stock_answer, blocks=blocks, calls=1, goal=2.0)
    one = "one short text through the SavedModel of a cnn, one core"
    return [pair, Figure.of(one, serve(path), " ms", "under 5 ms")]


def serve(path: Path) -> list[float]:
    """Return the milliseconds of each of many calls, in a process of its own."""
    from kerastextzoo.export import export
    from kerastextzoo.preparation import Preparation
    from kerastextzoo.run import train
    from kerastextzoo.splits import make_splits
    from kerastextzoo.training import TrainingConfig

    whole = load_dataset(path)
    # An odd step: files whose classes take turns would give one class.
    data = whole.subset(range(0, len(whole), 51))
    config = TrainingConfig(epochs=1, embedding="random")
    with tempfile.TemporaryDirectory() as folder:
        run = train(Preparation(make_splits(data, seed=0)), "cnn", f"{folder}/run", config=config)
        exported = export(run.directory, Path(folder, "model"))
        command = [sys.executable, "-c", _SERVE, str(exported), str(_CALLS)]
        if sys.platform == "linux":
            command = ["taskset", "--cpu-list", "0", *command]
        done = subprocess.run(command, capture_output=True, check=True)
    return [1000 * seconds for seconds in json.loads(done.stdout)]


def main() -> None:
    """Print the comparison, and the time of one text."""
    options = read_arguments(__doc__, "file", texts=25_000, blocks=5)
    found = measure(options.file, options.texts, options.blocks)
    show(found, theirs="stock Keras", as_json=options.json)


if __name__ == "__main__":
    main()

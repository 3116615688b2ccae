"""A training step with a large trainable embedding: updates by row against stock Keras.

    python -m benchmarks.embedding_updates [--json]

The model is an embedding of 100,000 x 300, a mean over the text and a dense layer, so that the
embedding is nearly all of the step; a batch has 64 texts of 50 words, drawn as Zipf draws them or
evenly, which is the hardest case: hardly a word comes twice.
"""

from functools import partial

import keras
import numpy as np
import numpy.typing as npt

from benchmarks.pairs import Pair, compare, read_arguments, show
from kerastextzoo.layers import RowEmbedding
from kerastextzoo.optimizers import EmbeddingUpdates, OptimizerName, create_optimizer

WORDS, FEATURES, TEXTS, STEPS, CLASSES = 100_000, 300, 64, 50, 4


def _draw(words: str) -> npt.NDArray[np.int32]:
    rng = np.random.default_rng(0)
    if words == "even":
        return rng.integers(1, WORDS, (TEXTS, STEPS), dtype=np.int32)
    shares = 1 / np.arange(1, WORDS)
    return rng.choice(np.arange(1, WORDS), (TEXTS, STEPS), p=shares / shares.sum()).astype(np.int32)


def _model(
    embedding: type[keras.layers.Embedding], name: OptimizerName, updates: EmbeddingUpdates
) -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((STEPS,), dtype="int32"),
            embedding(WORDS, FEATURES),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(create_optimizer(name, 1e-3, None, updates), "sparse_categorical_crossentropy")
    return model


def measure(blocks: int, calls: int) -> list[Pair]:
    """Compare steps with Adam, AdamW and SGD, and a prediction."""
    labels = np.arange(TEXTS) % CLASSES
    times = {"blocks": blocks, "calls": calls}
    pairs: list[Pair] = []
    for name in ("adam", "adamw", "sgd"):
        for words in ("zipf", "even"):
            models = (
                _model(RowEmbedding, name, "rows"),
                _model(keras.layers.Embedding, name, "stock"),
            )
            tokens = _draw(words)
            # Both calls return numbers, so that the work is done.
            ours, theirs = (partial(model.train_on_batch, tokens, labels) for model in models)
            work = f"a step with 100,000 x 300 embedding, {name}, words drawn {words}"
            goal = 3.0 if name == "adam" else None
            pairs.append(compare(work, ours, theirs, goal=goal, **times))
    # Of the models that SGD has trained: both have updated rows, which slows Keras's reads.
    ours, theirs = (partial(model.predict_on_batch, tokens) for model in models)
    return [*pairs, compare("prediction with that embedding", ours, theirs, **times)]


def main() -> None:
    """Measure and print."""
    options = read_arguments(__doc__, calls=5)
    pairs = measure(options.blocks, options.calls)
    show(pairs, ours="rows", theirs="stock", as_json=options.json)


if __name__ == "__main__":
    main()

"""An epoch of training against the published Keras code: every text padded to 179 tokens.

    python -m benchmarks.training isear/all.tsv.gz

Theirs is written as it was published: one embedding for each kernel, `model.fit` on one padded
array. Ours are the models of the zoo with the same sizes on the same ids. Both train the same texts
from the same vectors, frozen, with the same optimizer and batch size.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.pairs import Pair, compare, show
from kerastextzoo.batching import TrainingBatches
from kerastextzoo.builders import create_model
from kerastextzoo.data import load_dataset
from kerastextzoo.optimizers import OptimizerName, create_optimizer
from kerastextzoo.preparation import Preparation
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig

_LENGTH = 179
_FEATURES = 300
_BATCH = 64
layers = keras.layers


class Work:
    """Some texts, once as our batches and once as one padded array."""

    def __init__(self, path: Path, texts: int) -> None:
        splits = make_splits(load_dataset(path), seed=0)
        config = TextConfig(tokenizer="word", max_length=_LENGTH, min_count=1)
        self.preparation = Preparation(splits, config)
        self.classes = len(splits.label_names)
        self.words = len(self.preparation.encoder.vocabulary)
        rng = np.random.default_rng(0)
        self.matrix = rng.normal(0, 0.1, (self.words, _FEATURES)).astype(np.float32)
        encoded = self.preparation.texts["train"]
        rows = rng.permutation(len(encoded))[:texts]
        self.texts = encoded.take(rows)
        self.labels = self.preparation.label_ids["train"][rows]
        self.padded = np.zeros((len(rows), _LENGTH), np.int32)
        batch = self.texts.padded(np.arange(len(rows)))
        self.padded[:, : batch.shape[1]] = batch

    def ours(self, model: str, optimizer: OptimizerName, **settings: object) -> Callable[[], Any]:
        """Return an epoch of a model of the zoo."""
        network = create_model(
            model,
            vocabulary_size=self.words,
            num_classes=self.classes,
            embedding=self.matrix,
            embedding_trainable=False,
            **settings,
        )
        network.compile(create_optimizer(optimizer), "sparse_categorical_crossentropy")
        batches = TrainingBatches(self.texts, self.labels, batch_size=_BATCH, seed=0)

        def epoch() -> None:
            batches.epoch += 1
            network.fit(batches.as_dataset(), verbose=0, shuffle=False)

        return epoch

    def theirs(self, network: keras.Model, optimizer: str) -> Callable[[], Any]:
        """Return an epoch of a model on the padded array."""
        network.compile(optimizer, "sparse_categorical_crossentropy")
        return lambda: network.fit(self.padded, self.labels, batch_size=_BATCH, verbose=0)

    def embedding(self, mask_zero: bool) -> Any:
        """Return a frozen embedding."""
        return layers.Embedding(
            self.words, _FEATURES, weights=[self.matrix], trainable=False, mask_zero=mask_zero
        )


def published_cnn(work: Work) -> keras.Model:
    """Kernels of 2 and 6 words, each over its own copy of the embedding."""
    tokens = keras.Input((_LENGTH,))
    branches = [
        layers.GlobalMaxPooling1D()(
            layers.Conv1D(100, size, activation="relu")(work.embedding(False)(tokens))
        )
        for size in (2, 6)
    ]
    features = layers.Dropout(0.6)(layers.Concatenate()(branches))
    features = layers.Dropout(0.6)(layers.Dense(270, activation="relu")(features))
    return keras.Model(tokens, layers.Dense(work.classes, activation="softmax")(features))


def published_lstm(work: Work) -> keras.Model:
    """Two LSTMs with recurrent dropout."""
    tokens = keras.Input((_LENGTH,))
    states = layers.LSTM(120, return_sequences=True, recurrent_dropout=0.2)(
        work.embedding(True)(tokens)
    )
    state = layers.LSTM(120, recurrent_dropout=0.2)(layers.Dropout(0.5)(states))
    classes = layers.Dense(work.classes, activation="softmax")(layers.Dropout(0.5)(state))
    return keras.Model(tokens, classes)


def measure(work: Work, blocks: int) -> list[Pair]:
    """Compare the CNN, and the LSTM with both forms of recurrent dropout."""
    cnn = work.ours(
        "cnn", "rmsprop", kernel_sizes=(2, 6), filters=100, dense_units=270, dropout=0.6
    )
    found = [
        compare(
            "CNN, an epoch",
            cnn,
            work.theirs(published_cnn(work), "rmsprop"),
            blocks=blocks,
            calls=1,
            goal=4.5,
        )
    ]
    for form in ("kernel", "state"):
        lstm = work.ours(
            "lstm", "adam", layers=2, units=120, recurrent_dropout=0.2, recurrent_dropout_form=form
        )
        found.append(
            compare(
                f"2 LSTMs, recurrent dropout of the {form}, an epoch",
                lstm,
                work.theirs(published_lstm(work), "adam"),
                blocks=blocks,
                calls=1,
                goal=6,
            )
        )
    return found


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--texts", type=int, default=2048, help="texts of an epoch")
    parser.add_argument("--blocks", type=int, default=5, help="timed blocks of each way")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    pairs = measure(Work(options.file, options.texts), options.blocks)
    show(pairs, ours="kerastextzoo", theirs="as published", as_json=options.json)


if __name__ == "__main__":
    main()

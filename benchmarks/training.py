"""Two epochs of training against the published Keras code: every text padded to 179 tokens.

    python -m benchmarks.training isear/all.tsv.gz

Theirs is written as it was published: one embedding for each kernel, `model.fit` on one padded
array. Ours are the models of the zoo with the same sizes on the same ids. Both train the same texts
from the same vectors, frozen, with the same optimizer and batch size.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from benchmarks.pairs import Pair, compare, read_arguments, show
from benchmarks.work import BATCH, EPOCHS, Work

_LENGTH = 179
_FEATURES = 300
layers = keras.layers


def train(work: Work, network: keras.Model, optimizer: str) -> Callable[[], Any]:
    """Return the training of a model on the padded array."""
    network.compile(optimizer, "sparse_categorical_crossentropy")
    return lambda: network.fit(work.padded, work.labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)


def embed(work: Work, mask_zero: bool) -> Any:
    """Return a frozen embedding."""
    return layers.Embedding(
        work.words, work.features, weights=[work.matrix], trainable=False, mask_zero=mask_zero
    )


def published_cnn(work: Work) -> keras.Model:
    """Kernels of 2 and 6 words, each over its own copy of the embedding."""
    tokens = keras.Input((_LENGTH,))
    branches = [
        layers.GlobalMaxPooling1D()(
            layers.Conv1D(100, size, activation="relu")(embed(work, False)(tokens))
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
        embed(work, True)(tokens)
    )
    state = layers.LSTM(120, recurrent_dropout=0.2)(layers.Dropout(0.5)(states))
    classes = layers.Dense(work.classes, activation="softmax")(layers.Dropout(0.5)(state))
    return keras.Model(tokens, classes)


def measure(path: Path, texts: int, blocks: int) -> list[Pair]:
    """Compare the CNN, and the LSTM with both forms of recurrent dropout."""
    work = Work(path, texts, length=_LENGTH, features=_FEATURES)
    cnn = work.ours(
        "cnn",
        "rmsprop",
        kernel_sizes=(2, 6),
        filters=100,
        dense_units=270,
        dropout=0.6,
        embedding_dropout=0.0,
    )
    found = [
        compare(
            "S3's CNN, two epochs",
            cnn,
            train(work, published_cnn(work), "rmsprop"),
            blocks=blocks,
            calls=1,
            goal=4.5,
        )
    ]
    for form in ("kernel", "state"):
        lstm = work.ours(
            "lstm",
            "adam",
            layers=2,
            units=120,
            recurrent_dropout=0.2,
            recurrent_dropout_form=form,
            embedding_dropout=0.0,
        )
        found.append(
            compare(
                f"S3's LSTMs, recurrent dropout of the {form}, two epochs",
                lstm,
                train(work, published_lstm(work), "adam"),
                blocks=blocks,
                calls=1,
                goal=6,
            )
        )
    return found


def main() -> None:
    """Print the comparison."""
    options = read_arguments(__doc__, "file", texts=2048, blocks=5)
    pairs = measure(options.file, options.texts, options.blocks)
    show(pairs, theirs="as published", as_json=options.json)


if __name__ == "__main__":
    main()

"""Read a file and turn its texts into ids, against Keras's TextVectorization on the same texts.

    python -m benchmarks.tokenizing imdb/train.tsv.gz

Ours reads, checks and unpacks the file too; TextVectorization gets the texts from memory, adapts
and maps. The last line is the second use of the same data, which finds its ids in the cache.
"""

import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from benchmarks.pairs import Pair, compare, read_arguments, show
from kerastextzoo.data import load_dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig, fit_and_encode

_VOCABULARY = 20_000
_LENGTH = 400
_TEXTS_AT_ONCE = 4096


def measure(path: Path, blocks: int) -> list[Pair]:
    """Compare reading, tokenising and both."""
    import keras
    import tensorflow as tf

    texts = list(load_dataset(path).texts)
    config = TextConfig(tokenizer="word", max_length=_LENGTH, max_vocabulary=_VOCABULARY)

    def tokenise() -> None:
        for _ in fit_and_encode(texts, config)[1]:
            pass

    def read_and_tokenise() -> None:
        for _ in fit_and_encode(load_dataset(path).texts, config)[1]:
            pass

    def vectorise() -> None:
        layer = keras.layers.TextVectorization(_VOCABULARY, output_sequence_length=_LENGTH)
        strings = tf.data.Dataset.from_tensor_slices(texts).batch(_TEXTS_AT_ONCE)
        layer.adapt(strings)
        for ids in strings.map(layer):
            ids.numpy()

    splits = make_splits(load_dataset(path), seed=0)

    def prepare_again() -> None:
        Preparation(splits, config, cache=True)

    ways = {
        f"tokenise {len(texts):,} texts": (tokenise, 1.0),
        "read and tokenise them": (read_and_tokenise, 1.0),
        "use them again": (prepare_again, None),
    }
    with tempfile.TemporaryDirectory() as cache, patch.dict(os.environ, KERASTEXTZOO_CACHE=cache):
        prepare_again()
        return [
            compare(work, way, vectorise, blocks=blocks, calls=1, goal=goal)
            for work, (way, goal) in ways.items()
        ]


def main() -> None:
    """Print the comparison."""
    options = read_arguments(__doc__, "file", blocks=5)
    pairs = measure(options.file, options.blocks)
    show(pairs, theirs="TextVectorization", as_json=options.json)


if __name__ == "__main__":
    main()

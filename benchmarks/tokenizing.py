"""Read a file and turn its texts into ids, against Keras's TextVectorization on the same texts.

    python -m benchmarks.tokenizing imdb/train.tsv.gz

Ours reads, checks and unpacks the file too; TextVectorization gets the texts from memory, adapts
and maps. The last line is the second use of the same data, which finds its ids in the cache.
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

from benchmarks.pairs import Pair, compare, show
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

    prepare_again()
    return [
        compare("tokenise", tokenise, vectorise, blocks=blocks, calls=1, goal=1.0),
        compare("read and tokenise", read_and_tokenise, vectorise, blocks=blocks, calls=1, goal=1),
        compare("second use", prepare_again, vectorise, blocks=blocks, calls=1),
    ]


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--blocks", type=int, default=5, help="timed blocks of each way")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as cache:
        os.environ["KERASTEXTZOO_CACHE"] = cache
        pairs = measure(options.file, options.blocks)
    show(pairs, ours="kerastextzoo", theirs="TextVectorization", as_json=options.json)
    sys.stdout.flush()


if __name__ == "__main__":
    main()

"""How near the floor training is: the machine's matrix products, growth with the data, ResLSTM.

    python -m benchmarks.floor imdb/train.tsv.gz

The ceiling is what a product of two matrices of 1024 x 1024 reaches, measured right before and
after each training, because machines change their speed. Only real tokens count as work done:
padding, look-ups, activations and the optimizer are losses.
"""

import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np

from benchmarks.pairs import Figure, Pair, compare, read_arguments, show
from benchmarks.work import EPOCHS, Work
from kerastextzoo.cost import count_multiply_adds

_LENGTH = 400
_SIZE = 1024
_PRODUCTS = 20
_TIMES = 4


def ceiling() -> float:
    """Return the multiply-adds a second of a matrix product."""
    matrix = keras.random.normal((_SIZE, _SIZE))
    np.asarray(keras.ops.matmul(matrix, matrix))
    started = time.perf_counter()
    for _ in range(_PRODUCTS):
        product = keras.ops.matmul(matrix, matrix)
    np.asarray(product)
    return _PRODUCTS * _SIZE**3 / (time.perf_counter() - started)


def share(work: Work, name: str, blocks: int, **settings: object) -> list[float]:
    """Return the share of the ceiling, in percent, that each training reached."""
    model = work.model(name, **settings)
    fit = work.train(model, "adam")
    needed = EPOCHS * sum(
        count_multiply_adds(model, int(length), training=True) for length in work.texts.lengths
    )
    fit()
    shares, before = [], ceiling()
    for _ in range(blocks):
        started = time.perf_counter()
        fit()
        seconds = time.perf_counter() - started
        after = ceiling()
        shares.append(100 * needed / seconds / ((before + after) / 2))
        before = after
    return shares


def resident(path: Path, texts: int) -> float:
    """Return the most megabytes of a process that trains on so many texts."""
    command = [sys.executable, "-m", "benchmarks.floor", str(path), "--resident", str(texts)]
    done = subprocess.run(command, capture_output=True, check=True)
    return float(done.stdout)


def measure(path: Path, texts: int, blocks: int) -> list[Pair | Figure]:
    """Measure shares of the ceiling, growth in time and memory, and ResLSTM against LSTM."""
    wide = Work(path, texts, length=_LENGTH, features=300)
    found: list[Pair | Figure] = [
        Figure.of(
            f"{name} reaches, of the matrix-product ceiling",
            share(wide, name, blocks, **settings),
            " %",
            f"at least {goal} %",
        )
        for name, settings, goal in (("cnn", {}, 50), ("lstm", {"units": 256}, 40))
    ]
    work = Work(path, texts, length=_LENGTH, features=100)
    step = {
        name: partial(
            _compiled(work, name).train_on_batch, work.texts.padded(range(64)), work.labels[:64]
        )
        for name in ("res_lstm", "lstm")
    }
    found.append(
        compare("res_lstm against lstm, a step", *step.values(), blocks=blocks, calls=5, goal=0.8)
    )
    few = Work(path, texts // _TIMES, length=_LENGTH, features=100)
    # The same words and the same model, so that the texts alone are more.
    few.words, few.matrix = work.words, work.matrix
    growth = compare(
        "growth", few.ours("cnn", "adam"), work.ours("cnn", "adam"), blocks=blocks, calls=1
    )
    tokens = work.texts.lengths.sum() / few.texts.lengths.sum()
    times = [growth.ratio, growth.lowest, growth.highest]
    found.append(
        Figure.of(f"time of {tokens:.2f}x the tokens (4x the texts)", times, "x", "at most 4.2x")
    )
    more = resident(path, texts) - resident(path, texts // _TIMES)
    found.append(Figure.of("memory that 4x the texts take more", [more], " MB", "flat"))
    return found


def _compiled(work: Work, name: str) -> keras.Model:
    model = work.model(name)
    work.train(model, "adam")
    return model


def main() -> None:
    """Print the figures."""
    options = read_arguments(__doc__, "file", texts=768, blocks=5, resident=0)
    if options.resident:
        Work(options.file, options.resident, length=_LENGTH, features=100).ours("cnn", "adam")()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    found = measure(options.file, options.texts, options.blocks)
    show(found, ours="res_lstm", theirs="lstm", as_json=options.json)


if __name__ == "__main__":
    main()

"""Train on a generated file of a gigabyte, and show that memory stays under two.

    python -m benchmarks.large_file [--gigabytes 1]

A child process reads, tokenises and trains, as a user's command does; its largest resident set,
files mapped into memory included, is what counts. The file and the cache lie in a temporary folder
of the working directory, which needs three times the size of the file.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

_LIMIT = 2 * 10**9
_WORDS = 50_000
_WORDS_OF_A_TEXT = 160
_TEXTS_AT_ONCE = 2_000
_CLASSES = 4


def generate(path: Path, size: int, seed: int = 0) -> int:
    """Write rows of `text,label` until the file has `size` bytes; return how many.

    Words are as frequent as in a language (Zipf); each class prefers some of them.
    """
    rng = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    spelled = ["".join(rng.choice(letters, rng.integers(2, 10))) for _ in range(_WORDS)]
    words = np.array(spelled, object)
    chances = 1 / np.arange(1, _WORDS + 1)
    cumulated = np.cumsum(chances / chances.sum())
    rows = 0
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        while file.tell() < size:
            drawn = np.searchsorted(cumulated, rng.random((_TEXTS_AT_ONCE, _WORDS_OF_A_TEXT)))
            labels = rng.integers(0, _CLASSES, _TEXTS_AT_ONCE)
            # Every tenth word is one of the class.
            drawn[:, ::10] = drawn[:, ::10] // _CLASSES * _CLASSES + labels[:, None]
            drawn = np.minimum(drawn, _WORDS - 1)
            file.writelines(
                f"{' '.join(words[row])},class {label}\n"
                for row, label in zip(drawn, labels, strict=True)
            )
            rows += _TEXTS_AT_ONCE
    return rows


def measure(folder: Path, size: int) -> dict[str, float]:
    """Generate the file, train on it in a child process, return what it took."""
    path = folder / "large.csv"
    rows = generate(path, size)
    command = [sys.executable, "-m", "kerastextzoo", "train", "--model", "cnn", "--data", str(path)]
    command += ["--out", str(folder / "run"), "--epochs", "1", "--batch-size", "256", "--json"]
    # Training is not what is measured: a small network, without word2vec before it.
    command += ["--set", "embedding=random", "--set", "embedding_features=16"]
    command += ["--set", "kernel_sizes=3", "--set", "filters=16"]
    env = {**os.environ, "KERASTEXTZOO_CACHE": str(folder / "cache")}
    started = time.monotonic()
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    kibibyte = 1 if sys.platform == "darwin" else 1024
    return {
        "file_bytes": path.stat().st_size,
        "rows": rows,
        "seconds": round(time.monotonic() - started, 1),
        "training_seconds": json.loads(done.stdout)["seconds"],
        "val_accuracy": json.loads(done.stdout)["metrics"]["val_accuracy"],
        "largest_resident_bytes": used.ru_maxrss * kibibyte,
    }


def main() -> None:
    """Print what it took as JSON; status 1 above two gigabytes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    size = int(parser.parse_args().gigabytes * 10**9)
    with tempfile.TemporaryDirectory(dir=".") as folder:
        result = measure(Path(folder), size)
    sys.stdout.write(json.dumps(result, indent=2) + "\n")
    sys.exit(result["largest_resident_bytes"] >= _LIMIT)


if __name__ == "__main__":
    main()

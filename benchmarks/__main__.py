"""Everything that is compared with a goal, in one table.

    python -m benchmarks FOLDER [--json]

FOLDER holds the public data sets ISEAR and IMDB as `isear/all.tsv.gz`, `imdb/train.tsv.gz` and
`imdb/test.tsv.gz`. PyTorch is needed for two lines, which are left out where it is absent. About
half an hour on two cores.
"""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks import embedding_updates, floor, predicting, tokenizing, training
from benchmarks.pairs import Figure, Pair, read_arguments, show


def main() -> None:
    """Run one benchmark after the other and print one table."""
    options = read_arguments(__doc__, "folder", blocks=5)
    isear, train, test = (
        options.folder / name
        for name in ("isear/all.tsv.gz", "imdb/train.tsv.gz", "imdb/test.tsv.gz")
    )
    parts: list[Callable[[], Sequence[Pair | Figure]]] = [
        partial(training.measure, isear, 2048, options.blocks),
        partial(embedding_updates.measure, options.blocks, calls=5),
        partial(floor.measure, train, 768, options.blocks),
        partial(predicting.measure, test, 25_000, options.blocks),
        partial(tokenizing.measure, train, options.blocks),
    ]
    if importlib.util.find_spec("torch"):
        from benchmarks import pytorch

        parts.append(partial(pytorch.measure, train, 1024, options.blocks))
    else:
        print("PyTorch is not installed: not compared with it", file=sys.stderr)
    found: list[Pair | Figure] = []
    for part in parts:
        # Told at once as well: the whole takes long.
        for entry in part():
            print("  ".join(entry.row()), file=sys.stderr)
            found.append(entry)
    show(found, as_json=options.json)


if __name__ == "__main__":
    main()

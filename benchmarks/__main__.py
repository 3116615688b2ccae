"""Everything that is compared with a goal, in one table.

    python -m benchmarks FOLDER [--json]

FOLDER holds the public data sets ISEAR and IMDB as `isear/all.tsv.gz`, `imdb/train.tsv.gz` and
`imdb/test.tsv.gz`. PyTorch is needed for two lines, which are left out where it is absent. About
half an hour on two cores.
"""

import importlib.util
import sys

from benchmarks import embedding_updates, floor, predicting, tokenizing, training
from benchmarks.pairs import Figure, Pair, read_arguments, show


def main() -> None:
    """Run one benchmark after the other and print one table."""
    options = read_arguments(__doc__, "folder", blocks=5)
    isear, train, test = (
        options.folder / name
        for name in ("isear/all.tsv.gz", "imdb/train.tsv.gz", "imdb/test.tsv.gz")
    )
    found: list[Pair | Figure] = [*training.measure(isear, 2048, options.blocks)]
    if importlib.util.find_spec("torch"):
        from benchmarks import pytorch

        found += pytorch.measure(train, 1024, options.blocks)
    else:
        print("PyTorch is not installed: not compared with it", file=sys.stderr)
    found += embedding_updates.measure(options.blocks, calls=5)
    found += floor.measure(train, 768, options.blocks)
    found += predicting.measure(test, 25_000, options.blocks)
    found += tokenizing.measure(train, options.blocks)
    show(found, as_json=options.json)


if __name__ == "__main__":
    main()

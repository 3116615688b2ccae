"""What makes training faster must not make it worse: validation accuracy by setting, over seeds.

    python -m benchmarks.accuracy isear/all.tsv.gz --seeds 3

Each line trains a model with defaults but for one setting. The split is the same for all seeds, so
the differences are those of the training; the test texts are not looked at.
"""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.pairs import read_arguments
from kerastextzoo.data import load_dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.settings import share_out
from kerastextzoo.splits import make_splits
from kerastextzoo.training import fit

# Tokens of 64 texts on average, padding included, are filled in.
_TOKENS = "batch_tokens"
SETTINGS: dict[str, list[dict[str, object]]] = {
    "cnn": [{}, {_TOKENS: None}, {"embedding_updates": "dense"}],
    "lstm": [
        {},
        {_TOKENS: None},
        {"embedding_updates": "dense"},
        {"recurrent_dropout": 0.2},
        {"recurrent_dropout": 0.2, "recurrent_dropout_form": "state"},
    ],
}


def measure(path: Path, seeds: int, texts_a_step: int = 64) -> list[dict[str, Any]]:
    """Train every line and return its accuracies."""
    splits = make_splits(load_dataset(path), seed=0)
    preparation = Preparation(splits, share_out("cnn", {}).text, seed=0)
    tokens = round(1.12 * texts_a_step * preparation.texts["train"].lengths.mean())
    found = []
    for model, lines in SETTINGS.items():
        for line in lines:
            given = {name: tokens if name == _TOKENS else value for name, value in line.items()}
            settings = share_out(model, given)
            fits = [
                fit(preparation, model, settings.model, settings.training, seed=seed)
                for seed in range(seeds)
            ]
            found.append(
                {
                    "model": model,
                    "settings": given,
                    "accuracies": [round(each.validation.accuracy, 4) for each in fits],
                    "seconds": round(statistics.median(each.seconds for each in fits), 1),
                }
            )
            print(json.dumps(found[-1]), file=sys.stderr)
    return found


def main() -> None:
    """Print the table."""
    options = read_arguments(__doc__, "file", seeds=3)
    found = measure(options.file, options.seeds)
    if options.json:
        print(json.dumps(found))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "settings", "mean", "of all seeds", "seconds")
    for line in found:
        settings = " ".join(f"{name}={value}" for name, value in line["settings"].items())
        mean = statistics.mean(line["accuracies"])
        seeds = " ".join(f"{value:.4f}" for value in line["accuracies"])
        table.add_row(
            line["model"], settings or "defaults", f"{mean:.4f}", seeds, str(line["seconds"])
        )
    Console().print(table)


if __name__ == "__main__":
    main()

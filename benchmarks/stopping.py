"""What stopping trials early saves and costs: `python -m benchmarks.stopping RUN`.

RUN is a search whose trials all ran to their end (`tune --no-early-stopping`). Its trials are put
in many orders, and each rule says which of them it would have stopped; nothing is trained.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from kerastextzoo.evaluation import OBJECTIVES
from kerastextzoo.tuning.stopping import (
    FREE_EPOCHS,
    HOPELESS_SHARE,
    find_hopeless,
    find_hurdles,
)
from kerastextzoo.tuning.trials import read_trial

_ORDERS = 200
_RULES = {
    "none is stopped": None,
    "behind half, from the first epoch": (0, 0.5),
    f"behind half, after {FREE_EPOCHS} epochs": (FREE_EPOCHS, 0.5),
    f"as `tune`: {1 - HOPELESS_SHARE:.0%} are ahead, after {FREE_EPOCHS} epochs": (
        FREE_EPOCHS,
        HOPELESS_SHARE,
    ),
}


def replay(
    histories: Sequence[Sequence[float]], objective: str, rule: tuple[int, float] | None
) -> tuple[float, int]:
    """Return the best score and the epochs of a search in which trials come in that order."""
    best = max if OBJECTIVES[objective] == "max" else min
    ended: list[Sequence[float]] = []
    for scores in histories:
        hurdles = []
        if rule:
            free_epochs, share = rule
            hurdles = find_hurdles(ended, objective, free_epochs=free_epochs, share=share)
        last = next(
            (
                epoch
                for epoch in range(1, len(scores) + 1)
                if find_hopeless(hurdles, epoch, best(scores[:epoch]), objective)
            ),
            len(scores),
        )
        ended.append(scores[:last])
    return best(map(best, ended)), sum(map(len, ended))


def main() -> None:
    """Print a row a rule."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--objective", default="val_accuracy", choices=OBJECTIVES)
    given = parser.parse_args()
    trials = [read_trial(folder) for folder in sorted((given.run / "trials").iterdir())]
    histories = [
        [epoch[given.objective] for epoch in trial.history]
        for trial in trials
        if trial and trial.history
    ]
    table = Table("rule", f"best {given.objective}", "epochs", title=f"{len(histories)} trials")
    random = np.random.default_rng(0)
    # The search begins with the defaults.
    orders = [[0, *random.permutation(range(1, len(histories)))] for _ in range(_ORDERS)]
    for name, rule in _RULES.items():
        found = [
            replay([histories[each] for each in order], given.objective, rule) for order in orders
        ]
        scores, epochs = zip(*found, strict=True)
        table.add_row(name, f"{statistics.mean(scores):.4f}", f"{statistics.mean(epochs):.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()

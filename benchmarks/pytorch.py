"""Two epochs of training against the same network in PyTorch, every text padded to 400 tokens.

    pip install torch
    python -m benchmarks.pytorch imdb/train.tsv.gz

Both train the embedding with Adam, on as many threads.
"""

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.pairs import Pair, compare, read_arguments, show
from benchmarks.work import BATCH, EPOCHS, Work

_LENGTH = 400
_FEATURES = 100
_UNITS = 128
torch: Any = importlib.import_module("torch")


class _LSTM(torch.nn.Module):  # type: ignore[misc]
    """The zoo's `lstm`: one layer, its last state."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(work.words, _FEATURES, padding_idx=0)
        self.lstm = torch.nn.LSTM(_FEATURES, _UNITS, batch_first=True)
        self.dropout = torch.nn.Dropout(0.5)
        self.classes = torch.nn.Linear(_UNITS, work.classes)

    def forward(self, tokens: Any) -> Any:
        """Return the logits."""
        states, _ = self.lstm(self.embedding(tokens))
        return self.classes(self.dropout(states[:, -1]))


class _CNN(torch.nn.Module):  # type: ignore[misc]
    """The zoo's `cnn`: kernels of 2, 3 and 4 words, the strongest response of each."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(work.words, _FEATURES, padding_idx=0)
        self.kernels = torch.nn.ModuleList(
            torch.nn.Conv1d(_FEATURES, 128, size, padding="same") for size in (2, 3, 4)
        )
        self.dropout = torch.nn.Dropout(0.5)
        self.classes = torch.nn.Linear(3 * 128, work.classes)

    def forward(self, tokens: Any) -> Any:
        """Return the logits."""
        vectors = self.embedding(tokens).transpose(1, 2)
        strongest = [torch.relu(kernel(vectors)).amax(dim=2) for kernel in self.kernels]
        return self.classes(self.dropout(torch.cat(strongest, dim=1)))


def train(work: Work, network: Any) -> Callable[[], None]:
    """Return the training of a network on the padded array."""
    torch.set_num_threads(os.cpu_count() or 1)
    tokens, labels = torch.from_numpy(work.padded).long(), torch.from_numpy(work.labels).long()
    optimizer = torch.optim.Adam(network.parameters())
    loss = torch.nn.CrossEntropyLoss()
    data = torch.utils.data.TensorDataset(tokens, labels)
    loader = torch.utils.data.DataLoader(data, BATCH, shuffle=True)

    def epochs() -> None:
        for _ in range(EPOCHS):
            for batch, truth in loader:
                optimizer.zero_grad()
                loss(network(batch), truth).backward()
                optimizer.step()

    return epochs


def measure(path: Path, texts: int, blocks: int) -> list[Pair]:
    """Compare `lstm` and `cnn`."""
    work = Work(path, texts, length=_LENGTH, features=_FEATURES)
    networks = {"lstm": _LSTM(work), "cnn": _CNN(work)}
    return [
        compare(
            f"{name} on film reviews, two epochs",
            work.ours(name, "adam", embedding_trainable=True, embedding_dropout=0.0),
            train(work, network),
            blocks=blocks,
            calls=1,
            goal=1.7,
        )
        for name, network in networks.items()
    ]


def main() -> None:
    """Print the comparison."""
    options = read_arguments(__doc__, "file", texts=1024, blocks=5)
    pairs = measure(options.file, options.texts, options.blocks)
    show(pairs, theirs="PyTorch", as_json=options.json)


if __name__ == "__main__":
    main()

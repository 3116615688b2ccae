"""Token ids of many texts in one array, and batches of texts of similar length.

Each batch is padded to its own longest text, so little time goes into padding. Models of this
package give the same answer however much padding there is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tensorflow as tf

# A window of this many batches is sorted by length: long enough to save padding, short enough to
# leave the order of the texts to chance.
_WINDOW = 50
_TEXTS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class EncodedTexts:
    """Token ids of many texts, laid end to end.

    Attributes:
        tokens: All ids, `(tokens,)`.
        starts: Where each text starts, and where the last one ends, `(texts + 1,)`.
        uncut: Tokens of each text before any were cut off, `(texts,)`; None if nothing was.

    Example:
        >>> texts = EncodedTexts(np.array([5, 6, 7], "int32"), np.array([0, 2, 3]))
        >>> texts.padded([0, 1]).tolist()
        [[5, 6], [7, 0]]
    """

    tokens: npt.NDArray[np.int32]
    starts: npt.NDArray[np.int64]
    uncut: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the texts that `write` wrote, memory-mapped."""
        return cls(
            np.memmap(folder / "tokens.int32", np.int32, mode="r"),
            np.load(folder / "starts.npy", mmap_mode="r", allow_pickle=False),
            np.load(folder / "uncut.npy", mmap_mode="r", allow_pickle=False),
        )

    @staticmethod
    def write(folder: Path, parts: "Iterable[EncodedTexts]") -> None:
        """Write texts that come part by part, none of them kept in memory."""
        lengths, uncut = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)]
        with (folder / "tokens.int32").open("wb") as file:
            for part in parts:
                part.tokens.astype(np.int32).tofile(file)
                lengths.append(part.lengths)
                uncut.append(part.uncut_lengths)
        np.save(folder / "starts.npy", np.cumsum(np.concatenate(lengths)), allow_pickle=False)
        np.save(folder / "uncut.npy", np.concatenate(uncut), allow_pickle=False)

    @classmethod
    def join(cls, parts: "Iterable[EncodedTexts]") -> Self:
        """Return texts that come part by part as one."""
        nothing: EncodedTexts = cls(np.zeros(0, np.int32), np.zeros(1, np.int64))
        several = [nothing, *parts]
        lengths = np.concatenate([part.lengths for part in several])
        return cls(
            np.concatenate([part.tokens for part in several]).astype(np.int32),
            np.concatenate([[0], np.cumsum(lengths)]),
            np.concatenate([part.uncut_lengths for part in several]),
        )

    def take(self, rows: npt.ArrayLike) -> "EncodedTexts":
        """Return some of the texts, in that order."""
        rows = np.asarray(rows, np.int64)
        parts = [self.tokens[self.starts[row] : self.starts[row + 1]] for row in rows]
        starts = np.concatenate([[0], np.cumsum(self.lengths[rows])])
        return EncodedTexts(np.concatenate(parts), starts, self.uncut_lengths[rows])

    def with_ids(self, ids: npt.NDArray[np.int32]) -> "Iterator[EncodedTexts]":
        """Give the texts, part by part, with other ids, `(numbers,)`, for their numbers."""
        for at in range(0, len(self), _TEXTS_AT_ONCE):
            starts = self.starts[at : at + _TEXTS_AT_ONCE + 1]
            tokens = ids[self.tokens[starts[0] : starts[-1]]]
            uncut = self.uncut_lengths[at : at + _TEXTS_AT_ONCE]
            yield EncodedTexts(tokens, starts - starts[0], uncut)

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text, `(texts,)`."""
        return np.diff(self.starts)

    @property
    def uncut_lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text as it was written, `(texts,)`."""
        return self.lengths if self.uncut is None else self.uncut

    def padded(self, rows: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Return some texts as `(batch, steps)`, padded with 0 to the longest of them."""
        rows = np.asarray(rows, np.int64)
        lengths = self.lengths[rows]
        batch = np.zeros((len(rows), int(lengths.max(initial=1))), np.int32)
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            batch[place, :length] = self.tokens[self.starts[row] : self.starts[row] + length]
        return batch


def plan_batches(
    lengths: npt.NDArray[np.int64], batch_size: int, rng: np.random.Generator | None = None
) -> list[npt.NDArray[np.int64]]:
    """Share the rows out into batches of similar length.

    Args:
        lengths: Tokens of each text, `(texts,)`.
        batch_size: Texts in a batch; the last one may be smaller.
        rng: Shuffles the texts and then the batches; without it, texts are sorted by length.

    Returns:
        The rows of each batch; every row is in exactly one.

    Example:
        >>> [rows.tolist() for rows in plan_batches(np.array([9, 2, 8, 1]), 2)]
        [[3, 1], [2, 0]]
    """
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    window = max(len(lengths), 1) if rng is None else batch_size * _WINDOW
    batches = []
    for start in range(0, len(order), window):
        near = order[start : start + window]
        near = near[np.argsort(lengths[near], kind="stable")]
        batches += [near[at : at + batch_size] for at in range(0, len(near), batch_size)]
    if rng is not None:
        rng.shuffle(batches)
    return batches


class TrainingBatches:
    """Batches of token ids and label ids, shuffled anew for each epoch.

    Set `epoch` before each epoch; the order depends on the seed and the epoch alone, so a training
    that goes on after a break meets the texts in the same order.
    """

    def __init__(
        self,
        texts: EncodedTexts,
        label_ids: npt.NDArray[np.int32],
        *,
        batch_size: int,
        seed: int,
        multiple_of: int = 1,
    ) -> None:
        self.texts = texts
        self.label_ids = label_ids
        self.batch_size = batch_size
        self.seed = seed
        self.multiple_of = multiple_of
        self.epoch = 0

    def plan(self) -> list[npt.NDArray[np.int64]]:
        """Return the rows of each batch of this epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        batches = plan_batches(self.texts.lengths, self.batch_size, rng)
        if self.multiple_of == 1:
            return batches
        # Replicas that get unequal shares would weigh their rows unequally.
        cut = [rows[: len(rows) // self.multiple_of * self.multiple_of] for rows in batches]
        return [rows for rows in cut if len(rows)]

    def __len__(self) -> int:
        return len(self.plan())

    def __iter__(self) -> Iterator[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]]:
        for rows in self.plan():
            yield self.texts.padded(rows), self.label_ids[rows]

    def as_dataset(self) -> "tf.data.Dataset":
        """Return a TensorFlow data set that iterates over the epoch set at that moment."""
        import tensorflow as tf

        ids = tf.TensorSpec((None, None), tf.int32)
        labels = tf.TensorSpec((None,), tf.int32)
        batches = tf.data.Dataset.from_generator(lambda: iter(self), output_signature=(ids, labels))
        return batches.apply(tf.data.experimental.assert_cardinality(len(self))).prefetch(2)

"""Token ids or vectors of many texts in one array, and batches of texts of similar length.

Each batch is padded to its own longest text, rounded up to one of a few lengths, so that little
time goes into padding and a compiler meets few shapes. Models of this package give the same answer
however much padding there is.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import tensorflow as tf

# A window of this many batches is sorted by length: long enough to save padding, short enough to
# leave the order of the texts to chance.
_WINDOW = 50
_TEXTS_AT_ONCE = 4096
_UNKNOWN_ID = 1


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

    tokens: npt.NDArray[Any]
    starts: npt.NDArray[np.int64]
    uncut: npt.NDArray[np.int64] | None = None

    #: What models call a batch of them.
    input_name: ClassVar[str] = "tokens"
    #: The numbers of a batch, those in the file, its name, and the shape of a token.
    batch_type: ClassVar[Any] = np.int32
    _stored_type: ClassVar[Any] = np.int32
    _file: ClassVar[str] = "tokens.int32"
    _features: ClassVar[tuple[int, ...]] = ()

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the texts that `write` wrote, memory-mapped."""
        starts, uncut = (
            np.load(folder / name, mmap_mode="r", allow_pickle=False)
            for name in ("starts.npy", "uncut.npy")
        )
        tokens = np.memmap(folder / cls._file, cls._stored_type, mode="r")
        return cls(tokens.reshape(int(starts[-1]), *cls._features), starts, uncut)

    @classmethod
    def write(cls, folder: Path, parts: "Iterable[EncodedTexts]") -> None:
        """Write texts that come part by part, none of them kept in memory."""
        lengths, uncut = [np.zeros(1, np.int64)], [np.zeros(0, np.int64)]
        with (folder / cls._file).open("wb") as file:
            for part in parts:
                part.tokens.astype(cls._stored_type, copy=False).tofile(file)
                lengths.append(part.lengths)
                uncut.append(part.uncut_lengths)
        np.save(folder / "starts.npy", np.cumsum(np.concatenate(lengths)), allow_pickle=False)
        np.save(folder / "uncut.npy", np.concatenate(uncut), allow_pickle=False)

    @classmethod
    def join(cls, parts: "Iterable[EncodedTexts]") -> Self:
        """Return texts that come part by part as one."""
        nothing = np.zeros((0, *map(abs, cls._features)), cls._stored_type)
        several = list(parts) or [cls(nothing, np.zeros(1, np.int64))]
        lengths = np.concatenate([part.lengths for part in several])
        return cls(
            np.concatenate([part.tokens for part in several]).astype(cls._stored_type, copy=False),
            np.concatenate([[0], np.cumsum(lengths)]),
            np.concatenate([part.uncut_lengths for part in several]),
        )

    def take(self, rows: npt.ArrayLike) -> Self:
        """Return some of the texts, in that order."""
        rows = np.asarray(rows, np.int64)
        parts = [self.tokens[self.starts[row] : self.starts[row + 1]] for row in rows]
        starts = np.concatenate([[0], np.cumsum(self.lengths[rows])])
        return type(self)(np.concatenate(parts), starts, self.uncut_lengths[rows])

    def with_ids(self, ids: npt.NDArray[np.int32]) -> "Iterator[EncodedTexts]":
        """Give the texts, part by part, with other ids, `(numbers,)`, for their numbers."""
        for at in range(0, len(self), _TEXTS_AT_ONCE):
            starts = self.starts[at : at + _TEXTS_AT_ONCE + 1]
            tokens = ids[self.tokens[starts[0] : starts[-1]]]
            uncut = self.uncut_lengths[at : at + _TEXTS_AT_ONCE]
            yield EncodedTexts(tokens, starts - starts[0], uncut)

    @property
    def words(self) -> "EncodedTexts":
        """Of the same texts what n-grams are made of: these ids."""
        return self

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text, `(texts,)`."""
        return np.diff(self.starts)

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest text, 1 at least."""
        return int(self.lengths.max(initial=1))

    @property
    def uncut_lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text as it was written, `(texts,)`."""
        return self.lengths if self.uncut is None else self.uncut

    def padded(self, rows: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return some texts as `(batch, steps)`, padded with 0 to `padded_length`.

        Vectors come as `(batch, steps, features)`.
        """
        rows = np.asarray(rows, np.int64)
        lengths = self.lengths[rows]
        steps = int(padded_length(lengths.max(initial=1), self.longest))
        batch = np.zeros((len(rows), steps, *self.tokens.shape[1:]), self.batch_type)
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            batch[place, :length] = self.tokens[self.starts[row] : self.starts[row] + length]
        return batch


@dataclass(frozen=True, eq=False)
class EncodedVectors(EncodedTexts):
    """Vectors of the tokens of many texts, laid end to end, `(tokens, features)`.

    They are kept in half precision: an encoder's vectors have few numbers of more than three
    significant digits, and on disk they are large. Batches have single precision; a step of padding
    is all zeros.

    Attributes:
        pieces: Ids of the pieces of words that the encoder cuts the texts into.

    Example:
        >>> texts = EncodedVectors(np.ones((3, 2), "float16"), np.array([0, 2, 3]))
        >>> texts.padded([0, 1]).tolist()
        [[[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [0.0, 0.0]]]
    """

    pieces: EncodedTexts | None = None

    input_name: ClassVar[str] = "vectors"
    batch_type: ClassVar[Any] = np.float32
    _stored_type: ClassVar[Any] = np.float16
    _file: ClassVar[str] = "vectors.float16"
    _features: ClassVar[tuple[int, ...]] = (-1,)
    _pieces: ClassVar[str] = "pieces"

    @property
    def words(self) -> EncodedTexts:
        """Of the same texts what n-grams are made of: the pieces of words."""
        if self.pieces is None:
            raise ValueError("these vectors came without the pieces of words that they are of")
        return self.pieces

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Return the texts that `write` wrote, memory-mapped."""
        pieces = folder / cls._pieces
        return replace(
            super().read(folder), pieces=EncodedTexts.read(pieces) if pieces.exists() else None
        )

    @classmethod
    def write(cls, folder: Path, parts: Iterable[EncodedTexts]) -> None:
        """Write texts that come part by part; of them, the pieces of words are kept in memory."""
        pieces: list[EncodedTexts] = []
        super().write(folder, cls._noting(parts, pieces))
        if pieces:
            (folder / cls._pieces).mkdir()
            EncodedTexts.write(folder / cls._pieces, pieces)

    @classmethod
    def join(cls, parts: Iterable[EncodedTexts]) -> Self:
        """Return texts that come part by part as one."""
        pieces: list[EncodedTexts] = []
        joined = super().join(cls._noting(parts, pieces))
        return replace(joined, pieces=EncodedTexts.join(pieces) if pieces else None)

    @staticmethod
    def _noting(
        parts: Iterable[EncodedTexts], pieces: list[EncodedTexts]
    ) -> Iterator[EncodedTexts]:
        for part in parts:
            if isinstance(part, EncodedVectors) and part.pieces is not None:
                pieces.append(part.pieces)
            yield part

    def take(self, rows: npt.ArrayLike) -> Self:
        """Return some of the texts, in that order."""
        return replace(super().take(rows), pieces=self.pieces and self.pieces.take(rows))


def padded_length(lengths: npt.ArrayLike, longest: int) -> npt.NDArray[np.int64]:
    """Round lengths up to 1, 2 ... 16, 18, 20 ... 32, 36, 40 ... 64, 72 ... or the longest.

    There are eight lengths from one power of two to the next, so that a ninth is padding at most.

    Example:
        >>> padded_length([3, 17, 33], longest=35).tolist()
        [3, 18, 35]
    """
    lengths = np.asarray(lengths, np.int64)
    _, bits = np.frexp(np.maximum(lengths - 1, 1))
    step = np.int64(1) << np.maximum(bits.astype(np.int64) - 4, 0)
    rounded: npt.NDArray[np.int64] = np.minimum(-(-lengths // step) * step, longest)
    return rounded


def plan_batches(
    lengths: npt.NDArray[np.int64],
    batch_size: int,
    rng: np.random.Generator | None = None,
    *,
    batch_tokens: int | None = None,
    multiple_of: int = 1,
) -> list[npt.NDArray[np.int64]]:
    """Share the rows out into batches of similar length.

    Args:
        lengths: Tokens of each text, `(texts,)`.
        batch_size: Texts in a batch; the last one may be smaller.
        rng: Shuffles the texts and then the batches; without it, texts are sorted by length.
        batch_tokens: Instead of so many texts, as many as fit into so many tokens, padding counted,
            but one at least.
        multiple_of: With `batch_tokens`, what the number of texts in a batch is a multiple of, but
            where the texts run out.

    Returns:
        The rows of each batch; every row is in exactly one.

    Example:
        >>> [rows.tolist() for rows in plan_batches(np.array([9, 2, 8, 1]), 2)]
        [[3, 1], [2, 0]]
        >>> [rows.tolist() for rows in plan_batches(np.array([9, 2, 8, 1]), 2, batch_tokens=10)]
        [[3, 1], [2], [0]]
    """
    order = np.arange(len(lengths)) if rng is None else rng.permutation(len(lengths))
    if batch_tokens is not None:
        # The steps of the sorted texts are the same in every order, and so are the batches' sizes:
        # each epoch has as many batches as the last.
        steps = padded_length(lengths, lengths.max(initial=1))
        order = order[np.argsort(steps[order], kind="stable")]
        batches = _fill(order, steps[order], batch_tokens, multiple_of)
    else:
        window = max(len(lengths), 1) if rng is None else batch_size * _WINDOW
        batches = []
        for start in range(0, len(order), window):
            near = order[start : start + window]
            near = near[np.argsort(lengths[near], kind="stable")]
            batches += [near[at : at + batch_size] for at in range(0, len(near), batch_size)]
    if rng is not None:
        rng.shuffle(batches)
    return batches


def _fill(
    rows: npt.NDArray[np.int64],
    steps: npt.NDArray[np.int64],
    batch_tokens: int,
    multiple_of: int,
) -> list[npt.NDArray[np.int64]]:
    """Cut rows, sorted by their steps, into batches of at most so many places."""
    batches, at = [], 0
    while at < len(rows):
        next_steps = steps[at : at + max(1, batch_tokens // int(steps[at]))]
        places = np.arange(1, len(next_steps) + 1) * next_steps
        number = int(np.searchsorted(places, batch_tokens, side="right"))
        number = max(multiple_of, number // multiple_of * multiple_of)
        batches.append(rows[at : at + number])
        at += number
    return batches


class TrainingBatches:
    """Batches of token ids or vectors and label ids, shuffled anew for each epoch.

    Label ids are `(batch,)`, those of multi-label data `(batch, classes)`. With scores of the
    texts, `(texts, classes)`, the first part of a batch is a mapping of `tokens`, or `vectors`, and
    `scores`.

    Set `epoch` before each epoch; the order, and which words `word_dropout` replaces by the unknown
    one, depend on the seed and the epoch alone, so a training that goes on after a break meets the
    same batches.
    """

    def __init__(
        self,
        texts: EncodedTexts,
        label_ids: npt.NDArray[np.integer[Any]],
        *,
        batch_size: int,
        seed: int,
        multiple_of: int = 1,
        batch_tokens: int | None = None,
        word_dropout: float = 0.0,
        scores: npt.NDArray[np.float32] | None = None,
    ) -> None:
        self.texts = texts
        self.label_ids = label_ids
        self.batch_size = batch_size
        self.seed = seed
        self.multiple_of = multiple_of
        self.batch_tokens = batch_tokens
        self.word_dropout = word_dropout
        self.scores = scores
        self.epoch = 0

    def plan(self) -> list[npt.NDArray[np.int64]]:
        """Return the rows of each batch of this epoch."""
        rng = np.random.default_rng([self.seed, self.epoch])
        batches = plan_batches(
            self.texts.lengths,
            self.batch_size,
            rng,
            batch_tokens=self.batch_tokens,
            multiple_of=self.multiple_of,
        )
        if self.multiple_of == 1:
            return batches
        # Replicas that get unequal shares would weigh their rows unequally.
        cut = [rows[: len(rows) // self.multiple_of * self.multiple_of] for rows in batches]
        return [rows for rows in cut if len(rows)]

    def __len__(self) -> int:
        return len(self.plan())

    def __iter__(self) -> Iterator[tuple[Any, npt.NDArray[np.integer[Any]]]]:
        rng = np.random.default_rng([self.seed, self.epoch, 1])
        for rows in self.plan():
            tokens = self.texts.padded(rows)
            if self.word_dropout:
                dropped = rng.random(tokens.shape) < self.word_dropout
                tokens[dropped & (tokens > 0)] = _UNKNOWN_ID
            scores = None if self.scores is None else self.scores[rows]
            given = tokens if scores is None else {self.texts.input_name: tokens, "scores": scores}
            yield given, self.label_ids[rows]

    def as_dataset(self) -> "tf.data.Dataset":
        """Return a TensorFlow data set that iterates over the epoch set at that moment."""
        import tensorflow as tf

        shape = (None, None, *self.texts.tokens.shape[1:])
        texts = tf.TensorSpec(shape, self.texts.batch_type)
        if self.scores is not None:
            scores = tf.TensorSpec((None, *self.scores.shape[1:]), self.scores.dtype)
            texts = {self.texts.input_name: texts, "scores": scores}
        labels = tf.TensorSpec((None, *self.label_ids.shape[1:]), self.label_ids.dtype)
        batches = tf.data.Dataset.from_generator(
            lambda: iter(self), output_signature=(texts, labels)
        )
        return batches.apply(tf.data.experimental.assert_cardinality(len(self))).prefetch(2)

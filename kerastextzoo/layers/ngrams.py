"""Runs of tokens to numbers."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from kerastextzoo.layers._masks import register

_HASH_PRIMES = (46_337, 46_307)
_HASH_START = 1_009


@register
class HashedNGrams(keras.layers.Layer):
    """The bucket of each n-gram of a text: runs of tokens, hashed.

    Token ids `(batch, steps)` to bucket ids `(batch, len(sizes) * steps)`: for each size in turn,
    the n-gram that starts at each step. Buckets go from 1 to `buckets`; 0 stands where no n-gram
    starts, because the run would meet padding (id 0) or the end. There is no mask in or out:
    an embedding of `buckets + 1` rows with `mask_zero` makes it.

    The hash is int32 arithmetic that never overflows, so every backend gives the same ids.

    Args:
        buckets: Number of buckets.
        sizes: Tokens of an n-gram.
        offset: By how many buckets, round the table, all n-grams are moved.

    Example:
        >>> HashedNGrams(100, (2,))(ops.array([[5, 6, 7, 0]])).numpy().tolist()
        [[18, 49, 0, 0]]
    """

    def __init__(
        self, buckets: int, sizes: Sequence[int] = (2, 3), offset: int = 0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.buckets = buckets
        self.sizes = tuple(sizes)
        self.offset = offset

    def call(self, tokens: Any) -> Any:
        """Hash each run of tokens."""
        tokens = ops.cast(tokens, "int32")
        return ops.concatenate([self._hash(tokens, size) for size in self.sizes], axis=1)

    def _hash(self, tokens: Any, size: int) -> Any:
        padded = ops.pad(tokens, [[0, 0], [0, size - 1]])
        run = [padded[:, at : at + 1 - size or None] for at in range(size)]
        halves = []
        for prime in _HASH_PRIMES:
            half = ops.full_like(tokens, _HASH_START * size)
            for ids in run:
                half = ops.mod(half + ops.mod(ids, prime), prime)
                half = ops.mod(ops.mod(half * half, prime) * half, prime)
            halves.append(half)
        buckets = ops.mod(halves[0] * _HASH_PRIMES[1] + halves[1], self.buckets)
        buckets = 1 + ops.mod(buckets + self.offset, self.buckets)
        return ops.where(ops.all(ops.stack(run) > 0, axis=0), buckets, 0)

    def compute_output_spec(self, tokens: Any) -> Any:
        """One id a step and size."""
        batch, steps = tokens.shape
        if steps is not None:
            steps *= len(self.sizes)
        return keras.KerasTensor((batch, steps), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        config = {**super().get_config(), "buckets": self.buckets, "sizes": self.sizes}
        return config | {"offset": self.offset}


@register
class LinearNGrams(keras.layers.Layer):
    """Scores of a linear model of n-grams, fitted elsewhere.

    Token ids `(batch, steps)` to scores `(batch, classes)`: the rows of the buckets that the text's
    n-grams fall into are added up, each once; all columns but the last are divided by the root of
    the last one, which holds squared lengths, and moved by a bias. There is no mask in or out;
    padding (id 0) counts for nothing.

    With `sublinear_tf`, a row counts by 1 + the logarithm of how many n-grams fall into its bucket.
    With a `lead`, the n-grams of the start are added up and divided apart, and weigh as much as
    all others together.

    The weights are `table` `(buckets + 1, classes + 1)`, whose row 0 is zero, and `bias`
    `(classes,)`. Training leaves them alone.

    Args:
        classes: Number of scores.
        ngrams: Tokens of the longest n-gram; all shorter ones count as well.
        buckets: Number of buckets.
        lead: Tokens of the text's start, whose n-grams count once more, apart; 0: they do not.
        sublinear_tf: Whether it counts how often a text has an n-gram.

    Example:
        >>> layer = LinearNGrams(2, ngrams=1, buckets=1)
        >>> _ = layer(ops.array([[5]]))
        >>> layer.set_weights([ops.array([[0, 0, 0], [1, 3, 4]]), ops.array([0, 1])])
        >>> layer(ops.array([[5, 5, 0], [5, 0, 0]])).numpy().round(2).tolist()
        [[0.5, 2.5], [0.5, 2.5]]
    """

    def __init__(
        self,
        classes: int,
        ngrams: int,
        buckets: int,
        lead: int = 0,
        sublinear_tf: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=False, **kwargs)
        self.classes, self.ngrams, self.buckets = classes, ngrams, buckets
        self.lead, self.sublinear_tf = lead, sublinear_tf
        sizes = range(1, ngrams + 1)
        self.hashed = HashedNGrams(buckets, sizes)
        # Half a table away: who shares a bucket with whom is by chance, as it is between sizes.
        self.hashed_lead = HashedNGrams(buckets, sizes, offset=buckets // 2)

    def build(self, input_shape: Any) -> None:
        """Make the table and the bias, both zero."""
        shape = (self.buckets + 1, self.classes + 1)
        self.table = self.add_weight(shape=shape, name="table", initializer="zeros")
        self.bias = self.add_weight(shape=(self.classes,), name="bias", initializer="zeros")

    def call(self, tokens: Any) -> Any:
        """Look the n-grams up and add them."""
        parts = self.find(tokens)
        return sum(self._add(each) for each in parts) / math.sqrt(len(parts)) + self.bias

    def find(self, tokens: Any) -> list[Any]:
        """Return the buckets of a text's n-grams, and of its lead's if there is one.

        Token ids `(batch, steps)` to `(batch, ngrams * steps)` and
        `(batch, ngrams * min(lead, steps))`; 0 is none.
        """
        if not self.lead:
            return [self.hashed(tokens)]
        return [self.hashed(tokens), self.hashed_lead(tokens[:, : self.lead])]

    def _add(self, buckets: Any) -> Any:
        buckets = ops.sort(buckets, axis=1)
        again = ops.pad(buckets[:, 1:] == buckets[:, :-1], [[0, 0], [1, 0]])
        rows = ops.take(self.table, ops.where(again, 0, buckets), axis=0)
        votes, squares = rows[..., :-1], rows[..., -1:]
        if self.sublinear_tf:
            weights = 1 + ops.log(_run_lengths(again))[..., None]
            votes, squares = votes * weights, squares * weights**2
        length = ops.sqrt(ops.maximum(ops.sum(squares, axis=1), keras.config.epsilon()))
        return ops.sum(votes, axis=1) / length

    def compute_output_spec(self, tokens: Any) -> Any:
        """A score a class."""
        return keras.KerasTensor((tokens.shape[0], self.classes), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        config = {**super().get_config(), "classes": self.classes, "ngrams": self.ngrams}
        del config["trainable"]
        config |= {"buckets": self.buckets, "lead": self.lead}
        return config | {"sublinear_tf": self.sublinear_tf}


def _run_lengths(again: Any) -> Any:
    """Return for each step how many are in its run, given which are like the one before."""
    batch, steps = ops.shape(again)
    runs = ops.cumsum(ops.cast(ops.logical_not(again), "int32"), axis=1) - 1
    runs = ops.reshape(runs + steps * ops.arange(batch, dtype="int32")[:, None], (-1,))
    ones = ops.ones((batch * steps,), "float32")
    lengths = ops.segment_sum(ones, runs, num_segments=batch * steps)
    return ops.reshape(ops.take(lengths, runs), (batch, steps))

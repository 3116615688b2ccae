"""Train word vectors that share the pieces of words: for rich endings, and for little text."""

import numpy
from gensim.models import FastText, KeyedVectors

from kerastextzoo.embeddings._checks import at_least
from kerastextzoo.embeddings._training import Report, Sentences, train
from kerastextzoo.errors import InputError
from kerastextzoo.seeds import derive_seed


def train_fasttext(
    sentences: Sentences,
    *,
    dim: int = 100,
    window: int = 5,
    min_count: int = 1,
    epochs: int = 5,
    skip_gram: bool = True,
    shortest_piece: int = 3,
    longest_piece: int = 6,
    buckets: int = 200_000,
    seed: int = 0,
    workers: int = 1,
    progress: Report | None = None,
) -> KeyedVectors:
    """Train fastText and return the vectors of the words; those of the pieces are dropped.

    The same sentences and settings give the same vectors, bit for bit, as long as `workers` is 1.

    Args:
        sentences: Lists of words, as for `train_word2vec`.
        dim: Length of a vector.
        window: Words that count as context, on either side.
        min_count: Words that occur less often get no vector.
        epochs: Passes over the sentences.
        skip_gram: Skip-gram if true, else continuous bag of words.
        shortest_piece: Fewest characters of a piece, the marks of a word's two ends among them.
        longest_piece: Most characters of a piece.
        buckets: Rows that the pieces share by a hash; memory is `buckets` x `dim` x 4 bytes. The
            paper takes 2,000,000, for texts with millions of words.
        seed: Any whole number, 0 included.
        workers: Threads. With more than one the result differs from run to run.
        progress: Called with the number of finished epochs and of all epochs.

    Returns:
        The vectors, the most frequent word first; `.vectors` has the shape `(words, dim)`.

    Raises:
        InputError: A setting is out of its range, or no word is left to train on.

    Example:
        >>> vectors = train_fasttext([["good", "film"], ["bad", "film"]], dim=8, buckets=100)
        >>> vectors.index_to_key[0], vectors.vectors.shape
        ('film', (3, 8))

    Reference:
        Bojanowski et al. (2017), Enriching Word Vectors with Subword Information,
        https://arxiv.org/abs/1607.04606
    """
    pieces = {"shortest_piece": shortest_piece, "longest_piece": longest_piece, "buckets": buckets}
    for name, value in pieces.items():
        at_least(name, value, 1)
    if longest_piece < shortest_piece:
        raise InputError(
            f"`longest_piece` must be at least `shortest_piece`; got {longest_piece} and "
            f"{shortest_piece}"
        )
    trained = train(
        FastText,
        sentences,
        dim=dim,
        window=window,
        min_count=min_count,
        epochs=epochs,
        sg=int(skip_gram),
        min_n=shortest_piece,
        max_n=longest_piece,
        bucket=buckets,
        seed=derive_seed(seed, "fasttext"),
        workers=workers,
        progress=progress,
    )
    vectors = KeyedVectors(dim)
    vectors.add_vectors(trained.index_to_key, trained.vectors.astype(numpy.float32))
    return vectors

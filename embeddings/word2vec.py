"""Train word vectors on one's own sentences."""

from gensim.models import KeyedVectors, Word2Vec

from kerastextzoo.embeddings._training import Report, Sentences, train
from kerastextzoo.seeds import derive_seed


def train_word2vec(
    sentences: Sentences,
    *,
    dim: int = 100,
    window: int = 5,
    min_count: int = 1,
    epochs: int = 5,
    skip_gram: bool = True,
    seed: int = 0,
    workers: int = 1,
    progress: Report | None = None,
) -> KeyedVectors:
    """Train word2vec and return the vectors.

    The same sentences and settings give the same vectors, bit for bit, as long as `workers` is 1.

    Args:
        sentences: Lists of words. An iterator is read into memory; anything else is read
            `epochs` + 2 times, so it may come from a disk.
        dim: Length of a vector.
        window: Words that count as context, on either side.
        min_count: Words that occur less often get no vector.
        epochs: Passes over the sentences.
        skip_gram: Skip-gram if true, else continuous bag of words.
        seed: Any whole number, 0 included.
        workers: Threads. With more than one the result differs from run to run.
        progress: Called with the number of finished epochs and of all epochs.

    Returns:
        The vectors, the most frequent word first; `.vectors` has the shape `(words, dim)`.

    Raises:
        InputError: A setting is out of its range, or no word is left to train on.

    Example:
        >>> from kerastextzoo.embeddings import train_word2vec
        >>> vectors = train_word2vec([["good", "film"], ["bad", "film"]], dim=8)
        >>> vectors.index_to_key[0], vectors.vectors.shape
        ('film', (3, 8))

    Reference:
        Mikolov et al. (2013), Efficient Estimation of Word Representations in Vector Space,
        https://arxiv.org/abs/1301.3781; Distributed Representations of Words and Phrases and
        their Compositionality, https://arxiv.org/abs/1310.4546
    """
    return train(
        Word2Vec,
        sentences,
        dim=dim,
        window=window,
        min_count=min_count,
        epochs=epochs,
        sg=int(skip_gram),
        seed=derive_seed(seed, "word2vec"),
        workers=workers,
        progress=progress,
    )

"""The ways to train word vectors, by name."""

from functools import partial
from typing import Protocol

from gensim.models import KeyedVectors

from kerastextzoo.embeddings._training import Report, Sentences
from kerastextzoo.embeddings.fasttext import train_fasttext
from kerastextzoo.embeddings.word2vec import train_word2vec
from kerastextzoo.errors import InputError, nearest, quoted


class Train(Protocol):
    """What `train_word2vec` and `train_fasttext` have in common."""

    def __call__(
        self,
        sentences: Sentences,
        *,
        dim: int = ...,
        window: int = ...,
        min_count: int = ...,
        epochs: int = ...,
        seed: int = ...,
        progress: Report | None = ...,
    ) -> KeyedVectors:
        """Train on lists of words; return the vectors."""


ALGORITHMS: dict[str, Train] = {
    "skip-gram": train_word2vec,
    "cbow": partial(train_word2vec, skip_gram=False),
    "fasttext": train_fasttext,
}


def get_algorithm(name: str) -> Train:
    """Return the training of that name.

    Raises:
        InputError: There is none.
    """
    if name not in ALGORITHMS:
        raise InputError(f"no algorithm {quoted(name)}; {nearest(name, ALGORITHMS)}")
    return ALGORITHMS[name]

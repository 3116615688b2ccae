"""Word vectors: train them, load them, and line them up with a vocabulary.

`train_word2vec`     sentences -> vectors (gensim's word2vec, reproducible)
`load_vectors`       a word2vec or GloVe file -> vectors, every row checked
`EmbeddingWarning`   what `load_vectors` says about a file it could still use
`embedding_matrix`   vocabulary and vectors -> matrix `(words, dim)` and a `Coverage`
`Coverage`           how much of a vocabulary has a vector

Nothing here knows Keras: the matrix is a plain numpy array.
"""

from kerastextzoo.embeddings.matrix import Coverage, embedding_matrix
from kerastextzoo.embeddings.vectors import EmbeddingWarning, load_vectors
from kerastextzoo.embeddings.word2vec import train_word2vec

__all__ = [
    "Coverage",
    "EmbeddingWarning",
    "embedding_matrix",
    "load_vectors",
    "train_word2vec",
]

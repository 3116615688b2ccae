"""Word vectors: train them, load and save them, and line them up with a vocabulary.

`train_word2vec`     sentences -> vectors (gensim's word2vec, reproducible)
`train_fasttext`     the same by fastText, whose words share their pieces
`load_vectors`       a word2vec or GloVe file -> vectors, every row checked
`save_vectors`       vectors -> a word2vec file, whole or not at all
`check_width`        refuses a file whose vectors have another width than is wanted
`EmbeddingWarning`   what is said about vectors that could still be used
`embedding_matrix`   vocabulary and vectors -> matrix `(words, dim)` and a `Coverage`
`Coverage`           how much of a vocabulary has a vector; `coverage_of` counts it
`inspect_vectors`    neighbours, coverage and answers to `read_questions`

Nothing here knows Keras: the matrix is a plain numpy array.
"""

from kerastextzoo.embeddings._checks import EmbeddingWarning
from kerastextzoo.embeddings.algorithms import get_algorithm
from kerastextzoo.embeddings.fasttext import train_fasttext
from kerastextzoo.embeddings.inspecting import VectorsInspection, inspect_vectors
from kerastextzoo.embeddings.matrix import Coverage, coverage_of, embedding_matrix
from kerastextzoo.embeddings.questions import read_questions
from kerastextzoo.embeddings.saving import check_target, save_vectors
from kerastextzoo.embeddings.vectors import check_width, first_words, load_vectors
from kerastextzoo.embeddings.word2vec import train_word2vec

__all__ = [
    "Coverage",
    "EmbeddingWarning",
    "VectorsInspection",
    "check_target",
    "check_width",
    "coverage_of",
    "embedding_matrix",
    "first_words",
    "get_algorithm",
    "inspect_vectors",
    "load_vectors",
    "read_questions",
    "save_vectors",
    "train_fasttext",
    "train_word2vec",
]

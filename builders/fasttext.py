"""fastText: the mean of the vectors of a text's words and n-grams, and one dense layer.

Joulin et al. 2016, https://arxiv.org/abs/1607.01759. N-grams of words are hashed into buckets
inside the model; each bucket has a vector that starts at zero, so that an n-gram never trained on
says nothing.
"""

import keras

from kerastextzoo.builders._parts import classify, draw_dropouts, embed
from kerastextzoo.layers import HashedNGrams, MaskedGlobalAveragePooling1D, RowEmbedding
from kerastextzoo.spec import Count, Counts, ModelConfig, SearchSpace, Task


class FastTextConfig(ModelConfig):
    """Settings of `fasttext`."""

    ngram_sizes: Counts = (2, 3)
    """Words of an n-gram."""
    buckets: Count = 50_000
    """Vectors that all n-grams share; more buckets, fewer collisions."""


def build(config: FastTextConfig, task: Task) -> keras.Model:
    """Build the model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    Example:
        >>> task = Task(vocabulary_size=50, num_classes=3)
        >>> build(FastTextConfig(buckets=100), task).output_shape
        (None, 3)
    """
    tokens, vectors = embed(config, task)
    ngrams = HashedNGrams(config.buckets, config.ngram_sizes)(tokens)
    ngram_vectors = RowEmbedding(
        config.buckets + 1,
        vectors.shape[-1],
        mask_zero=True,
        embeddings_initializer="zeros",
        name="ngram_embedding",
    )(ngrams)
    everything = keras.layers.Concatenate(axis=1)([vectors, ngram_vectors])
    features = MaskedGlobalAveragePooling1D()(everything)
    return classify(config, task, tokens, features, name="fasttext")


def search_space(space: SearchSpace) -> FastTextConfig:
    """Draw settings.

    N-grams of 2, 2-3 or 2-3-4 words; 20,000, 50,000 or 200,000 buckets; dropouts in steps of 0.1; a
    dense layer of 0 or 128 units.
    """
    return FastTextConfig.parse(
        {
            "ngram_sizes": space.Choice("ngram_sizes", ["2", "2,3", "2,3,4"], default="2,3"),
            "buckets": space.Choice("buckets", [20_000, 50_000, 200_000], default=50_000),
            **draw_dropouts(space),
            "dense_units": space.Choice("dense_units", [0, 128], default=0),
        }
    )

"""The two ends that every model shares: token ids to vectors, features to classes."""

from typing import Any

import keras

from kerastextzoo.spec import ModelConfig, Task


def embed(config: ModelConfig, task: Task) -> tuple[Any, Any]:
    """Open a model: token ids `(batch, steps)` and their vectors `(batch, steps, features)`.

    The embedding is made once; its mask hides id 0. Every branch of a model starts from it.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    matrix = None if isinstance(task.embedding, int) else task.embedding
    features = task.embedding if isinstance(task.embedding, int) else task.embedding.shape[1]
    vectors = keras.layers.Embedding(
        task.vocabulary_size,
        features,
        mask_zero=True,
        weights=None if matrix is None else [matrix],
        trainable=task.embedding_trainable,
        name="embedding",
    )(tokens)
    if config.embedding_dropout:
        vectors = keras.layers.SpatialDropout1D(config.embedding_dropout)(vectors)
    return tokens, vectors


def classify(config: ModelConfig, task: Task, tokens: Any, features: Any, name: str) -> Any:
    """Close a model: features `(batch, features)` to probabilities `(batch, classes)`."""
    features = keras.layers.Dropout(config.dropout)(features)
    if config.dense_units:
        dense = keras.layers.Dense(config.dense_units, activation=config.dense_activation)
        features = keras.layers.Dropout(config.dropout)(dense(features))
    # float32 whatever the policy: a half-precision softmax loses the small classes.
    classes = keras.layers.Dense(
        task.num_classes, activation="softmax", dtype="float32", name="classes"
    )(features)
    return keras.Model(tokens, classes, name=name)

"""What models share: token ids to vectors, stacked recurrent layers, features to classes."""

from collections.abc import Callable
from typing import Any, Literal

import keras

from kerastextzoo.layers import (
    DropConnectLSTM,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
    RowEmbedding,
)
from kerastextzoo.spec import Count, ModelConfig, Rate, SearchSpace, Task


def embed(config: ModelConfig, task: Task) -> tuple[Any, Any]:
    """Open a model: token ids `(batch, steps)` and their vectors `(batch, steps, features)`.

    The embedding is made once; its mask hides id 0. Every branch of a model starts from it.
    """
    tokens = keras.Input((None,), dtype="int32", name="tokens")
    matrix = None if isinstance(task.embedding, int) else task.embedding
    features = task.embedding if isinstance(task.embedding, int) else task.embedding.shape[1]
    vectors = RowEmbedding(
        task.vocabulary_size,
        features,
        mask_zero=task.hide_padding,
        weights=None if matrix is None else [matrix],
        trainable=task.embedding_trainable,
        name="embedding",
    )(tokens)
    if config.embedding_dropout:
        vectors = keras.layers.SpatialDropout1D(config.embedding_dropout)(vectors)
    return tokens, vectors


class RecurrentDropoutConfig(ModelConfig):
    """Settings of models that have recurrent layers."""

    recurrent_dropout: Rate = 0.0
    """Share of what carries the state from step to step that is dropped in training."""
    recurrent_dropout_form: Literal["kernel", "state"] = "kernel"
    """kernel: drop weights of the recurrent kernel, drawn once a batch (fast); state: hide features
    of the state, drawn for each text, the same at every step (leaves the fused kernels)."""

    @property
    def idle(self) -> tuple[str, ...]:
        """The settings that have no effect beside the others."""
        form = () if self.recurrent_dropout else ("recurrent_dropout_form",)
        return (*super().idle, *form)


class RecurrentConfig(RecurrentDropoutConfig):
    """Settings of models that are stacked recurrent layers."""

    layers: Count = 1
    """Recurrent layers, one above the other."""
    units: Count = 128
    """Width of each layer's state."""


class ReadoutConfig(RecurrentConfig):
    """Settings of models that make one vector of the states of their recurrent layers."""

    readout: Literal["last", "max", "mean"] = "last"
    """What is read of the states: the last one, or each feature's largest or mean over all of them,
    through which a long text's beginning reaches the classes at once."""


def recurrent_dropout(config: RecurrentDropoutConfig) -> dict[str, float]:
    """Return the recurrent dropout, if any, as an argument of `lstm_layer` and `ResLSTM`."""
    if not config.recurrent_dropout:
        return {}
    by_kernel = config.recurrent_dropout_form == "kernel"
    name = "recurrent_kernel_dropout" if by_kernel else "recurrent_dropout"
    return {name: config.recurrent_dropout}


def lstm_layer(units: int, **settings: Any) -> Any:
    """Make an LSTM: Keras's own unless weights of its recurrent kernel are to be dropped."""
    kind = DropConnectLSTM if "recurrent_kernel_dropout" in settings else keras.layers.LSTM
    return kind(units, **settings)


def bidirectional_lstm(units: int, **settings: Any) -> Any:
    """Make an LSTM that reads the text from both ends; the outputs stand side by side."""
    return keras.layers.Bidirectional(lstm_layer(units, **settings))


def stack(
    config: RecurrentConfig,
    layer: Callable[..., Any],
    vectors: Any,
    *,
    return_sequences: bool = False,
) -> Any:
    """Stack recurrent layers: `(batch, steps, features)` to the last state `(batch, units)`.

    With `return_sequences`, to the state of every step.
    """
    for depth in range(1, config.layers + 1):
        last = depth == config.layers
        vectors = layer(
            config.units,
            return_sequences=return_sequences or not last,
            **recurrent_dropout(config),
        )(vectors)
        if not last:
            vectors = keras.layers.Dropout(config.dropout)(vectors)
    return vectors


def read_states(config: ReadoutConfig, layer: Callable[..., Any], vectors: Any) -> Any:
    """Stack recurrent layers and read them: `(batch, steps, features)` to `(batch, units)`."""
    if config.readout == "last":
        return stack(config, layer, vectors)
    states = stack(config, layer, vectors, return_sequences=True)
    pooling = {"max": MaskedGlobalMaxPooling1D, "mean": MaskedGlobalAveragePooling1D}
    return pooling[config.readout]()(states)


def draw_recurrent(space: SearchSpace, *, most_layers: int, layers: int = 1) -> dict[str, Any]:
    """Draw the settings of `RecurrentConfig`.

    1 to `most_layers` layers, `layers` by default; units 32, 64, 96 ... 256; recurrent dropout 0
    or 0.2; dropouts in steps of 0.1.
    """
    return {
        "layers": space.Int("layers", 1, most_layers, default=layers),
        "units": space.Int("units", 32, 256, step=32, default=128),
        "recurrent_dropout": space.Choice("recurrent_dropout", [0.0, 0.2], default=0.0),
        **draw_dropouts(space),
    }


def draw_dropouts(space: SearchSpace) -> dict[str, Any]:
    """Draw the dropouts that every model has, in steps of 0.1."""
    return {
        "embedding_dropout": space.Choice(
            "embedding_dropout", [0.0, 0.1, 0.2, 0.3, 0.4], default=0.2
        ),
        "dropout": space.Choice("dropout", [0.2, 0.3, 0.4, 0.5, 0.6], default=0.5),
    }


def classify(config: ModelConfig, task: Task, tokens: Any, features: Any, name: str) -> Any:
    """Close a model: features `(batch, features)` to probabilities `(batch, classes)`."""
    features = keras.layers.Dropout(config.dropout)(features)
    if config.dense_units:
        dense = keras.layers.Dense(config.dense_units, activation=config.dense_activation)
        features = keras.layers.Dropout(config.dropout)(dense(features))
    activation = "sigmoid" if task.multi_label else "softmax"
    # float32 whatever the policy: a half-precision softmax loses the small classes.
    dense = keras.layers.Dense(
        task.num_classes, activation=activation, dtype="float32", name="classes"
    )
    return keras.Model(tokens, dense(features), name=name)

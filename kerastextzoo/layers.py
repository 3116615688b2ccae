"""Keras layers of this package: masks honoured, any Keras model can use them.

This is the only module with classes registered with Keras. To add a layer, register it under
`package="kerastextzoo"`, keep an attribute for each argument of `__init__`, chain `get_config`,
and say what it does with the mask.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from kerastextzoo.kernels import can_fuse, explain_kernel

__all__ = [
    "DropConnectLSTM",
    "HashedNGrams",
    "MaskedAttentionPooling1D",
    "MaskedConv1D",
    "MaskedGlobalAveragePooling1D",
    "MaskedGlobalMaxPooling1D",
    "MaskedMaxPooling1D",
    "ResLSTM",
    "RowEmbedding",
    "SinusoidalPositions",
    "explain_kernel",
]

_register = keras.saving.register_keras_serializable(package="kerastextzoo")


def _hide(inputs: Any, mask: Any, value: float) -> Any:
    """Put `value` at every masked step of `(batch, steps, features)`."""
    return ops.where(ops.expand_dims(mask, -1), inputs, ops.cast(value, inputs.dtype))


@_register
class RowEmbedding(keras.layers.Embedding):
    """An embedding that reads the rows of its tokens, and no other.

    `(batch, steps)` to `(batch, steps, features)`. It computes what `keras.layers.Embedding` does,
    with the same arguments and weights. Keras reads the whole table first, which TensorFlow copies
    once a row has been updated: at every batch, of training and of prediction alike. With
    `mask_zero` it hides id 0.

    Example:
        >>> RowEmbedding(50, 4)(ops.ones((2, 5), "int32")).shape
        TensorShape([2, 5, 4])
    """

    def add_weight(self, *args: Any, **kwargs: Any) -> Any:
        """Make a weight that mixed precision leaves whole: only rows are cast."""
        return super().add_weight(*args, **{**kwargs, "autocast": False})

    def call(self, inputs: Any) -> Any:
        """Look the tokens up."""
        table = self.embeddings
        # The variable itself, out of Keras's wrapper, which would read it.
        rows = ops.take(getattr(table, "value", table), ops.cast(inputs, "int32"), axis=0)
        return ops.cast(rows, self.compute_dtype)


@_register
class MaskedConv1D(keras.layers.Conv1D):
    """A convolution over time to which padding looks like the edge of the text.

    `(batch, steps, features)` to `(batch, steps, filters)`. Masked steps count as zeros, as the
    steps beyond either end do, so more padding never changes an answer. The mask goes through.

    Example:
        >>> MaskedConv1D(8, 3)(ops.ones((2, 5, 4))).shape
        TensorShape([2, 5, 8])
    """

    def __init__(self, filters: int, kernel_size: int, **kwargs: Any) -> None:
        if kwargs.setdefault("padding", "same") != "same":
            raise ValueError(f"MaskedConv1D keeps the length: padding must be 'same', got {kwargs}")
        super().__init__(filters, kernel_size, **kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Convolve; masked steps are read as zeros."""
        return super().call(inputs if mask is None else _hide(inputs, mask, 0.0))


@_register
class MaskedMaxPooling1D(keras.layers.Layer):
    """The largest value of each window of steps, windows counted from the first step.

    `(batch, steps, features)` to `(batch, ceil(steps / strides), features)`. Masked steps never
    win; a window of masked steps alone is zero and masked.

    Args:
        pool_size: Steps of a window.
        strides: Steps from one window to the next; None: `pool_size`.

    Example:
        >>> MaskedMaxPooling1D(2)(ops.ones((2, 5, 4))).shape
        TensorShape([2, 3, 4])
    """

    def __init__(self, pool_size: int = 2, strides: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pool_size = pool_size
        self.strides = pool_size if strides is None else strides
        self.supports_masking = True

    def _pool(self, inputs: Any) -> Any:
        # Padded on the right alone: Keras centres 'same' padding, so that windows would move
        # with the length of the batch.
        padding = [[0, 0], [0, self.pool_size - 1], [0, 0]]
        padded = ops.pad(inputs, padding, constant_values=-float("inf"))
        window, strides = (self.pool_size,), (self.strides,)
        return ops.max_pool(padded, window, strides, padding="valid", data_format="channels_last")

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Pool, reading masked steps as minus infinity."""
        if mask is None:
            return self._pool(inputs)
        pooled = self._pool(_hide(inputs, mask, -float("inf")))
        return _hide(pooled, self.compute_mask(inputs, mask), 0.0)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """A window is seen when any of its steps is."""
        if mask is None:
            return None
        seen = ops.cast(ops.expand_dims(mask, -1), "float32")
        return ops.squeeze(self._pool(seen), -1) > 0

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Steps are divided by the strides and rounded up."""
        batch, steps, features = input_shape
        return batch, None if steps is None else -(-steps // self.strides), features

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "pool_size": self.pool_size, "strides": self.strides}


class _GlobalPooling(keras.layers.Layer):
    """Makes one vector of all steps: `(batch, steps, features)` to `(batch, features)`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        """No step is left to mask."""
        return

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The steps go."""
        return input_shape[0], input_shape[2]


@_register
class MaskedGlobalMaxPooling1D(_GlobalPooling):
    """The largest value of each feature over the whole text.

    `(batch, steps, features)` to `(batch, features)`. Masked steps never win; a text that is all
    padding gives zeros. The mask ends here.

    Example:
        >>> MaskedGlobalMaxPooling1D()(ops.ones((2, 5, 4))).shape
        TensorShape([2, 4])
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Take the maximum over the steps that are seen."""
        if mask is None:
            return ops.max(inputs, axis=1)
        largest = ops.max(_hide(inputs, mask, -float("inf")), axis=1)
        return ops.where(ops.any(mask, axis=1, keepdims=True), largest, ops.zeros_like(largest))


@contextmanager
def _replaced(layer: Any, **weights: Any) -> Iterator[None]:
    """Let a layer compute with other weights; they are tensors of one call, not to outlive it."""
    own = {name: getattr(layer, name) for name in weights}
    try:
        for name, weight in weights.items():
            setattr(layer, name, weight)
        yield
    finally:
        for name, weight in own.items():
            setattr(layer, name, weight)


def _drop_connections(cell: Any, rate: float, training: bool) -> Any:
    """Draw which weights of the recurrent kernel take part in this batch."""
    if not (training and rate):
        return cell.recurrent_kernel
    kernel = ops.convert_to_tensor(cell.recurrent_kernel)
    return keras.random.dropout(kernel, rate, seed=cell.seed_generator)


@_register
class DropConnectLSTM(keras.layers.LSTM):
    """An LSTM that drops weights of its recurrent kernel in training, others in each batch.

    `(batch, steps, features)` to `(batch, units)`, or `(batch, steps, units)` with
    `return_sequences`. Each weight is zero with probability `recurrent_kernel_dropout`, else
    divided by the probability to be kept; the draw holds for all steps and all texts of a batch
    (of one replica under `tf.distribute`). It is an ordinary LSTM over that kernel, so that, other
    than with `recurrent_dropout`, Keras's fused kernels apply. Masks, weights and answers are
    those of `keras.layers.LSTM`.

    Args:
        units: Width of the state.
        recurrent_kernel_dropout: Share of the recurrent kernel's weights dropped.
        **kwargs: Arguments of `keras.layers.LSTM`; its `seed` is of this draw as well.

    Example:
        >>> DropConnectLSTM(8, recurrent_kernel_dropout=0.5)(ops.ones((2, 5, 4))).shape
        TensorShape([2, 8])

    Reference:
        Merity, Keskar, Socher: Regularizing and Optimizing LSTM Language Models, ICLR 2018,
        https://arxiv.org/abs/1708.02182
    """

    def __init__(
        self,
        units: int,
        *,
        recurrent_kernel_dropout: float = 0.0,
        use_cudnn: bool | str = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(units, use_cudnn=use_cudnn, **kwargs)
        self.recurrent_kernel_dropout = recurrent_kernel_dropout
        self.use_cudnn_in_loop = use_cudnn
        if recurrent_kernel_dropout:
            # keras.layers.Bidirectional would else run both ways at once, past `inner_loop`.
            self.use_cudnn = False

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        """Run over the text with this batch's kernel."""
        kernel = _drop_connections(self.cell, self.recurrent_kernel_dropout, training)
        with (
            _replaced(self.cell, recurrent_kernel=kernel),
            _replaced(self, use_cudnn=self.use_cudnn_in_loop),
        ):
            return super().inner_loop(sequences, initial_state, mask, training=training)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {
            **super().get_config(),
            "recurrent_kernel_dropout": self.recurrent_kernel_dropout,
            "use_cudnn": self.use_cudnn_in_loop,
        }


class _ResLSTMCell(keras.layers.LSTMCell):
    """A step of ResLSTM over x_t; over [x_t ; F(x_{t-1})] without the + F(x_t), which comes later.

    The second form is for what Keras computes in a loop although it has a fused kernel.
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        # One mask for all four gates: they see one state.
        self.dropout_mask_count = None

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        features = int(input_shape[-1] or 0)
        self.residual_kernel = None
        if features != self.units:
            self.residual_kernel = self.add_weight(
                shape=(features, self.units), name="residual_kernel", initializer="glorot_uniform"
            )
        self.input_kernel = self.add_weight(
            shape=(features, 4 * self.units), name="kernel", initializer=self.kernel_initializer
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, 4 * self.units),
            name="recurrent_kernel",
            initializer=self.recurrent_initializer,
        )
        self.bias = self.add_weight(shape=(4 * self.units,), name="bias", initializer="zeros")
        # An open forget gate lets the gradient through from the first step on.
        gates = ops.reshape(self.bias, (4, self.units))
        self.bias.assign(ops.reshape(gates + ops.array([[0.0], [1.0], [0.0], [0.0]]), (-1,)))
        # [W; U], which Keras's fused kernels read as the kernel of [x_t ; F(x_{t-1})].
        self.kernel = None
        self.built = True

    def residual(self, inputs: Any) -> Any:
        """Return F(x)."""
        if self.residual_kernel is None:
            return inputs
        return ops.matmul(inputs, self.residual_kernel)

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        hidden, carry = states
        features = self.input_kernel.shape[0]
        rewritten = inputs.shape[-1] > features
        if rewritten:
            hidden = hidden + inputs[:, features:]
            inputs = inputs[:, :features]
        if training and self.recurrent_dropout:
            hidden = hidden * self.get_recurrent_dropout_mask(hidden)
        gates = ops.matmul(inputs, self.input_kernel) + ops.matmul(hidden, self.recurrent_kernel)
        into, forget, candidate, out = ops.split(ops.add(gates, self.bias), 4, axis=-1)
        carry = ops.sigmoid(forget) * carry + ops.sigmoid(into) * ops.tanh(candidate)
        hidden = ops.sigmoid(out) * ops.tanh(carry)
        if not rewritten:
            hidden = hidden + self.residual(inputs)
        return hidden, [hidden, carry]


@_register
class ResLSTM(keras.layers.Layer):
    r"""An LSTM whose hidden state carries its input along: h_t = o_t * tanh(c_t) + F(x_t).

    `(batch, steps, features)` to `(batch, units)`, or `(batch, steps, units)` with
    `return_sequences`. F is the identity where `features == units`, else a learned linear map.
    The gates of the next step see the whole h_t.

    On a GPU it is computed as a standard LSTM over [x_t ; F(x_{t-1})], which is the same function,
    so that Keras's fused kernels apply; elsewhere step by step. A masked step keeps the state and
    repeats the last output, for any mask; `return_sequences` passes the mask on. It stacks, and
    `keras.layers.Bidirectional` takes it.

    Args:
        units: Width of the hidden state.
        dropout: Share of input features dropped, the same ones at every step of a text.
        recurrent_dropout: Share of the hidden state hidden from the gates, likewise. It leaves
            the fused kernels.
        recurrent_kernel_dropout: Share of the recurrent kernel's weights dropped, others in each
            batch, as in `DropConnectLSTM`.
        return_sequences: Whether to return every step.
        return_state: Whether to return the last hidden and carry state as well.
        go_backwards: Whether to read from the last step to the first (outputs in reading order).

    Example:
        >>> ResLSTM(8)(ops.ones((2, 5, 4))).shape
        TensorShape([2, 8])

    Reference:
        Kim, El-Khamy, Lee: Residual LSTM, Interspeech 2017, https://arxiv.org/abs/1701.03360
    """

    # keras.layers.Bidirectional asks for it; state is never kept between batches.
    stateful = False

    def __init__(
        self,
        units: int,
        *,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        recurrent_kernel_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.recurrent_kernel_dropout = recurrent_kernel_dropout
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(ndim=3)
        self.input_dropout = keras.layers.Dropout(dropout, noise_shape=(None, 1, None))
        self.lstm = keras.layers.LSTM(
            units,
            return_sequences=return_sequences,
            return_state=True,
            go_backwards=go_backwards,
            recurrent_dropout=recurrent_dropout,
            dtype=self.dtype_policy,
            name="lstm",
        )
        self.lstm.cell = _ResLSTMCell(
            units, recurrent_dropout=recurrent_dropout, dtype=self.dtype_policy, name="cell"
        )

    @property
    def residual_kernel(self) -> Any:
        """F; None where it is the identity."""
        return self.lstm.cell.residual_kernel

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the weights; F has one only where the widths differ."""
        self.lstm.build(input_shape)

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """Run over the text."""
        sequences = self.input_dropout(sequences, training=training)
        run = self._run_fused if can_fuse() and not self.recurrent_dropout else self._run_steps
        cell = self.lstm.cell
        kernel = _drop_connections(cell, self.recurrent_kernel_dropout, training)
        with _replaced(cell, recurrent_kernel=kernel):
            outputs, last, carry = run(
                sequences, initial_state=initial_state, mask=mask, training=training
            )
        return [outputs, last, carry] if self.return_state else outputs

    def _run_steps(self, sequences: Any, **given: Any) -> Any:
        return self.lstm(sequences, **given)

    def _run_fused(self, sequences: Any, *, mask: Any, **given: Any) -> Any:
        cell = self.lstm.cell
        residual, previous = self._in_reading_order(cell.residual(sequences), mask)
        kernels = (cell.input_kernel, cell.recurrent_kernel)
        with _replaced(cell, kernel=ops.concatenate([*map(ops.convert_to_tensor, kernels)])):
            hidden, last, carry = self.lstm(
                ops.concatenate([sequences, previous], axis=-1), mask=mask, **given
            )
        if self.go_backwards:
            residual = ops.flip(residual, axis=1)
        # Not the output of the last step, which cuDNN leaves empty after the end of a text.
        last = last + residual[:, -1]
        return hidden + residual if self.return_sequences else last, last, carry

    def _in_reading_order(self, residual: Any, mask: Any) -> tuple[Any, Any]:
        """Return F(x) of the last seen step up to each step, and up to the step before it."""
        if self.go_backwards:
            residual = ops.flip(residual, axis=1)
            mask = None if mask is None else ops.flip(mask, axis=1)
        if mask is not None:
            residual = _last_seen(residual, mask)
        before = ops.pad(residual[:, :-1], [[0, 0], [1, 0], [0, 0]])
        if self.go_backwards:
            return ops.flip(residual, axis=1), ops.flip(before, axis=1)
        return residual, before

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask goes through with the steps."""
        outputs = mask if self.return_sequences else None
        return [outputs, None, None] if self.return_state else outputs

    def compute_output_shape(self, sequences_shape: Any, initial_state_shape: Any = None) -> Any:
        """Features become units; without `return_sequences` the steps go."""
        batch, steps, _ = sequences_shape
        last = (batch, self.units)
        outputs = (batch, steps, self.units) if self.return_sequences else last
        return (outputs, last, last) if self.return_state else outputs

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {
            **super().get_config(),
            "units": self.units,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            "recurrent_kernel_dropout": self.recurrent_kernel_dropout,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
        }


def _last_seen(values: Any, mask: Any) -> Any:
    """Give each step the value of the last unmasked step up to it; zeros before the first.

    `(batch, steps, features)` and `(batch, steps)` to `(batch, steps, features)`.
    """
    mask = ops.cast(mask, "int32")
    steps = ops.broadcast_to(ops.arange(ops.shape(mask)[1], dtype="int32"), ops.shape(mask))
    seen = ops.sort(ops.where(mask > 0, steps, ops.shape(mask)[1]), axis=1)
    count = ops.cumsum(mask, axis=1)
    last = ops.take_along_axis(seen, ops.maximum(count - 1, 0), axis=1)
    last = ops.minimum(last, ops.shape(mask)[1] - 1)
    carried = ops.take_along_axis(values, ops.expand_dims(last, -1), axis=1)
    return _hide(carried, count > 0, 0.0)


@_register
class MaskedGlobalAveragePooling1D(_GlobalPooling):
    """The mean of each feature over the whole text.

    `(batch, steps, features)` to `(batch, features)`. Masked steps do not count; a text that is
    all padding gives zeros, where Keras's own layer gives NaN. The mask ends here.

    Example:
        >>> MaskedGlobalAveragePooling1D()(ops.ones((2, 5, 4))).shape
        TensorShape([2, 4])
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Take the mean over the steps that are seen."""
        if mask is None:
            return ops.mean(inputs, axis=1)
        seen = ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        total = ops.sum(_hide(inputs, mask, 0.0), axis=1)
        return total / ops.cast(ops.maximum(seen, 1), inputs.dtype)


@_register
class MaskedRootPooling1D(_GlobalPooling):
    """The sum of each feature over the whole text, divided by the root of the number of steps.

    `(batch, steps, features)` to `(batch, features)`: what many steps agree on counts for more
    than in a mean, and a long text does not drown a short one as in a sum. Masked steps do not
    count; a text that is all padding gives zeros. The mask ends here.

    Example:
        >>> MaskedRootPooling1D()(ops.ones((2, 4, 3)))[0].numpy().tolist()
        [2.0, 2.0, 2.0]
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Add up the steps that are seen."""
        if mask is None:
            mask = ops.ones(ops.shape(inputs)[:2], "bool")
        seen = ops.cast(ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True), inputs.dtype)
        return ops.sum(_hide(inputs, mask, 0.0), axis=1) / ops.sqrt(ops.maximum(seen, 1))


@_register
class MaskedAttentionPooling1D(_GlobalPooling):
    """A mean over the whole text in which each step has the weight that a learned vector gives it.

    `(batch, steps, features)` to `(batch, features)`: the steps h_t are weighted by the softmax of
    w . tanh(h_t). Masked steps have no weight; a text that is all padding gives zeros. The mask
    ends here.

    Example:
        >>> MaskedAttentionPooling1D()(ops.ones((2, 5, 4))).shape
        TensorShape([2, 4])

    Reference:
        Zhou et al. 2016, https://aclanthology.org/P16-2034
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the vector that steps are compared with."""
        self.query = self.add_weight(
            shape=(input_shape[-1],), name="query", initializer="glorot_uniform"
        )

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Weight the steps and add them up."""
        scores = ops.sum(ops.tanh(inputs) * self.query, axis=-1, keepdims=True)
        scores = ops.cast(scores, "float32")
        if mask is not None:
            # Finite: the softmax of minus infinities alone would be NaN.
            scores = _hide(scores, mask, -1e30)
        weights = ops.exp(scores - ops.max(scores, axis=1, keepdims=True))
        if mask is not None:
            weights = _hide(weights, mask, 0.0)
        # The strongest step has 1, so that only a text without steps has less.
        weights = weights / ops.maximum(ops.sum(weights, axis=1, keepdims=True), 1.0)
        return ops.sum(inputs * ops.cast(weights, inputs.dtype), axis=1)


@_register
class SinusoidalPositions(keras.layers.Layer):
    """Adds to each step where it stands, as waves of many lengths.

    `(batch, steps, features)` in and out. Feature 2i of step t gets sin(t / 10000^(2i/features)),
    feature 2i + 1 the cosine. There is nothing to learn, so that no text is too long. Steps are
    counted from the first, masked or not. The mask goes through.

    Example:
        >>> SinusoidalPositions()(ops.ones((2, 5, 4))).shape
        TensorShape([2, 5, 4])

    Reference:
        Vaswani et al. 2017, https://arxiv.org/abs/1706.03762
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any) -> Any:
        """Add the waves."""
        features = inputs.shape[-1]
        steps = ops.arange(ops.shape(inputs)[1], dtype="float32")
        rates = ops.exp(ops.arange(0, features, 2, dtype="float32") * -(math.log(1e4) / features))
        angles = ops.expand_dims(steps, -1) * rates
        waves = ops.stack([ops.sin(angles), ops.cos(angles)], axis=-1)
        waves = ops.reshape(waves, (-1, 2 * rates.shape[0]))[:, :features]
        return inputs + ops.cast(waves, inputs.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Nothing changes."""
        return input_shape


# Products of what is left of a division by them fit in 31 bits; cubes modulo them repeat nothing.
_HASH_PRIMES = (46_337, 46_307)
_HASH_START = 1_009


@_register
class HashedNGrams(keras.layers.Layer):
    """The bucket of each n-gram of a text: runs of tokens, hashed.

    Token ids `(batch, steps)` to bucket ids `(batch, len(sizes) * steps)`: for each size in turn,
    the n-gram that starts at each step. Buckets go from 1 to `buckets`; 0 stands where no n-gram
    starts, because the run would meet padding (id 0) or the end. There is no mask in or out:
    an embedding of `buckets + 1` rows with `mask_zero` makes it.

    The hash is int32 arithmetic that never overflows, so every backend gives the same ids.

    Args:
        buckets: Number of buckets.
        sizes: Tokens of an n-gram.

    Example:
        >>> HashedNGrams(100, (2,))(ops.array([[5, 6, 7, 0]])).numpy().tolist()
        [[18, 49, 0, 0]]
    """

    def __init__(self, buckets: int, sizes: Sequence[int] = (2, 3), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.buckets = buckets
        self.sizes = tuple(sizes)

    def call(self, tokens: Any) -> Any:
        """Hash each run of tokens."""
        tokens = ops.cast(tokens, "int32")
        return ops.concatenate([self._hash(tokens, size) for size in self.sizes], axis=1)

    def _hash(self, tokens: Any, size: int) -> Any:
        padded = ops.pad(tokens, [[0, 0], [0, size - 1]])
        run = [padded[:, at : at + 1 - size or None] for at in range(size)]
        halves = []
        for prime in _HASH_PRIMES:
            half = ops.full_like(tokens, _HASH_START * size)
            for ids in run:
                half = ops.mod(half + ops.mod(ids, prime), prime)
                half = ops.mod(ops.mod(half * half, prime) * half, prime)
            halves.append(half)
        buckets = 1 + ops.mod(halves[0] * _HASH_PRIMES[1] + halves[1], self.buckets)
        return ops.where(ops.all(ops.stack(run) > 0, axis=0), buckets, 0)

    def compute_output_spec(self, tokens: Any) -> Any:
        """One id a step and size."""
        batch, steps = tokens.shape
        steps = None if steps is None else len(self.sizes) * steps
        return keras.KerasTensor((batch, steps), dtype="int32")

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        return {**super().get_config(), "buckets": self.buckets, "sizes": self.sizes}

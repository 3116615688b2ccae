"""LSTMs with recurrent dropout of weights, and with a residual state."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from kerastextzoo.kernels import can_fuse
from kerastextzoo.layers._masks import hide, register


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


@register
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


@register
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
    return hide(carried, count > 0, 0.0)

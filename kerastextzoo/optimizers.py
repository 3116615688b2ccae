"""Keras optimizers that treat a token which occurs twice in a batch like any other weight.

The gradient of an embedding comes as one slice for each occurrence of a token. Keras squares and
clips these slices one by one, which gives wrong updates with Adam, RMSprop and every clip; here
they are summed first. `LazyAdam` and `LazyAdamW` then update the rows of the batch alone, which
spares the other rows of a large table. Nothing is registered: models are saved without their
optimizer.
"""

from collections.abc import Sequence
from typing import Any, Literal

import keras

OptimizerName = Literal["adam", "adamw", "nadam", "rmsprop", "sgd"]
EmbeddingUpdates = Literal["rows", "dense", "stock"]


def _is_sliced(gradient: Any) -> bool:
    # Other backends of Keras know no slices.
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return isinstance(gradient, tf.IndexedSlices)


def _rows(gradient: Any) -> tuple[Any, Any, Any]:
    """Return row and sum of the row's slices for each slice, and whether it is the row's first."""
    import tensorflow as tf

    # Sorted, not `tf.unique`: results of unknown length come out wrong where XLA compiles them.
    order = tf.argsort(gradient.indices)
    rows = tf.gather(gradient.indices, order)
    first = tf.concat([[True], rows[1:] != rows[:-1]], 0)
    group = tf.cumsum(tf.cast(first, tf.int32)) - 1
    slices = tf.gather(gradient.values, order)
    sums = tf.math.unsorted_segment_sum(slices, group, tf.size(group))
    return rows, tf.gather(sums, group), first


def _table(gradient: Any) -> Any:
    """Sum the slices of each row into a gradient of the whole table."""
    import tensorflow as tf

    return tf.convert_to_tensor(gradient)


class _DenseGradients:
    """Mixed into an optimizer: it sees tables, never slices."""

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> Any:
        """Update the variables."""
        dense = [_table(gradient) if _is_sliced(gradient) else gradient for gradient in grads]
        return super().apply(dense, trainable_variables)  # type: ignore[misc]


class _RowGradients:
    """Mixed into an optimizer: it clips the summed rows of a table as it would the table."""

    def _clip_gradients(self, grads: Sequence[Any]) -> list[Any]:
        if not (self.clipnorm or self.global_clipnorm or self.clipvalue):  # type: ignore[attr-defined]
            return list(grads)
        grads = [_once(gradient) if _is_sliced(gradient) else gradient for gradient in grads]
        # The rows that are left out are zeros, which change no norm.
        values = [gradient.values if _is_sliced(gradient) else gradient for gradient in grads]
        clipped = super()._clip_gradients(values)  # type: ignore[misc]
        return [_with_values(*pair) for pair in zip(grads, clipped, strict=True)]


def _once(gradient: Any) -> Any:
    """Move all of a row's gradient into one of its slices; the others are zeros."""
    import tensorflow as tf

    rows, sums, first = _rows(gradient)
    values = tf.where(first[:, None], sums, tf.zeros_like(sums))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def _with_values(gradient: Any, values: Any) -> Any:
    if not _is_sliced(gradient):
        return values
    import tensorflow as tf

    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)


class LazyAdam(_RowGradients, keras.optimizers.Adam):
    """Adam that leaves the rows of an embedding alone which are not in the batch.

    At step t, counted over the whole training, each row that the batch touches gets one step of
    Adam without momentum: with g the sum of its slices, v = b2 v + (1 - b2) g^2 and
    w = w - a sqrt(1 - b2^t) g / (sqrt(v) + epsilon). Other rows keep w and v. A batch that touches
    every row therefore gets the update of Adam with b1 = 0.

    Momentum is left out because Adam spreads the effect of one gradient over the steps that follow,
    most of which do not touch the row of a rare word: kept by row, it would move such a word up to
    ten times less than Adam does. Without it the word moves at once as far as it does in all with
    Adam.

    The padding row is a row like the others: it has a gradient wherever a model reads padding.
    Weight decay, where set, acts in the same step: w = w - a * decay * w, on touched rows alone.
    Every other weight is updated as in `keras.optimizers.Adam`; so is an embedding on the JAX and
    PyTorch backends, whose gradients are dense, and one with `amsgrad`. Under `tf.distribute` the
    slices of all replicas are summed; each replica clips before that, as Keras does.

    Example:
        >>> LazyAdam(0.01).beta_1
        0.9

    Reference:
        Kingma and Ba 2015, https://arxiv.org/abs/1412.6980
    """

    def _apply_weight_decay(self, variables: Any) -> None:
        # Done in `update_step`, which knows the rows.
        ...

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Update one variable, whole or by row."""
        decay = self.weight_decay if self._use_weight_decay(variable) else None
        if _is_sliced(gradient) and not self.amsgrad:
            self._update_rows(gradient, variable, learning_rate, decay or 0.0)
            return
        if decay:
            rate = keras.ops.cast(learning_rate, variable.dtype)
            self.assign_sub(variable, variable * keras.ops.cast(decay, variable.dtype) * rate)
        gradient = _table(gradient) if _is_sliced(gradient) else gradient
        super().update_step(gradient, variable, learning_rate)

    def _update_rows(self, gradient: Any, variable: Any, learning_rate: Any, decay: float) -> None:
        import tensorflow as tf

        # A row that comes twice is computed twice, with one result.
        rows, sums, _ = _rows(gradient)
        slope = tf.cast(sums, variable.dtype)
        rate = tf.cast(learning_rate, variable.dtype)
        step = tf.cast(self.iterations + 1, variable.dtype)
        place = self._get_variable_index(variable)
        parts = (variable, self._velocities[place].value)
        weights, square = (tf.gather(part, rows) for part in parts)
        square += (tf.square(slope) - square) * (1 - self.beta_2)
        weights -= weights * decay * rate
        weights -= rate * tf.sqrt(1 - self.beta_2**step) * slope / (tf.sqrt(square) + self.epsilon)
        for part, values in zip(parts, (weights, square), strict=True):
            self.assign(part, tf.IndexedSlices(values, rows))


class LazyAdamW(LazyAdam, keras.optimizers.AdamW):
    """`LazyAdam` with the weight decay of AdamW: a row decays in the steps that touch it.

    Rare words thus decay less than with `keras.optimizers.AdamW`, which takes from every row at
    every step.

    Example:
        >>> LazyAdamW(0.01).weight_decay
        0.004

    Reference:
        Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101
    """


class _LazySGD(_RowGradients, keras.optimizers.SGD):
    """Rows are enough: a step of SGD leaves a row without a gradient where it is."""


class _SGD(_DenseGradients, keras.optimizers.SGD): ...


class _Adam(_DenseGradients, keras.optimizers.Adam): ...


class _AdamW(_DenseGradients, keras.optimizers.AdamW): ...


class _Nadam(_DenseGradients, keras.optimizers.Nadam): ...


class _RMSprop(_DenseGradients, keras.optimizers.RMSprop): ...


_DENSE: dict[str, Any] = {
    "adam": _Adam,
    "adamw": _AdamW,
    "nadam": _Nadam,
    "rmsprop": _RMSprop,
    "sgd": _SGD,
}
_OPTIMIZERS: dict[str, dict[str, Any]] = {
    "rows": _DENSE | {"adam": LazyAdam, "adamw": LazyAdamW, "sgd": _LazySGD},
    "dense": _DENSE,
    "stock": {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "nadam": keras.optimizers.Nadam,
        "rmsprop": keras.optimizers.RMSprop,
        "sgd": keras.optimizers.SGD,
    },
}


def create_optimizer(
    name: OptimizerName = "adam",
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule = 1e-3,
    clip_norm: float | None = None,
    embedding_updates: EmbeddingUpdates = "rows",
    accumulation: int = 1,
) -> keras.optimizers.Optimizer:
    """Make an optimizer that knows what to do with the slices of an embedding's gradient.

    Args:
        name: adam, adamw, nadam, rmsprop or sgd.
        learning_rate: Step size, or a schedule of it.
        clip_norm: Largest norm of the gradient of all weights together.
        embedding_updates: dense: the update that the same weights would get in a dense layer.
            rows: adam and adamw update the rows of the batch alone, see `LazyAdam`, and so does
            sgd, to which it makes no difference; the others are dense. stock: Keras's own, which
            takes a token that comes twice for two. Off TensorFlow gradients are dense and the
            three are one.
        accumulation: Batches whose mean gradient makes one step. Above 1 the embedding's updates
            are dense, whatever `embedding_updates`: the gradients are gathered in whole tables.
            What batches are left at the end of an epoch count for the first step of the next.
            Keras asks a schedule for the rate of a batch, not of a step.

    Example:
        >>> create_optimizer("adam", 0.01).learning_rate.numpy().round(3)
        np.float32(0.01)
    """
    if keras.backend.backend() != "tensorflow":
        embedding_updates = "stock"
    elif accumulation > 1:
        embedding_updates = "dense"
    kind = _OPTIMIZERS[embedding_updates][name]
    return kind(
        learning_rate,
        global_clipnorm=clip_norm,
        # Keras takes no 1 for an answer.
        gradient_accumulation_steps=accumulation if accumulation > 1 else None,
        name=name,
    )

"""The callback that watches a training: it tells what is wrong, and changes nothing."""

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from kerastextzoo.doctor.findings import Finding
from kerastextzoo.doctor.watching import Watch
from kerastextzoo.errors import InputError

Rows = tuple[npt.NDArray[Any], npt.NDArray[np.int64]]
CLASSES = 3


def texts(rows: int = 192, seed: int = 0, *, random: bool = False) -> Rows:
    """Token ids whose class is that of the one word among them that tells it."""
    draw = np.random.default_rng(seed)
    x = draw.integers(10, 60, (rows, 8)).astype("int32")
    y = draw.integers(0, CLASSES, rows)
    if not random:
        x[np.arange(rows), draw.integers(0, 8, rows)] = 1 + y
    return x, y


def build(
    *middle: Any, rate: float = 0.05, loss: str = "sparse_categorical_crossentropy", **last: Any
) -> Any:
    layers = [
        keras.Input((8,), dtype="int32"),
        keras.layers.Embedding(60, 16),
        keras.layers.GlobalAveragePooling1D(),
        *middle,
        keras.layers.Dense(CLASSES, activation="softmax", **last),
    ]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model


def watched(
    model: Any, *, given: Rows | None = None, blind: bool = False, epochs: int = 8, **options: Any
) -> Watch:
    """Train under a watch, which may be blind: by the figures of the epochs alone."""
    x, y = given or texts()
    validation = options.pop("validation_data", texts(seed=1))
    stop = options.pop("stop", True)
    told: list[Finding] = []
    data = () if blind else (x, y, validation)
    watch = Watch(*data, stop=stop, tell=told.append)
    others = options.pop("callbacks", [])
    history = model.fit(
        x,
        y,
        batch_size=16,
        epochs=epochs,
        verbose=0,
        validation_data=validation,
        callbacks=[*others, watch],
        **options,
    )
    assert told == watch.findings
    if stop and watch.findings:
        assert len(history.history["loss"]) < epochs
    return watch


class Reset(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.optimizer.iterations.assign(0)


class NewOptimizer(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.optimizer = keras.optimizers.Adam(0.05)
        self.model.optimizer.build(self.model.trainable_variables)


def falling(rate: float = 0.05) -> Any:
    return keras.callbacks.LearningRateScheduler(lambda epoch, _: rate * 0.2**epoch)


@pytest.mark.parametrize("blind", [False, True])
def test_a_healthy_training_is_left_alone(blind: bool) -> None:
    model = build(keras.layers.BatchNormalization(momentum=0.9), keras.layers.Dropout(0.2))
    assert watched(model, blind=blind, epochs=10).findings == []
    rare = texts(400)
    keep = (rare[1] == 0) | (np.arange(400) % 10 == 0)
    assert watched(build(), blind=blind, given=(rare[0][keep], rare[1][keep])).findings == []


def test_a_training_that_has_nothing_left_to_learn_is_left_alone() -> None:
    model = build()
    for blind in (False, True, False):
        assert watched(model, blind=blind, epochs=12).findings == []


def test_a_schedule_may_end_at_nothing() -> None:
    model = build()
    steps = 8 * 12
    model.optimizer.learning_rate = keras.optimizers.schedules.CosineDecay(0.05, steps)
    assert watched(model).findings == []


@pytest.mark.parametrize("blind", [False, True])
def test_a_loss_that_is_no_number_ends_the_epoch(blind: bool) -> None:
    weights = np.ones(192)
    weights[100] = np.nan
    watch = watched(build(), blind=blind, sample_weight=weights, shuffle=False)
    assert watch.codes == ["not-finite-loss"]
    assert watch.findings[0].evidence == {"loss": "nan", "steps": 7}


@pytest.mark.parametrize("blind", [False, True])
def test_no_movement(blind: bool) -> None:
    watch = watched(build(rate=1e-9), blind=blind)
    assert "no-movement" in watch.codes
    start, end = (watch.findings[-1].evidence[name] for name in ("start", "end"))
    assert start == pytest.approx(end, rel=0.01)


def test_one_class_only() -> None:
    always_the_last = keras.initializers.Constant([0.0, 0.0, 9.0])
    model = build(rate=1e-9, bias_initializer=always_the_last)
    watch = watched(model)
    assert watch.codes == ["one-class-only"]
    assert watch.findings[0].evidence == {"rows": 192, "label": 2}


def test_answers_that_a_caller_has_counted() -> None:
    x, y = texts()
    tables = iter([[[50, 0], [50, 0]]] * 2)
    watch = Watch(tell=lambda finding: None, confusion=lambda: next(tables))
    build(rate=1e-9).fit(x, y, epochs=5, batch_size=16, verbose=0, callbacks=[watch])
    assert watch.codes == ["one-class-only"]
    assert watch.findings[0].evidence == {"rows": 100, "label": 0}


@pytest.mark.parametrize("blind", [False, True])
def test_over_fitting(blind: bool) -> None:
    given = texts(64, random=True)
    watch = watched(build(), blind=blind, given=given, epochs=20)
    assert watch.codes == ["over-fitting"]
    assert watch.findings[0].evidence["best epoch"] in (1, 2)


def test_validation_data_that_is_the_training_data() -> None:
    x, y = texts()
    watch = watched(build(), given=(x, y), validation_data=(x.copy(), y.copy()), stop=False)
    assert watch.codes == ["validation-is-training"]


def test_statistics_of_a_batch_normalisation() -> None:
    far = keras.layers.Rescaling(1.0, offset=5.0)
    broken, healthy = (
        build(far, keras.layers.BatchNormalization(momentum=momentum), rate=0.05)
        for momentum in (0.99999, 0.5)
    )
    watch = watched(broken)
    assert watch.codes[0] == "batch-norm-statistics"
    evidence = watch.findings[0].evidence
    assert float(str(evidence["in training"])) > float(str(evidence["in use"])) + 0.2
    assert watched(healthy).findings == []


class AlwaysDropout(keras.layers.Dropout):
    def call(self, inputs: Any, training: bool = False) -> Any:
        return super().call(inputs, training=True)


def test_dropout_at_inference() -> None:
    watch = watched(build(AlwaysDropout(0.5)))
    assert watch.codes == ["dropout-at-inference"]


@pytest.mark.parametrize("blind", [False, True])
def test_a_learning_rate_that_dies(blind: bool) -> None:
    watch = watched(build(), blind=blind, callbacks=[falling()])
    assert watch.codes == ["learning-rate-dies"]
    evidence = watch.findings[0].evidence
    assert (evidence["dead after"], evidence["steps of an epoch"]) == (6, 12)


@pytest.mark.parametrize("kind", [Reset, NewOptimizer])
def test_an_optimizer_that_starts_anew(kind: type[keras.callbacks.Callback]) -> None:
    model = build()
    model.run_eagerly = kind is NewOptimizer
    watch = watched(model, callbacks=[kind()], blind=True, epochs=3)
    assert watch.codes == ["optimizer-reset"]


def test_it_only_tells_where_it_is_not_to_stop() -> None:
    watch = watched(build(), stop=False, callbacks=[falling(1e-9)])
    assert len(watch.codes) == len(set(watch.codes)) >= 2


def test_it_tells_on_standard_error_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    x, y = texts()
    model = build(rate=1e-9)
    model.fit(x, y, epochs=8, batch_size=16, verbose=0, callbacks=[Watch(stop=False)])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("no-movement") == 1


@pytest.mark.parametrize("middle", [AlwaysDropout, keras.layers.Dropout])
def test_the_training_is_the_same_to_the_bit(middle: Any) -> None:
    ends = []
    for watching in (False, True):
        keras.utils.set_random_seed(3)
        x, y = texts()
        model = build(middle(0.3), keras.layers.BatchNormalization())
        watch = Watch(x, y, texts(seed=1), stop=False, tell=lambda finding: None)
        model.fit(x, y, epochs=4, batch_size=16, verbose=0, callbacks=[watch] if watching else [])
        drawn = [np.random.random(), keras.ops.convert_to_numpy(keras.random.uniform(())).item()]
        states = [keras.ops.convert_to_numpy(each) for each in model.variables]
        ends.append([*states, *map(keras.ops.convert_to_numpy, model.optimizer.variables), drawn])
    for one, two in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, two)


def test_rows_and_labels_have_to_match() -> None:
    x, y = texts()
    with pytest.raises(InputError, match="as many inputs as labels; got 192 inputs and 5 labels"):
        Watch(x, y[:5])

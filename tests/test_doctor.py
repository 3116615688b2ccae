"""The doctor on broken programs and their healthy twins, and what it leaves alone.

`benchmarks/doctor.py` examines the whole bank; here is a part of it, quick enough for every day.
"""

import json
import random
from pathlib import Path

import keras
import numpy as np
import pytest
from doctor.bank import PAIRS
from doctor.pairs import Pair
from keras import layers

from kerastextzoo.doctor import diagnose
from kerastextzoo.doctor.case import Case
from kerastextzoo.doctor.causes import CAUSES
from kerastextzoo.doctor.diagnosing import examine
from kerastextzoo.doctor.findings import found, ranked
from kerastextzoo.doctor.program import copy_model, copy_optimizer
from kerastextzoo.doctor.remedies import REMEDIES, mend
from kerastextzoo.errors import InputError

BY_NAME = {pair.name: pair for pair in PAIRS}
#: Found without any training.
QUICK = (
    "class-names",
    "half-an-embedding",
    "states-for-classes",
    "one-unit-missing",
    "labels-from-one",
    "class-numbers",
    "arg-max-in-the-model",
    "sigmoid-behind-cnn",
    "softmax-in-the-loss",
    "no-softmax",
    "vectors-made-whole-in-a-class",
    "ten-sigmoid-layers",
)
#: Found by linear models or trial trainings.
THOROUGH = ("last-fifth-for-validation", "sgd-too-slow", "classes-numbered-anew")


def check_pair(pair: Pair, *, quick: bool) -> None:
    broken = examine(pair.broken(0), quick=quick)
    assert broken.findings[0].code == pair.code, str(broken)
    assert not broken.skipped
    healthy = examine(pair.healthy(0), quick=quick)
    assert healthy.healthy, str(healthy)
    assert not healthy.skipped


@pytest.mark.parametrize("name", QUICK)
def test_quick_look_names_the_cause_and_nothing_for_the_twin(name: str) -> None:
    check_pair(BY_NAME[name], quick=True)


@pytest.mark.parametrize("name", THOROUGH)
def test_thorough_look_names_the_cause_and_nothing_for_the_twin(name: str) -> None:
    check_pair(BY_NAME[name], quick=False)


def small(rows: int = 96, classes: int = 3) -> tuple[keras.Model, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    y = np.arange(rows) % classes
    x = draw.integers(2 + classes, 30, (rows, 8))
    x[:, 0] = 2 + y
    model = keras.Sequential(
        [
            keras.Input((8,), dtype="int32"),
            layers.Embedding(30, 8),
            layers.Dropout(0.2),
            layers.GlobalAveragePooling1D(),
            layers.BatchNormalization(momentum=0.8),
            layers.Dense(classes, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model, x.astype("int32"), y


class OfAClass(keras.Model):  # type: ignore[misc]
    """It has no configuration, so it can't be copied."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embedding = layers.Embedding(30, width)
        self.answers = layers.Dense(3, activation="softmax")

    def call(self, tokens: object) -> object:
        return self.answers(keras.ops.mean(self.embedding(tokens), axis=1))


def numpy_state() -> list[int]:
    return list(np.random.get_state(legacy=False)["state"]["key"])


@pytest.mark.parametrize("copied", [True, False], ids=["copied", "on loan"])
def test_model_optimizer_data_and_generators_stay_as_they_were(copied: bool) -> None:
    model, x, y = small()
    if not copied:
        model = OfAClass(8)
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(x, y, epochs=1, verbose=0)
    optimizer = model.optimizer
    weights, slots = model.get_weights(), [np.asarray(each) for each in optimizer.variables]
    data = x.copy(), y.copy()
    states = random.getstate(), numpy_state()
    diagnose(model, x, y, epochs=3)
    assert model.optimizer is optimizer
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    for before, after in zip(slots, optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, np.asarray(after))
    np.testing.assert_array_equal(data[0], x)
    np.testing.assert_array_equal(data[1], y)
    assert random.getstate() == states[0]
    np.testing.assert_array_equal(numpy_state(), states[1])
    model.fit(x, y, epochs=1, verbose=0)


def test_same_seed_gives_the_same_diagnosis() -> None:
    pair = BY_NAME["sgd-too-slow"]
    first, second = (examine(pair.broken(0)).as_dict()["findings"] for _ in range(2))
    assert first == second


def test_result_is_short_text_and_json() -> None:
    told = examine(BY_NAME["sigmoid-behind-cnn"].broken(0))
    assert "sigmoid-after-softmax" in str(told)
    assert "remove the sigmoid" in str(told)
    assert len(str(told).splitlines()) <= 12
    finding = json.loads(json.dumps(told.as_dict(), allow_nan=False))["findings"][0]
    assert {"code", "severity", "evidence", "remedy"} <= set(finding)
    assert finding["effect"]["after"] > finding["effect"]["before"]


@pytest.mark.parametrize("name", ["sigmoid-behind-cnn", "one-unit-missing", "labels-from-one"])
def test_program_mended_by_the_doctor_is_as_good_as_its_twin(name: str) -> None:
    pair = BY_NAME[name]
    broken = pair.broken(0)
    mended = mend(Case(broken), examine(broken, quick=True).findings[0])
    assert mended is not None
    x, y = pair.held_out(0)
    truth = y if y.ndim == 1 else y.argmax(-1)
    reached = []
    for program in (mended, pair.healthy(0)):
        keras.utils.set_random_seed(0)
        program.model.fit(
            program.x, program.y, batch_size=program.batch_size, epochs=program.epochs, verbose=0
        )
        reached.append(Case(program).right(program.model.predict(x, verbose=0), truth))
    assert reached[0] >= reached[1] - 0.02


def test_batches_are_taken_in_their_own_order() -> None:
    import tensorflow as tf

    model, x, y = small()
    order = np.argsort(y, kind="stable")
    batches = tf.data.Dataset.from_tensor_slices((x[order], y[order])).batch(16)
    assert diagnose(model, batches, batch_size=16, quick=True).has("sorted-by-class")
    assert diagnose(model, x[order], y[order], batch_size=16, quick=True).healthy


def test_softmax_whose_logits_keras_still_knows_is_no_fault() -> None:
    model, x, y = small()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    assert diagnose(model, x, y, quick=True).healthy


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.3])
def test_label_smoothing_is_no_second_softmax(smoothing: float) -> None:
    model, x, y = small()
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
    model.compile("adam", loss)
    assert diagnose(model, x, np.eye(3)[y], quick=True).healthy


def test_training_that_is_too_short_is_told_from_one_that_can_not_learn() -> None:
    model, x, y = small()
    told = diagnose(model, x, y, batch_size=96, epochs=1)
    assert told.has("only-one-batch-learned")
    assert not told.has("cannot-overfit-one-batch")


def test_model_that_reads_strings_is_examined_whole() -> None:
    _, x, y = small()
    texts = np.array([" ".join(f"w{token}" for token in row) for row in x])
    reading = layers.TextVectorization(40, output_sequence_length=8)
    reading.adapt(texts)
    model = keras.Sequential([keras.Input((), dtype="string"), reading, *small()[0].layers])
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    told = diagnose(model, texts, y, epochs=20)
    assert told.healthy
    assert not told.skipped


def test_models_with_several_inputs_and_multi_label_data_are_examined() -> None:
    tokens, length = keras.Input((8,), dtype="int32"), keras.Input((1,))
    vectors = layers.GlobalAveragePooling1D()(layers.Embedding(30, 8)(tokens))
    joined = layers.Concatenate()([vectors, length])
    model = keras.Model([tokens, length], layers.Dense(3, activation="sigmoid")(joined))
    model.compile("adam", "binary_crossentropy")
    _, x, y = small()
    several = np.eye(3)[y] + np.eye(3)[np.roll(y, 1)] * (y[:, None] > 0)
    told = diagnose(model, [x, np.ones((len(x), 1), "float32")], several.astype("float32"))
    assert not told.skipped
    assert not told.errors


def bad_calls() -> dict[str, tuple[dict[str, object], str]]:
    model, x, y = small()
    bare = keras.Sequential([layers.Dense(2)])
    return {
        "not a model": ({"model": "cnn", "x": x, "y": y}, "a keras.Model; got str"),
        "not compiled": ({"model": bare, "x": x, "y": y}, "compiled with a loss"),
        "lengths": ({"model": model, "x": x[:-1], "y": y}, "95 inputs and 96 labels"),
        "no rows": ({"model": model, "x": x[:0], "y": y[:0]}, "at least 2 rows; got 0"),
        "no labels": ({"model": model, "x": 3, "y": None}, "batches of inputs and labels; got int"),
        "epochs": ({"model": model, "x": x, "y": y, "epochs": 0}, "epochs: at least 1; got 0"),
        "batch": ({"model": model, "x": x, "y": y, "batch_size": 0}, "batch_size: at least 1"),
    }


def test_what_can_not_be_examined_is_refused_in_one_line() -> None:
    for name, (arguments, said) in bad_calls().items():
        with pytest.raises(InputError) as raised:
            diagnose(**arguments)  # type: ignore[arg-type]
        assert said in str(raised.value), name
        assert "\n" not in str(raised.value)


def test_check_that_fails_is_told_and_hides_no_other() -> None:
    class Odd(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
            raise OSError("no such file")

    model, x, y = small()
    told = diagnose(model, x, y, callbacks=[Odd()], quick=True)
    assert "no such file" in told.skipped["learning rate"]
    assert "labels" in told.checks
    assert "not checked: learning rate" in str(told)


def test_table_has_each_code_once_in_kebab_case_and_explains_only_what_it_has() -> None:
    codes = [cause.code for cause in CAUSES]
    assert len(set(codes)) == len(codes)
    assert all(code == code.lower() and " " not in code and "_" not in code for code in codes)
    for cause in CAUSES:
        assert set(cause.explains) <= set(codes)
        assert cause.code not in cause.explains
    assert set(REMEDIES) <= set(codes)


def test_causes_come_before_symptoms_and_notes_last() -> None:
    order = ranked(
        [
            found("unused-units", units=4, classes=3),
            found("no-movement", start=1.0, end=1.0),
            found("mostly-padding", share=0.9, length=90, p95=9),
            found("too-few-units", units=2, classes=3),
        ]
    )
    codes = [finding.code for finding in order]
    assert codes == ["too-few-units", "mostly-padding", "no-movement", "unused-units"]


def test_copies_share_nothing_and_optimizers_start_anew() -> None:
    model, x, y = small()
    model.fit(x, y, epochs=1, verbose=0)
    copied = copy_model(model, x[:2])
    np.testing.assert_array_equal(copied.predict(x, verbose=0), model.predict(x, verbose=0))
    copied.set_weights([0 * each for each in copied.get_weights()])
    assert any(each.any() for each in model.get_weights())
    fresh = copy_optimizer(model.optimizer, learning_rate=0.5)
    assert int(fresh.iterations) == 0
    assert float(fresh.learning_rate) == 0.5
    assert float(model.optimizer.learning_rate) != 0.5


def test_page_of_what_the_doctor_finds_has_every_code() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "doctor.md").read_text("utf-8")
    for cause in CAUSES:
        assert f"| `{cause.code}` | {cause.severity} | {cause.what} | {cause.remedy} |" in page

"""Every law of `model_checks`, on every model of the zoo."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import model_checks
import numpy as np
import pytest

from kerastextzoo.builders import MODELS, create_model, get_spec, list_models
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.spec import ModelSpec, Task

SPECS = [pytest.param(spec, id=spec.name) for spec in MODELS]
LAWS = [
    pytest.param(law, id=name)
    for name, law in model_checks.LAWS.items()
    if name not in model_checks.NEEDS_CORPUS
]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("spec", SPECS)
def test_law(spec: ModelSpec, law: Callable[[ModelSpec], None]) -> None:
    if law.__name__ in spec.exceptions:
        pytest.skip(spec.exceptions[law.__name__])
    law(spec)


@pytest.mark.parametrize("spec", SPECS)
def test_overfits_32_sentences_saves_and_answers_the_same_in_a_fresh_process(
    spec: ModelSpec, sentences: Dataset, tmp_path: Path
) -> None:
    model_checks.check_overfits_saves_and_answers_the_same(spec, sentences, tmp_path)


def test_golden_list_of_names() -> None:
    assert list_models() == [
        "cnn",
        "lstm",
        "cnn_lstm",
        "res_lstm",
        "rnn",
        "bilstm",
        "bilstm_attention",
        "rcnn",
        "dpcnn",
        "fasttext",
        "transformer",
        "sentence",
    ]
    assert list_models("*lstm") == ["lstm", "cnn_lstm", "res_lstm", "bilstm"]
    assert len({spec.name for spec in MODELS}) == len(MODELS)


# The published systems on 9,098 tokens of 300 features and 7 classes, each with one embedding.
@pytest.mark.parametrize(
    ("name", "settings", "trainable", "parameters", "trained"),
    [
        ("cnn", {"kernel_sizes": (2, 6), "filters": 100, "dense_units": 270}, True, 3_025_767, 0),
        (
            "lstm",
            {"units": 120, "dense_units": 550, "dense_activation": "elu"},
            False,
            3_001_887,
            272_487,
        ),
        (
            "cnn_lstm",
            {
                "kernel_sizes": (2, 3, 6),
                "filters": 100,
                "batch_norm": False,
                "units": 80,
                "dense_units": 270,
            },
            True,
            3_300_427,
            0,
        ),
    ],
    ids=["cnn", "lstm", "cnn_lstm"],
)
def test_published_parameter_counts(
    name: str, settings: dict[str, Any], trainable: bool, parameters: int, trained: int
) -> None:
    model = create_model(
        name,
        vocabulary_size=9_098,
        num_classes=7,
        embedding=300,
        embedding_trainable=trainable,
        **settings,
    )
    assert model.count_params() == parameters
    assert sum(w.value.numpy().size for w in model.trainable_weights) == (trained or parameters)


def test_one_branch_cnn_lstm_has_the_published_order_of_layers() -> None:
    model = create_model("cnn_lstm", vocabulary_size=40, num_classes=3, pool_size=10)
    kinds = [type(layer).__name__ for layer in model.layers]
    wanted = ["MaskedConv1D", "BatchNormalization", "ReLU", "MaskedMaxPooling1D", "LSTM", "Dense"]
    places = [kinds.index(kind) for kind in wanted]
    assert places == sorted(places)


@pytest.mark.parametrize("form", ["kernel", "state"])
@pytest.mark.parametrize("name", ["bilstm", "bilstm_attention", "rcnn", "rnn"])
def test_recurrent_dropout_acts_in_training_alone(name: str, form: str) -> None:
    if (name, form) == ("rnn", "kernel"):
        with pytest.raises(InputError, match="setting recurrent_dropout_form: "):
            get_spec(name).config.parse({"recurrent_dropout_form": form})
        return
    keras.utils.set_random_seed(0)
    model = create_model(
        name,
        vocabulary_size=40,
        num_classes=3,
        embedding=np.random.default_rng(0).normal(size=(40, 6)).astype("float32"),
        embedding_dropout=0.0,
        dropout=0.0,
        recurrent_dropout=0.5,
        recurrent_dropout_form=form,
    )
    tokens = np.array([[3, 4, 5, 6, 7, 8], [9, 3, 4, 0, 0, 0]])
    calm, again, noisy = (
        keras.ops.convert_to_numpy(model(tokens, training=on)) for on in (False, False, True)
    )
    np.testing.assert_array_equal(calm, again)
    assert np.abs(noisy - calm).max() > 1e-3


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("cn", {}, "no model 'cn'; did you mean 'cnn'? known: cnn, lstm"),
        ("cnn", {"filtres": 3}, "no setting 'filtres'; did you mean 'filters'?"),
        ("cnn", {"filters": 0}, "setting filters: input should be greater than or equal to 1"),
        ("cnn", {"dropout": 1.0}, "setting dropout: input should be less than 1; got '1.0'"),
        ("cnn", {"kernel_sizes": ()}, "setting kernel_sizes: "),
        ("cnn", {"kernel_sizes": "2,x"}, "setting kernel_sizes.1: "),
        ("lstm", {"dropout": float("nan")}, "setting dropout: input should be a finite number"),
        ("lstm", {"dense_activation": "rleu"}, "setting dense_activation: "),
    ],
)
def test_wrong_settings_get_one_line(name: str, settings: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as raised:
        create_model(name, vocabulary_size=40, num_classes=3, **settings)  # type: ignore[arg-type]
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"vocabulary_size": 2, "num_classes": 3}, "vocabulary_size must be at least 3"),
        ({"vocabulary_size": 9, "num_classes": 1}, "num_classes must be at least 2"),
        ({"vocabulary_size": 9, "num_classes": 2, "embedding": 0}, "at least 1 feature"),
    ],
)
def test_impossible_tasks_get_one_line(task: dict[str, int], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Task(**task)  # type: ignore[arg-type]


def test_embedding_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match=r"shape \(vocabulary_size, features\) = \(40, any\)"):
        create_model(
            "cnn", vocabulary_size=40, num_classes=3, embedding=np.zeros((39, 5), np.float32)
        )


def test_get_spec_finds_every_model() -> None:
    assert [get_spec(name).name for name in list_models()] == list_models()

"""Training: the best epoch kept, the same numbers for the same seed."""

import numpy as np
import pytest

from kerastextzoo.builders import cnn, get_spec
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.preparation import Preparation
from kerastextzoo.spec import ModelConfig
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig
from kerastextzoo.training import (
    Fitted,
    TrainingConfig,
    TrainingDivergedError,
    evaluate_part,
    fit,
    search_space,
)

SMALL = cnn.CNNConfig(filters=16, kernel_sizes=(2, 3), dropout=0.2, embedding_dropout=0.0)
QUICK = TrainingConfig(epochs=2, batch_size=16, embedding_features=16, learning_rate=5e-3)


@pytest.fixture(scope="module")
def fitted(preparation: Preparation) -> Fitted:
    config = QUICK.replace(epochs=10, patience=2)
    return fit(preparation, "cnn", SMALL, config, seed=0)


def test_it_learns(fitted: Fitted) -> None:
    # Of three equal classes.
    assert fitted.validation.accuracy > 0.5
    assert fitted.history[-1]["accuracy"] > 0.8


def test_best_epoch_is_kept(fitted: Fitted, preparation: Preparation) -> None:
    scores = [epoch["val_accuracy"] for epoch in fitted.history]
    assert scores[fitted.best_epoch - 1] == max(scores) == fitted.validation.accuracy
    assert evaluate_part(fitted.model, preparation, "validation") == fitted.validation
    # It stopped for want of progress, or ran out of epochs.
    assert len(scores) in (10, fitted.best_epoch + 2)


@pytest.mark.parametrize("model", ["cnn", "cnn_lstm"])
def test_same_seed_same_weights_to_the_bit(preparation: Preparation, model: str) -> None:
    settings = SMALL if model == "cnn" else get_spec(model).config.parse({"filters": 8, "units": 8})
    first, again, other = (
        fit(preparation, model, settings, QUICK, seed=seed).model.get_weights()
        for seed in (0, 0, 1)
    )
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(not np.array_equal(one, two) for one, two in zip(first, other, strict=True))


@pytest.mark.parametrize("handling", ["frozen", "fine_tuned", "random"])
def test_embedding_handling(preparation: Preparation, handling: str) -> None:
    result = fit(preparation, "cnn", SMALL, QUICK.replace(embedding=handling, epochs=1), seed=0)
    table = result.model.get_layer("embedding").get_weights()[0]
    start, coverage = preparation.embedding(16)
    assert np.array_equal(table, start) == (handling == "frozen")
    near = np.corrcoef(table.ravel(), start.ravel())[0, 1] > 0.5
    assert near == (handling != "random")
    assert result.coverage == (None if handling == "random" else coverage)


def test_class_weights_lift_a_rare_class(corpus: Dataset) -> None:
    numpy_rows = [r for r, label in enumerate(corpus.labels) if label == "numpy"][:300]
    rare_rows = [r for r, label in enumerate(corpus.labels) if label == "scipy"][:30]
    splits = make_splits(corpus.subset(numpy_rows + rare_rows), seed=0)
    preparation = Preparation(splits, TextConfig(min_count=1), seed=0)
    weights = preparation.class_weights()
    counts = np.bincount(preparation.label_ids["train"])
    np.testing.assert_allclose(counts * np.array([weights[0], weights[1]]), counts.sum() / 2)
    answers = {
        name: fit(preparation, "cnn", SMALL, QUICK.replace(class_weights=name), seed=0)
        for name in ("none", "balanced")
    }
    recall = {name: result.validation.per_class[1]["recall"] for name, result in answers.items()}
    assert recall["balanced"] > recall["none"]


def test_training_that_diverges_says_so(preparation: Preparation) -> None:
    config = QUICK.replace(learning_rate=1e30, optimizer="sgd")
    with pytest.raises(TrainingDivergedError, match="lower learning_rate or set clip_norm"):
        fit(preparation, "cnn", SMALL, config, seed=0)


def test_progress_reaches_its_end(preparation: Preparation) -> None:
    seen: list[tuple[int, int]] = []
    notes: list[str] = []

    def track(what: str, done: int, total: int, note: str = "") -> None:
        assert what == "training cnn"
        seen.append((done, total))
        notes.append(note)

    fit(preparation, "cnn", SMALL, QUICK, seed=0, track=track)
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert "val_accuracy" in notes[-1]


def test_wrong_names_get_one_line(preparation: Preparation) -> None:
    with pytest.raises(InputError, match="did you mean 'val_accuracy'"):
        fit(preparation, "cnn", SMALL, QUICK, objective="val_acuracy")
    with pytest.raises(InputError, match="did you mean 'mirrored'"):
        fit(preparation, "cnn", SMALL, QUICK, strategy="miror")
    with pytest.raises(InputError, match="fails with more than one worker"):
        fit(preparation, "cnn", SMALL, QUICK, strategy="multi_worker")
    with pytest.raises(InputError, match=r"setting epochs: .* got '0'"):
        TrainingConfig.parse({"epochs": 0})
    with pytest.raises(InputError, match="setting learning_rate: "):
        TrainingConfig.parse({"learning_rate": "-1"})


def test_space_of_the_training_has_its_defaults() -> None:
    import keras_tuner

    assert search_space(keras_tuner.HyperParameters()) == TrainingConfig()


def test_settings_default_to_the_models(preparation: Preparation) -> None:
    small = TrainingConfig(epochs=1, embedding_features=8)
    model = fit(preparation, "cnn", None, small, seed=0).model
    assert isinstance(get_spec("cnn").config(), ModelConfig)
    assert model.get_layer("embedding").output.shape[-1] == 8

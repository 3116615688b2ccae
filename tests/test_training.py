"""Training: the best epoch kept, the same numbers for the same seed."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from kerastextzoo.builders import cnn, get_spec
from kerastextzoo.callbacks import AverageWeights
from kerastextzoo.compiling import compile_network
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.layers import MaskedConv1D
from kerastextzoo.mistakes import MISTAKES
from kerastextzoo.precision import choose_precision
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, write_run
from kerastextzoo.seeds import derive_seed
from kerastextzoo.spec import ModelConfig
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig
from kerastextzoo.training import (
    Fitted,
    TrainingConfig,
    TrainingDivergedError,
    evaluate_part,
    fit,
    predict_probabilities,
)
from kerastextzoo.training_config import search_space

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


@pytest.mark.parametrize("model", ["cnn", "cnn_lstm"])
def test_watching_changes_nothing(preparation: Preparation, model: str) -> None:
    settings = SMALL if model == "cnn" else get_spec(model).config.parse({"filters": 8, "units": 8})
    watched, alone = (
        fit(preparation, model, settings, QUICK, seed=0, watch=watch) for watch in (True, False)
    )
    for one, two in zip(watched.model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert watched.findings == alone.findings == ()


def test_what_goes_wrong_is_told_while_it_trains(preparation: Preparation) -> None:
    told: list[str] = []
    config = QUICK.replace(epochs=4, patience=4, learning_rate=1e-9)
    result = fit(preparation, "cnn", SMALL, config, tell=lambda found: told.append(found.code))
    assert len(result.history) == 4
    assert told == [finding.code for finding in result.findings]
    assert "no-movement" in told


def test_a_network_is_had_without_training(preparation: Preparation) -> None:
    compiled = compile_network(preparation, "cnn", SMALL, QUICK, seed=0)
    again = compile_network(preparation, "cnn", SMALL, QUICK.replace(ensemble=2), seed=0)
    first, second = (each.network.get_weights() for each in (compiled, again))
    assert any(not np.array_equal(one, two) for one, two in zip(first, second, strict=True))
    assert compiled.network.compiled
    assert len(compiled.batches) == 30
    assert compiled.coverage == preparation.embedding(16)[1]
    with pytest.raises(InputError, match="accumulation"):
        compile_network(preparation, "cnn", SMALL, QUICK.replace(accumulation=31))


@pytest.mark.parametrize("handling", ["frozen", "fine_tuned", "random"])
def test_embedding_handling(preparation: Preparation, handling: str) -> None:
    result = fit(preparation, "cnn", SMALL, QUICK.replace(embedding=handling, epochs=1), seed=0)
    table = result.model.get_layer("embedding").get_weights()[0]
    start, coverage = preparation.embedding(16)
    assert np.array_equal(table, start) == (handling == "frozen")
    near = np.corrcoef(table.ravel(), start.ravel())[0, 1] > 0.5
    assert near == (handling != "random")
    assert result.coverage == (None if handling == "random" else coverage)


def test_batches_of_so_many_tokens_train_for_many_epochs(preparation: Preparation) -> None:
    settings = QUICK.replace(epochs=8, batch_tokens=200, patience=8)
    result = fit(preparation, "cnn", SMALL, settings, seed=0)
    assert len(result.history) == 8
    assert result.validation.accuracy > 0.5


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


def test_the_mean_of_the_weights_is_judged_and_kept(preparation: Preparation) -> None:
    config = QUICK.replace(weight_averaging=0.9, epochs=6)
    result = fit(preparation, "cnn", SMALL, config, seed=0)
    assert result.validation.accuracy > 0.5
    assert result.validation == evaluate_part(result.model, preparation, "validation")
    last = fit(preparation, "cnn", SMALL, config.replace(weight_averaging=0.0), seed=0)
    # The same training, read differently.
    assert [epoch["loss"] for epoch in last.history] == [epoch["loss"] for epoch in result.history]
    assert last.validation.loss != result.validation.loss


def test_an_ensemble_answers_with_the_mean_of_its_members(
    preparation: Preparation, tmp_path: Path
) -> None:
    config = QUICK.replace(ensemble=2)
    result = fit(preparation, "cnn", SMALL, config, seed=0)
    texts = preparation.texts["validation"]
    members = [
        fit(preparation, "cnn", SMALL, QUICK, seed=derive_seed(0, "member", number))
        for number in range(2)
    ]
    mean = np.mean([predict_probabilities(each.model, texts) for each in members], axis=0)
    np.testing.assert_allclose(predict_probabilities(result.model, texts), mean, atol=1e-6)
    assert [epoch["member"] for epoch in result.history] == [1, 1, 2, 2]
    write_run(tmp_path / "run", preparation, result, settings=SMALL, config=config, seed=0)
    run = Run(tmp_path / "run")
    np.testing.assert_allclose(
        run.predict_proba(preparation.splits.validation.texts), mean, atol=1e-6
    )


@pytest.mark.parametrize("accumulation", [1, 3])
def test_running_mean_follows_its_rule(accumulation: int) -> None:
    tokens = keras.Input((1,))
    followed, mean = (
        keras.Model(tokens, keras.layers.Dense(1, use_bias=False)(tokens)) for _ in range(2)
    )
    mean.set_weights([np.zeros((1, 1))])
    average = AverageWeights(mean, decay=0.9, accumulation=accumulation)
    average.set_model(followed)
    expected = 0.0
    # The mean moves every ten steps, and at the end of the epoch.
    moves = {10, 20, 30, 33}
    last = 0
    for step in range(1, 34):
        for batch in range(accumulation):
            last_of_step = batch == accumulation - 1
            followed.set_weights([np.full((1, 1), float(step if last_of_step else step - 1))])
            average.on_train_batch_end(batch)
        if step in moves:
            kept = min(0.9, (1 + step) / (10 + step)) ** (step - last)
            expected, last = kept * expected + (1 - kept) * step, step
    average.on_epoch_end(0)
    np.testing.assert_allclose(mean.get_weights()[0], expected, rtol=1e-5)


def test_accumulation_makes_fewer_steps_and_a_schedule_still_ends(
    preparation: Preparation,
) -> None:
    config = QUICK.replace(accumulation=3, weight_averaging=0.0, decay="linear", epochs=3)
    result = fit(preparation, "cnn", SMALL, config, seed=0)
    rates = [epoch["learning_rate"] for epoch in result.history]
    np.testing.assert_allclose(rates, [5e-3 * 2 / 3, 5e-3 / 3, 0], rtol=1e-4, atol=1e-8)
    assert result.history[-1]["loss"] < result.history[0]["loss"]
    with pytest.raises(
        InputError, match="accumulation: at most the 30 batches of an epoch; got 31"
    ):
        fit(preparation, "cnn", SMALL, QUICK.replace(accumulation=31))


def test_label_smoothing_is_the_loss_of_smoothed_labels(preparation: Preparation) -> None:
    # It stands still, so that the loss of the epoch is that of the model that comes back.
    config = QUICK.replace(epochs=1, learning_rate=1e-12, label_smoothing=0.3)
    settings = SMALL.replace(dropout=0.0)
    result = fit(preparation, "cnn", settings, config, seed=0)
    answers = predict_probabilities(result.model, preparation.texts["train"])
    labels = np.eye(3)[preparation.label_ids["train"]] * 0.7 + 0.1
    expected = -(labels * np.log(answers)).sum(axis=1).mean()
    np.testing.assert_allclose(result.history[0]["loss"], expected, rtol=1e-4)


def test_learning_rate_rises_and_falls_by_step_and_is_recorded(preparation: Preparation) -> None:
    config = QUICK.replace(epochs=4, patience=4, warm_up=0.25, decay="linear")
    rates = [epoch["learning_rate"] for epoch in fit(preparation, "cnn", SMALL, config).history]
    # At the end of each epoch: the peak, then down in a straight line to nothing.
    np.testing.assert_allclose(rates, [5e-3, 5e-3 * 2 / 3, 5e-3 / 3, 0], rtol=1e-4, atol=1e-8)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_made(preparation: Preparation, mistake: str) -> None:
    model = "lstm" if mistake == "last_padded_step" else "cnn"
    settings = SMALL if model == "cnn" else get_spec(model).config.parse({"units": 16})
    config = QUICK.replace(epochs=6, patience=6)
    good, bad = (
        fit(preparation, model, settings, config.replace(mistakes=made), seed=0)
        for made in ("", mistake)
    )
    # A second squashing lets a network learn, but never be sure.
    assert bad.history[-1]["loss"] > good.history[-1]["loss"] + 0.2
    if "softmax" not in mistake:
        assert bad.history[-1]["accuracy"] < good.history[-1]["accuracy"] - 0.1


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


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("updates", ["rows", "dense"])
def test_half_precision_trains_and_is_saved_as_float32(
    preparation: Preparation, precision: str, updates: str
) -> None:
    config = QUICK.replace(epochs=4, precision=precision, embedding_updates=updates)
    half = fit(preparation, "cnn", SMALL, config, seed=0)
    whole = fit(preparation, "cnn", SMALL, config.replace(precision="float32"), seed=0)
    assert half.history[0]["loss"] == pytest.approx(whole.history[0]["loss"], abs=0.03)
    assert half.history[-1]["loss"] == pytest.approx(whole.history[-1]["loss"], abs=0.12)
    assert half.history[-1]["loss"] < 0.7
    assert {layer.dtype_policy.name for layer in half.model.layers} == {"float32"}
    assert keras.config.dtype_policy().name == "float32"
    assert evaluate_part(half.model, preparation, "validation") == half.validation


def test_without_a_gpu_training_computes_in_float32() -> None:
    assert choose_precision("auto") == "float32"


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [([(9, 0)], "mixed_float16"), ([(8, 0), (6, 1)], "float32"), ([None], "float32")],
)
def test_precision_follows_the_gpus(
    capabilities: list[tuple[int, int] | None], policy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    def details(gpu: tuple[int, int] | None) -> dict[str, tuple[int, int]]:
        return {"compute_capability": gpu} if gpu else {}

    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: capabilities)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", details)
    assert choose_precision("auto") == policy


def test_a_graph_serves_every_length(
    preparation: Preparation, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int | None] = []
    call = MaskedConv1D.call

    def watched(layer: MaskedConv1D, inputs: Any, mask: Any = None) -> Any:
        steps.append(inputs.shape[1])
        return call(layer, inputs, mask=mask)

    monkeypatch.setattr(MaskedConv1D, "call", watched)
    config = QUICK.replace(epochs=3, batch_size=4)
    lengths = preparation.texts["train"].lengths
    assert len({int(length) for length in lengths}) > 20
    fit(preparation, "cnn", SMALL.replace(kernel_sizes=(2,)), config, seed=0)
    # Built, trained, and validated: the first batch alone, then one of any length.
    assert len(steps) <= 5


def test_a_refit_learns_from_the_validation_texts_too(preparation: Preparation) -> None:
    first = fit(preparation, "cnn", SMALL, QUICK, seed=0)
    result = fit(preparation, "cnn", SMALL, QUICK.replace(refit=True), seed=0)
    assert (result.best_epoch, result.history) == (first.best_epoch, _like(first.history, result))
    assert result.validation == first.validation
    np.testing.assert_array_equal(result.probabilities, first.probabilities)
    seen = evaluate_part(result.model, preparation, "validation")
    assert seen.loss < first.validation.loss
    assert seen.accuracy > first.validation.accuracy


def test_members_that_were_refitted_are_judged_by_what_they_had_not_seen(
    preparation: Preparation,
) -> None:
    config = QUICK.replace(ensemble=2, epochs=1, learning_rate=2e-2)
    first, refitted = (
        fit(preparation, "cnn", SMALL, each, seed=0)
        for each in (config, config.replace(refit=True))
    )
    assert refitted.validation == first.validation
    seen = evaluate_part(refitted.model, preparation, "validation")
    assert seen.loss < first.validation.loss


def _like(history: list[dict[str, float]], other: Fitted) -> list[dict[str, float]]:
    """Return a history with the seconds of another one."""
    return [
        {**epoch, "seconds": again["seconds"]}
        for epoch, again in zip(history, other.history, strict=True)
    ]

"""Self-training: texts without labels help where the model is sure of them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Command

from kerastextzoo import training
from kerastextzoo.builders import cnn
from kerastextzoo.data import Dataset
from kerastextzoo.preparation import Preparation
from kerastextzoo.pseudo_labels import choose_sure
from kerastextzoo.splits import Splits, make_splits
from kerastextzoo.text import TextConfig, TextWarning
from kerastextzoo.training import (
    Fitted,
    TrainingConfig,
    TrainingDivergedError,
    evaluate_part,
    fit,
)

SMALL = cnn.CNNConfig(filters=8, kernel_sizes=(1,), dropout=0.0, embedding_dropout=0.0)
CONFIG = TrainingConfig(
    epochs=12, patience=12, batch_size=16, embedding="random", embedding_features=8,
    learning_rate=2e-2, weight_averaging=0,
)  # fmt: skip
CLASSES = ("good", "bad")


def _texts(rng: np.random.Generator, number: int, *, told: bool, hint: bool) -> list[str]:
    """Return texts of `good` and `bad` in turn.

    Each may hold the name of its class, and a word that goes with the class or with none.
    """
    texts = []
    for row in range(number):
        name = CLASSES[row % 2]
        kind = name if hint else CLASSES[rng.integers(2)]
        words = [f"{kind}hint{rng.integers(5)}", *(f"word{n}" for n in rng.integers(0, 30, 4))]
        texts.append(" ".join(rng.permutation([name, *words] if told else words)))
    return texts


@pytest.fixture(scope="module")
def hinted() -> tuple[Preparation, list[str]]:
    """Texts whose labels teach the names of classes alone, and texts that teach the hints."""
    rng = np.random.default_rng(0)
    parts = [
        # As if it were not known yet which hint goes with which class.
        Dataset("train", _texts(rng, 80, told=True, hint=False), CLASSES * 40),
        Dataset("validation", _texts(rng, 60, told=False, hint=True), CLASSES * 30),
        Dataset("test", _texts(rng, 200, told=False, hint=True), CLASSES * 100),
    ]
    splits = make_splits(*parts, seed=0, allow_overlap=True)
    preparation = Preparation(splits, TextConfig(min_count=1), seed=0)
    return preparation, _texts(rng, 600, told=True, hint=True)


def _fit(hinted: tuple[Preparation, list[str]], **options: Any) -> Fitted:
    config = CONFIG.replace(epochs=20, patience=20, refit=options.pop("refit", False))
    return fit(hinted[0], "cnn", SMALL, config, seed=0, objective="val_loss", **options)


@pytest.fixture(scope="module")
def self_trained(hinted: tuple[Preparation, list[str]]) -> Fitted:
    return _fit(hinted, unlabelled=hinted[1])


def test_texts_without_labels_teach_what_labelled_ones_do_not(
    hinted: tuple[Preparation, list[str]], self_trained: Fitted
) -> None:
    alone = _fit(hinted)
    assert alone.self_training is None
    assert self_trained.self_training
    assert self_trained.self_training.learned > 300
    assert self_trained.validation.accuracy > alone.validation.accuracy + 0.2


def test_what_does_not_help_is_not_kept(hinted: tuple[Preparation, list[str]]) -> None:
    preparation, more = hinted
    alone = fit(preparation, "cnn", SMALL, CONFIG, seed=0)
    # Every hint goes with the other class.
    misleading = [
        text.replace("goodhint", "x").replace("badhint", "goodhint").replace("x", "badhint")
        for text in more
    ]
    found = fit(preparation, "cnn", SMALL, CONFIG, seed=0, unlabelled=misleading)
    assert found.self_training
    assert found.self_training.learned == 0
    for one, other in zip(found.model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_second_training_that_diverges_loses_nothing(
    hinted: tuple[Preparation, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = _fit(hinted)
    train, begun = training._train, []

    def diverging(*given: Any, **options: Any) -> Fitted:
        begun.append(1)
        if len(begun) == 2:
            raise TrainingDivergedError
        return train(*given, **options)

    monkeypatch.setattr(training, "_train", diverging)
    found = _fit(hinted, unlabelled=hinted[1])
    assert len(begun) == 2
    assert found.self_training
    assert found.self_training.learned == 0
    assert found.validation == alone.validation


def test_a_refit_learns_from_all_there_is(
    hinted: tuple[Preparation, list[str]], self_trained: Fitted
) -> None:
    refitted = _fit(hinted, unlabelled=hinted[1], refit=True)
    assert refitted.validation == self_trained.validation
    assert refitted.self_training == self_trained.self_training
    seen = evaluate_part(refitted.model, hinted[0], "validation")
    assert seen.loss < self_trained.validation.loss


def test_in_multi_label_data_it_has_to_be_sure_of_every_class() -> None:
    answers = np.array([[0.95, 0.99], [0.01, 0.02], [0.97, 0.6]])
    found = choose_sure(answers, multi_label=True)
    assert found.rows.tolist() == [0, 1]
    assert found.label_ids.tolist() == [[1, 1], [0, 0]]


def test_texts_that_are_known_blank_or_repeated_are_left_out(splits: Splits) -> None:
    assert splits.test is not None
    preparation = Preparation(splits, TextConfig(min_count=1), seed=0)
    known = [part.texts[0].upper() for part in (splits.train, splits.validation, splits.test)]
    with pytest.warns(TextWarning, match="5 of 7 unlabelled texts left out: blank, repeated, or"):
        kept = preparation.encode_unlabelled([*known, "an array", " ", "an array", "a list"])
    expected = preparation.encoder.encode(["an array", "a list"])
    assert kept.tokens.tolist() == expected.tokens.tolist()


def test_the_whole_of_more_texts_has_them_all(splits: Splits) -> None:
    preparation = Preparation(splits, TextConfig(min_count=1), seed=0)
    sizes = {name: len(texts) for name, texts in preparation.texts.items()}
    assert len(preparation.whole.texts["train"]) == sizes["train"] + sizes["validation"]
    more = preparation.with_more(
        preparation.encode_unlabelled(["an array"]), np.zeros(1, np.int32), "one"
    )
    assert len(more.whole.texts["train"]) == sizes["train"] + sizes["validation"] + 1
    assert (more.whole.added, preparation.added) == (("one", "validation"), ())


def test_a_command_learns_from_them_and_tells(command: Command, data: Path) -> None:
    Path("more.txt").write_text("\n".join(f"an array of numbers {n}" for n in range(40)), "utf-8")
    words = ["train", "--model", "cnn", "--data", data, "--epochs", "3", "--set", "filters=8"]
    words += ["--set", "embedding_features=8", "--out", "run"]
    status, _, err = command(*words, "--unlabelled", "mor.txt")
    assert status == 2
    assert "mor.txt" in err
    assert not Path("run").exists()
    status, out, err = command(*words, "--unlabelled", "more.txt", "--checkpoint", "state.npz")
    assert (status, Path("state.npz").exists()) == (0, False)
    told = json.loads(Path("run/run.json").read_text("utf-8"))["self_training"]
    assert told["texts"] == 40
    said = f"{told['learned']} of 40 texts were learned from, labelled by the model itself"
    assert f"unlabelled  {said}" in out
    assert command("report", "run")[0] == 0
    assert said in Path("run/report.html").read_text("utf-8")

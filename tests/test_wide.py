"""A linear model of n-grams beside a network: honest scores, one model that serves, no worse."""

import re
import warnings
from collections import Counter
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest

from kerastextzoo.batching import EncodedTexts
from kerastextzoo.builders import cnn, get_spec, list_models
from kerastextzoo.data import Dataset
from kerastextzoo.errors import InputError
from kerastextzoo.layers import ShiftByScores
from kerastextzoo.preparation import Preparation
from kerastextzoo.run import Run, train
from kerastextzoo.spec import Task
from kerastextzoo.splits import make_splits
from kerastextzoo.text import TextConfig, TextWarning
from kerastextzoo.training import TrainingConfig, evaluate_part, fit, predict_probabilities
from kerastextzoo.wide import LinearModel, NGrams, fit_linear

SMALL = cnn.CNNConfig(filters=4, kernel_sizes=(2,))
QUICK = TrainingConfig(
    epochs=2, batch_size=32, embedding="random", embedding_features=4, wide_ngrams=2,
    wide_buckets=2**16,
)  # fmt: skip
WORDS = 30


def _texts(number: int, seed: int = 0) -> EncodedTexts:
    rng = np.random.default_rng(seed)
    starts = np.concatenate([[0], np.cumsum(rng.integers(1, 9, number))])
    return EncodedTexts(rng.integers(1, WORDS, starts[-1], dtype=np.int32), starts)


def _linear(
    number: int = 200, classes: int = 3, lead: int = 0, *, sublinear_tf: bool = False
) -> tuple[EncodedTexts, LinearModel]:
    texts = _texts(number)
    labels = np.array([texts.padded([row]).sum() % classes for row in range(number)], np.int32)
    return texts, fit_linear(texts, labels, classes, NGrams(2, 4000, lead, sublinear_tf))


@pytest.mark.parametrize("classes", [2, 4])
def test_scores_are_of_models_that_have_not_seen_the_text(classes: int) -> None:
    # Labels by chance: who has seen them knows them, who has not can't.
    texts, labels = _texts(400), np.random.default_rng(1).integers(0, classes, 400, np.int32)
    linear = fit_linear(texts, labels, classes, NGrams(3, 4000))
    assert (linear.scores.argmax(axis=1) == labels).mean() < 1 / classes + 0.1
    network = cnn.build(SMALL, Task(vocabulary_size=WORDS, num_classes=classes, embedding=4))
    known = predict_probabilities(linear.serve(linear.beside(network)), texts).argmax(axis=1)
    assert (known == labels).mean() > 0.9


@pytest.mark.parametrize(
    ("name", "lead", "sublinear_tf"),
    [
        ("cnn", 3, False),
        ("cnn", 0, True),
        ("cnn", 3, True),
        *((name, 0, False) for name in list_models() if name != "sentence"),
    ],
)
def test_what_is_served_is_what_was_trained_on_top_of_the_table(
    name: str, lead: int, sublinear_tf: bool
) -> None:
    texts, linear = _linear(lead=lead, sublinear_tf=sublinear_tf)
    spec = get_spec(name)
    keras.utils.set_random_seed(0)
    trained = linear.beside(
        spec.build(spec.config(), Task(vocabulary_size=WORDS, num_classes=3, embedding=4))
    )
    rows = np.arange(40)
    votes = []
    for row in rows:
        ids = texts.padded([row])[0]
        ids = ids[ids > 0].tolist()
        parts = [Counter(_bucket(gram) for gram in _grams(ids))]
        if lead:
            moved = ((_bucket(gram) - 1 + 2000) % 4000 + 1 for gram in _grams(ids[:lead]))
            parts.append(Counter(moved))
        score = np.zeros(3)
        for part in parts:
            found = linear.table[list(part)]
            times = np.array(list(part.values()))
            counted = 1 + np.log(times) if sublinear_tf else np.ones(len(times))
            score += counted @ found[:, :-1] / np.sqrt(counted**2 @ found[:, -1] * len(parts))
        votes.append(score + linear.bias)
    given = {"tokens": texts.padded(rows), "scores": np.array(votes, np.float32)}
    wanted = keras.ops.convert_to_numpy(trained(given))
    served = predict_probabilities(linear.serve(trained), texts.take(rows))
    np.testing.assert_allclose(served, wanted, atol=1e-5)


def _grams(ids: list[int]) -> list[list[int]]:
    return [ids[at : at + size] for size in (1, 2) for at in range(len(ids) - size + 1)]


def _bucket(gram: list[int]) -> int:
    from kerastextzoo.layers import HashedNGrams

    return int(HashedNGrams(4000, (len(gram),))(np.array([gram], np.int32))[0, 0])


def test_with_a_lead_where_a_word_stands_tells_the_class() -> None:
    # All texts have the words 1 to 20; the class is whether the first is below 11.
    rng = np.random.default_rng(0)
    ids = np.array([rng.permutation(np.arange(1, 21)) for _ in range(300)], np.int32)
    texts, labels = EncodedTexts(ids.ravel(), 20 * np.arange(301)), (ids[:, 0] > 10).astype(int)
    right = {
        lead: (
            fit_linear(texts, labels, 2, NGrams(1, 4000, lead)).scores.argmax(axis=1) == labels
        ).mean()
        for lead in (0, 1, 99)
    }
    assert right[1] == 1
    assert max(right[0], right[99]) < 0.7


def test_with_repeats_counted_how_often_a_word_stands_tells_the_class() -> None:
    # Texts have one of two words four times, and four of five texts the other one once.
    known = np.arange(200) % 2
    other = np.where(np.arange(200) % 10 < 2, 3, 2 - known)
    ids = np.column_stack([*[1 + known] * 4, other]).astype(np.int32)
    texts = EncodedTexts(ids.ravel(), 5 * np.arange(201))
    right = [
        (fit_linear(texts, known, 2, NGrams(1, 4000, 0, tf)).scores.argmax(axis=1) == known).mean()
        for tf in (False, True)
    ]
    assert right[0] < 0.7
    assert right[1] == 1


def test_the_lead_weighs_as_much_as_all_else_however_long_the_text() -> None:
    # The first word tells the class, 900 others by chance do not.
    rng = np.random.default_rng(0)
    ids = np.column_stack([1 + np.arange(200) % 2, rng.integers(3, 5000, (200, 900))])
    texts = EncodedTexts(ids.ravel().astype(np.int32), 901 * np.arange(201))
    linear = fit_linear(texts, ids[:, 0] - 1, 2, NGrams(1, 4000, 1))
    assert (linear.scores.argmax(axis=1) == ids[:, 0] - 1).all()


@pytest.mark.parametrize(("name", "value"), [("wide_lead", "9"), ("wide_sublinear_tf", "true")])
def test_what_is_of_a_linear_model_is_refused_where_there_is_none(
    preparation: Preparation, name: str, value: str
) -> None:
    told = rf"^{name} {value}: .* got wide_ngrams 0; set wide_ngrams=2, or leave {name} out"
    alone = QUICK.replace(wide_ngrams=0, **{name: 9 if name == "wide_lead" else True})
    with pytest.raises(InputError, match=told):
        fit(preparation, "cnn", SMALL, alone)


def test_a_class_that_a_fold_lacks_is_no_fault() -> None:
    texts, labels = _texts(40), np.zeros(40, np.int32)
    labels[:20], labels[3] = 1, 2
    linear = fit_linear(texts, labels, 4, NGrams(1, 99))
    assert np.isfinite(linear.scores).all()
    assert not linear.table[:, 3].any()
    assert linear.bias[3] == -1


def test_what_says_nothing_of_a_class_counts_nothing_however_rare_the_class() -> None:
    # Word 5 is in a tenth of the texts of each class, word 6 in all of the rare class alone.
    known = np.arange(1000) < 100
    ids = np.where(np.arange(1000) % 10 == 0, 5, 7)
    texts = EncodedTexts(np.where(known & (ids == 7), 6, ids).astype(np.int32), np.arange(1001))
    linear = fit_linear(texts, known.astype(np.int32), 2, NGrams(1, 4000))
    table = {word: linear.table[_bucket([word])] for word in (5, 6, 7)}
    assert np.abs(table[5][1]) < 1e-3
    assert table[6][1] > 0 > table[7][1]
    assert table[6][0] == -table[6][1]


def test_the_gain_is_that_of_the_least_loss() -> None:
    _, linear = _linear()
    assert 0.5 <= linear.gain <= 16
    again = fit_linear(_texts(200), np.arange(200, dtype=np.int32) % 3, 3, NGrams(2, 4000))
    assert again.gain == 0.5  # Scores of chance are best left out.


def test_crowded_buckets_are_told_once_with_a_number_that_helps(preparation: Preparation) -> None:
    prepared = Preparation(preparation.splits, preparation.config)
    crowded, wide = (QUICK.replace(wide_buckets=2**power, refit=True) for power in (10, 16))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(prepared, "cnn", SMALL, crowded.replace(epochs=1))
    (told,) = [str(each.message) for each in caught if each.category is TextWarning]
    assert re.match("wide_buckets 1024: many of about [0-9,]+ n-grams share one", told)
    assert told in prepared.describe()["warnings"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", TextWarning)
        fit(prepared, "cnn", SMALL, wide.replace(epochs=1))


@pytest.mark.parametrize("buckets", [2**9, 2**12])
def test_n_grams_are_counted_by_the_buckets_in_use(buckets: int) -> None:
    texts = _texts(400)
    rows = [texts.padded([row])[0] for row in range(400)]
    pairs = {pair for ids in rows for pair in pairwise(ids[ids > 0].tolist())}
    singles = {one for ids in rows for one in ids[ids > 0].tolist()}
    linear = fit_linear(texts, np.arange(400, dtype=np.int32) % 2, 2, NGrams(2, buckets))
    assert linear.distinct == pytest.approx(len(pairs) + len(singles), rel=0.1)
    said = linear.tell_crowded()
    assert said is None if buckets == 2**12 else "set wide_buckets=2048 " in str(said)


def test_a_run_beside_a_linear_model_is_saved_and_answers(
    preparation: Preparation, tmp_path: Path
) -> None:
    alone = evaluate_part(
        fit(preparation, "cnn", SMALL, QUICK.replace(wide_ngrams=0), seed=1).model,
        preparation,
        "validation",
    )
    run = train(preparation, "cnn", tmp_path / "run", settings=SMALL, config=QUICK, seed=1)
    # Two epochs of four filters know little; the linear model knows more.
    assert run.metrics["val_accuracy"] > alone.accuracy + 0.1
    texts = preparation.splits.validation.texts[:20]
    again = Run(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(texts), run.predict_proba(texts))


@pytest.mark.parametrize("settings", [{"ensemble": 2}, {"weight_averaging": 0.0}])
def test_it_goes_with_other_settings(preparation: Preparation, settings: dict[str, float]) -> None:
    first, second = (
        fit(preparation, "cnn", SMALL, QUICK.replace(epochs=1, **settings), seed=1) for _ in "ab"
    )
    answers = [
        predict_probabilities(each.model, preparation.texts["test"]) for each in (first, second)
    ]
    np.testing.assert_array_equal(answers[0], answers[1])
    assert first.validation.accuracy > 0.6


def test_multi_label_data() -> None:
    words = ["red", "big", "old"]
    rng = np.random.default_rng(0)
    labels = [tuple(w for w in words if rng.random() < 0.5) for _ in range(200)]
    texts = tuple(f"some {' '.join(each)} thing {n % 7}" for n, each in enumerate(labels))
    data = make_splits(Dataset("things", texts, tuple(labels)), seed=0)
    prepared = Preparation(data, TextConfig(min_count=1), seed=0)
    fitted = fit(prepared, "cnn", SMALL, QUICK, seed=0)
    assert fitted.validation.objective("val_micro_f1") > 0.95


def test_mistakes_are_of_a_network_alone(preparation: Preparation) -> None:
    config = QUICK.replace(mistakes=("not_shuffled",))
    with pytest.raises(InputError, match="mistakes not_shuffled: of a network alone; got wide_ng"):
        fit(preparation, "cnn", SMALL, config)


def test_an_impossible_class_can_be_moved() -> None:
    sure = np.array([[1.0, 0.0]], np.float32)
    for multi_label in (False, True):
        moved = ShiftByScores(1.0, multi_label)([sure, np.array([[-40.0, 40.0]], np.float32)])
        np.testing.assert_allclose(moved, [[0.0, 1.0]], atol=1e-5)

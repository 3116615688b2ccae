"""Multi-label data before any model: reading, splits, inspection, thresholds, figures."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from kerastextzoo.data import Dataset, dataset_from_frame, dataset_from_hub, load_dataset
from kerastextzoo.errors import InputError
from kerastextzoo.evaluation import (
    check_objective,
    choose_objective,
    choose_thresholds,
    evaluate_probabilities,
)
from kerastextzoo.inspection import inspect_data
from kerastextzoo.label_sets import multi_hot, stratify
from kerastextzoo.reading import Reading
from kerastextzoo.splits import Splits, load_splits, make_splits

TEXTS = ("old long film", "new film", "new long film", "some film")
SETS = (("long", "old"), ("new",), ("long", "new"), ())
PAIRS = list(zip(TEXTS, SETS, strict=True))
ROWS = [{"text": text, "label": list(labels)} for text, labels in PAIRS]
SEPARATED = [(text, " | ".join(labels)) for text, labels in PAIRS]
BAR = Reading(label_separator="|")


def parquet(rows: Any) -> bytes:
    pytest.importorskip("pyarrow")
    return pd.DataFrame(rows).to_parquet()


FILES: dict[str, tuple[Callable[[], bytes], Reading]] = {
    "a.csv": (lambda: pd.DataFrame(SEPARATED, columns=["text", "label"]).to_csv().encode(), BAR),
    "a.tsv": (lambda: "\n".join(map("\t".join, [("text", "label"), *SEPARATED])).encode(), BAR),
    "a.jsonl": (lambda: "\n".join(map(json.dumps, ROWS)).encode(), Reading()),
    "b.jsonl": (
        lambda: "\n".join(json.dumps({"text": t, "label": s}) for t, s in SEPARATED).encode(),
        BAR,
    ),
    "a.parquet": (lambda: parquet(ROWS), Reading()),
    "b.parquet": (lambda: parquet([{"text": t, "label": s} for t, s in SEPARATED]), BAR),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_same_sets(tmp_path: Path, name: str) -> None:
    make, reading = FILES[name]
    path = tmp_path / name
    path.write_bytes(make())
    data = load_dataset(path, reading=reading)
    assert data.multi_label
    assert data.labels == SETS
    assert data.fingerprint == Dataset("same", TEXTS, SETS).fingerprint


@pytest.mark.parametrize("name", ["a.ft", "a.txt"])
def test_fasttext_lines_are_sets_where_one_line_has_several_labels(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    lines = [" ".join([*(f"__label__{name}" for name in names), text]) for text, names in PAIRS[:3]]
    path.write_text("\n".join(lines), "utf-8")
    data = load_dataset(path)
    assert (data.labels, tuple(data.texts)) == (SETS[:3], TEXTS[:3])
    path.write_text(lines[1], "utf-8")
    assert load_dataset(path).labels == ("new",)
    assert load_dataset(path, reading=BAR).labels == (("new",),)


def test_frame_and_hub_give_the_same_sets() -> None:
    frame = pd.DataFrame(ROWS)
    assert dataset_from_frame(frame).labels == SETS
    frame["label"] = pd.Series([np.array(labels, dtype=object) for labels in SETS])
    assert dataset_from_frame(frame).labels == SETS
    frame["label"] = [labels for _, labels in SEPARATED]
    assert dataset_from_frame(frame, label_separator="|").labels == SETS
    datasets = pytest.importorskip("datasets")
    names = ["long", "new", "old"]
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": [datasets.ClassLabel(names=names)]}
    )
    ids = [[names.index(name) for name in labels] for labels in SETS]
    hub = datasets.Dataset.from_dict({"text": list(TEXTS), "label": ids}, features=features)
    assert dataset_from_hub(hub).labels == SETS


def test_label_map_may_make_two_labels_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nx,new|fresh\ny,old\n", "utf-8")
    reading = Reading(label_separator="|", label_map={"fresh": "new"})
    assert load_dataset(path, reading=reading).labels == (("new",), ("old",))


def test_data_holds_sets_in_every_row_or_in_none() -> None:
    data = Dataset("a", ("x", "y"), (["b", "a", "b"], set()))  # type: ignore[arg-type]
    assert data.labels == (("a", "b"), ())
    assert data.label_counts == {"a": 1, "b": 1}
    single = Dataset("a", ("x", "y"), ("a", "b"))
    assert not single.multi_label
    assert single.as_multi_label().labels == (("a",), ("b",))
    assert single.fingerprint != single.as_multi_label().fingerprint
    with pytest.raises(InputError, match="a: labels and lists of labels mixed; got 1 lists of"):
        Dataset("a", ("x", "y"), ("a", ("b",)))


@pytest.mark.parametrize("separator", ["", "\n"])
def test_impossible_separators_get_one_line(separator: str) -> None:
    with pytest.raises(InputError, match=r"label_separator: got .*such as '\|'"):
        Reading(label_separator=separator)


def tagged(size: int, seed: int = 0) -> Dataset:
    """Texts with labels from common (half of the texts) to rare (one in fifty)."""
    rng = np.random.default_rng(seed)
    has = rng.random((size, 5)) < (0.5, 0.3, 0.2, 0.05, 0.02)
    names = ("common", "often", "some", "few", "rare")
    labels = tuple(tuple(n for n, on in zip(names, row, strict=True) if on) for row in has)
    return Dataset("tagged", tuple(f"text number {i}" for i in range(size)), labels)


def shares(splits: Splits) -> dict[str, list[float]]:
    parts = {"train": splits.train, "validation": splits.validation, "test": splits.test}
    counts = {name: part.label_counts for name, part in parts.items() if part}
    return {
        label: [count[label] / sum(each[label] for each in counts.values())
                for count in counts.values()]
        for label in splits.label_names
    }  # fmt: skip


def test_each_part_gets_its_share_of_every_label() -> None:
    splits = make_splits(tagged(1000), seed=0)
    assert splits.multi_label
    assert "stratified by each label 80/10/10, seed 0" in splits.how
    assert [len(part) for part in (splits.train, splits.validation)] == pytest.approx(
        [800, 100], abs=3
    )
    for found in shares(splits).values():
        assert found == pytest.approx([0.8, 0.1, 0.1], abs=0.05)
    # A shuffle alone does not do that.
    drawn = np.random.default_rng(0).permutation(1000)[:100]
    assert tagged(1000).subset(drawn).label_counts["rare"] not in range(1, 4)


def test_splits_are_seeded_and_fingerprinted() -> None:
    one, again, other = (make_splits(tagged(600), seed=seed) for seed in (0, 0, 1))
    assert one.fingerprint == again.fingerprint != other.fingerprint
    data = tagged(200)
    changed = data.with_labels((("few", "rare"), *data.labels[1:]))
    assert data.fingerprint != changed.fingerprint


@pytest.mark.filterwarnings("ignore::kerastextzoo.data.DataWarning")
def test_repeats_stay_on_one_side() -> None:
    data = tagged(400)
    twice = Dataset("twice", (*data.texts, *map(str.upper, data.texts)), data.labels * 2)
    splits = make_splits(twice, seed=0)
    keys = [set(part.keys) for part in (splits.train, splits.validation, splits.test) if part]
    assert sum(map(len, keys)) == len(set.union(*keys)) == 400


def test_rows_without_a_label_are_shared_out_too() -> None:
    splits = make_splits(tagged(600), seed=0)
    parts = [part.labels.count(()) for part in (splits.train, splits.validation)]
    assert parts[0] / parts[1] == pytest.approx(8, rel=0.25)


def test_stratify_gives_every_row_once() -> None:
    matrix = multi_hot(tagged(97).labels, ("common", "often", "some", "few", "rare"))
    parts = stratify(matrix, {"a": 0.5, "b": 0.3, "c": 0.2}, np.random.default_rng(0))
    assert sorted(np.concatenate(list(parts.values()))) == list(range(97))
    assert [len(rows) for rows in parts.values()] == pytest.approx([48.5, 29.1, 19.4], abs=2)


def test_rare_classes_are_dropped_and_their_rows_kept() -> None:
    data = tagged(300)
    assert data.label_counts["rare"] < 10
    with pytest.warns(UserWarning, match="1 classes of fewer than 10 examples dropped, from "):
        splits = make_splits(data, seed=0, min_class_count=10)
    assert splits.label_names == ("common", "few", "often", "some")
    assert sum(map(len, splits.rows.values())) == 300


def test_parts_agree_on_having_sets(tmp_path: Path) -> None:
    data, single = tagged(200), Dataset("one", ("x", "y"), ("some", "rare"))
    with pytest.warns(UserWarning, match="3 classes not in validation"):
        splits = make_splits(data, single, seed=0)
    assert splits.validation.labels == (("some",), ("rare",))
    plain = Dataset("plain", data.texts, tuple("ab"[i % 2] for i in range(200)))
    with pytest.raises(InputError, match=r"tagged:.* in test alone; got 'plain'"):
        make_splits(plain, test=data.subset(range(9)), seed=0)
    with pytest.raises(InputError, match=r"odd:1: labels that training lacks; got 'new'"):
        make_splits(data, Dataset("odd", ("x",), (("some", "new"),)), seed=0)
    for name, rows in (("train", range(20)), ("dev", range(20, 24))):
        lines = [f"__label__a {'__label__b ' * (name == 'train')}row {i}" for i in rows]
        (tmp_path / f"{name}.ft").write_text("\n".join(lines), "utf-8")
    with pytest.warns(UserWarning, match="1 classes not in validation"):
        found = load_splits(tmp_path / "train.ft", tmp_path / "dev.ft", seed=0)
    assert found.validation.labels == (("a",),) * 4


def test_too_few_rows_get_one_line() -> None:
    tiny = Dataset("tiny", tuple("abcdef"), (("x", "y"),) * 3 + (("x",),) * 3)
    with pytest.raises(InputError, match=r"tiny: the .* part can't be cut; got 6 different texts"):
        make_splits(tiny, seed=0, validation_share=0.02, test_share=0.02)
    with pytest.raises(InputError, match="class 'y' is too small to be split"):
        make_splits(Dataset("tiny", tuple("abcdef"), (("x", "y"),) + (("x",),) * 5), seed=0)


def test_one_string_of_labels_points_to_the_separator() -> None:
    data = Dataset("film", tuple(map(str, range(9))), tuple(f"{i}|new" for i in range(9)))
    with pytest.raises(InputError, match=r"columns swapped\? or .*then give label_separator"):
        make_splits(data, seed=0)


def test_inspection_counts_labels_and_sets() -> None:
    data = tagged(300)
    found = inspect_data(data).as_dict()
    assert found["classes"] == dict(data.label_counts.most_common())
    assert found["label_sets"]["mean"] == pytest.approx(sum(data.label_counts.values()) / 300)
    assert found["label_sets"]["none"] == data.labels.count(())
    assert found["label_sets"]["different"] == len(set(data.labels))
    json.dumps(found)
    with pytest.raises(InputError, match="no text has a label"):
        inspect_data(data.with_labels(((),) * 300))


def answers(size: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are right more often than not, and the truth."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((size, 4)) < (0.5, 0.2, 0.1, 0.01)).astype(np.int8)
    scores = 1 / (1 + np.exp(-(2 * truth - 2 + rng.normal(0, 1, truth.shape))))
    return scores.astype(np.float32), truth


def test_figures_are_those_of_scikit_learn() -> None:
    (scores, truth), names = answers(), ["a", "b", "c", "d"]
    thresholds = [0.3, 0.4, 0.5, 0.6]
    found = evaluate_probabilities(scores, truth, names, thresholds)
    chosen = (scores >= np.array(thresholds, np.float32)).astype(int)
    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, chosen))
    for average, value in (("micro", found.micro_f1), ("macro", found.macro_f1)):
        wanted = metrics.f1_score(truth, chosen, average=average, zero_division=0)
        assert value == pytest.approx(wanted)
    wanted_loss = np.mean([metrics.log_loss(truth[:, i], scores[:, i]) for i in range(4)])
    assert found.loss == pytest.approx(wanted_loss, rel=1e-5)
    assert found.confusion == metrics.multilabel_confusion_matrix(truth, chosen).tolist()
    assert [row["support"] for row in found.per_class] == truth.sum(axis=0).tolist()
    assert set(found.as_dict()) == {
        "accuracy", "macro_f1", "loss", "n", "per_class", "confusion", "micro_f1", "thresholds"
    }  # fmt: skip


def test_no_threshold_has_a_better_f1() -> None:
    scores, truth = answers()
    found = choose_thresholds(scores, truth)
    for place in range(3):
        best = max(
            metrics.f1_score(truth[:, place], scores[:, place] >= one, zero_division=0)
            for one in scores[:, place]
        )
        own = scores[:, place] >= found[place]
        assert metrics.f1_score(truth[:, place], own) == pytest.approx(best)


def test_rare_classes_share_the_threshold_of_all() -> None:
    scores, truth = answers()
    assert truth[:, 3].sum() < 5
    found = choose_thresholds(scores, truth)
    pooled = choose_thresholds(scores.reshape(-1, 1), truth.reshape(-1, 1))
    assert found[3] == pooled[0]
    assert choose_thresholds(scores, np.zeros_like(truth)).tolist() == [0.5] * 4
    assert choose_thresholds(scores, np.zeros_like(truth), usual=0.0).tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("high", "low", "wanted"),
    [
        (0.9, 0.1, 0.5),
        (0.25, 0.125, 0.1875),
        (np.nextafter(np.float32(0.25), np.float32(1)), 0.25, None),
    ],
    ids=["usual", "middle", "neighbours"],
)
def test_threshold_parts_what_can_be_parted(high: float, low: float, wanted: float | None) -> None:
    truth = np.array([[1], [0]] * 6)
    scores = np.array([[high], [low]] * 6, np.float32)
    found = choose_thresholds(scores, truth)
    np.testing.assert_array_equal(scores >= found, truth > 0)
    assert wanted is None or found[0] == np.float32(wanted)


def test_objectives_fit_the_data() -> None:
    assert choose_objective(None, multi_label=True) == "val_micro_f1"
    assert choose_objective("val_loss", multi_label=True) == "val_loss"
    assert check_objective("val_micro_f1") == "val_micro_f1"
    with pytest.raises(InputError, match=r"val_micro_f1 is for multi-label data; .* val_accuracy"):
        choose_objective("val_micro_f1", multi_label=False)


def test_single_labels_bring_no_warning_and_no_set(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label\nx,a|b\ny,c\n", "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_dataset(path).labels == ("a|b", "c")

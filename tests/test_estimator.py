"""The scikit-learn estimator: what searches, pipelines and files do with it."""

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import check_estimator

import kerastextzoo
from kerastextzoo import TextClassifier
from kerastextzoo.errors import InputError
from kerastextzoo.run import Run

QUICK: dict[str, Any] = {"epochs": 4, "learning_rate": 0.02, "max_length": 8}
SIGNS = {"pos": ("good", "fine", "great"), "neg": ("bad", "poor", "awful")}


def some_texts(rows: int = 120) -> tuple[list[str], list[str]]:
    draw = np.random.default_rng(0)
    labels = ["pos", "neg"] * (rows // 2)
    texts = [
        f"{draw.choice(SIGNS[label])} film {draw.choice(SIGNS[label])} number {row}"
        for row, label in enumerate(labels)
    ]
    return texts, labels


@pytest.fixture(scope="module")
def fitted() -> TextClassifier:
    return TextClassifier(**QUICK).fit(*some_texts())


def test_learns_and_answers_in_the_order_of_its_classes(fitted: TextClassifier) -> None:
    texts, labels = some_texts()
    assert fitted.score(texts, labels) > 0.9
    assert fitted.classes_.tolist() == ["neg", "pos"]
    probabilities = fitted.predict_proba(["good film", "bad film"])
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert fitted.predict(["good film", "bad film"]).tolist() == ["pos", "neg"]
    assert probabilities.argmax(1).tolist() == [1, 0]


def test_scikit_learn_checks_what_applies_to_texts() -> None:
    with warnings.catch_warnings():
        # It says that it can't make up texts; what remains is below.
        warnings.simplefilter("ignore")
        check_estimator(TextClassifier())


def test_clone_has_the_settings_and_no_run(fitted: TextClassifier) -> None:
    copied = clone(fitted)
    assert copied.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(["good"])
    assert copied.set_params(epochs=3).epochs == 3


def test_same_random_state_gives_the_same_numbers(fitted: TextClassifier) -> None:
    texts, labels = some_texts()
    again = clone(fitted).fit(texts, labels)
    np.testing.assert_array_equal(again.predict_proba(texts), fitted.predict_proba(texts))


def test_pipeline_grid_search_and_cross_validation() -> None:
    texts, labels = some_texts(90)
    lower = FunctionTransformer(lambda rows: [row.lower() for row in rows])
    line = make_pipeline(lower, TextClassifier("fasttext", **QUICK))
    search = GridSearchCV(line, {"textclassifier__epochs": [1, 2]}, cv=2)
    search.fit(texts, labels)
    assert search.best_score_ > 0.4
    scores = cross_val_score(TextClassifier("fasttext", **QUICK), texts, labels, cv=2)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "labels", [[10, 2], [True, False], [0.5, 2.0], ["十", "二"]], ids=["int", "bool", "float", "zh"]
)
def test_labels_keep_their_kind(labels: list[object], tmp_path: Path) -> None:
    texts, names = some_texts(60)
    y = [labels[name == "pos"] for name in names]
    classifier = TextClassifier("fasttext", **{**QUICK, "epochs": 1}).fit(texts, y)
    assert classifier.classes_.tolist() == sorted(labels)  # type: ignore[type-var]
    assert classifier.predict(texts).dtype == np.unique(np.array(y)).dtype
    loaded = TextClassifier.load(classifier.save(tmp_path / "saved"))
    assert loaded.predict(texts).tolist() == classifier.predict(texts).tolist()
    np.testing.assert_array_equal(loaded.predict_proba(texts), classifier.predict_proba(texts))


def test_pandas_and_numpy_are_taken(fitted: TextClassifier) -> None:
    texts, _ = some_texts()
    wanted = fitted.predict_proba(texts)
    forms: list[Any] = [pd.Series(texts, index=range(7, 7 + len(texts))), np.array(texts)]
    for form in forms:
        np.testing.assert_array_equal(fitted.predict_proba(form), wanted)


def test_saved_folder_is_a_run_that_loads_in_another_process(
    fitted: TextClassifier, tmp_path: Path
) -> None:
    texts, _ = some_texts(10)
    folder = fitted.save(tmp_path / "saved")
    assert Run(folder).predict(texts) == fitted.predict(texts).tolist()
    code = (
        "import sys; from kerastextzoo import TextClassifier\n"
        "print(*TextClassifier.load(sys.argv[1]).predict(sys.argv[2:]), sep=',')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), *texts],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().split(",") == fitted.predict(texts).tolist()
    with pytest.raises(InputError, match="exists"):
        fitted.save(folder)


def test_pickle_holds_the_run(fitted: TextClassifier) -> None:
    texts, _ = some_texts(10)
    again = pickle.loads(pickle.dumps(fitted))
    assert again.run_.directory != fitted.run_.directory
    np.testing.assert_array_equal(again.predict_proba(texts), fitted.predict_proba(texts))
    assert pickle.loads(pickle.dumps(TextClassifier(epochs=3))).epochs == 3


def test_validation_texts_may_be_given(fitted: TextClassifier) -> None:
    texts, labels = some_texts()
    other = TextClassifier(**QUICK).fit(texts[:80], labels[:80], (texts[80:], labels[80:]))
    assert other.run_.record["data"]["texts"] == {"train": 80, "validation": 40}


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        ("good", ["pos"], "a list of texts; got one text"),
        (["good", 3] * 20, ["pos", "neg"] * 20, "got int '3' in row 1"),
        (["good", None] * 20, ["pos", "neg"] * 20, "got NoneType"),
        (np.array([["a", "b"]] * 20), ["pos", "neg"] * 10, "an array (20, 2)"),
        (["good"] * 20, ["pos"] * 20, "at least 2 classes"),
        (["good", "bad"] * 20, ["pos"] * 39, "40 texts and 39 labels"),
        (["good", "bad"] * 20, [["pos"], ["neg"]] * 20, "one label a text"),
    ],
)
def test_bad_input_is_one_line(texts: Any, labels: Any, said: str) -> None:
    with pytest.raises(InputError) as raised:
        TextClassifier(**QUICK).fit(texts, labels)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(InputError, match="filters"):
        TextClassifier(settings={"filter": 3}).fit(*some_texts())


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, kerastextzoo\n"
        "print({'tensorflow', 'keras', 'sklearn'} & sys.modules.keys())\n"
        "kerastextzoo.TextClassifier"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    with pytest.raises(AttributeError, match="TextClassifer"):
        kerastextzoo.TextClassifer  # noqa: B018

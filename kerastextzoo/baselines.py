"""Linear models on word counts: the floor that a network must clear to be worth its time."""

import time
from typing import Any

from kerastextzoo.splits import Splits
from kerastextzoo.text import choose_tokenizer

BASELINE = "TF-IDF + linear SVM"


def linear_baseline(splits: Splits) -> dict[str, Any]:
    """Fit TF-IDF (words 1-2, Chinese: characters 1-2) with a linear SVM, at default settings.

    Returns:
        `model`, `val_accuracy`, `test_accuracy` and `test_macro_f1` (None without test texts),
        `seconds`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    started = time.monotonic()
    analyzer = choose_tokenizer(splits.train.texts)
    model = make_pipeline(
        TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 2), sublinear_tf=True),
        LinearSVC(random_state=0),
    )
    model.fit(splits.train.texts, splits.train.labels)
    result: dict[str, Any] = {"model": BASELINE, "test_accuracy": None, "test_macro_f1": None}
    answers = model.predict(splits.validation.texts)
    result["val_accuracy"] = float(accuracy_score(splits.validation.labels, answers))
    if splits.test is not None:
        answers = model.predict(splits.test.texts)
        result["test_accuracy"] = float(accuracy_score(splits.test.labels, answers))
        result["test_macro_f1"] = float(
            f1_score(
                splits.test.labels,
                answers,
                labels=list(splits.label_names),
                average="macro",
                zero_division=0,
            )
        )
    result["seconds"] = round(time.monotonic() - started, 3)
    return result

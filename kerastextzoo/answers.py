"""What a run records of its answers to the validation texts: how sure, how right, where it erred.

Row numbers, labels and probabilities; of the texts themselves only the few most confident errors,
cut short.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerastextzoo.evaluation import Integers, Numbers
from kerastextzoo.storage import write_atomically

ANSWERS = "answers.json"
_BINS = 10
_MOST_ROWS = 20_000
_MOST_ERRORS = 20
_LONGEST = 300
_DIGITS = 5


def describe_answers(
    probabilities: Numbers,
    truth: Integers,
    rows: Integers,
    thresholds: Sequence[float] | None = None,
) -> dict[str, Any]:
    """Return what is kept of the answers, ready for JSON.

    Args:
        probabilities: `(texts, classes)`.
        truth: Class ids `(texts,)`, or in multi-label data 0 and 1 `(texts, classes)`.
        rows: The number of each text in the data set, `(texts,)`.
        thresholds: In multi-label data, from which probability each class is given.

    Returns:
        `texts`; `rows`, `truth`, `answers` and `probabilities` of at most 20,000 texts, evenly
        taken; `reliability` by bins of the probability and `errors`, both of all texts. Classes
        are ids; multi-label data has a list of them for each text.

    Example:
        >>> kept = describe_answers(np.array([[0.9, 0.1], [0.75, 0.25]]), np.array([0, 1]), [4, 7])
        >>> kept["rows"], kept["answers"], kept["probabilities"]
        ([4, 7], [0, 0], [0.9, 0.75])
        >>> kept["errors"]
        [{'place': 1, 'row': 7, 'truth': 1, 'answer': 0, 'probability': 0.75}]
    """
    places = np.unique(np.linspace(0, len(truth) - 1, min(len(truth), _MOST_ROWS)).astype(int))
    describe = _describe if thresholds is None else _describe_label_sets
    told = describe(probabilities, truth, places, np.asarray(thresholds or (), np.float32))
    numbers = np.asarray(rows)
    return {
        "texts": len(truth),
        "rows": numbers[places].tolist(),
        **told,
        "errors": [{**each, "row": int(numbers[each["place"]])} for each in told["errors"]],
    }


def _describe(
    probabilities: Numbers, truth: Integers, places: Integers, _: Numbers
) -> dict[str, Any]:
    answers, highest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    right = answers == truth
    wrong = np.flatnonzero(~right)
    surest = wrong[np.argsort(-highest[wrong], kind="stable")][:_MOST_ERRORS]
    return {
        "truth": truth[places].tolist(),
        "answers": answers[places].tolist(),
        "probabilities": _rounded(highest[places]),
        "reliability": _reliability(highest, right),
        "errors": [
            _error(place, int(truth[place]), int(answers[place]), highest[place])
            for place in surest
        ],
    }


def _describe_label_sets(
    probabilities: Numbers, truth: Integers, places: Integers, thresholds: Numbers
) -> dict[str, Any]:
    """Take each pair of text and class for an answer of its own, which may err either way."""
    given, has = probabilities >= thresholds, truth > 0
    doubt = np.where(given, 1 - probabilities, probabilities)
    texts, classes = np.nonzero(given != has)
    surest = np.argsort(doubt[texts, classes], kind="stable")[:_MOST_ERRORS]
    return {
        "truth": [np.flatnonzero(has[place]).tolist() for place in places],
        "answers": [np.flatnonzero(given[place]).tolist() for place in places],
        "probabilities": [_rounded(probabilities[place][given[place]]) for place in places],
        "reliability": _reliability(probabilities.ravel(), has.ravel()),
        "errors": [
            _error(
                texts[at],
                int(classes[at]) if has[texts[at], classes[at]] else None,
                int(classes[at]) if given[texts[at], classes[at]] else None,
                probabilities[texts[at], classes[at]],
            )
            for at in surest
        ],
    }


def _error(place: int, truth: int | None, answer: int | None, probability: float) -> dict[str, Any]:
    """Return an error; in multi-label data a class that was missed has no answer."""
    sure = round(float(probability), _DIGITS)
    return {"place": int(place), "row": 0, "truth": truth, "answer": answer, "probability": sure}


def _rounded(numbers: Numbers) -> list[float]:
    return [round(float(number), _DIGITS) for number in numbers]


def _reliability(probabilities: Numbers, right: Any) -> list[dict[str, float]]:
    """Return, by tenths of the probability, how many answers, their mean, and the share right."""
    bins = np.clip((probabilities * _BINS).astype(int), 0, _BINS - 1)
    return [
        {
            "answers": int(inside.sum()),
            "probability": float(probabilities[inside].mean(dtype=np.float64)),
            "right": float(right[inside].mean()),
        }
        for number in range(_BINS)
        if (inside := bins == number).any()
    ]


def with_texts(answers: Mapping[str, Any], texts: Sequence[str]) -> dict[str, Any]:
    """Add to each of the errors its text, cut to 300 characters.

    Args:
        answers: What `describe_answers` gave.
        texts: All of the texts, in the same order.
    """
    errors = []
    for error in answers["errors"]:
        text = texts[error["place"]]
        cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        errors.append({**error, "text": cut})
    return {**answers, "errors": errors}


def calibration_error(reliability: Sequence[Mapping[str, float]]) -> float:
    """Return the expected calibration error: how far probabilities are from the share right.

    The mean over the bins, weighted by their answers (Naeini, Cooper and Hauskrecht 2015).

    Example:
        >>> calibration_error([{"answers": 9, "probability": 0.9, "right": 0.6}])
        0.3
    """
    total = sum(each["answers"] for each in reliability)
    gaps = (each["answers"] * abs(each["probability"] - each["right"]) for each in reliability)
    return round(sum(gaps) / max(total, 1), 9)


def write_answers(path: Path, answers: Mapping[str, Any]) -> None:
    """Write them on one line: thousands of rows would each take several."""
    told = json.dumps(answers, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    write_atomically(path, told + "\n")

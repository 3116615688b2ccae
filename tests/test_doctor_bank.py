"""The bank of broken programs and healthy twins: complete, the same each time, told apart."""

import re
from typing import Any

import keras
import numpy as np
import pytest
from doctor.bank import PAIRS
from doctor.pairs import Pair
from doctor.texts import MOST_CLASSES, Texts

from kerastextzoo.doctor.causes import CAUSES

# They are found in files and texts, before there are token ids.
ELSEWHERE = {
    "low-coverage",
    "read-with-warnings",
    "texts-are-numbers",
    "unknown-labels",
    "unsegmented-text",
}
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)


def flat(*structures: Any) -> list[np.ndarray[Any, Any]]:
    """Return all arrays of some structures."""
    return [np.asarray(part) for each in structures for part in keras.tree.flatten(each)]


def test_names_are_unique_and_kebab_case() -> None:
    names = [pair.name for pair in PAIRS]
    assert len(set(names)) == len(names)
    assert not [name for name in names if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)]


def test_every_cause_has_a_pair() -> None:
    causes = {cause.code for cause in CAUSES if not cause.symptom} - ELSEWHERE
    assert {pair.code for pair in PAIRS} == causes


def test_there_are_enough_in_both_languages_and_of_every_story() -> None:
    languages = [pair.language for pair in PAIRS]
    assert len(PAIRS) >= 52
    assert min(languages.count("en"), languages.count("zh")) >= 0.4 * len(PAIRS)
    assert {pair.story for pair in PAIRS} == {"", "S0", "S1", "S2", "S3", "S4"}


@each_pair
def test_twins_are_built_the_same_each_time(pair: Pair) -> None:
    broken, healthy, again = pair.broken(0), pair.healthy(0), pair.healthy(0)
    for one, other in zip(flat(healthy.x, healthy.y), flat(again.x, again.y), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(healthy.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    for program in (broken, healthy):
        assert program.model.compiled
        assert len(program.x) == len(program.y) >= 100
    x, y = pair.held_out(0)
    assert x.shape == (len(y), *healthy.x.shape[1:])
    assert y.shape[1:] == healthy.y.shape[1:]
    rows = {row.tobytes() for row in healthy.x}
    assert not [row for row in x if row.tobytes() in rows]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_texts_are_whole_and_their_words_known(language: Any) -> None:
    texts = Texts(language=language, classes=MOST_CLASSES)
    x, y = texts.draw(0)
    assert x.max() < texts.size
    assert np.unique(x, axis=0).shape == x.shape
    assert not (x == 1).any()
    lengths = (x > 0).sum(axis=1)
    assert lengths.max() < texts.places
    assert all(row[:length].all() for row, length in zip(x, lengths, strict=True))
    assert (np.bincount(y) == len(y) / MOST_CLASSES).all()
    assert (texts.draw(1)[0] != x).any()

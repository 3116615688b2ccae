"""Batches: every text once, alike in length, in an order that a seed decides."""

import numpy as np
import pytest

from kerastextzoo.batching import EncodedTexts, TrainingBatches, padded_length, plan_batches

LENGTHS = np.random.default_rng(0).integers(1, 60, 1000)
TEXTS = EncodedTexts(
    np.arange(1, LENGTHS.sum() + 1, dtype=np.int32), np.concatenate([[0], np.cumsum(LENGTHS)])
)
LABELS = np.arange(1000, dtype=np.int32)


@pytest.mark.parametrize("rng", [None, np.random.default_rng(1)], ids=["sorted", "shuffled"])
def test_every_row_is_in_one_batch(rng: np.random.Generator | None) -> None:
    batches = plan_batches(LENGTHS, 64, rng)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    assert max(map(len, batches)) == 64
    assert len(batches) == 16


def test_batches_hold_little_padding() -> None:
    batches = plan_batches(LENGTHS, 16, np.random.default_rng(0))
    places = sum(len(rows) * LENGTHS[rows].max() for rows in batches)
    assert LENGTHS.sum() / places > 0.9


@pytest.mark.parametrize("rng", [None, np.random.default_rng(1)], ids=["sorted", "shuffled"])
def test_batches_of_a_number_of_tokens_hold_no_more(rng: np.random.Generator | None) -> None:
    batches = plan_batches(LENGTHS, 1, rng, batch_tokens=512)
    assert sorted(np.concatenate(batches)) == list(range(1000))
    places = [len(rows) * padded_length(LENGTHS[rows].max(), LENGTHS.max()) for rows in batches]
    assert max(places) <= 512
    # Short of one more text, or of a text that is longer.
    assert np.median(places) > 450
    assert np.std([len(rows) for rows in batches]) > 10


def test_replicas_lose_no_long_text_to_a_number_of_tokens() -> None:
    batches = TrainingBatches(
        TEXTS, LABELS, batch_size=64, seed=0, multiple_of=2, batch_tokens=LENGTHS.max()
    )
    numbers = [len(rows) for rows in batches.plan()]
    assert {number % 2 for number in numbers} == {0}
    # Two of the longest are more than the number of tokens, and a batch all the same.
    assert sum(numbers) >= len(TEXTS) - 1
    batches.epoch = 1
    assert [len(rows) for rows in batches.plan()] != numbers


@pytest.mark.parametrize("batch_tokens", [None, 200])
@pytest.mark.parametrize("multiple_of", [1, 2])
def test_epochs_differ_and_have_as_many_batches(batch_tokens: int | None, multiple_of: int) -> None:
    batches = TrainingBatches(
        TEXTS, LABELS, batch_size=20, seed=0, multiple_of=multiple_of, batch_tokens=batch_tokens
    )
    plans = []
    for batches.epoch in range(20):
        plans.append(batches.plan())
    assert len({len(plan) for plan in plans}) == 1
    # Other batches, not the same ones in another order.
    assert len({frozenset(rows) for plan in plans for rows in plan}) > 0.9 * sum(map(len, plans))


def test_dropped_words_are_unknown_and_others_in_each_epoch() -> None:
    batches = TrainingBatches(TEXTS, LABELS, batch_size=64, seed=0, word_dropout=0.25)
    seen = []
    for batches.epoch in (0, 0, 1):
        tokens = {
            row: ids for ids_of, rows in batches for row, ids in zip(rows, ids_of, strict=True)
        }
        seen.append(np.concatenate([tokens[row][: LENGTHS[row]] for row in range(1000)]))
    assert np.array_equal(seen[0], seen[1])
    for places in (seen[0] == 1, seen[2] == 1, (seen[0] == 1) != (seen[2] == 1)):
        assert 0.2 < places.mean() < 0.45
    assert np.array_equal(seen[0][seen[0] != 1], TEXTS.tokens[seen[0] != 1])
    # Padding stays padding.
    assert all((ids[:, -1][LENGTHS[rows] < ids.shape[1]] == 0).all() for ids, rows in batches)


def test_text_longer_than_a_batch_is_a_batch() -> None:
    assert [rows.tolist() for rows in plan_batches(np.array([90, 80]), 1, batch_tokens=9)] == [
        [1],
        [0],
    ]


def test_no_texts_no_batches() -> None:
    assert plan_batches(LENGTHS[:0], 16) == []
    assert plan_batches(LENGTHS[:0], 16, batch_tokens=9) == []


def test_few_lengths_and_little_padding() -> None:
    lengths = np.arange(1, 5000)
    padded = padded_length(lengths, longest=4999)
    assert (padded >= lengths).all()
    assert (lengths / padded).min() > 8 / 9
    assert len(np.unique(padded)) < 90
    assert padded[:16].tolist() == list(range(1, 17))
    assert padded.max() == 4999


def _epoch(seed: int, epoch: int) -> list[int]:
    batches = TrainingBatches(TEXTS, LABELS, batch_size=64, seed=seed)
    batches.epoch = epoch
    return [int(label) for _, labels in batches for label in labels]


def test_order_follows_from_seed_and_epoch_alone() -> None:
    assert _epoch(0, 3) == _epoch(0, 3)
    assert _epoch(0, 3) != _epoch(0, 4)
    assert _epoch(0, 3) != _epoch(1, 3)


def test_class_ordered_files_are_shuffled() -> None:
    firsts = np.array(_epoch(0, 0)[:64])
    assert np.std(firsts) > 200


def test_replicas_get_equal_shares() -> None:
    batches = TrainingBatches(TEXTS, LABELS, batch_size=33, seed=0, multiple_of=2)
    assert {len(labels) % 2 for _, labels in batches} == {0}
    assert len(list(batches)) == len(batches)


def test_texts_come_back_padded_on_the_right() -> None:
    batch = TEXTS.padded([5, 6])
    assert batch.shape == (2, padded_length(LENGTHS[5:7].max(), LENGTHS.max()))
    for row, text in zip(batch, (5, 6), strict=True):
        start, end = TEXTS.starts[text], TEXTS.starts[text + 1]
        np.testing.assert_array_equal(row[: end - start], TEXTS.tokens[start:end])
        assert not row[end - start :].any()


def test_tensorflow_reads_the_epoch_that_is_set() -> None:
    batches = TrainingBatches(TEXTS, LABELS, batch_size=64, seed=0)
    dataset = batches.as_dataset()
    for epoch in (0, 1, 0):
        batches.epoch = epoch
        seen = [int(label) for _, labels in dataset for label in labels.numpy()]
        assert seen == _epoch(0, epoch)

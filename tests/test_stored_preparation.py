"""A preparation in a folder trains like the one it was made of, and knows nothing of test texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kerastextzoo.builders import get_spec
from kerastextzoo.preparation import Preparation
from kerastextzoo.stored_preparation import StoredPreparation, store, store_start
from kerastextzoo.training import TrainingConfig, fit

SMALL = get_spec("cnn").config.parse({"filters": 8})


def stored(preparation: Preparation, folder: Path, config: TrainingConfig) -> StoredPreparation:
    store(preparation, folder)
    for _ in range(2):
        features = config.embedding_features
        store_start(preparation, folder, config.embedding, features, config.ngrams)
    return StoredPreparation(folder)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"embedding": "random"},
        {"wide_ngrams": 2, "wide_buckets": 2**14, "wide_lead": 3, "wide_sublinear_tf": True},
        {"class_weights": "balanced"},
    ],
)
def test_trains_like_the_original(
    preparation: Preparation, tmp_path: Path, settings: dict[str, Any]
) -> None:
    config = TrainingConfig(epochs=2, embedding_features=8, **settings)
    one = fit(preparation, "cnn", SMALL, config, seed=3)
    two = fit(stored(preparation, tmp_path, config), "cnn", SMALL, config, seed=3)
    for first, second in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    assert one.validation == two.validation
    assert one.coverage == two.coverage


def test_holds_no_test_text(preparation: Preparation, tmp_path: Path) -> None:
    store(preparation, tmp_path)
    found = StoredPreparation(tmp_path)
    assert set(found.texts) == set(found.label_ids) == {"train", "validation"}
    assert not list(tmp_path.rglob("*test*"))


def test_describes_itself_like_the_original(preparation: Preparation, tmp_path: Path) -> None:
    store(preparation, tmp_path)
    found = StoredPreparation(tmp_path)
    assert found.describe() == preparation.describe()
    assert found.describe_embedding() == preparation.describe_embedding()
    assert found.label_names == preparation.label_names
    assert found.fingerprint == preparation.fingerprint
    assert found.encoder.to_json() == preparation.encoder.to_json()
    for part, rows in preparation.rows.items():
        np.testing.assert_array_equal(found.rows[part], rows)

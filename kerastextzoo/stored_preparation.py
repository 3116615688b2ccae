"""A preparation in a folder: another process trains on it without the texts.

Token ids and matrices are memory-mapped, so that many processes share one copy. The test texts
are left out.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.batching import EncodedTexts, EncodedVectors
from kerastextzoo.embeddings import Coverage
from kerastextzoo.preparation import Preparation
from kerastextzoo.spec import ModelConfig, VectorInput
from kerastextzoo.storage import read_json, write_json
from kerastextzoo.text import TextConfig
from kerastextzoo.wide import LinearModel, NGrams

_FILE = "preparation.json"
_PARTS = ("train", "validation")


def store(preparation: Preparation, folder: Path) -> None:
    """Write what every training needs into a folder that is there and empty."""
    for part in _PARTS:
        texts = preparation.texts[part]
        (folder / part).mkdir()
        type(texts).write(folder / part, [texts])
        np.save(folder / part / "label_ids.npy", preparation.label_ids[part], allow_pickle=False)
    reads = preparation.reads
    write_json(
        folder / _FILE,
        {
            "label_names": list(preparation.label_names),
            "multi_label": preparation.multi_label,
            "fingerprint": preparation.fingerprint,
            "seed": preparation.seed,
            "rows": {part: rows.tolist() for part, rows in preparation.rows.items()},
            "config": preparation.config.model_dump(mode="json"),
            "reads": reads._asdict() if reads else None,
            "encoder": {
                "file": preparation.encoder.FILE,
                "content": preparation.encoder.to_json(),
            },
            "vocabulary_size": preparation.vocabulary_size,
            "description": preparation.describe(),
            "embedding": preparation.describe_embedding(),
            "has_vectors": preparation.vectors is not None,
        },
    )


def store_start(
    preparation: Preparation, folder: Path, embedding: str, features: int, ngrams: NGrams
) -> None:
    """Write what trainings of certain settings need on top, unless it is there.

    Args:
        preparation: What was stored in the folder.
        folder: Where.
        embedding: As for `Preparation.start`.
        features: Likewise.
        ngrams: As for `Preparation.linear`.
    """
    start, coverage = preparation.start(embedding, features)
    matrix = _matrix(folder, None if preparation.vectors else features)
    if coverage and not matrix.exists():
        write_json(matrix.with_suffix(".json"), coverage.as_dict())
        np.save(matrix, start, allow_pickle=False)
    linear = preparation.linear(ngrams)
    place = _linear(folder, ngrams)
    if linear and not place.exists():
        arrays = dataclasses.asdict(linear)
        with place.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


def _matrix(folder: Path, features: int | None) -> Path:
    return folder / f"embedding-{features or 'vectors'}.npy"


def _linear(folder: Path, ngrams: NGrams) -> Path:
    return folder / f"linear-{'-'.join(str(int(each)) for each in ngrams)}.npz"


class _StoredEncoder:
    """What a run keeps of an encoder, which does not encode here."""

    def __init__(self, file: str, content: str) -> None:
        self.FILE, self._content = file, content

    def to_json(self) -> str:
        return self._content


class StoredPreparation(Preparation):
    """What `store` wrote, to be trained on.

    Args:
        folder: Where it wrote.

    Raises:
        InputError: Nothing is there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._told: dict[str, Any] = read_json(folder / _FILE)
        self.config = TextConfig.parse(self._told["config"])
        self.seed = int(self._told["seed"])
        self.encoder: Any = _StoredEncoder(**self._told["encoder"])
        kind = EncodedVectors if self._told["reads"] else EncodedTexts
        self.texts = {part: kind.read(folder / part) for part in _PARTS}
        self.label_ids = {
            part: np.load(folder / part / "label_ids.npy", mmap_mode="r", allow_pickle=False)
            for part in _PARTS
        }

    @property
    def reads(self) -> VectorInput | None:
        """What the models that can be trained on it read."""
        return VectorInput(**self._told["reads"]) if self._told["reads"] else None

    @property
    def label_names(self) -> tuple[str, ...]:
        """All classes; the place is the class id."""
        return tuple(self._told["label_names"])

    @property
    def multi_label(self) -> bool:
        """Whether a text may have any number of labels."""
        return bool(self._told["multi_label"])

    @property
    def fingerprint(self) -> str:
        """A SHA-256 over the texts and labels of the parts."""
        return str(self._told["fingerprint"])

    @property
    def rows(self) -> dict[str, npt.NDArray[np.int64]]:
        """By part, the row numbers in the data set that it was taken from."""
        return {part: np.array(rows, np.int64) for part, rows in self._told["rows"].items()}

    @property
    def validation_texts(self) -> None:
        """None: the texts stay where they are."""

    @property
    def vocabulary_size(self) -> int:
        """Rows of an embedding."""
        return int(self._told["vocabulary_size"])

    def suited_to(self, settings: ModelConfig) -> Preparation:
        """Return this one: it was stored for the model."""
        return self

    def start(
        self, embedding: str, features: int
    ) -> tuple[npt.NDArray[np.float32] | int, Coverage | None]:
        """Return what `Preparation.start` did where `store_start` was called."""
        if self.reads:
            return self.texts["train"].tokens.shape[1], None
        if embedding == "random":
            return features, None
        matrix = _matrix(self.folder, None if self._told["has_vectors"] else features)
        told = read_json(matrix.with_suffix(".json"))
        names = {field.name for field in dataclasses.fields(Coverage)}
        known = {name: told[name] for name in names} | {"missing": tuple(told["missing"])}
        return np.load(matrix, mmap_mode="r", allow_pickle=False), Coverage(**known)

    def linear(self, ngrams: NGrams) -> LinearModel | None:
        """Return what `Preparation.linear` did where `store_start` was called."""
        if not ngrams.longest:
            return None
        with np.load(_linear(self.folder, ngrams), allow_pickle=False) as arrays:
            kept = {name: arrays[name] for name in arrays.files}
        plain = {name: value.item() for name, value in kept.items() if value.ndim == 0}
        return LinearModel(**kept | plain | {"ngrams": ngrams})

    def describe_embedding(self) -> str:
        """Say where vectors come from."""
        return str(self._told["embedding"])

    def describe(self) -> dict[str, Any]:
        """Return what a run records about its data, ready for JSON."""
        described: dict[str, Any] = self._told["description"]
        return described

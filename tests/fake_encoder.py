"""A sentence encoder for tests that need none of its libraries: a vector for each word."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kerastextzoo import sentence_encoder, sentence_preparation

LONGEST = 64


class FakeNetwork:
    """In the place of `kerastextzoo.sentence_encoder.Network`; counts the texts that it encoded."""

    encoded = 0

    def __init__(
        self, folder: Path = Path(), max_length: int = LONGEST, layers: int = 1, features: int = 16
    ) -> None:
        self.max_length, self.layers, self.features = max_length, layers, features

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        return [
            [0, *(zlib.crc32(word.encode()) % 30_000 for word in _words(text))] for text in texts
        ]

    def vectors(self, texts: Sequence[str], pooled: bool) -> list[npt.NDArray[np.float32]]:
        FakeNetwork.encoded += len(texts)
        found = [np.stack([*map(self._vector, self._words(text))]) for text in texts]
        return [each.mean(axis=0, keepdims=True) for each in found] if pooled else found

    def _words(self, text: str) -> list[str]:
        return ["start of text", *_words(text)][: self.max_length]

    def _vector(self, word: str) -> npt.NDArray[np.float32]:
        layers = [
            np.random.default_rng([zlib.crc32(word.encode()), layer]).normal(size=self.features)
            for layer in reversed(range(self.layers))
        ]
        return np.concatenate(layers).astype(np.float32)


def _words(text: str) -> list[str]:
    return text.lower().split()


def write_encoder(folder: Path) -> Path:
    """Write the files by which an encoder is known."""
    folder.mkdir(exist_ok=True)
    modules = [{"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"}]
    (folder / "modules.json").write_text(json.dumps(modules), "utf-8")
    (folder / "config.json").write_text('{"num_hidden_layers": 3}', "utf-8")
    limit = {"max_seq_length": LONGEST}
    (folder / "sentence_bert_config.json").write_text(json.dumps(limit), "utf-8")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


def use_fake(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Let models read the fake's vectors; return the folder to name as the encoder."""
    monkeypatch.setattr(FakeNetwork, "encoded", 0)
    monkeypatch.setattr(sentence_encoder, "Network", FakeNetwork)
    monkeypatch.setattr(sentence_encoder, "require_library", lambda: None)
    monkeypatch.setattr(sentence_preparation, "encoder_versions", lambda: {"fake": "1"})
    return write_encoder(folder)

"""Splits made ready for models that read the vectors of a frozen sentence encoder.

No vocabulary is learned and no embedding is made; each text is encoded once, and its vectors are
kept on disk for the next time.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kerastextzoo import sentence_encoder
from kerastextzoo.batching import EncodedTexts, EncodedVectors
from kerastextzoo.embeddings import Coverage
from kerastextzoo.preparation import Preparation
from kerastextzoo.sentence_encoder import SentenceEncoder, encoder_versions
from kerastextzoo.spec import VectorInput
from kerastextzoo.splits import Splits
from kerastextzoo.text import TextConfig

# A task has one, though nothing reads it.
_NO_VOCABULARY = 3
# Kept vectors are good for as long as the code that makes them stays the same.
_CODE = hashlib.sha256(Path(sentence_encoder.__file__).read_bytes()).hexdigest()


def prepare(
    splits: Splits, reads: VectorInput | None, config: TextConfig | None = None, **options: Any
) -> Preparation:
    """Make splits ready for models that read vectors, or token ids.

    Args:
        splits: The data.
        reads: What the models' settings say they read; None for token ids.
        config: How text becomes token ids; of it, `max_length` counts for vectors, too.
        **options: As for `kerastextzoo.preparation.Preparation`.

    Raises:
        InputError: There is no such encoder.
    """
    if reads is None:
        return Preparation(splits, config, **options)
    return SentencePreparation(splits, config, reads=reads, **options)


class SentencePreparation(Preparation):
    """What all trainings on the same vectors of one data set share.

    Args:
        splits: The data.
        config: Of it, only `max_length` counts.
        reads: Whose vectors, and whether one a token or one a text.
        **options: As for `Preparation`.

    Attributes:
        encoder: Strings to vectors.
        texts: Vectors by part: `train`, `validation`, `test`.

    Raises:
        InputError: There is no such encoder.
    """

    encoder: SentenceEncoder  # type: ignore[assignment]
    _kept = EncodedVectors
    _encoding = "encoding"

    def __init__(
        self,
        splits: Splits,
        config: TextConfig | None = None,
        *,
        reads: VectorInput,
        **options: Any,
    ) -> None:
        self._reads = reads
        super().__init__(splits, config, **options)

    @property
    def reads(self) -> VectorInput:
        """Whose vectors, and whether one a token or one a text."""
        return self._reads

    def _learn(self) -> tuple[SentenceEncoder, EncodedTexts]:  # type: ignore[override]
        self.encoder = SentenceEncoder(
            self.reads.encoder,
            max_length=self.config.max_length,
            pooled=self.reads.pooled,
            layers=self.reads.layers,
        )
        train = self.splits.train
        return self.encoder, self._encode("train", train.texts, train.fingerprint)

    def _made_by(self) -> dict[str, object]:
        return {
            "encoder": self.encoder.identity,
            "versions": encoder_versions(),
            "code": _CODE,
        }

    def _tell_unsegmented(self) -> None:
        return

    def _way_to_read_more(self) -> str:
        limit = self.encoder.limit
        if limit is None or self.encoder.max_length < limit:
            return super()._way_to_read_more()
        return f"{limit} is the most that this encoder reads"

    @property
    def vocabulary_size(self) -> int:
        """A number that nothing reads."""
        return _NO_VOCABULARY

    def start(
        self, embedding: str, features: int
    ) -> tuple[npt.NDArray[np.float32] | int, Coverage | None]:
        """Return the width of the vectors, whatever the arguments."""
        return self.texts["train"].tokens.shape[1], None

    def describe_embedding(self) -> str:
        """Say where vectors come from."""
        return f"sentence encoder {self.encoder.name}, SHA-256 {self.encoder.digest}"

    def describe(self) -> dict[str, Any]:
        """Return what a run records about its data, ready for JSON."""
        return super().describe() | {
            "encoder": {
                "name": self.encoder.name,
                **self.encoder.identity,
                "features": self.start("", 0)[0],
                "versions": encoder_versions(),
            }
        }

    def _describe_tokens(self) -> dict[str, Any]:
        return {}

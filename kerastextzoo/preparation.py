"""Splits made ready for training once: vocabulary, token ids, label ids, embedding matrices.

Every model that is trained on the same preparation shares them. Models that read vectors have a
preparation of their own, which `Preparation.suited_to` makes of the same splits.
"""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from copy import copy
from functools import cached_property, partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from kerastextzoo import text, tokenizers
from kerastextzoo.batching import EncodedTexts
from kerastextzoo.cache import cached
from kerastextzoo.data import fingerprint_texts, text_keys
from kerastextzoo.embeddings import (
    Coverage,
    embedding_matrix,
    first_words,
    load_vectors,
    train_word2vec,
)
from kerastextzoo.errors import InputError
from kerastextzoo.progress import Track, silent, tracked
from kerastextzoo.seeds import derive_seed
from kerastextzoo.spec import ModelConfig, VectorInput
from kerastextzoo.splits import LabelIds, Splits, label_ids
from kerastextzoo.stored_texts import take_texts
from kerastextzoo.text import (
    TextConfig,
    TextEncoder,
    TextWarning,
    count_tokens,
    fit_and_encode,
    tell_unsegmented,
)
from kerastextzoo.wide import LinearModel, NGrams, fit_linear

if TYPE_CHECKING:
    from kerastextzoo.data import Dataset

_FIRST_WORD = 2
# Where texts that are cut off become worth a warning.
_SHARE_CUT = 0.01
_EXTREME = 100
_MOST_BARS = 40
_PERCENTILES = (5, 25, 50, 75, 95, 99)
# Kept ids are good for as long as the code that makes them stays the same.
_TOKENIZING = {
    module.__name__: hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest()
    for module in (text, tokenizers)
}


class _Sentences:
    """The known words of each text, made of its ids again and again without keeping any."""

    def __init__(self, texts: EncodedTexts, vocabulary: Sequence[str]) -> None:
        self.texts, self.vocabulary = texts, vocabulary

    def __iter__(self) -> Iterator[list[str]]:
        for start, end in pairwise(self.texts.starts):
            ids = self.texts.tokens[start:end].tolist()
            yield [self.vocabulary[index] for index in ids if index >= _FIRST_WORD]


class Preparation:
    """What all trainings on one data set share.

    Args:
        splits: The data.
        config: How text becomes token ids.
        seed: Of word2vec and of the rows that have no vector.
        vectors: A file of word vectors to start from; None trains word2vec on the training texts.
        cache: Whether to keep vocabulary and ids on disk for the next time.
        track: Progress.

    Attributes:
        encoder: Strings to token ids, its vocabulary from the training texts and the file of
            vectors.
        texts: Token ids by part: `train`, `validation`, `test`.
        label_ids: Class ids by part, `(texts,)`; of multi-label data 0 and 1, `(texts, classes)`.
        warnings: What was guessed, dropped or cut off, since the first byte was read.
        added: Where training texts come from that are not those of the splits.
    """

    added: tuple[str, ...] = ()
    #: What texts become, and what that is called while it is done.
    _kept: ClassVar[type[EncodedTexts]] = EncodedTexts
    _encoding: ClassVar[str] = "reading tokens of"

    def __init__(
        self,
        splits: Splits,
        config: TextConfig | None = None,
        *,
        seed: int = 0,
        vectors: str | Path | None = None,
        cache: bool = False,
        track: Track = silent,
    ) -> None:
        self.splits = splits
        self.config = config or TextConfig()
        self.seed = seed
        self.vectors = vectors
        self.cache = cache
        self.track = track
        self._siblings: dict[VectorInput | None, Preparation] = {self.reads: self}
        self.encoder, encoded = self._learn()
        parts = self._parts()
        others = {
            name: self._encode(name, part.texts, part.fingerprint)
            for name, part in parts.items()
            if name != "train"
        }
        self.texts = {"train": encoded, **others}
        self.label_ids = {
            name: label_ids(part.labels, splits.label_names) for name, part in parts.items()
        }
        self._linear: dict[NGrams, LinearModel] = {}
        self._matrices: dict[int | None, tuple[npt.NDArray[np.float32], Coverage]] = {}
        self.warnings = [*splits.warnings]
        self._tells = True
        for said in (self._tell_unsegmented(), self._tell_cut_off()):
            self._warn(said)

    @property
    def reads(self) -> VectorInput | None:
        """What the models that can be trained on it read."""
        return None

    @property
    def label_names(self) -> tuple[str, ...]:
        """All classes; the place is the class id."""
        return self.splits.label_names

    @property
    def multi_label(self) -> bool:
        """Whether a text may have any number of labels."""
        return self.splits.multi_label

    @property
    def fingerprint(self) -> str:
        """A SHA-256 over the texts and labels of the parts."""
        return self.splits.fingerprint

    @property
    def rows(self) -> dict[str, npt.NDArray[np.int64]]:
        """By part, the row numbers in the data set that it was taken from."""
        return self.splits.rows

    def suited_to(self, settings: ModelConfig) -> "Preparation":
        """Return a preparation of the same data for what a model of these settings reads.

        Each is made once, and is this one where it suits.

        Raises:
            InputError: There is no such encoder.
        """
        if settings.reads not in self._siblings:
            # It imports this module.
            from kerastextzoo.sentence_preparation import prepare

            made = prepare(
                self.splits,
                settings.reads,
                self.config,
                seed=self.seed,
                vectors=self.vectors,
                cache=self.cache,
                track=self.track,
            )
            self._siblings[settings.reads] = made
            made._siblings = self._siblings
        return self._siblings[settings.reads]

    @property
    def validation_texts(self) -> Sequence[str] | None:
        """The validation texts as they were written; None where only their ids are kept."""
        return self.splits.validation.texts

    @property
    def lengths(self) -> dict[str, Any]:
        """Tokens of the training texts: `texts` by steps of `width`, how many are `beyond`.

        And the `percentiles`.
        """
        lengths = self.texts["train"].uncut_lengths
        at = np.percentile(lengths, _PERCENTILES, method="inverted_cdf").astype(int).tolist()
        percentiles = dict(zip(map(str, _PERCENTILES), at, strict=True))
        # The longest few would squeeze all others into one bar.
        shown = percentiles["99"] * 5 // 4
        width = -(-(shown + 1) // _MOST_BARS)
        counts = np.bincount(lengths[lengths <= shown] // width)
        return {
            "width": width,
            "texts": counts.tolist(),
            "beyond": int((lengths > shown).sum()),
            "percentiles": percentiles,
        }

    @property
    def cut_off(self) -> dict[str, float]:
        """Training texts longer than the model reads: `texts`, `share`; `p95`, `longest` of all."""
        lengths = self.texts["train"].uncut_lengths
        cut = lengths > self.encoder.max_length
        p95 = np.percentile(lengths, 95, method="inverted_cdf")
        share, longest = float(cut.mean()), int(lengths.max())
        return {"texts": int(cut.sum()), "share": share, "p95": int(p95), "longest": longest}

    def _warn(self, said: str | None) -> None:
        if said and self._tells:
            self.warnings.append(said)
            warnings.warn(said, TextWarning, stacklevel=3)

    def _tell_unsegmented(self) -> str | None:
        return tell_unsegmented(self.splits.train.texts, self.encoder.tokenizer)

    def _tell_cut_off(self) -> str | None:
        cut = self.cut_off
        extreme = cut["longest"] > _EXTREME * self.encoder.max_length
        if cut["share"] < _SHARE_CUT and not extreme:
            return None
        return (
            f"{cut['texts']} of the training texts ({cut['share']:.1%}) are longer than "
            f"{self.encoder.max_length} tokens (95 % have up to {cut['p95']}, the longest has "
            f"{cut['longest']}); the rest of them is not read; {self._way_to_read_more()}"
        )

    def _way_to_read_more(self) -> str:
        return "raise --max-length to read more"

    def _parts(self) -> "dict[str, Dataset]":
        parts = {"train": self.splits.train, "validation": self.splits.validation}
        return parts if self.splits.test is None else {**parts, "test": self.splits.test}

    def _learn(self) -> tuple[TextEncoder, EncodedTexts]:
        """Learn the vocabulary of the training texts and the vectors, and encode the texts."""
        train = self.splits.train
        words = list[str]()
        if self.vectors and self.config.vector_words:
            words = first_words(self.vectors, self.config.max_vocabulary)

        def fill(folder: Path) -> None:
            with TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch:
                encoder, parts = fit_and_encode(
                    train.texts, self.config, Path(scratch), words=words, track=self.track
                )
                EncodedTexts.write(folder, parts)
            (folder / "encoder.json").write_text(encoder.to_json(), "utf-8")

        made_of: dict[str, object] = {
            "texts": train.fingerprint,
            "config": self.config.model_dump(mode="json"),
            "words": words,
        }
        entry = cached("vocabulary", made_of | _TOKENIZING, fill) if self.cache else None
        if entry is None:
            encoder, parts = fit_and_encode(train.texts, self.config, words=words, track=self.track)
            return encoder, EncodedTexts.join(parts)
        encoder = TextEncoder.from_json((entry / "encoder.json").read_text("utf-8"))
        return encoder, EncodedTexts.read(entry)

    def _encode(self, name: str, texts: Sequence[str], fingerprint: str) -> EncodedTexts:
        def parts() -> Iterator[EncodedTexts]:
            encoded = self.encoder.encode_parts(texts)
            return tracked(encoded, len(texts), f"{self._encoding} {name}", self.track)

        def fill(folder: Path) -> None:
            self._kept.write(folder, parts())

        made_of = {"texts": fingerprint, **self._made_by()}
        entry = cached(self._kept.input_name, made_of, fill) if self.cache else None
        return self._kept.join(parts()) if entry is None else self._kept.read(entry)

    def _made_by(self) -> dict[str, object]:
        """Return what encoded texts depend on besides the texts."""
        return {"encoder": self.encoder.to_json(), **_TOKENIZING}

    @property
    def vocabulary_size(self) -> int:
        """Rows of an embedding."""
        return len(self.encoder.vocabulary)

    def start(
        self, embedding: str, features: int
    ) -> tuple[npt.NDArray[np.float32] | int, Coverage | None]:
        """Return what an embedding starts from, and what word vectors cover of the texts.

        Args:
            embedding: `random`, else from word vectors.
            features: Its width.

        Returns:
            A matrix, or the width of a random start, for which there is no coverage.
        """
        return (features, None) if embedding == "random" else self.embedding(features)

    def embedding(self, features: int) -> tuple[npt.NDArray[np.float32], Coverage]:
        """Return the matrix `(vocabulary, features)` to start from, and what it covers.

        A file of vectors has a width of its own, which then counts instead of `features`.
        """
        key = None if self.vectors else features
        if key not in self._matrices:
            self._matrices[key] = self._make_embedding(features)
        return self._matrices[key]

    def _make_embedding(self, features: int) -> tuple[npt.NDArray[np.float32], Coverage]:
        vocabulary = self.encoder.vocabulary
        if self.vectors:
            vectors = load_vectors(self.vectors, words=vocabulary[2:])
        else:
            vectors = train_word2vec(
                _Sentences(self.texts["train"], vocabulary),
                dim=features,
                min_count=self.config.min_count,
                seed=derive_seed(self.seed, "word2vec"),
                progress=partial(self.track, "training word2vec"),
            )
        return embedding_matrix(
            vocabulary,
            vectors,
            seed=derive_seed(self.seed, "words without a vector"),
            counts=count_tokens(self.texts["train"], len(vocabulary)).tolist(),
        )

    def linear(self, ngrams: NGrams) -> LinearModel | None:
        """Return the linear model that stands beside a network; None if there is to be none."""
        if not ngrams.longest:
            return None
        if ngrams not in self._linear:
            self._linear[ngrams] = fit_linear(
                self.texts["train"].words,
                self.label_ids["train"],
                len(self.label_names),
                ngrams,
                seed=derive_seed(self.seed, "folds"),
                track=self.track,
            )
            self._warn(self._linear[ngrams].tell_crowded())
        return self._linear[ngrams]

    def encode_unlabelled(self, texts: Sequence[str]) -> EncodedTexts:
        """Encode texts without labels; blank ones, and those that are known, are left out.

        Warns:
            TextWarning: Some were left out.
        """
        keys = text_keys(texts)
        known = [part.keys for part in self._parts().values()]
        _, first = np.unique(keys, return_index=True)
        new = np.sort(first[~np.isin(keys[first], np.concatenate([*known, text_keys(("",))]))])
        if lost := len(texts) - len(new):
            what = "blank, repeated, or in the training, validation or test texts"
            self._warn(f"{lost:,} of {len(texts):,} unlabelled texts left out: {what}")
        kept = take_texts(texts, new)
        return self._encode("unlabelled", kept, fingerprint_texts(kept))

    @cached_property
    def whole(self) -> Self:
        """The same, with the validation texts among the training texts; the vocabulary stays."""
        part = "validation"
        return self.with_more(self.texts[part], self.label_ids[part], part)

    def with_more(self, texts: EncodedTexts, label_ids: LabelIds, source: str) -> Self:
        """Return the same with further training texts; the vocabulary stays.

        Args:
            texts: What is added.
            label_ids: Their classes, as in `label_ids`.
            source: What tells them from others, for `added`.
        """
        more = copy(self)
        more.added = (*self.added, source)
        # It is that of fewer texts.
        vars(more).pop("whole", None)
        known = self.texts["train"]
        more.texts = {**self.texts, "train": type(known).join([known, texts])}
        joined = np.concatenate([self.label_ids["train"], label_ids])
        more.label_ids = {**self.label_ids, "train": joined}
        more._linear = {}
        # What there is to tell was told of the training texts.
        more._tells = False
        return more

    def describe_embedding(self) -> str:
        """Say where vectors come from."""
        return str(self.vectors) if self.vectors else "word2vec of the training texts"

    def class_weights(self) -> dict[int, float]:
        """Return weights under which every class counts the same in training.

        Raises:
            InputError: The data is multi-label.
        """
        if self.multi_label:
            raise InputError(
                "class_weights balanced is for one label a row; got multi-label data, where the "
                "threshold of each class does it: leave class_weights at none"
            )
        counts = np.bincount(self.label_ids["train"], minlength=len(self.label_names))
        return {i: float(counts.sum() / (len(counts) * count)) for i, count in enumerate(counts)}

    def describe(self) -> dict[str, Any]:
        """Return what a run records about its data, ready for JSON."""
        return {
            "name": self.splits.train.name,
            "fingerprint": self.fingerprint,
            "split": self.splits.how,
            "texts": {name: len(texts) for name, texts in self.texts.items()},
            "origin": {name: dict(part.origin) for name, part in self._parts().items()},
            "classes": list(self.label_names),
            "multi_label": self.multi_label,
            **self._describe_tokens(),
            "lengths": self.lengths,
            "cut_off": self.cut_off,
            "warnings": self.warnings,
        }

    def _describe_tokens(self) -> dict[str, Any]:
        return {"tokenizer": self.encoder.tokenizer, "vocabulary": self.vocabulary_size}

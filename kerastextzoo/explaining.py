"""Which words carried a decision: the probability of the label with each of them left out.

A token's weight is how much the probability of the label falls when the text is read without it
(Li, Monroe and Jurafsky 2016, https://arxiv.org/abs/1612.08220): positive for what speaks for the
label, negative for what speaks against it. This asks of a model nothing but answers, so it holds
for all of the zoo, ensembles and linear n-gram models beside a network included. Gradients
integrated over the embeddings (Sundararajan, Taly and Yan 2017, https://arxiv.org/abs/1703.01365)
would miss what does not go through them, hashed n-grams and sentence encoders, and depend on a
baseline that no text is; what they would save is time, of which texts of some hundred tokens take
little.

Of words that say the same twice neither seems to matter, since the other one is left; and where a
probability is 1 to the last digit, no single word moves it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kerastextzoo.batching import EncodedTexts
from kerastextzoo.errors import InputError, nearest, quoted
from kerastextzoo.progress import Track, silent
from kerastextzoo.text import TextEncoder, choose_tokenizer, tokenize
from kerastextzoo.token_places import Token, locate
from kerastextzoo.tokenizers import normalize
from kerastextzoo.training import predict_probabilities

if TYPE_CHECKING:
    from kerastextzoo.run import Run
    from kerastextzoo.sentence_encoder import SentenceEncoder

MOST_TOKENS = 256
_UNKNOWN_ID = 1
_TEXTS_AT_ONCE = 1000
_Span = tuple[int, int]


@dataclass(frozen=True)
class TokenWeight:
    """How much a token speaks for a label.

    Attributes:
        token: As the run reads it.
        start: Its first character in the text; None where that can't be told.
        end: The character after its last one.
        weight: How much the probability falls without it.
        known: Whether the run has it in its vocabulary.
    """

    token: str
    start: int | None
    end: int | None
    weight: float
    known: bool


@dataclass(frozen=True)
class Explanation:
    """What speaks for a label of a text.

    Attributes:
        label: The label.
        probability: Of the label, given the whole text.
        tokens: Those that were looked at, in the order of the text.
        read: Tokens of the text that the run reads, of which very long texts have more.
        in_text: Tokens of the text, with those that the run does not read.
    """

    label: str
    probability: float
    tokens: tuple[TokenWeight, ...]
    read: int
    in_text: int

    def as_dict(self) -> dict[str, Any]:
        """Return what is added to a prediction, ready for JSON."""
        return {
            "explanation": [asdict(token) for token in self.tokens],
            "explained": {
                "label": self.label,
                "tokens": len(self.tokens),
                "read": self.read,
                "in_text": self.in_text,
            },
        }


def explain(
    run: "Run",
    texts: Sequence[str],
    *,
    labels: Sequence[str] | None = None,
    most_tokens: int = MOST_TOKENS,
    track: Track = silent,
) -> Iterator[Explanation]:
    """Say of each text how much its tokens speak for a label.

    A sentence encoder has no words of its own: there, texts are cut into words, or characters
    where they are Chinese, which all count as known.

    Args:
        run: What `train` or `tune` wrote.
        texts: The texts.
        labels: For each text the label to explain; None: the most probable one.
        most_tokens: Of a text with more tokens, half as many passages are left out first, and then
            the tokens of those that matter most, no more than this in all.
        track: Progress.

    Raises:
        InputError: A label is none of the run's, or `most_tokens` is below 2.
    """
    for label in labels or ():
        if label not in run.label_names:
            raise InputError(f"label {quoted(label)}: {nearest(label, run.label_names)}")
    if most_tokens < 2:  # noqa: PLR2004
        raise InputError(f"most_tokens is 2 at least; got {most_tokens}")
    for at in range(0, len(texts), _TEXTS_AT_ONCE):
        part = list(texts[at : at + _TEXTS_AT_ONCE])
        for row, reading in enumerate(_read(run.encoder, part)):
            yield _explain(run, reading, labels[at + row] if labels else None, most_tokens)
            track("explaining", at + row + 1, len(texts))


@dataclass(frozen=True)
class _Reading:
    """The tokens of a text, and the way to leave out what stands from one to before another."""

    tokens: Sequence[Token]
    known: Sequence[bool]
    in_text: int
    without: Callable[[Sequence[_Span]], EncodedTexts]


def _read(encoder: "TextEncoder | SentenceEncoder", texts: list[str]) -> Iterator[_Reading]:
    if isinstance(encoder, TextEncoder):
        return _read_ids(encoder, texts)
    return _read_words(encoder, texts)


def _read_ids(encoder: TextEncoder, texts: list[str]) -> Iterator[_Reading]:
    encoded = encoder.encode(texts)
    for row, tokens in enumerate(encoder.tokens(texts)):
        ids = encoded.tokens[encoded.starts[row] : encoded.starts[row + 1]]
        known = (ids > _UNKNOWN_ID).tolist()
        in_text = int(encoded.uncut_lengths[row])
        yield _Reading(tokens, known, in_text, partial(_without_ids, ids))


def _without_ids(ids: npt.NDArray[np.int32], spans: Sequence[_Span]) -> EncodedTexts:
    rows = [np.concatenate([ids[:start], ids[end:]]) for start, end in spans]
    # As the encoder does to a text without a token.
    rows = [row if len(row) else np.array([_UNKNOWN_ID], np.int32) for row in rows]
    return EncodedTexts(np.concatenate(rows), np.cumsum([0, *map(len, rows)]))


def _read_words(encoder: "SentenceEncoder", texts: list[str]) -> Iterator[_Reading]:
    rows = list(tokenize(texts, choose_tokenizer(texts)))
    read = [row[: encoder.max_length] for row in rows]
    for text, row, tokens in zip(texts, rows, locate(texts, read, normalize), strict=True):
        placed = [token for token in tokens if token.start is not None]

        def without(
            spans: Sequence[_Span], text: str = text, placed: Sequence[Token] = placed
        ) -> EncodedTexts:
            cut = [
                text if start == end else text[: placed[start].start] + text[placed[end - 1].end :]
                for start, end in spans
            ]
            return encoder.encode(cut)

        yield _Reading(placed, [True] * len(placed), len(row), without)


def _explain(run: "Run", reading: _Reading, label: str | None, most_tokens: int) -> Explanation:
    number = len(reading.tokens)
    blocks = _blocks(number, number if number <= most_tokens else most_tokens // 2)
    answers = predict_probabilities(run.model, reading.without([(0, 0), *blocks]))
    place = int(answers[0].argmax()) if label is None else run.label_names.index(label)
    weights = answers[0, place] - answers[1:, place]
    if number > most_tokens:
        blocks = _strongest(blocks, weights, most_tokens - len(blocks))
        left_out = predict_probabilities(run.model, reading.without(blocks))
        weights = answers[0, place] - left_out[:, place]
    tokens = tuple(
        TokenWeight(*reading.tokens[at], weight=float(weight), known=reading.known[at])
        for (at, _), weight in zip(blocks, weights, strict=True)
    )
    probability = float(answers[0, place])
    return Explanation(run.label_names[place], probability, tokens, number, reading.in_text)


def _blocks(number: int, parts: int) -> list[_Span]:
    """Cut so many tokens into so many parts of about the same length."""
    cuts = np.linspace(0, number, parts + 1).astype(int).tolist()
    return list(pairwise(cuts))


def _strongest(blocks: Sequence[_Span], weights: npt.NDArray[np.float32], most: int) -> list[_Span]:
    """Return the tokens, each for itself, of the parts that matter most."""
    chosen = list[int]()
    for place in np.argsort(-abs(weights), kind="stable"):
        start, end = blocks[place]
        chosen += range(start, min(end, start + most - len(chosen)))
    return [(at, at + 1) for at in sorted(chosen)]

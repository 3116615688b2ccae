"""Where tokens stand in the text as it was written, before it was normalised."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from kerastextzoo.tokenizers import joins


class Token(NamedTuple):
    """A token, and which characters of the text it was made of.

    Attributes:
        text: The token, normalised.
        start: Its first character in the text; None where that can't be told.
        end: The character after its last one.
    """

    text: str
    start: int | None
    end: int | None


def locate(
    texts: Sequence[str], rows: Sequence[Sequence[str]], normalize: Callable[[Any], Any]
) -> list[list[Token]]:
    r"""Find the tokens of each text in it, in their order.

    Normalising changes letters and their number, but each letter on its own, with the accents that
    join it. So each is normalised alone; what they become is searched for the tokens, between
    which no token can begin.

    Args:
        texts: As they were written.
        rows: What a tokenizer made of each, from the first token on.
        normalize: What the tokenizer does to strings `(batch,)` first.

    Example:
        >>> from kerastextzoo.tokenizers import normalize
        >>> locate(["\uff26ull \u2167"], [["full", "viii"]], normalize)[0][1]
        Token(text='viii', start=5, end=6)
    """
    letters = [_letters(text) for text in texts]
    different = list(dict.fromkeys(letter for row in letters for letter in row))
    made = normalize(tf.constant(different, tf.string)).numpy()
    normal = {letter: _plain(found.decode()) for letter, found in zip(different, made, strict=True)}
    return [_locate(row, tokens, normal) for row, tokens in zip(letters, rows, strict=True)]


def _plain(text: str) -> str:
    """Return a text with the one letter that some tokenizers change, changed."""
    return text.replace("\u2019", "'")


def _letters(text: str) -> list[str]:
    """Cut a text before each character that joins no other."""
    starts = [at for at, character in enumerate(text) if not at or not joins(character)]
    return [text[start:end] for start, end in zip(starts, [*starts[1:], None], strict=False)]


def _locate(letters: list[str], tokens: Sequence[str], normal: Mapping[str, str]) -> list[Token]:
    whole, spans, at = "".join(normal[letter] for letter in letters), [], 0
    for letter in letters:
        spans += [(at, at + len(letter))] * len(normal[letter])
        at += len(letter)
    found, at = [], 0
    for token in tokens:
        begins = whole.find(_plain(token), at)
        if begins < 0 or not token:
            found.append(Token(token, None, None))
            continue
        at = begins + len(token)
        found.append(Token(token, spans[begins][0], spans[at - 1][1]))
    return found

"""Texts that have broken text pipelines before, and thousands made of the same parts by chance."""

import random
from collections.abc import Sequence

HARD_TEXTS = (
    "",
    " \t\n ",
    "a",
    "It's 10 o'clock -- isn't it?!",
    "emoji \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",
    "\u4e2d\u6587\u548c English \u6df7\u5408 123",
    "\uff26\uff35\uff2c\uff2c \uff37\uff29\uff24\uff34\uff28",
    "line\u2028separator\u2029and\x85next\x1c\x0b\x0c\x00null",
    "[UNK] [PAD] <unk>",
    "\U00020000\U0002a6d6",
    "word " * 2000,
    "x" * 100_000,
)
_SEPARATORS = (*([" "] * 8), "", "", "\n", "\t", "\u3000", "\u2028", "\u2029", "\x85", "\x1c", "\0")
# First and last code of: controls, letters, digits and signs, accents, Cyrillic, Arabic, Hangul
# letters, signs of width zero, Kana, Han, Hangul, private use, full-width forms, emoji, rare Han,
# and all there are.
_RANGES = (
    (0x0, 0x1F),
    (0x21, 0x7E),
    (0x300, 0x36F),
    (0x400, 0x4FF),
    (0x600, 0x6FF),
    (0x1100, 0x11FF),
    (0x200B, 0x200F),
    (0x3041, 0x30FF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
    (0xE000, 0xE0FF),
    (0xFF01, 0xFF9F),
    (0x1F300, 0x1FAFF),
    (0x20000, 0x2FA1F),
    (0xA0, 0x10FFFF),
)
_SURROGATES = range(0xD800, 0xE000)
_MOST_PIECES = 12
_MOST_CHARACTERS = 8
_LONG_IN = 500
_BLANK_IN = 100
_BLANKS = (" ", "\t", "\n", "\u3000", "\u2029")
_LONGEST_WORD = 5000


def hard_texts(words: Sequence[str], number: int, seed: int = 0) -> list[str]:
    """Return `HARD_TEXTS` and as many more as make `number`; the same seed, the same texts.

    Args:
        words: Put between what is strange, so that the answers differ.
        number: How many texts.
        seed: Of the choice.

    Example:
        >>> [text.isprintable() for text in hard_texts(["good", "bad"], 14)[12:]]
        [False, False]
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    made = [_text(words, chance) for _ in range(number - len(HARD_TEXTS))]
    return [*HARD_TEXTS, *made][:number]


def _text(words: Sequence[str], chance: random.Random) -> str:
    if chance.randrange(_LONG_IN) == 0:
        return _characters(chance, 1) * chance.randrange(1, _LONGEST_WORD)
    if chance.randrange(_BLANK_IN) == 0:
        return "".join(chance.choices(_BLANKS, k=chance.randint(1, _MOST_PIECES)))
    pieces = range(chance.randrange(_MOST_PIECES + 1))
    return "".join(
        (chance.choice(words) if chance.random() < 1 / 2 else _characters(chance, _MOST_CHARACTERS))
        + chance.choice(_SEPARATORS)
        for _ in pieces
    )


def _characters(chance: random.Random, most: int) -> str:
    first, last = chance.choice(_RANGES)
    codes = (chance.randint(first, last) for _ in range(chance.randint(1, most)))
    return "".join("\ufffd" if code in _SURROGATES else chr(code) for code in codes)

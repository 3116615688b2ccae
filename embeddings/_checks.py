"""Checks of settings that several files of this folder need."""

import hashlib

from kerastextzoo.errors import InputError, quoted


def at_least(name: str, value: object, minimum: int) -> None:
    """Raise unless `value` is a whole number of at least `minimum`.

    >>> at_least("dim", 0, 1)
    Traceback (most recent call last):
        ...
    kerastextzoo.errors.InputError: `dim` must be a whole number of at least 1; got '0'
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise InputError(
            f"`{name}` must be a whole number of at least {minimum}; got {quoted(value)}"
        )


def derived_seed(seed: int, purpose: str) -> int:
    """Return a large seed that depends on the user's seed and on what it is for.

    Libraries differ in what they make of small seeds, and some take 0 for "no seed".

    >>> derived_seed(0, "word2vec") == derived_seed(1, "word2vec")
    False
    >>> 2**31 <= derived_seed(0, "word2vec") < 2**32
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputError(f"`seed` must be a whole number; got {quoted(seed)}")
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return int.from_bytes(digest[:4], "big") | 2**31

"""Checks of settings that several files of this folder need, and the one warning of them all."""

from kerastextzoo.errors import InputError, quoted


class EmbeddingWarning(UserWarning):
    """The vectors can be used, but something in them is not as it should be."""


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

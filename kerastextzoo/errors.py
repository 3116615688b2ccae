"""Errors that a user can mend, and the words they are told in.

KerasTextZooError
└── InputError          a wrong setting, file or name; the command line exits with status 2

Every message is one line: the rule, what came, the way out.
"""

import difflib
from collections.abc import Iterable

_LONGEST_QUOTE = 80


class KerasTextZooError(Exception):
    """Base of every error that this package raises on purpose."""


class InputError(KerasTextZooError, ValueError):
    """What came from the user is wrong; the message says what, and the way out."""


def quoted(value: object) -> str:
    r"""Return `value` in quotes on one line, control characters escaped, cut to 80 characters.

    >>> quoted("a\nb")
    "'a\\nb'"
    """
    text = repr(str(value))
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 4]}...'"


def named(path: object) -> str:
    r"""Return a path in quotes on one line, control characters escaped, never cut.

    >>> named("runs/a\tb")
    "'runs/a\\tb'"
    """
    return repr(str(path))


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of the known names is nearest, and list them all.

    >>> nearest("cn", ["cnn", "lstm"])
    "did you mean 'cnn'? known: cnn, lstm"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"{hint}known: {', '.join(names)}"

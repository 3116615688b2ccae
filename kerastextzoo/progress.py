"""How long work tells how far it is: one function type, handed down to whatever takes time."""

from typing import Protocol


class Track(Protocol):
    """Called again and again while something runs: what it is, how far, a note for people."""

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None:
        """Show the state; `done == total` ends it."""


def silent(what: str, done: int, total: int, note: str = "") -> None:
    """Show nothing."""

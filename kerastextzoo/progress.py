"""How long work tells how far it is: one function type, handed down to whatever takes time."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Protocol, TypeVar

Progress = Callable[[int, int], None]  # what is done, what there is to do
_Part = TypeVar("_Part", bound=Sized)


class Track(Protocol):
    """Called again and again while something runs: what it is, how far, a note for people."""

    def __call__(self, what: str, done: int, total: int, note: str = "") -> None:
        """Show the state; `done == total` ends it."""


def silent(what: str, done: int, total: int, note: str = "") -> None:
    """Show nothing."""


def tracked(parts: Iterable[_Part], total: int, what: str, track: Track) -> Iterator[_Part]:
    """Give parts of a whole, and tell how much of it was given."""
    done = 0
    for part in parts:
        yield part
        done += len(part)
        track(what, done, total)

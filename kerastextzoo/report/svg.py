"""Drawing with inline SVG: a canvas with two axes, in colours that the page's style gives.

Not plotly: its script alone is 4.5 MB, a hundred times such a page, and knows no dark paper. These
pictures need no script, print, follow the style of the page, and tell their numbers to the mouse.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree

_TICKS = 5
_PLAIN = 1e-4, 1e5


def told(value: float) -> str:
    """Return a number for people, short.

    Example:
        >>> told(0.25), told(1200.0), told(0.00001)
        ('0.25', '1,200', '1e-05')
    """
    if not math.isfinite(value):
        return str(value)
    if value == int(value) and abs(value) < _PLAIN[1] * 10:
        return f"{int(value):,}"
    return f"{value:.3g}" if value == 0 or abs(value) >= _PLAIN[0] else f"{value:.0e}"


def ticks(low: float, high: float, most: int = _TICKS) -> list[float]:
    """Return round numbers between two others.

    Example:
        >>> ticks(0.31, 0.92)
        [0.4, 0.6, 0.8]
        >>> ticks(1, 3)
        [1.0, 1.5, 2.0, 2.5, 3.0]
    """
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


@dataclass(frozen=True)
class Axis:
    """Numbers from `low` to `high` on pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(
        cls, values: Iterable[float], start: float, end: float, margin: float = 0.06
    ) -> "Axis":
        """Return an axis that has room for all values that are numbers."""
        numbers = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
        low, high = min(numbers), max(numbers)
        room = (high - low) * margin or abs(high) * margin or 1
        return cls(low - room, high + room, start, end)

    def at(self, value: float) -> float:
        """Return the pixel of a number."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self) -> list[float]:
        """Return round numbers on it."""
        return ticks(self.low, self.high)


@dataclass
class Canvas:
    """An SVG picture that grows and shrinks with the page.

    Attributes:
        width: Of its view box; one unit is a pixel where there is no more room.
        height: Likewise.
        label: What it shows, for who can't see it.
    """

    width: float
    height: float
    label: str
    root: ElementTree.Element = field(init=False)

    def __post_init__(self) -> None:
        box = f"0 0 {self.width:g} {self.height:g}"
        self.root = ElementTree.Element("svg", {"viewBox": box, "role": "img"})
        self.root.set("aria-label", self.label)
        self.root.set("style", f"--natural:{self.width:g}px")

    def add(self, tag: str, style: str, hint: str = "", **numbers: float | str) -> None:
        """Add a shape with the classes of its style, and what it tells to the mouse."""
        attributes = {name.replace("_", "-"): _attribute(value) for name, value in numbers.items()}
        made = ElementTree.SubElement(self.root, tag, {"class": style, **attributes})
        if hint:
            ElementTree.SubElement(made, "title").text = hint

    def text(self, x: float, y: float, words: str, style: str = "", hint: str = "") -> None:
        """Write words; the style says on which side of the place."""
        place = {"class": style, "x": _attribute(x), "y": _attribute(y)}
        made = ElementTree.SubElement(self.root, "text", place)
        made.text = words
        if hint:
            ElementTree.SubElement(made, "title").text = hint

    def line(self, points: Sequence[tuple[float, float]], style: str, hint: str = "") -> None:
        """Draw a line through points."""
        way = " ".join(f"{x:g},{y:g}" for x, y in points)
        self.add("polyline", f"line {style}", hint, points=way)

    def axes(
        self,
        x: Axis,
        y: Axis,
        xlabel: str,
        ylabel: str,
        *,
        whole: bool = False,
        percent: bool = False,
    ) -> None:
        """Draw both axes, with a grid behind what follows; `whole`: no fractions on the first."""
        for value in y.ticks():
            self.line([(x.start, y.at(value)), (x.end, y.at(value))], "grid")
            words = f"{100 * value:g} %" if percent else told(value)
            self.text(x.start - 5, y.at(value) + 4, words, "end")
        for value in x.ticks():
            if not whole or value == int(value):
                self.text(x.at(value), y.start + 16, told(value), "middle")
        self.line([(x.start, y.start), (x.end, y.start)], "axis")
        self.text((x.start + x.end) / 2, y.start + 33, xlabel, "middle soft")
        self.text(2, y.end - 8, ylabel, "soft")

    def legend(self, entries: Sequence[tuple[str, str]], x: float, y: float) -> None:
        """Name the styles, from right to left."""
        for words, style in reversed(entries):
            self.text(x, y, words, "end")
            x -= 7.2 * len(words) + 10
            self.add("circle", f"dot {style}", cx=x + 2, cy=y - 4, r=4)
            x -= 14

    def __str__(self) -> str:
        return ElementTree.tostring(self.root, encoding="unicode")


def _attribute(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"

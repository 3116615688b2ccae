"""The labels of rows: what can't be used, and labels that are written in several ways."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerastextzoo.errors import quoted
from kerastextzoo.label_sets import COLLECTIONS
from kerastextzoo.rules import SHOWN, Found, Rule, fold, input_error, utf8

if TYPE_CHECKING:
    from kerastextzoo.reading import Reading

LONGEST_LABEL = 200


class OneOrMore(list[object]):
    """The labels of a row that is written the same way in multi-label data and elsewhere."""


@dataclass
class _Label:
    """A label, how it is written, and how often."""

    label: str
    shown: str
    alone: tuple[str, ...]
    count: int = 0


_NO_LABEL = Rule("label missing", "expected a name or a whole number; add it or remove the row")
_BAD_LABEL = Rule(
    "not a label (the longest has {largest} characters)",
    f"expected one line of up to {LONGEST_LABEL} characters; is it the column of texts?",
)
_TWICE = Rule(
    "a label twice in one row", "expected each once, by name; not a 0 or a 1 for every class"
)


class LabelChecks:
    """The labels of the rows of one source, checked and counted while they stream by.

    Args:
        source: The file, or another name of the data, for messages.
        reading: How it is read.
        broken: Called with the rule that a row breaks, the row, what it holds, and its size.
    """

    def __init__(
        self, source: object, reading: "Reading", broken: Callable[[Rule, str, object, int], None]
    ) -> None:
        self.source, self.reading, self.broken = source, reading, broken
        self._labels: dict[tuple[type, str | int], _Label] = {}
        self._label_sets: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._one, self._several = Found(), Found()

    @property
    def multi_label(self) -> bool:
        """Whether the rows so far may have any number of labels."""
        return self.reading.label_separator is not None or self._several.count > 0

    def read(self, row: str, value: object) -> tuple[str, ...] | None:
        """Return the labels of a row, sorted, one unless it is multi-label; None if unusable."""
        separator = self.reading.label_separator
        if separator is not None and isinstance(value, str):
            # White space beside a separator says nothing.
            several = [part.strip() for part in value.split(separator)] if value.strip() else []
        elif isinstance(value, COLLECTIONS):
            several = self._open(row, value)
        else:
            known = self._label(row, value)
            if known is None:
                return None
            self._one.add(row, value)
            return known.alone
        names = set()
        for name in several:
            known = self._label(row, name)
            if known is None:
                return None
            names.add(known.label)
        if len({str(name).strip() for name in several}) < len(several):
            self.broken(_TWICE, row, value, 0)
            return None
        found = tuple(sorted(names))
        return self._label_sets.setdefault(found, found)

    def _open(self, row: str, value: Any) -> list[Any]:
        """Return what is in a collection of labels, and note that there is one."""
        several = value.tolist() if hasattr(value, "tolist") else list(value)
        if not (isinstance(value, OneOrMore) and len(several) == 1):
            self._several.add(row, several)
        return several

    def _label(self, row: str, value: object) -> "_Label | None":
        if not isinstance(value, str | int):
            self.broken(_NO_LABEL, row, value, 0)
            return None
        known = self._labels.get((type(value), value)) or self._read_label(row, value)
        if known is not None:
            known.count += 1
        return known

    def _read_label(self, row: str, value: str | int) -> "_Label | None":
        label = str(value).strip()
        if not label:
            self.broken(_NO_LABEL, row, value, 0)
            return None
        if (
            len(label.splitlines()) != 1
            or len(label) > LONGEST_LABEL
            or b"\0" in utf8(label, b"\0")
        ):
            self.broken(_BAD_LABEL, row, value, len(label))
            return None
        written: str | int = value
        if label in self.reading.label_map:
            written = label = self.reading.label_map[label].strip()
        shown = quoted(written) if isinstance(written, str) else str(written)
        self._labels[type(value), value] = known = _Label(label, shown, (label,))
        return known

    def finish(self) -> None:
        """Refuse what the rows don't agree on.

        Raises:
            InputError: A label is written in several ways, or some labels alone are lists.
        """
        self._check_spellings()
        if self._one.count and self._several.count and self.reading.label_separator is None:
            got = f"got {quoted(self._one.value)} (row {self._one.rows[0]}) and "
            got += f"{quoted(self._several.value)} (row {self._several.rows[0]})"
            rest = f"{got}; expected a list in every row, or in none; make them the same"
            raise input_error(self.source, "labels and lists of labels mixed", rest)

    def _check_spellings(self) -> None:
        """Refuse labels that differ in case, space or form alone, such as 1 and 1.0."""
        spellings: dict[str, Counter[str]] = {}
        for known in self._labels.values():
            form = re.sub(r"^([+-]?\d+)\.0+$", r"\1", fold(known.label))
            spellings.setdefault(form, Counter())[known.shown] += known.count
        several = [counts for counts in spellings.values() if len(counts) > 1]
        if not several:
            return
        shown = several[0].most_common(SHOWN)
        got = ", ".join(f"{label} ({count} rows)" for label, count in shown)
        what = f"{len(several)} labels are written in several ways"
        rest = f"got {got}; expected one way; make them the same, or map one with label_map"
        raise input_error(self.source, what, rest)

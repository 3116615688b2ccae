"""How texts are read, and what is wrong with their rows, each in one line.

Rows stream by: what is found is counted, and told when the last row has been seen. Bytes and
encodings are in `kerastextzoo.decoding`, the kinds of files in `kerastextzoo.formats`.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from kerastextzoo.errors import InputError, quoted
from kerastextzoo.label_checks import LabelChecks
from kerastextzoo.progress import Progress
from kerastextzoo.rules import Found, Rule, Warner, input_error, utf8

Source = str | os.PathLike[str]
Rows = Iterable[tuple[str, list[object]]]  # where in the file, and the cells of the wanted columns


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files of texts are read.

    Attributes:
        text_column: The name of the column of texts.
        label_column: The name of the column of labels.
        separator: Between the columns of a .csv or .tsv file; None: by its suffix.
        label_separator: Between the labels of a row in multi-label data; None: one label a row,
            unless it is a list. An empty cell is a row without a label.
        label_map: New names of labels by the old ones.
        encoding: None for UTF-8, or UTF-16 if the file starts with its byte order mark.
        errors: `strict` refuses bytes that can't be decoded, `replace` counts and replaces them.
        skip_bad_rows: Leave broken rows out, with a warning, instead of refusing the file.
        strip_nul: Remove NUL characters, with a warning, instead of refusing the file.
        max_text_bytes: The longest text, in UTF-8.
        max_expanded_bytes: The most that a packed file may expand to; None for 200 times its size,
            at least 64 MiB and at most 4 GiB.
    """

    text_column: str = "text"
    label_column: str = "label"
    separator: str | None = None
    label_separator: str | None = None
    label_map: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    errors: str = "strict"
    skip_bad_rows: bool = False
    strip_nul: bool = False
    max_text_bytes: int = 2**20
    max_expanded_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.errors not in {"strict", "replace"}:
            raise InputError(f"errors: got {quoted(self.errors)}; expected strict or replace")
        if self.separator is not None and (
            len(self.separator) != 1 or self.separator in '"\r\n' or not self.separator.isascii()
        ):
            rest = "expected one ASCII character, such as ';' or a TAB"
            raise InputError(f"separator: got {quoted(self.separator)}; {rest}")
        if self.label_separator is not None and (
            not self.label_separator or not {"\r", "\n"}.isdisjoint(self.label_separator)
        ):
            rest = "expected what stands between two labels, such as '|'"
            raise InputError(f"label_separator: got {quoted(self.label_separator)}; {rest}")
        if not all(map(str.strip, self.label_map.values())):
            raise InputError("label_map: got an empty label; expected OLD=NEW with both")
        for name in ("max_text_bytes", "max_expanded_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name}: got {value}; expected 1 or more")


_NO_TEXT = Rule("text missing or no string", "expected a string; mend or remove the row")
_NUL = Rule("NUL characters", "expected text; remove them, or strip NUL")
_IMPOSSIBLE = Rule(
    "text with impossible characters", "expected text; remove halves of surrogate pairs"
)


class Checks:
    """What is wrong with the rows of one source, counted while they stream by.

    Args:
        source: The file, or another name of the data, for messages.
        reading: How it is read.
        progress: Called while a large file is read, with bytes.

    Attributes:
        warner: Remembers the warnings.
        labels: Likewise of the labels alone.
        replaced: Characters that stand for bytes which can't be decoded.
        replaced_as: The encoding they are not in.
    """

    def __init__(self, source: object, reading: Reading, progress: Progress | None = None) -> None:
        self.source = source
        self.reading = reading
        self.progress = progress
        self.warner = Warner()
        self.replaced = 0
        self.replaced_as = ""
        self._broken: dict[Rule, Found] = {}
        self._blank, self._nuls, self._replaced = Found(), Found(), Found()
        self._numbers = self._texts = self._removed = 0
        self._first = ""
        self.labels = LabelChecks(source, reading, self.broken)
        self._too_long = Rule(
            "text too long (the longest has {largest} bytes)",
            f"expected up to {reading.max_text_bytes}; cut the text, or raise max_text_bytes",
        )

    def warn(
        self,
        what: str,
        rest: str,
        rows: Sequence[str] = (),
        count: int | None = None,
        where: object = None,
    ) -> None:
        """Warn at once of something in this source."""
        self.warner(where or self.source, what, rest, rows, count)

    def broken(self, rule: Rule, row: str, value: object, size: int = 0) -> None:
        """Note that a row breaks a rule; the first one's value is quoted."""
        self._broken.setdefault(rule, Found()).add(row, value, size)

    def replaced_in(self, row: str) -> None:
        """Note that a row has characters that stand for bytes which can't be decoded."""
        self._replaced.add(row)

    def text(self, row: str, value: object) -> str | None:
        """Return the text of a row; None if it can't be used."""
        if isinstance(value, str) and "\0" in value and self.reading.strip_nul:
            self._nuls.add(row)
            self._removed += value.count("\0")
            value = value.replace("\0", "")
        size = 0
        if not isinstance(value, str):
            rule = _NO_TEXT
        elif (data := utf8(value, None)) is None:
            rule = _IMPOSSIBLE
        elif b"\0" in data:
            rule = _NUL
        elif (size := len(data)) > self.reading.max_text_bytes:
            rule = self._too_long
        else:
            return value
        self.broken(rule, row, value, size)
        return None

    def has_words(self, row: str, text: str) -> bool:
        """Tell whether a text is more than blanks; count those that are not, and numbers."""
        self._texts += 1
        self._first = self._first or text
        if not text.strip():
            self._blank.add(row)
            return False
        self._numbers += bool(re.fullmatch(r"[\s.,+-]*\d[\d\s.,+-]*", text))
        return True

    def finish(self) -> None:
        """Tell what was found in all rows.

        Raises:
            InputError: Rows break a rule, and they are not to be skipped; no text has words; or a
                label is written in several ways; or some labels alone are lists.
        """
        for rule, found in self._broken.items():
            what, rest = rule.what.format(largest=found.largest), f"got {quoted(found.value)}; "
            rest += f"{rule.expected}, or skip bad rows"
            if not self.reading.skip_bad_rows:
                raise input_error(self.source, what, rest, found.rows, found.count)
            self.warn(f"{what}, skipped", rest, found.rows, found.count)
        if self._replaced.count and self.replaced:
            rest = f"got {self.replaced} that are not {self.replaced_as}; "
            rest += "try another encoding if these are many"
            found = self._replaced
            self.warn("characters replaced", rest, found.rows, found.count)
        if self._nuls.count:
            rest = f"got {self._removed}; expected text"
            self.warn("NUL characters removed", rest, self._nuls.rows, self._nuls.count)
        self._tell_blank()
        self.labels.finish()

    def _tell_blank(self) -> None:
        if self._texts and self._blank.count == self._texts:
            rest = f"expected words in column {quoted(self.reading.text_column)}"
            what = f"all {self._texts} texts are empty"
            raise input_error(self.source, what, f"{rest}; name another column")
        if self._blank.count:
            rest = "expected words; add them or remove the row"
            self.warn("empty text dropped", rest, self._blank.rows, self._blank.count)
        if 2 * self._numbers > self._texts:
            rest = f"got {quoted(self._first)}; expected words; is it the column of texts?"
            self.warn(f"{self._numbers / self._texts:.0%} of the texts are numbers", rest)

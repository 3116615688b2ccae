"""From a file to lines of text, a piece at a time: unpacking, encodings, damage by row and byte."""

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from kerastextzoo.errors import InputError, quoted
from kerastextzoo.progress import Progress
from kerastextzoo.reading import Checks, Reading
from kerastextzoo.rules import input_error

_MEGABYTE = 2**20
_PIECE = _MEGABYTE
_LARGE = 16 * _MEGABYTE
_LONGEST_LINE = 64 * _MEGABYTE
_MANY_NULS = 0.1
_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Lines = Iterable[tuple[str, str]]  # the number of the line, from 1, and the line


def read_bytes(path: Path, reading: Reading, progress: Progress | None = None) -> Iterator[bytes]:
    """Read a file, unpacked, piece by piece.

    Raises:
        InputError: It is no file, damaged, or expands to too much.
    """
    if not path.is_file():
        raise input_error(path, "not a regular file", "expected one; write it to a file first")
    packed, total, size = path.suffix.lower() == ".gz", path.stat().st_size, 0
    usual = min(max(200 * total, 64 * _MEGABYTE), 4096 * _MEGABYTE)
    try:
        with path.open("rb") as file:
            unpacked = gzip.GzipFile(fileobj=file) if packed else file
            while data := unpacked.read(_PIECE):
                size += len(data)
                if packed:
                    check_size(path, size, reading.max_expanded_bytes or usual)
                if progress and total > _LARGE:
                    progress(file.tell(), total)
                yield data
        return
    except EOFError:
        problem = "a truncated gzip file"
    except (gzip.BadGzipFile, zlib.error) as error:
        problem = str(error)
    raise input_error(path, "damaged", f"got {problem}; expected gzip; get the file again")


def check_size(path: Path, size: int, most: int) -> None:
    """Refuse what expands to too much."""
    if size > most:
        rest = f"got more than {most} bytes from {path.stat().st_size}; raise max_expanded_bytes"
        raise input_error(path, "expands to too much", f"{rest} if the file can be trusted")


def read_lines(path: Path, checks: Checks) -> Iterator[tuple[str, str]]:
    """Decode a file line by line, whatever its line ends.

    Raises:
        InputError: It can't be decoded, or it has no line ends.
    """
    longest = max(_LONGEST_LINE, 2 * checks.reading.max_text_bytes)
    row, size, pending = 1, 0, list[str]()
    for chunk in _decode(path, checks):
        # str.splitlines would also split at characters that may be part of a text.
        first, *rest = chunk.split("\n")
        pending.append(first)
        size += len(first)
        if size > longest:
            got = f"got a line of more than {longest} characters; expected line ends"
            raise input_error(path, "line too long", f"{got}; is it a file of texts?", [str(row)])
        for piece in rest:
            yield str(row), _seen(checks, str(row), "".join(pending))
            row, size, pending = row + 1, len(piece), [piece]
    if any(pending):
        yield str(row), _seen(checks, str(row), "".join(pending))


def read_text(path: Path, checks: Checks, row: str = "") -> str:
    """Decode a small file whole, which is one row; line ends become newlines."""
    return _seen(checks, row, "".join(_decode(path, checks)))


def _seen(checks: Checks, row: str, text: str) -> str:
    if checks.reading.errors == "replace" and "\ufffd" in text:
        checks.replaced_in(row)
    return text


def _decode(path: Path, checks: Checks) -> Iterator[str]:
    chunks = read_bytes(path, checks.reading, checks.progress)
    head = next(chunks, b"")
    named, errors = checks.reading.encoding, checks.reading.errors
    marked = head.startswith(_UTF_16_MARKS) and named is None
    chosen = named or ("utf-16" if marked else "utf-8")
    if not marked:
        _check_nuls(path, head, chosen)
    decoder, counter = _decoder(path, chosen, errors), _decoder(path, chosen, "ignore")
    done, row, begun = 0, 1, False
    for chunk in chain([head], chunks, [b""]):
        done += len(chunk)
        try:
            text = decoder.decode(chunk, not chunk)
        except UnicodeDecodeError as error:
            start = done - len(error.object) + error.start
            row += len(re.findall("\r\n?|\n", error.object[: error.start].decode(chosen, "ignore")))
            raise _undecoded(path, checks, chosen, error, start, row) from None
        except ValueError:
            raise _unknown_encoding(path, chosen) from None
        if errors == "replace":
            # What was in the file as U+FFFD survives when the rest is ignored.
            ignored = counter.decode(chunk, not chunk)
            checks.replaced += text.count("\ufffd") - ignored.count("\ufffd")
        if text and not begun:
            begun, text = True, text.removeprefix("\ufeff")
        row += text.count("\n")
        yield text
    if checks.replaced:
        checks.replaced_as = chosen
    if marked:
        rest = "got its byte order mark; name an encoding if that is wrong"
        checks.warn("read as UTF-16", rest, where=path)
    if (
        named
        and codecs.lookup(named).name not in {"utf-8", "utf-8-sig"}
        and _is("utf-8", path, checks.reading)
    ):
        rest = "expected another; leave the encoding out if texts look wrong"
        checks.warn(f"valid UTF-8 was read as {named}", rest, where=path)


def _decoder(path: Path, encoding: str, errors: str) -> io.IncrementalNewlineDecoder:
    try:
        # Refuses codecs that are not of text, such as hex.
        b" ".decode(encoding, "ignore")
        decoder = codecs.getincrementaldecoder(encoding)(errors)
    except (LookupError, ValueError):
        raise _unknown_encoding(path, encoding) from None
    return io.IncrementalNewlineDecoder(decoder, translate=True)


def _unknown_encoding(path: Path, encoding: str) -> InputError:
    got = f"got {quoted(encoding)}; expected one that Python knows; try utf-8 or gb18030"
    return input_error(path, "no such encoding", got)


def _undecoded(
    path: Path, checks: Checks, chosen: str, error: UnicodeDecodeError, start: int, row: int
) -> InputError:
    if _is("utf-8", path, checks.reading):
        way = "it is valid UTF-8, so leave the encoding out"
    elif checks.reading.encoding is None and _is("gb18030", path, checks.reading):
        way = "it is valid GB18030: try encoding gb18030"
    else:
        way = "try another encoding"
    got = f"got byte 0x{error.object[error.start : error.start + 1].hex()} at offset {start}"
    rest = f"{got}; expected {chosen}; {way}, or errors replace for a few bad bytes"
    return input_error(path, "not decoded", rest, [str(row)])


def _is(encoding: str, path: Path, reading: Reading) -> bool:
    """Tell whether a file beyond ASCII is valid in an encoding; UTF-16 is full of NUL."""
    decoder, is_ascii = codecs.getincrementaldecoder(encoding)(), True
    try:
        for data in chain(read_bytes(path, reading), [b""]):
            if b"\0" in data:
                return False
            is_ascii &= data.isascii()
            decoder.decode(data, not data)
    except (UnicodeDecodeError, InputError):
        return False
    return not is_ascii


def _check_nuls(path: Path, head: bytes, chosen: str) -> None:
    share = head.count(0) / max(1, len(head))
    if share > _MANY_NULS and not re.match("utf.?(16|32)", chosen.lower()):
        # In UTF-16 the upper half of an ASCII character is NUL.
        likely = "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"
        rest = f"expected text; it may be UTF-16 without a mark: try encoding {likely}"
        raise input_error(path, f"{share:.0%} of the bytes are NUL", rest)

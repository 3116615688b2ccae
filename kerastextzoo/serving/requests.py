"""What a request may hold; everything else is refused with a status and one line.

A body is counted while it comes in, so that no more than the limit is ever in memory.
"""

import asyncio
import json
from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kerastextzoo.errors import quoted

BAD_REQUEST, TIMEOUT, TOO_LARGE, BUSY = 400, 408, 413, 503
_KINDS = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much a server takes at a time.

    Attributes:
        texts: Texts of a request.
        explained: Texts of a request whose words are to be weighed.
        characters: Characters of a text.
        bytes: Bytes of a body.
        requests: Requests that are read or wait for their answer; with `bytes`, this bounds memory.
        seconds: How long a body may take to come.
    """

    texts: int = 1000
    explained: int = 8
    characters: int = 100_000
    bytes: int = 2**20
    requests: int = 256
    seconds: float = 20.0


class RefusedError(Exception):
    """A request that gets no answer.

    Attributes:
        status: The HTTP status.
        details: What the JSON of the answer says beside `error`.
        close: Whether the connection is closed, because the rest of the body is not read.
    """

    def __init__(self, status: int, message: str, *, close: bool = False, **details: int) -> None:
        super().__init__(message)
        self.status, self.details, self.close = status, details, close


async def read_body(chunks: AsyncIterable[bytes], declared: str | None, limits: Limits) -> bytes:
    """Return a body that is within the limits.

    Args:
        chunks: The body as it comes in.
        declared: How long the client says it is.
        limits: How long it may be, and how long it may take.

    Raises:
        RefusedError: It is too long or too slow.
    """
    body = bytearray()
    if declared and declared.isdecimal():
        _check_length(int(declared), limits)
    try:
        async with asyncio.timeout(limits.seconds):
            async for chunk in chunks:
                _check_length(len(body) + len(chunk), limits)
                body += chunk
    except TimeoutError:
        told = f"the body did not come within {limits.seconds:g} seconds; send it in one go"
        raise RefusedError(TIMEOUT, told, close=True) from None
    return bytes(body)


def _check_length(length: int, limits: Limits) -> None:
    if length > limits.bytes:
        told = f"the body is longer than {limits.bytes:,} bytes; send fewer texts at a time"
        raise RefusedError(TOO_LARGE, told, close=True, limit=limits.bytes)


def read_object(body: bytes, known: Sequence[str]) -> dict[str, Any]:
    """Return the JSON object in a body, all of whose keys are known.

    Raises:
        RefusedError: The body is something else.

    Example:
        >>> read_object(b'{"texts": ["good"]}', ["texts"])
        {'texts': ['good']}
    """
    try:
        content = json.loads(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        told = f"the body is not UTF-8 at byte {error.start}; send JSON in UTF-8"
        raise RefusedError(BAD_REQUEST, told, position=error.start) from None
    except json.JSONDecodeError as error:
        told = f"the body is not JSON: {error.msg} at character {error.pos}"
        raise RefusedError(BAD_REQUEST, told, position=error.pos) from None
    except (RecursionError, ValueError):
        told = "the body is no JSON that can be read: it is nested too deep, or has a huge number"
        raise RefusedError(BAD_REQUEST, told) from None
    if not isinstance(content, dict):
        told = f'the body is {_kind(content)}; send an object such as {{"{known[0]}": ["a text"]}}'
        raise RefusedError(BAD_REQUEST, told)
    for key in content:
        if key not in known:
            told = f"unknown key {quoted(key)}; known: {', '.join(known)}"
            raise RefusedError(BAD_REQUEST, told)
    return content


def read_texts(
    content: Mapping[str, Any], limits: Limits, *, key: str = "texts", most: int | None = None
) -> list[str]:
    """Return the texts of a request, each of them checked.

    Args:
        content: What `read_object` gave.
        limits: How many there may be, and how long each.
        key: Their place. TensorFlow Serving's `instances` may be objects of one text.
        most: How many there may be, if not `limits.texts`.

    Raises:
        RefusedError: One is missing, no string or too long, or there are too many.

    Example:
        >>> read_texts({"texts": ["good", "bad"]}, Limits())
        ['good', 'bad']
    """
    most = limits.texts if most is None else most
    texts = content.get(key)
    if not isinstance(texts, list):
        got = _kind(texts) if key in content else "no such key"
        raise RefusedError(BAD_REQUEST, f'"{key}" takes a list of strings; got {got}')
    if len(texts) > most:
        told = f'"{key}" takes at most {most:,} texts; got {len(texts):,}'
        raise RefusedError(TOO_LARGE, told, position=most, limit=most)
    if key == "instances":
        texts = [_unwrapped(text) for text in texts]
    for place, text in enumerate(texts):
        _check_text(text, place, key, limits)
    return texts


def _unwrapped(instance: Any) -> Any:
    named = isinstance(instance, dict) and list(instance) == ["texts"]
    return instance["texts"] if named else instance


def _check_text(text: Any, place: int, key: str, limits: Limits) -> None:
    name = f"{key}[{place}]"
    if not isinstance(text, str):
        told = f"{name} is {_kind(text)}; expected a string"
        raise RefusedError(BAD_REQUEST, told, position=place)
    if len(text) > limits.characters:
        told = f"{name} has {len(text):,} characters; at most {limits.characters:,}"
        raise RefusedError(TOO_LARGE, told, position=place, limit=limits.characters)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        told = f"{name} holds half of a surrogate pair at character {error.start}; send whole ones"
        raise RefusedError(BAD_REQUEST, told, position=place) from None


def _kind(value: Any) -> str:
    return _KINDS[type(value)]

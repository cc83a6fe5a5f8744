"""Resume tokens: opaque to clients, they say how far a list had come so that only the rest is sent."""

import struct
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from daysets.segment import MAX_DRILL_ID, day_number, day_of

MAX_TOKEN = 1024
_VERSION = b"\x01"
_ITEM = struct.Struct(">IIIB")
_LAST_DAY = 2_000_000


class TokenError(ValueError):
    """Not a token of ours."""


class Progress(NamedTuple):
    """Segments 1…contiguous of this generation are held."""

    day: date
    drill_id: str
    generation: int
    contiguous: int


def encode(progress: Iterable[Progress]) -> bytes:
    """At most 1,024 bytes: what does not fit is left out, and is then sent once more, which does no harm."""
    token = _VERSION
    for item in progress:
        drill = item.drill_id.encode()
        packed = _ITEM.pack(day_number(item.day), item.generation, item.contiguous, len(drill)) + drill
        if len(token) + len(packed) > MAX_TOKEN:
            break
        token += packed
    return token


def decode(token: bytes) -> list[Progress]:
    """TokenError when malformed. The empty token, of somebody who has nothing, is valid."""
    if not token:
        return []
    if token[:1] != _VERSION or len(token) > MAX_TOKEN:
        raise TokenError("not a resume token")
    found, at = [], 1
    try:
        while at < len(token):
            day, generation, contiguous, length = _ITEM.unpack_from(token, at)
            at += _ITEM.size + length
            if day > _LAST_DAY or length > MAX_DRILL_ID or at > len(token):
                raise TokenError("not a resume token")
            found.append(Progress(day_of(day), token[at - length : at].decode(), generation, contiguous))
    except (struct.error, UnicodeDecodeError):
        raise TokenError("not a resume token") from None
    return found

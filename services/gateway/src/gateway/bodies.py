"""Reading a request's JSON body, bounded in size and time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import orjson
from chassis.errors import DomainError, Kind

from gateway.door import Headers
from gateway.problems import HttpError
from gateway.repeats import repeats_a_field

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_SECONDS = 20.0
_DROPPED = 32 * 1024 * 1024
_JSON = "application/json"


class BodyBrokenError(HttpError):
    """The body ended before it was complete: the client went away, or sent chunks that are none and waits for an answer."""

    def __init__(self) -> None:
        text = "The body ended before it was complete."
        super().__init__(400, Kind.INVALID, "BODY_INCOMPLETE", text, headers={"connection": "close"})


async def read(receive: Receive, headers: Headers, limit: int) -> bytes:
    """The whole body, at most `limit` bytes; raises a 413, a 408 when it does not come, `BodyBrokenError`."""
    # One limit for all of it: a limit for each part would wait for a byte a second for days.
    until = asyncio.get_running_loop().time() + _SECONDS
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        if int(length) <= _DROPPED:
            await _drop(receive, until)
        raise _too_large(limit)
    message = await _next(receive, until)
    if not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit:
            raise _too_large(limit)
        return body
    parts = [message.get("body", b"")]
    size = len(parts[0])
    while message.get("more_body"):
        if size > limit:
            await _drop(receive, until)
            raise _too_large(limit)
        message = await _next(receive, until)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


async def pieces(
    receive: Receive, headers: Headers, limit: int, *, size: int, seconds: float
) -> AsyncIterator[tuple[bytes, bool]]:
    """The body in pieces of `size` bytes, the last one shorter, with whether it is the last; no more than that is held.

    Raises as `read` does; the whole body has `seconds`.
    """
    until = asyncio.get_running_loop().time() + seconds
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        if int(length) <= _DROPPED:
            await _drop(receive, until)
        raise _too_large(limit)
    held, total, more = bytearray(), 0, True
    while more:
        message = await _next(receive, until)
        more = bool(message.get("more_body"))
        held += message.get("body", b"")
        total += len(message.get("body", b""))
        if total > limit:
            if more:
                await _drop(receive, until)
            raise _too_large(limit)
        # A full piece waits until more has come, because it may be the last.
        while len(held) > size:
            yield bytes(held[:size]), False
            del held[:size]
    yield bytes(held), True


async def _drop(receive: Receive, until: float) -> None:
    """Read on and keep nothing, up to a bound: a connection closed while its client still sends loses our answer."""
    size, more = 0, True
    while more and size <= _DROPPED:
        message = await _next(receive, until)
        size += len(message.get("body", b""))
        more = bool(message.get("more_body"))


class _Limit:
    """What `asyncio.timeout_at` does, for a fifth of its cost: every request of the hot route passes here."""

    __slots__ = ("_task", "_timer", "over")

    def __init__(self, until: float) -> None:
        self.over = False
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_at(until, self._cancel)

    def _cancel(self) -> None:
        self.over = True
        if self._task is not None:
            self._task.cancel()

    def ended(self) -> bool:
        """Whether it was this limit, and nobody else, that cancelled the task. To be called once, whatever happened."""
        self._timer.cancel()
        return self.over and self._task is not None and self._task.uncancel() == 0


async def _next(receive: Receive, until: float) -> MutableMapping[str, Any]:
    limit = _Limit(until)
    try:
        message = await receive()
    except asyncio.CancelledError:
        if not limit.ended():
            raise
        raise HttpError(
            408, Kind.INVALID, "BODY_TOO_SLOW", "The body did not arrive in time.", headers={"connection": "close"}
        ) from None
    except BaseException:
        limit.ended()
        raise
    limit.ended()
    if message["type"] == "http.disconnect":
        raise BodyBrokenError
    return message


def parse(body: bytes, headers: Headers) -> Any:
    """The JSON value of a body; no body is an empty object. Raises a 415 for other formats, INVALID for no JSON."""
    if not body:
        return {}
    kind = headers.get("content-type", "")
    if kind != _JSON:
        kind = kind.partition(";")[0].strip().lower()
    if kind != _JSON or headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(
            415,
            Kind.INVALID,
            "JSON_REQUIRED",
            "Send the body as application/json, without Content-Encoding.",
            headers={"accept-post": "application/json"},
        )
    try:
        parsed = orjson.loads(body)
        repeated = repeats_a_field(body, parsed)
    except (orjson.JSONDecodeError, RecursionError):
        raise DomainError(Kind.INVALID, "MALFORMED_JSON", "The body is no valid JSON.") from None
    if repeated:
        raise DomainError(Kind.INVALID, "REPEATED_FIELD", "An object in the body names a field twice.")
    return parsed


def _too_large(limit: int) -> HttpError:
    return HttpError(
        413,
        Kind.INVALID,
        "BODY_TOO_LARGE",
        f"The body is larger than {limit} bytes.",
        headers={"connection": "close"},
    )

"""Reading a request's JSON body, bounded in size and time."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson
from chassis.errors import DomainError, Kind

from gateway.door import Headers
from gateway.problems import HttpError

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
_SECONDS = 20.0


class ClientGoneError(Exception):
    """The client closed the connection before it had sent everything; nobody is there to be answered."""


async def read(receive: Receive, headers: Headers, limit: int) -> bytes:
    """The whole body, at most `limit` bytes; raises a 413, a 408 when it does not come, `ClientGoneError`."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)
    # One limit for all of it: a limit for each part would wait for a byte a second for days.
    until = asyncio.get_running_loop().time() + _SECONDS
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
            raise _too_large(limit)
        message = await _next(receive, until)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    if size > limit:
        raise _too_large(limit)
    return b"".join(parts)


async def _next(receive: Receive, until: float) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout_at(until):
            message = await receive()
    except TimeoutError:
        raise HttpError(
            408, Kind.INVALID, "BODY_TOO_SLOW", "The body did not arrive in time.", headers={"connection": "close"}
        ) from None
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message


def parse(body: bytes, headers: Headers) -> Any:
    """The JSON value of a body; no body is an empty object. Raises a 415 for other formats, INVALID for no JSON."""
    if not body:
        return {}
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(
            415,
            Kind.INVALID,
            "JSON_REQUIRED",
            "Send the body as application/json, without Content-Encoding.",
            headers={"accept-post": "application/json"},
        )
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise DomainError(Kind.INVALID, "MALFORMED_JSON", "The body is no valid JSON.") from None


def _too_large(limit: int) -> HttpError:
    return HttpError(
        413,
        Kind.INVALID,
        "BODY_TOO_LARGE",
        f"The body is larger than {limit} bytes.",
        headers={"connection": "close"},
    )

"""What all answers have in common on the wire, and how many requests are being answered."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.types import Send

from gateway.stats import HttpStats

# An API for programs: nothing of it is to be framed, sniffed, cached on the way or sent on as a referrer.
_COMMON: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000"),
)
_UNSTORED = (b"cache-control", b"no-store")
_CLOSING = (b"connection", b"close")
_JSON_ANSWER = ((b"content-type", b"application/json"), *_COMMON, _UNSTORED)
_LOOK_EVERY = 0.02


@dataclass(slots=True)
class Lines:
    """Shared by both ways in. While `draining`, answers ask the client to connect elsewhere."""

    stats: HttpStats = field(default_factory=HttpStats)
    in_flight: int = 0
    draining: bool = False

    def count(self, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.stats.count(route, status, seconds)

    def dressed(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """An answer's headers with the common ones that it does not say otherwise.

        A second content-security-policy would not replace the first: browsers hold a page against both.
        """
        said = {name for name, _ in headers}
        headers += [each for each in (*_COMMON, _UNSTORED) if each[0] not in said]
        if self.draining and _CLOSING not in headers:
            headers.append(_CLOSING)
        return headers

    async def write_json(self, send: Send, rate: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer of the hot route: status 200, JSON, with these RateLimit headers."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in rate.items()]
        headers.append((b"content-length", b"%d" % len(body)))
        headers += _JSON_ANSWER
        if self.draining:
            headers.append(_CLOSING)
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def write(self, send: Send, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer."""
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        raw.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": self.dressed(raw)})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def idle(self) -> None:
        """Return when no request is being answered."""
        # Looked at, not told: an event set by every request would cost each of them more than this costs one shutdown.
        while self.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_EVERY)

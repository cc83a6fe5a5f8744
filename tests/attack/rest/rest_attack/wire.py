"""HTTP/1.1 by hand: bytes go out exactly as given, and what comes back is read with nothing taken for granted."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self

SECONDS = 30.0
_END = b"\r\n\r\n"
BODILESS = frozenset({204, 304})


@dataclass(slots=True)
class Answer:
    """One answer. `status` 0: the connection was closed without one. Header names in lower case, values in order."""

    status: int = 0
    headers: dict[str, list[str]] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0

    def header(self, name: str) -> str:
        """The one value of a header, "" without it."""
        return ",".join(self.headers.get(name, ()))


def request(method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None) -> bytes:
    """A whole request. `body` None: none, and no Content-Length."""
    lines = [f"{method} {target} HTTP/1.1", "host: gateway", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1", "replace") + _END + (body or b"")


class Line:
    """One connection, opened anew when the other side has closed it; for one task at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, data: bytes, *, head: bool = False) -> Answer:
        """Sends and reads one answer. A kept connection that was closed in the meantime is replaced once."""
        kept = self._reader is not None
        answer = await self._try(data, head=head)
        return await self._try(data, head=head) if kept and not answer.status else answer

    async def _try(self, data: bytes, *, head: bool) -> Answer:
        started = asyncio.get_running_loop().time()
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        with suppress(ConnectionError):  # refused in the middle: what it said is still to be read
            self._writer.write(data)
            await self._writer.drain()
        answer = await read(self._reader, head=head)
        answer.seconds = asyncio.get_running_loop().time() - started
        if not answer.status or "close" in answer.header("connection").lower():
            await self.close()
        return answer

    async def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            with suppress(ConnectionError):
                await self._writer.wait_closed()
        self._reader = self._writer = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def read(reader: asyncio.StreamReader, *, head: bool = False, seconds: float = SECONDS) -> Answer:
    """The next answer on a connection; one with status 0 at its end. Raises TimeoutError when nothing comes."""
    answer = Answer()
    try:
        async with asyncio.timeout(seconds):
            raw = (await reader.readuntil(_END)).decode("latin-1")
            first, *lines = raw.rstrip("\r\n").split("\r\n")
            for line in lines:
                name, _, value = line.partition(":")
                answer.headers.setdefault(name.strip().lower(), []).append(value.strip())
            status = int(first.split(" ")[1])
            answer.body = b"" if head or status in BODILESS else await _body(reader, answer.headers)
            answer.status = status
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer()
    return answer


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, list[str]]) -> bytes:
    if length := headers.get("content-length"):
        return await reader.readexactly(int(length[0]))
    parts = []
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        parts.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return b"".join(parts)


async def talk(port: int, *parts: bytes, pause: float = 0.0, finish: bool = False, seconds: float = 10.0) -> bytes:
    """Sends the parts on a connection of their own and returns all that comes back until it is quiet or closed.

    `pause` seconds lie between the parts; `finish` ends our side after the last one.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    found = bytearray()
    with suppress(ConnectionError, TimeoutError):
        for part in parts:
            writer.write(part)
            await writer.drain()
            if pause:
                await asyncio.sleep(pause)
        if finish:
            writer.write_eof()
    with suppress(ConnectionError, TimeoutError):
        async with asyncio.timeout(seconds):
            while data := await reader.read(65536):
                found += data
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return bytes(found)

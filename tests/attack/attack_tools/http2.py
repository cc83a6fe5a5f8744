"""HTTP/2 by hand (RFC 9113, RFC 7541), to send what no library would: half frames, false lengths, streams without end."""

import asyncio
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
NO_ERROR, CANCEL, ENHANCE_YOUR_CALM = 0x0, 0x8, 0xB

Pair = tuple[bytes | str, bytes | str]


def frame(kind: int, payload: bytes = b"", *, flags: int = 0, stream: int = 0, length: int | None = None) -> bytes:
    """One frame; `length` lies about its size."""
    size = len(payload) if length is None else length
    return struct.pack(">I", size)[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    return frame(SETTINGS, b"".join(struct.pack(">HI", *pair) for pair in pairs))


HELLO = PREFACE + settings()


def block(pairs: Iterable[Pair]) -> bytes:
    """A header block of literals: no table, no Huffman code."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in pairs)


def request(path: str, *extra: Pair, method: str = "POST", timeout: str | None = "5S", **changes: str | None) -> bytes:
    """The header block of a gRPC call; `changes` replace a header (underscores for hyphens) or, as None, drop it."""
    pairs: dict[str, str | None] = {
        ":method": method,
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
        "grpc-timeout": timeout,
    }
    pairs |= {name.replace("_", "-"): value for name, value in changes.items()}
    return block([(name, value) for name, value in pairs.items() if value is not None] + list(extra))


def message(data: bytes, *, compressed: int = 0, length: int | None = None) -> bytes:
    """A gRPC message with its five-byte prefix; `length` lies about its size."""
    return struct.pack(">BI", compressed, len(data) if length is None else length) + data


def _text(value: bytes | str) -> bytes:
    raw = value if isinstance(value, bytes) else value.encode("latin-1")
    return _integer(len(raw), 7) + raw


def _integer(value: int, bits: int, mark: int = 0) -> bytes:
    most = (1 << bits) - 1
    if value < most:
        return bytes((mark | value,))
    out, value = bytearray((mark | most,)), value - most
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


# Of the static table, the names that answers use (RFC 7541, appendix A).
_STATIC = {**dict.fromkeys(range(8, 15), ":status"), 31: "content-type", 28: "content-length"}
_STATUS = dict(zip(range(8, 15), ("200", "204", "206", "304", "400", "404", "500"), strict=True))


class HeaderReader:
    """Decodes answers' header blocks; Huffman-coded values stay as they are, for nothing here looks at them."""

    def __init__(self) -> None:
        self._table: list[tuple[str, str]] = []

    def read(self, data: bytes) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        at = 0
        while at < len(data):
            first = data[at]
            if first & 0x80:
                index, at = _read_integer(data, at, 7)
                found.append(self._pair(index))
            elif first & 0xE0 == 0x20:
                _, at = _read_integer(data, at, 5)
            else:
                index, at = _read_integer(data, at, 6 if first & 0x40 else 4)
                if index:
                    name = self._pair(index)[0]
                else:
                    name, at = _read_text(data, at)
                value, at = _read_text(data, at)
                found.append((name, value))
                if first & 0x40:
                    self._table.insert(0, (name, value))
        return found

    def _pair(self, index: int) -> tuple[str, str]:
        if index > 61:
            return self._table[index - 62]
        return _STATIC.get(index, f"static-{index}"), _STATUS.get(index, "")


def _read_integer(data: bytes, at: int, bits: int) -> tuple[int, int]:
    most = (1 << bits) - 1
    value, at = data[at] & most, at + 1
    shift = 0
    while value >= most and (shift == 0 or data[at - 1] & 128):
        value += (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
    return value, at


def _read_text(data: bytes, at: int) -> tuple[str, int]:
    size, start = _read_integer(data, at, 7)
    return data[start : start + size].decode("latin-1"), start + size


@dataclass(slots=True)
class Reply:
    """What came back on one stream and on the connection. `status`: grpc-status, None without one."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reset: int | None = None
    goaway: int | None = None
    closed: bool = False

    @property
    def status(self) -> int | None:
        text = self.headers.get("grpc-status", "")
        return int(text) if text.isdigit() else None

    @property
    def ended(self) -> bool:
        """Whether the peer has said how the call ended."""
        told = self.status is not None or self.reset is not None or self.goaway is not None
        return told or self.closed or self.headers.get(":status", "200") != "200"


class Connection:
    """One connection; answers pings and settings unless told not to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.polite = True
        self._headers = HeaderReader()

    @classmethod
    async def open(cls, port: int, hello: bytes = HELLO) -> "Connection":
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        made = cls(reader, writer)
        await made.send(hello)
        return made

    async def send(self, *frames: bytes) -> None:
        with suppress(ConnectionError):  # refused already: what it said is still to be read
            self.writer.write(b"".join(frames))
            await self.writer.drain()

    async def next(self) -> tuple[int, int, int, bytes] | None:
        """(kind, flags, stream, payload) of the next frame; None at the end."""
        try:
            head = await self.reader.readexactly(9)
            payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, payload

    async def reply(self, stream: int = 1, seconds: float = 3.0) -> Reply:
        """Reads until the call or the connection has ended, or the time is over."""
        found = Reply()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not found.ended:
                    await self._take(found, stream)
        return found

    async def _take(self, found: Reply, wanted: int) -> None:
        got = await self.next()
        if got is None:
            found.closed = True
            return
        kind, flags, stream, payload = got
        if kind == SETTINGS and not flags & ACK and self.polite:
            await self.send(frame(SETTINGS, flags=ACK))
        elif kind == PING and not flags & ACK and self.polite:
            await self.send(frame(PING, payload, flags=ACK))
        elif kind == GOAWAY:
            code = int.from_bytes(payload[4:8], "big")
            # An announcement that a connection has grown old is not yet a refusal.
            found.goaway = code if code != NO_ERROR else found.goaway
        elif kind == HEADERS:
            pairs = self._headers.read(payload)
            if stream == wanted:
                found.headers.update(pairs)
        elif kind == RST_STREAM and stream == wanted:
            found.reset = int.from_bytes(payload[:4], "big")
        elif kind == DATA and stream == wanted:
            found.body += payload

    def close(self) -> None:
        self.writer.close()


async def ask(port: int, frames: Sequence[bytes], *, hello: bytes = HELLO, seconds: float = 3.0) -> Reply:
    """Sends the frames on a new connection and reads what becomes of stream 1."""
    connection = await Connection.open(port, hello)
    try:
        await connection.send(*frames)
        return await connection.reply(seconds=seconds)
    finally:
        connection.close()

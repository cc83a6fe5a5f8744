"""A light load process: connections that send prebuilt gRPC messages over HTTP/2 and wait for each answer.

    python -m bench.load_h2 PORT[,PORT…] CONNECTIONS STREAMS FILE

FILE holds messages (`load_http.pack`). The process connects, says `ready`, and for every line on its standard input, one
JSON object `{path, authorization, first, count, answers}`, sends that many messages from `first` on to `path`, STREAMS at a
time on each connection, and says what it saw as one JSON object. Answers are written to the file `answers` afterwards.

A gRPC client costs as much CPU as the server that is to be measured; this one costs about 20 µs a call. It speaks the
least of RFC 9113: one fixed header block (the dynamic table is refused, so that answers need no decoding either), data
within the windows, and the ends of streams.
"""

import json
import resource
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.load_http import LoadError, pack, unpack

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_TABLE_SIZE, _NO_PUSH, _STREAM_WINDOW = 1, 2, 4
_LARGEST_WINDOW: Final = 2**31 - 1
_FIRST_WINDOW: Final = 65_535
_LARGEST_FRAME: Final = 16_384
_SILENCE: Final = 20.0
# Written as plain literals, because the table is refused: name, its length before it, then the value's.
_SUCCEEDED: Final = b"\x0bgrpc-status\x010"


@dataclass(frozen=True, slots=True)
class Load:
    """What a load process saw. seconds: from the first message to the last answer; cpu_seconds: its own.

    succeeded: calls that ended with the status OK.
    """

    seconds: float
    cpu_seconds: float
    calls: int
    succeeded: int


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One HTTP/2 frame."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header_block(path: str, authorization: str, authority: str) -> bytes:
    """The header block of a gRPC call (RFC 7541), every field a literal that enters no table."""

    def text(value: str) -> bytes:
        raw = value.encode("ascii")
        if len(raw) < 127:
            return bytes((len(raw),)) + raw
        rest = len(raw) - 127
        more = b""
        while rest >= 128:
            more += bytes((rest & 127 | 128,))
            rest >>= 7
        return b"\x7f" + more + bytes((rest,)) + raw

    known = b"\x83\x86"  # POST, http
    fields = {
        "te": "trailers",
        "grpc-timeout": "20S",
        "content-type": "application/grpc",
        "authorization": authorization,
    }
    named = b"\x04" + text(path) + b"\x01" + text(authority)
    return known + named + b"".join(b"\x00" + text(name) + text(value) for name, value in fields.items())


def grpc_message(message: bytes) -> bytes:
    """A message as gRPC frames it: not compressed, its length before it."""
    return b"\x00" + len(message).to_bytes(4, "big") + message


class Connection:
    """One connection. `ended(stream, succeeded, data)` is called for every stream that ends."""

    def __init__(self, port: int, ended: Callable[[bool, bytes], None]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_SILENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ended = ended
        self._received = b""
        self._bodies: dict[int, bytes] = {}
        self._window = _FIRST_WINDOW
        self._held: deque[bytes] = deque()
        self._next = 1
        settings = struct.pack(">HIHIHI", _TABLE_SIZE, 0, _NO_PUSH, 0, _STREAM_WINDOW, _LARGEST_WINDOW)
        more = struct.pack(">I", _LARGEST_WINDOW - _FIRST_WINDOW)
        self.socket.sendall(_PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, more))

    def begin(self, headers: bytes, message: bytes) -> None:
        """Opens a stream that carries this message."""
        stream, self._next = self._next, self._next + 2
        self._bodies[stream] = b""
        parts = [message[at : at + _LARGEST_FRAME] for at in range(0, len(message), _LARGEST_FRAME)]
        frames = [frame(DATA, 0, stream, part) for part in parts[:-1]] + [frame(DATA, END_STREAM, stream, parts[-1])]
        opening = frame(HEADERS, END_HEADERS, stream, headers)
        if not self._held and len(message) <= self._window:
            self._window -= len(message)
            self.socket.sendall(opening + b"".join(frames))
            return
        self.socket.sendall(opening)
        self._held.extend(frames)
        self._release()

    def receive(self) -> None:
        """Reads what there is."""
        arrived = self.socket.recv(262_144)
        if not arrived:
            raise LoadError("a connection was closed before its answers")
        data, place = self._received + arrived, 0
        while len(data) - place >= 9:
            end = place + 9 + int.from_bytes(data[place : place + 3], "big")
            if end > len(data):
                break
            self._take(
                data[place + 3],
                data[place + 4],
                int.from_bytes(data[place + 5 : place + 9], "big"),
                data[place + 9 : end],
            )
            place = end
        self._received = data[place:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == DATA:
            self._bodies[stream] += payload
        elif kind == HEADERS:
            if flags & END_STREAM:
                self._ended(_SUCCEEDED in payload, self._bodies.pop(stream))
        elif kind == WINDOW_UPDATE:
            if stream == 0:
                self._window += int.from_bytes(payload, "big")
                self._release()
        elif kind in (SETTINGS, PING):
            if not flags & ACK:
                self.socket.sendall(frame(kind, ACK, 0, payload if kind == PING else b""))
        elif kind in (RST_STREAM, GOAWAY):
            raise LoadError(
                f"the server ended a stream or a connection ({'GOAWAY' if kind == GOAWAY else 'RST_STREAM'})"
            )

    def _release(self) -> None:
        while self._held and len(self._held[0]) - 9 <= self._window:
            part = self._held.popleft()
            self._window -= len(part) - 9
            self.socket.sendall(part)


class Driver:
    """All connections of the process."""

    def __init__(self, ports: Sequence[int], connections: int, streams: int) -> None:
        """`connections` to each of the ports, `streams` at a time on each."""
        self._streams = streams
        self._poll = select.epoll()
        self._by_number: dict[int, Connection] = {}
        self._answers: list[bytes] = []
        self._succeeded = 0
        self._freed = 0
        for port in [port for _ in range(connections) for port in ports]:
            made = Connection(port, self._ended)
            self._by_number[made.socket.fileno()] = made
            self._poll.register(made.socket.fileno(), select.EPOLLIN)

    def drive(self, headers: bytes, messages: Iterator[bytes]) -> tuple[Load, list[bytes]]:
        """Sends all messages; the answers come in the order in which they ended."""
        self._answers, self._succeeded, sent = [], 0, 0
        cpu, began = _cpu(), time.perf_counter()
        for connection in self._by_number.values():
            for _ in range(self._streams):
                sent += self._begin(connection, headers, messages)
        while len(self._answers) < sent:
            events = self._poll.poll(_SILENCE)
            if not events:
                raise LoadError(f"{sent - len(self._answers)} calls without an answer for {_SILENCE:.0f} s")
            for number, _ in events:
                self._freed = 0
                connection = self._by_number[number]
                connection.receive()
                for _ in range(self._freed):
                    sent += self._begin(connection, headers, messages)
        load = Load(time.perf_counter() - began, _cpu() - cpu, sent, self._succeeded)
        return load, self._answers

    def close(self) -> None:
        """Ends all connections."""
        self._poll.close()
        for connection in self._by_number.values():
            connection.socket.close()

    @staticmethod
    def _begin(connection: Connection, headers: bytes, messages: Iterator[bytes]) -> bool:
        message = next(messages, None)
        if message is None:
            return False
        connection.begin(headers, message)
        return True

    def _ended(self, succeeded: bool, body: bytes) -> None:  # noqa: FBT001 - a call's outcome
        self._freed += 1
        self._succeeded += succeeded
        self._answers.append(body)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    ports, connections, streams, file = sys.argv[1:5]
    messages = list(unpack(Path(file).read_bytes()))
    driver = Driver([int(port) for port in ports.split(",")], int(connections), int(streams))
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        headers = header_block(wanted["path"], wanted["authorization"], "127.0.0.1")
        part = messages[wanted["first"] : wanted["first"] + wanted["count"]]
        load, answers = driver.drive(headers, iter(part))
        Path(wanted["answers"]).write_bytes(pack(answers))
        print(json.dumps(asdict(load)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

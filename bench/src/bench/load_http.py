"""A light load process: keep-alive connections that send prebuilt HTTP/1.1 requests and wait for each answer.

    python -m bench.load_http HOST PORT CONNECTIONS FILE MARK

FILE holds requests, each behind its length (u32, big-endian). The process connects, says `ready`, waits for a line on its
standard input, sends every request once, and says what it saw as one JSON object. It costs about 15 µs of CPU a request.
"""

import json
import resource
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_SILENCE = 20.0


class LoadError(Exception):
    """The server closed a connection, said nothing for long, or spoke something that is not HTTP/1.1 as we expect it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load process saw. seconds: from the first request to the last answer; cpu_seconds: its own.

    statuses: answers by HTTP status. marked: answers of status 200 that hold the mark.
    """

    seconds: float
    cpu_seconds: float
    statuses: dict[str, int]
    marked: int


def pack(requests: Iterable[bytes]) -> bytes:
    """Requests as FILE holds them."""
    return b"".join([len(request).to_bytes(4, "big") + request for request in requests])


def unpack(data: bytes) -> Iterator[bytes]:
    """The inverse of `pack`."""
    place = 0
    while place < len(data):
        end = place + 4 + int.from_bytes(data[place : place + 4], "big")
        yield data[place + 4 : end]
        place = end


def whole(answer: bytes) -> bool:
    """Whether these bytes are one whole answer. Raises LoadError when they are more than one, or have no length."""
    head = answer.find(_HEAD_END)
    if head < 0:
        return False
    place = answer[:head].lower().find(_LENGTH)
    if place < 0:
        raise LoadError("an answer without a content-length")
    place += len(_LENGTH)
    end = answer.find(b"\r", place)
    missing = head + len(_HEAD_END) + int(answer[place:end]) - len(answer)
    if missing < 0:
        raise LoadError("more than one answer to a request")
    return missing == 0


def drive(sockets: list[socket.socket], requests: Iterator[bytes], mark: bytes) -> Load:
    """Sends all requests, one at a time on each connection."""
    poll = select.epoll()
    by_number = {each.fileno(): each for each in sockets}
    parts: dict[int, bytes] = {}
    statuses: Counter[str] = Counter()
    marked = waiting = 0
    cpu, began = _cpu(), time.perf_counter()
    for number, each in by_number.items():
        if (request := next(requests, None)) is not None:
            poll.register(number, select.EPOLLIN)
            each.sendall(request)
            waiting += 1
    while waiting:
        events = poll.poll(_SILENCE)
        if not events:
            raise LoadError(f"{waiting} requests without an answer for {_SILENCE:.0f} s")
        for number, _ in events:
            received = by_number[number].recv(65536)
            if not received:
                raise LoadError("a connection was closed before its answer")
            answer = parts.pop(number, b"") + received
            if not whole(answer):
                parts[number] = answer
                continue
            waiting -= 1
            statuses[answer[9:12].decode("ascii")] += 1
            marked += answer[9:12] == b"200" and mark in answer
            if (request := next(requests, None)) is not None:
                by_number[number].sendall(request)
                waiting += 1
    return Load(time.perf_counter() - began, _cpu() - cpu, dict(statuses), marked)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> int:
    host, port, connections, file = sys.argv[1:5]
    mark = sys.argv[5].encode()
    requests = list(unpack(Path(file).read_bytes()))
    sockets = [socket.create_connection((host, int(port)), timeout=_SILENCE) for _ in range(int(connections))]
    for each in sockets:
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    print("ready", flush=True)
    if not sys.stdin.readline():
        return 1
    print(json.dumps(asdict(drive(sockets, iter(requests), mark))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Slow senders, clients that never read, churn, resets, pings and settings without end: others are served all along."""

import asyncio
import socket
from contextlib import suppress

import pytest
from attack_tools import http2
from attack_tools.http2 import (
    CANCEL,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    HELLO,
    PING,
    RST_STREAM,
    frame,
    message,
    settings,
)

pytestmark = [pytest.mark.slow, pytest.mark.feature("R9")]
SCAN = "/lilitong.checkpoint.v1.ScanService/Scan"
SYNC = "/lilitong.checkpoint.v1.ScanService/Sync"
SLOW = 150
SECONDS = 4.0
MIB = 150
"""What a flood of this size may take of a server's memory: far less than what is sent to it, and the same however long it lasts."""


async def drip(port, data, seconds):
    """One byte a second, and then the end of patience."""
    with suppress(ConnectionError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        for at in range(int(seconds)):
            writer.write(data[at : at + 1])
            await writer.drain()
            await asyncio.sleep(1)
        writer.close()


async def churn(port, hello, seconds):
    """Opens, greets and leaves, as fast as it can."""
    loop = asyncio.get_running_loop()
    end, count = loop.time() + seconds, 0
    while loop.time() < end:
        with suppress(ConnectionError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(hello)
            writer.transport.abort()
            count += 1
        await asyncio.sleep(0)
    return count


async def flood(port, make, seconds):
    """Writes frames on one connection after the other until the time is over; never reads."""
    loop = asyncio.get_running_loop()
    end, stream = loop.time() + seconds, 1
    while loop.time() < end:
        with suppress(ConnectionError, TimeoutError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(HELLO)
            for _ in range(20):
                writer.write(b"".join(make(stream + 2 * at) for at in range(100)))
                stream += 200
                async with asyncio.timeout(1):
                    await writer.drain()
                await asyncio.sleep(0.01)
            writer.transport.abort()
        stream = 1


def head(path, auth, stream, **options):
    return frame(HEADERS, http2.request(path, *auth, timeout="60S"), flags=END_HEADERS, stream=stream, **options)


def rapid_reset(stream):
    cancel = frame(RST_STREAM, CANCEL.to_bytes(4, "big"), stream=stream)
    return frame(HEADERS, http2.request(SCAN), flags=END_HEADERS, stream=stream) + cancel


FLOODS = {
    "HTTP/2, a byte a second": ("checkpoint", lambda p: [drip(p, HELLO, SECONDS) for _ in range(SLOW)]),
    "HTTP/2 headers, a byte a second": ("checkpoint", lambda p: [drip_after(p, SECONDS) for _ in range(SLOW)]),
    "HTTP/1.1, a byte a second": ("gateway", lambda p: [drip(p, b"GET /v1/venues HTTP/1.1\r\n", SECONDS) for _ in range(SLOW)]),
    "a body, a byte a second": ("gateway", lambda p: [drip_body(p, SECONDS) for _ in range(SLOW)]),
    "churn of gRPC connections": ("checkpoint", lambda p: [churn(p, HELLO, SECONDS) for _ in range(4)]),
    "churn of HTTP/1.1 connections": ("gateway", lambda p: [churn(p, b"GET /healthz HTTP/1.1\r\n", SECONDS) for _ in range(4)]),
    "rapid resets": ("checkpoint", lambda p: [flood(p, rapid_reset, SECONDS)]),
    "pings": ("checkpoint", lambda p: [flood(p, lambda _: frame(PING, b"12345678"), SECONDS)]),
    "settings": ("checkpoint", lambda p: [flood(p, lambda _: settings((3, 1), (4, 1 << 20)), SECONDS)]),
    "answers never read, HTTP/1.1": ("gateway", lambda p: [unread(p, SECONDS) for _ in range(SLOW)]),
}  # fmt: skip


async def drip_after(port, seconds):
    with suppress(ConnectionError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HELLO)
        data = frame(HEADERS, http2.request(SCAN), flags=END_HEADERS, stream=1)
        for at in range(int(seconds)):
            writer.write(data[at : at + 1])
            await asyncio.sleep(1)
        writer.close()


async def drip_body(port, seconds):
    with suppress(ConnectionError):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"POST /v1/check-ins HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n"
        )
        for _ in range(int(seconds)):
            writer.write(b" ")
            await asyncio.sleep(1)
        writer.close()


async def unread(port, seconds):
    """Asks fifty times for a large answer and reads none."""
    own = socket.socket()
    own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    own.setblocking(False)
    with suppress(ConnectionError):
        await asyncio.get_running_loop().sock_connect(own, ("127.0.0.1", port))
        with suppress(BlockingIOError):
            own.send(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 50)
        await asyncio.sleep(seconds)
    own.close()


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_shuts_nobody_out(name, stack, memory, ordinary):
    server, make = FLOODS[name]
    watched = memory(server)
    async with watched.watch(), ordinary.at_work() as honest:
        await asyncio.gather(*make(stack.children[server].listen))
    print(f"{name}: {watched}; {sum(map(len, honest.answers.values()))} answers, the slowest {slowest(honest):.2f} s")
    assert not honest.failures
    assert all(len(times) >= 5 for times in honest.answers.values())
    assert watched.most - watched.before < MIB


async def test_scanners_that_never_read_shut_nobody_out(stack, memory, ordinary):
    """Each opens Sync and asks for scans, with a window of nothing, and reads no frame at all."""
    port, watched, auth = stack.children["checkpoint"].listen, memory("checkpoint"), ordinary.authorization()
    hello = http2.PREFACE + settings((4, 0))
    connections = []
    async with watched.watch(), ordinary.at_work() as honest:
        for _ in range(100):
            connection = await http2.Connection.open(port, hello)
            connections.append(connection)
            await connection.send(head(SYNC, auth, 1), frame(DATA, message(b""), flags=END_STREAM, stream=1))
            calls = (
                head(SCAN, auth, 3 + 2 * at)
                + frame(DATA, message(b"\x0a\x08" + at.to_bytes(8, "big")), flags=END_STREAM, stream=3 + 2 * at)
                for at in range(20)
            )
            await connection.send(*calls)
        await asyncio.sleep(SECONDS)
    print(f"{watched}; {sum(map(len, honest.answers.values()))} answers, the slowest {slowest(honest):.2f} s")
    for connection in connections:
        connection.close()
    assert not honest.failures
    assert watched.most - watched.before < MIB


def slowest(honest):
    return max(max(times) for times in honest.answers.values())

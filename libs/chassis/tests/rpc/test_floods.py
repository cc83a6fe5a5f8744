"""Strangers on the socket: how many connections, calls and pings, and how long a silent one stays. By hand, as no client would."""

import asyncio
import struct

import grpc
import pytest
from chassis.rpc import server as serving
from chassis.rpc.channel import connect

pytestmark = pytest.mark.feature("R9")
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
SETTINGS, PING, GOAWAY, MAX_STREAMS_SETTING = 4, 6, 7, 3
ASK = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00" + b"12345678"


async def opened(port, hello=HELLO):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(hello)
    return reader, writer


async def frames(reader, seconds=1.0):
    """(kind, flags, payload) of what comes, to the end of the connection or of the time."""
    found = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                head = await reader.readexactly(9)
                found.append((head[3], head[4], await reader.readexactly(int.from_bytes(head[:3], "big"))))
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        return found


async def test_pings_that_queued_up_during_a_freeze_are_answered(serve):
    running = await serve()
    reader, writer = await opened(running.port)
    writer.write(ASK * serving._PING_STRIKES)
    seen = [kind for kind, _, _ in await frames(reader)]
    assert (seen.count(PING), seen.count(GOAWAY)) == (serving._PING_STRIKES, 0)
    writer.close()


async def test_a_flood_of_pings_ends_the_connection(serve, world):
    running = await serve()
    reader, writer = await opened(running.port)
    writer.write(ASK * 500)
    ends = [payload for kind, _, payload in await frames(reader) if kind == GOAWAY]
    assert any(b"too_many_pings" in payload for payload in ends)
    writer.close()
    assert (await running.stub.Open(world.Ask(text="still here"), timeout=5)).text == "still here"


async def test_both_ends_agree_on_pings(serve, monkeypatch):
    """The channel asks far more rarely than the server allows, and both may ask without a call."""
    given = {}

    def channel(_target, options):
        given.update(options)
        return grpc.aio.Channel

    monkeypatch.setattr(grpc.aio, "insecure_channel", channel)
    connect("127.0.0.1:1", name="test")
    server = dict(serving.Server("127.0.0.1:0")._options)
    least = server["grpc.http2.min_recv_ping_interval_without_data_ms"]
    assert given["grpc.keepalive_time_ms"] >= 4 * least
    assert given["grpc.keepalive_permit_without_calls"] == server["grpc.keepalive_permit_without_calls"] == 1
    assert server["grpc.keepalive_time_ms"] >= 4 * least


async def test_connections_are_bounded_and_a_place_that_is_left_is_free_again(serve, monkeypatch):
    monkeypatch.setattr(serving, "MAX_CONNECTIONS", 20)
    running = await serve()
    pairs = [await opened(running.port) for _ in range(30)]
    alive = [
        pair for pair, seen in zip(pairs, await asyncio.gather(*(frames(r) for r, _ in pairs)), strict=True) if seen
    ]
    assert len(alive) == 20
    for _, writer in pairs:
        writer.close()
    await asyncio.sleep(0.1)
    reader, writer = await opened(running.port)
    assert await frames(reader)
    writer.close()


async def test_who_connects_and_says_nothing_is_let_go(serve, monkeypatch):
    monkeypatch.setattr(serving, "_HANDSHAKE", 0.3)
    running = await serve()
    reader, writer = await opened(running.port, hello=b"")
    async with asyncio.timeout(3):
        while await reader.read(1000):  # its own settings come first
            pass
    writer.close()


async def test_a_connection_is_told_how_many_calls_it_may_have(serve):
    running = await serve()
    reader, writer = await opened(running.port)
    told = dict(
        struct.iter_unpack(">HI", next(payload for kind, _, payload in await frames(reader) if kind == SETTINGS))
    )
    assert told[MAX_STREAMS_SETTING] == serving.MAX_STREAMS
    writer.close()


async def test_calls_beyond_the_bound_wait_or_are_tried_again(serve, world, monkeypatch):
    monkeypatch.setattr(serving, "MAX_STREAMS", 10)
    running = await serve()
    async with connect(f"127.0.0.1:{running.port}", name="test", retry=[world.SERVICE]) as channel:
        stub = world.Stub(channel)
        await stub.Open(world.Ask())  # the first answer brings the bound
        answers = await asyncio.gather(*(stub.Open(world.Ask(text="sleep:0.05")) for _ in range(40)))
    assert {answer.text for answer in answers} == {"sleep:0.05"}

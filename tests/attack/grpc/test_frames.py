"""Below messages: frames, prefixes, headers and time-outs as no client library would send them. By hand, on fresh connections.

Whatever breaks HTTP/2 or gRPC's framing is answered by the library before any code of ours is reached, with the statuses that gRPC
prescribes for a broken transport; those texts are fixed and listed here. What matters is that nothing is served, that the call or the
connection ends, and that the next caller is served.
"""

import asyncio
import struct
import zlib

import pytest
import pytest_asyncio
from access_matrix.samples import places
from access_matrix.world import HOME, World
from attack_tools import http2
from attack_tools.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    HELLO,
    PADDED,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    WINDOW_UPDATE,
    ask,
    frame,
    message,
    settings,
)

pytestmark = [pytest.mark.slow, pytest.mark.feature("R9")]
PATH = "/lilitong.checkpoint.v1.PostService/RegisterPost"
OK, CANCELLED, INVALID, DEADLINE, EXHAUSTED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = (
    0,
    1,
    3,
    4,
    8,
    12,
    13,
    14,
    16,
)
LIBRARYS = (
    "Decompression failed", "Error parsing 'grpc-", "Failed parsing HTTP/2", "Illegal header", "Metadata keys cannot",
    "Error parsing 'x-", "Compression algorithm",
)  # fmt: skip
"""How the library's own INTERNAL answers begin."""


class Sender:
    """Good parts of a call that registers a post, to put together wrongly."""

    def __init__(self, stage):
        self.port = stage.stack.children["checkpoint"].listen
        self.auth = ("authorization", stage.callers.person("checkpoint_lead", [HOME])["authorization"])
        self.body = places.register_post(World(), "").SerializeToString()

    def head(self, *extra, flags=END_HEADERS, stream=1, auth=True, path=PATH, **changes):
        pairs = (self.auth, *extra) if auth else extra
        return frame(HEADERS, http2.request(path, *pairs, **changes), flags=flags, stream=stream)

    def data(self, raw=None, *, flags=END_STREAM, stream=1):
        return frame(DATA, message(self.body) if raw is None else raw, flags=flags, stream=stream)


@pytest_asyncio.fixture(loop_scope="session", name="sender")
async def _sender(stage):
    return Sender(stage)


async def test_the_good_call_is_served(sender, stage):
    reply = await ask(sender.port, [sender.head(), sender.data()])
    assert (reply.status, bool(reply.body)) == (OK, True)
    await stage.at_rest()


def bomb(megabytes):
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packed.compress(bytes(1 << 20)) for _ in range(megabytes)) + packed.flush()


UNFINISHED = {
    "headers, then nothing": lambda s: [s.head(timeout="500m")],
    "headers that end the stream": lambda s: [s.head(flags=END_HEADERS | END_STREAM, timeout="500m")],
    "data without an end": lambda s: [s.head(timeout="500m"), s.data(message(s.body)[:-1], flags=0)],
    "an empty message frame": lambda s: [s.head(timeout="500m"), s.data(b"")],
    "half a prefix": lambda s: [s.head(timeout="500m"), s.data(b"\0\0")],
    "a prefix without its message": lambda s: [s.head(timeout="500m"), s.data(struct.pack(">BI", 0, 50))],
    "a length beyond what comes": lambda s: [s.head(timeout="500m"), s.data(message(s.body, length=len(s.body) + 1))],
    "a frame longer than what comes": lambda s: [s.head(timeout="500m"), frame(DATA, b"x", stream=1, length=1000)],
}
"""Nothing to serve yet: the deadline ends it, or the connection's own end does."""

REFUSED = {
    "a length of 2 GiB": (lambda s: [s.head(), s.data(message(s.body, length=1 << 31))], {EXHAUSTED}),
    "a length of all ones": (lambda s: [s.head(), s.data(message(s.body, length=2**32 - 1))], {EXHAUSTED}),
    "a length too short": (lambda s: [s.head(), s.data(message(s.body, length=5))], {INVALID}),
    "no message in it": (lambda s: [s.head(), s.data(message(b""))], {INVALID}),
    "packed with garbage": (lambda s: [s.head(("grpc-encoding", "gzip")), s.data(message(b"garbage", compressed=1))], {INTERNAL}),
    "packed, cut short": (lambda s: [s.head(("grpc-encoding", "gzip")), s.data(message(bomb(1)[:-9], compressed=1))], {INTERNAL}),
    "packed, 16 MB of nothing": (lambda s: [s.head(("grpc-encoding", "gzip")), s.data(message(bomb(16), compressed=1)[:16_384], flags=0), s.data(message(bomb(16), compressed=1)[16_384:])], {EXHAUSTED, INTERNAL}),
    "packed in a way that nobody knows": (lambda s: [s.head(("grpc-encoding", "br")), s.data(message(s.body, compressed=1))], {INTERNAL, UNIMPLEMENTED}),
    "no deadline": (lambda s: [s.head(timeout=None), s.data()], {INVALID}),
    "a deadline of nothing": (lambda s: [s.head(timeout="0S"), s.data()], {DEADLINE}),
    "a deadline in the past": (lambda s: [s.head(timeout="-1S"), s.data()], {INTERNAL}),
    "a deadline that is a word": (lambda s: [s.head(timeout="soon"), s.data()], {INTERNAL}),
    "a deadline without a unit": (lambda s: [s.head(timeout="5"), s.data()], {INTERNAL}),
    "a deadline of an unknown unit": (lambda s: [s.head(timeout="5d"), s.data()], {INTERNAL}),
    "an empty deadline": (lambda s: [s.head(timeout=""), s.data()], {INTERNAL, INVALID}),
    "no credentials": (lambda s: [s.head(auth=False), s.data()], {UNAUTHENTICATED}),
    "credentials twice": (lambda s: [s.head(s.auth), s.data()], {INVALID}),
    "credentials not ASCII": (lambda s: [s.head(("authorization", "Bearer \xe9\xff"), auth=False), s.data()], {UNAUTHENTICATED}),
    "credentials after a tab": (lambda s: [s.head(("authorization", f"Bearer\t{s.auth[1][7:]}"), auth=False), s.data()], {UNAUTHENTICATED, INTERNAL}),
    "credentials with a zero byte": (lambda s: [s.head(("authorization", "Bearer a\0b"), auth=False), s.data()], {UNAUTHENTICATED, INTERNAL}),
    "a purpose with a line end": (lambda s: [s.head(("x-purpose", "tracing\nx"), ("x-purpose-ref", "case-1")), s.data()], {INVALID, INTERNAL}),
    "a purpose of 100 letters": (lambda s: [s.head(("x-purpose", "p" * 100), ("x-purpose-ref", "case-1")), s.data()], {INVALID}),
    "a purpose not ASCII": (lambda s: [s.head(("x-purpose", "\xe8\xbf\xbd"), ("x-purpose-ref", "case-1")), s.data()], {INVALID, INTERNAL}),
    "half a purpose": (lambda s: [s.head(("x-purpose-ref", "case-1")), s.data()], {INVALID}),
    "a purpose twice": (lambda s: [s.head(("x-purpose", "tracing"), ("x-purpose", "care"), ("x-purpose-ref", "c")), s.data()], {INVALID}),
    "binary metadata that is none": (lambda s: [s.head(("x-odd-bin", "!!!")), s.data()], {INTERNAL}),
    "a header in capitals": (lambda s: [s.head(("X-Upper", "a")), s.data()], {INTERNAL}),
    "a header without a name": (lambda s: [s.head(("", "a")), s.data()], {INTERNAL}),
    "a method that does not exist": (lambda s: [s.head(path="/lilitong.checkpoint.v1.PostService/DropTables"), s.data()], {UNIMPLEMENTED}),
    "a service that does not exist": (lambda s: [s.head(path="/lilitong.admin.v1.Root/Open"), s.data()], {UNIMPLEMENTED}),
    "another service's method": (lambda s: [s.head(path="/lilitong.venue.v1.VenueService/RegisterVenue"), s.data()], {UNIMPLEMENTED}),
    "a path in small letters": (lambda s: [s.head(path=PATH.lower()), s.data()], {UNIMPLEMENTED}),
    "a path with more behind": (lambda s: [s.head(path=f"{PATH}/x"), s.data()], {UNIMPLEMENTED}),
    "a path with a query": (lambda s: [s.head(path=f"{PATH}?x=1"), s.data()], {UNIMPLEMENTED}),
    "a path up the tree": (lambda s: [s.head(path=f"/x/..{PATH}"), s.data()], {UNIMPLEMENTED}),
    "an empty path": (lambda s: [s.head(path=""), s.data()], {UNIMPLEMENTED}),
    "a path of 6,000 letters": (lambda s: [s.head(path="/" + "x" * 6000), s.data()], {UNIMPLEMENTED, EXHAUSTED}),
    "GET": (lambda s: [s.head(method="GET"), s.data()], {None, INTERNAL, UNIMPLEMENTED}),
    "no path": (lambda s: [s.head(**{":path": None}), s.data()], {None, INTERNAL}),
    "no TE": (lambda s: [s.head(te=None), s.data()], {None, INTERNAL}),
    "headers of 20 kB": (lambda s: [s.head(("x-big", "a" * 16_000)), s.data()], {None, EXHAUSTED}),
}  # fmt: skip
"""→ the statuses that it may be answered with; None: the stream or the connection is ended without one."""

PROTOCOL = {
    "another preface": (PREFACE.replace(b"SM", b"XX"), lambda _: []),
    "HTTP/1.1": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", lambda _: []),
    "TLS to a port without": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), lambda _: []),
    "rubbish": (b"\xff" * 200, lambda _: []),
    "settings first of all missing": (PREFACE, lambda s: [s.head(flags=END_HEADERS | END_STREAM)]),
    "settings of an odd length": (HELLO, lambda _: [frame(http2.SETTINGS, b"123")]),
    "settings out of bounds": (HELLO, lambda _: [settings((4, 0xFFFFFFFF))]),
    "settings on a stream": (HELLO, lambda _: [frame(http2.SETTINGS, stream=1)]),
    "a frame too large": (HELLO, lambda s: [s.head(), frame(DATA, b"x" * 100, stream=1, length=0xFFFFFF)]),
    "data on a stream that is not open": (HELLO, lambda s: [s.data(stream=5)]),
    "data on no stream": (HELLO, lambda s: [s.data(stream=0)]),
    "headers on no stream": (HELLO, lambda s: [s.head(stream=0)]),
    "headers on an even stream": (HELLO, lambda s: [s.head(stream=2), s.data(stream=2)]),
    "headers twice": (HELLO, lambda s: [s.head(timeout="500m"), s.head(timeout="500m"), s.head(timeout="500m")]),
    "a stream below the last": (HELLO, lambda s: [s.head(stream=9, timeout="500m"), s.head(stream=1), s.data()]),
    "data amid headers": (HELLO, lambda s: [s.head(flags=0), s.data()]),
    "a continuation of nothing": (HELLO, lambda _: [frame(CONTINUATION, flags=END_HEADERS, stream=1)]),
    "continuations without end": (HELLO, lambda s: [s.head(flags=0)] + [frame(CONTINUATION, http2.block([("x-a", "b" * 50)]), stream=1)] * 400),
    "a table index that is none": (HELLO, lambda _: [frame(HEADERS, b"\xff\xff\xff\x7f", flags=END_HEADERS, stream=1)]),
    "a header block cut short": (HELLO, lambda s: [frame(HEADERS, http2.request(PATH)[:-5], flags=END_HEADERS, stream=1)]),
    "a table of 2 GiB": (HELLO, lambda s: [frame(HEADERS, b"\x3f\xff\xff\xff\xff\x07" + http2.request(PATH), flags=END_HEADERS, stream=1)]),
    "padding longer than the frame": (HELLO, lambda s: [s.head(), frame(DATA, b"\xffabc", flags=PADDED, stream=1)]),
    "a window of nothing more": (HELLO, lambda s: [s.head(), frame(WINDOW_UPDATE, bytes(4), stream=1)]),
    "a window beyond its bound": (HELLO, lambda _: [frame(WINDOW_UPDATE, b"\x7f\xff\xff\xff")] * 3),
    "a ping of an odd length": (HELLO, lambda _: [frame(PING, b"1")]),
    "a reset of what is not open": (HELLO, lambda _: [frame(RST_STREAM, bytes(4), stream=9)]),
    "a promise from a client": (HELLO, lambda _: [frame(PUSH_PROMISE, b"\0\0\0\2", flags=END_HEADERS, stream=1)]),
    "goodbye, then a call": (HELLO, lambda s: [frame(GOAWAY, bytes(8)), s.head(timeout="500m")]),
    "frames of no known kind": (HELLO, lambda _: [frame(kind, b"abc", stream=1) for kind in range(20, 250)]),
    "a dependency on itself": (HELLO, lambda _: [frame(http2.PRIORITY, b"\0\0\0\1\0", stream=1)]),
}  # fmt: skip
"""(what is said first, then): no call at all comes of it."""


async def served(sender):
    """Somebody else is served at once."""
    reply = await ask(sender.port, [sender.head(), sender.data(message(b""))])
    assert reply.status == INVALID


@pytest.mark.parametrize("name", UNFINISHED)
async def test_what_never_comes_is_not_waited_for_beyond_its_deadline(name, sender, stage):
    connection = await http2.Connection.open(sender.port)
    try:
        await connection.send(*UNFINISHED[name](sender))
        reply = await connection.reply(seconds=0.3)
        assert not reply.ended or reply.status == DEADLINE
        await served(sender)
        late = reply if reply.ended else await connection.reply(seconds=1.2)
        assert late.status in {None, DEADLINE}
    finally:
        connection.close()
    assert not await stage.grown()


@pytest.mark.parametrize("name", REFUSED)
async def test_a_broken_call_is_refused(name, sender, stage):
    make, statuses = REFUSED[name]
    reply = await ask(sender.port, make(sender))
    assert reply.ended
    assert reply.status in statuses
    assert not reply.body
    if reply.status == INTERNAL:
        assert reply.headers["grpc-message"].startswith(LIBRARYS)
    await served(sender)
    assert not await stage.grown()


@pytest.mark.parametrize("name", PROTOCOL)
async def test_what_is_no_protocol_leads_to_no_call(name, sender, stage):
    hello, make = PROTOCOL[name]
    reply = await ask(sender.port, make(sender), hello=hello, seconds=0.7)
    assert reply.status in {None, DEADLINE, INVALID, INTERNAL, UNAVAILABLE, EXHAUSTED}
    assert not reply.body
    if reply.status == INTERNAL:
        assert reply.headers["grpc-message"].startswith(LIBRARYS)
    await served(sender)
    assert not await stage.grown()


async def test_a_hundred_broken_connections_at_once_disturb_nobody(sender, stage):
    makes = [make for make, _ in REFUSED.values()] * 3
    await asyncio.gather(*(ask(sender.port, make(sender)) for make in makes))
    await served(sender)
    assert not await stage.grown()

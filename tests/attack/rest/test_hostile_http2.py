"""The same by HTTP/2: what breaks its rules ends the stream or the connection, and never becomes a request."""

from uuid import uuid4

import pytest
from attack_tools.http2 import DATA, END_HEADERS, END_STREAM, HEADERS, Connection, block, frame

pytestmark = [pytest.mark.feature("R9")]
ID = "fefa8f19-29be-5cd4-8c6f-b2a09488bb52"
BODY = f'{{"case_id":"{ID}","resident_id":"{ID}","note":"x"}}'.encode()

# What is wrong → changes of the header block (None drops one), further headers.
BROKEN = {
    "a length too short": ({"content-length": "5"}, []),
    "a length too long": ({"content-length": "500"}, []),
    "chunks": ({}, [("transfer-encoding", "chunked")]),
    "a header of the connection": ({}, [("connection", "close")]),
    "capitals": ({}, [("X-Note", "1")]),
    "a path without a slash": ({":path": "v1/cases"}, []),
    "no path": ({":path": None}, []),
    "an empty path": ({":path": ""}, []),
    "a new line in the path": ({":path": "/v1/cases\r\nx-note: 1"}, []),
    "a new line in a header": ({}, [("x-note", "1\r\nauthorization: x")]),
    "NUL in a header": ({}, [("x-note", "1\x00")]),
    "two paths": ({}, [(":path", "/healthz")]),
    "a path at the end": ({":path": None}, [(":path", "/v1/cases")]),
    "another protocol": ({}, [(":protocol", "websocket")]),
    "a tunnel with a path": ({":method": "CONNECT"}, []),
}
WAYS = [("tracer", "/v1/cases"), ("app_backend", "/v1/check-ins")]


async def ask(stack, role, path, changes, extra, body=BODY, *, trailers=()):
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "gateway",
        "authorization": f"Bearer {stack.token(role)}",
        "idempotency-key": str(uuid4()),
        "content-type": "application/json",
    } | changes
    head = [*((name, value) for name, value in fields.items() if value is not None), *extra]
    connection = await Connection.open(stack.children["gateway"].listen)
    await connection.send(frame(HEADERS, block(head), flags=END_HEADERS, stream=1))
    if trailers:
        await connection.send(frame(DATA, body, stream=1))
        await connection.send(frame(HEADERS, block(trailers), flags=END_HEADERS | END_STREAM, stream=1))
    else:
        await connection.send(frame(DATA, body, flags=END_STREAM, stream=1))
    reply = await connection.reply()
    connection.writer.close()
    return reply


@pytest.mark.parametrize("name", BROKEN)
async def test_a_request_that_breaks_the_protocol_is_not_answered_as_one(stack, name):
    changes, extra = BROKEN[name]
    for role, path in WAYS:
        reply = await ask(stack, role, path, changes, extra)
        assert ":status" not in reply.headers
        assert reply.reset is not None or reply.goaway is not None or reply.closed


async def test_a_decisive_header_sent_twice_is_refused(stack):
    for role, path in WAYS:
        for name in ("authorization", "idempotency-key", "content-type"):
            reply = await ask(stack, role, path, {}, [(name, "x")])
            assert reply.headers[":status"] == "400"


@pytest.mark.parametrize("name", ["authorization", "idempotency-key", ":path"])
async def test_trailers_decide_nothing(stack, name):
    """Who asks, where and under which key stands in the head; what comes behind the body is not read."""
    for role, path in WAYS:
        reply = await ask(stack, role, path, {} if name == ":path" else {name: None}, [], trailers=[(name, "/healthz")])
        # 401 comes Huffman-coded, which the reader leaves alone; 200 and 404 would be answers to somebody let in.
        assert reply.headers[":status"] not in {"200", "404"}
        assert reply.headers[":status"] == "400" or name == "authorization"


async def test_the_body_is_judged_as_by_http_1(stack):
    for role, path in WAYS:
        reply = await ask(stack, role, path, {}, [], b'{"a":1,"a":2}')
        assert reply.headers[":status"] == "400"

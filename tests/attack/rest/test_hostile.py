"""Requests that no honest program sends, byte by byte: each gets a clear refusal, or its connection is closed; nothing else happens."""

import asyncio
import json
from uuid import uuid4

import httpx
import pytest
from rest_attack import stored, wire
from rest_attack.judging import problem_faults
from rest_attack.wire import request

pytestmark = [pytest.mark.feature("R9")]
MARK = "leakprobe7f3a"
ID = "fefa8f19-29be-5cd4-8c6f-b2a09488bb52"
JSON = ("content-type", "application/json")
GOOD = f'{{"case_id":"{ID}","resident_id":"{ID}","note":"{MARK}"}}'.encode()
NOT_JSON, NOT_REQUEST = (400, "MALFORMED_JSON"), (400, "INVALID_REQUEST")

BODIES = {
    "nested lists": (b"[" * 200_000, NOT_JSON),
    "nested objects": (b'{"a":' * 5000 + b"1" + b"}" * 5000, NOT_JSON),
    "nested as deep as the parser goes": (b'{"a":' * 1000 + b"1" + b"}" * 1000, (400, None)),
    "a list": (b"[]", NOT_REQUEST),
    "a text": (f'"{MARK}"'.encode(), NOT_REQUEST),
    "null": (b"null", NOT_REQUEST),
    "nothing": (b"", NOT_REQUEST),
    "a number of 5000 digits": (b'{"case_id":' + b"9" * 5000 + b"}", NOT_JSON),
    "a number beyond a float": (b'{"case_id":1e999}', NOT_JSON),
    "a long fraction": (b'{"case_id":0.' + b"1" * 5000 + b"}", NOT_REQUEST),
    "NaN": (b'{"case_id":NaN}', NOT_JSON),
    "Infinity": (b'{"case_id":-Infinity}', NOT_JSON),
    "a field twice": (
        f'{{"case_id":"{ID}","case_id":"{MARK}","resident_id":"{ID}"}}'.encode(),
        (400, "REPEATED_FIELD"),
    ),
    "a field twice, escaped": (rb'{"case_id":"a","case\u005fid":"b"}', (400, "REPEATED_FIELD")),
    "a byte order mark": (b"\xef\xbb\xbf" + GOOD, NOT_JSON),
    "UTF-16": (GOOD.decode().encode("utf-16"), NOT_JSON),
    "a lone surrogate": (rb'{"case_id":"\ud800"}', NOT_JSON),
    "a lone surrogate in UTF-8": (b'{"case_id":"\xed\xa0\x80"}', NOT_JSON),
    "invalid UTF-8": (b'{"case_id":"\xff\xfe"}', NOT_JSON),
    "an overlong encoding": (b'{"case_id":"\xc0\xaf"}', NOT_JSON),
    "U+0000": (rb'{"case_id":"\u0000"}', NOT_REQUEST),
    "a control character": (b'{"case_id":"\x01"}', NOT_JSON),
    "a comment": (b'{"case_id":1 /* no */}', NOT_JSON),
    "a second value": (GOOD + b"{}", NOT_JSON),
    "half of it": (GOOD[:-9], NOT_JSON),
    "a megabyte of one name": (b'{"' + MARK.encode() * 70_000 + b'":1}', NOT_REQUEST),
    "a hundred thousand unknown fields": (json.dumps({f"f{n}": 1 for n in range(70_000)}).encode(), NOT_REQUEST),
    "the prototype": (b'{"__proto__":{"a":1},"constructor":1}', NOT_REQUEST),
    "10 MB": (b'{"case_id":"' + MARK.encode() * 800_000 + b'"}', (413, "BODY_TOO_LARGE")),
}
HEADERS = {
    "two tokens": ([("Authorization", "Bearer x")], (400, "AMBIGUOUS_HEADER")),
    "two keys": ([("idempotency-key", ID)], (400, "AMBIGUOUS_HEADER")),
    "two formats": ([("content-type", "text/plain")], (400, "AMBIGUOUS_HEADER")),
    "two hosts": ([("host", MARK)], (400, "AMBIGUOUS_HEADER")),
    "two traces": ([("traceparent", MARK), ("traceparent", MARK)], (400, "AMBIGUOUS_HEADER")),
    "a body compressed, it says": ([("content-encoding", "gzip")], (415, "JSON_REQUIRED")),
    "a purpose of nothing": ([("x-purpose", "$${jndi:ldap://x}"), ("x-purpose-ref", MARK)], (400, "PURPOSE_MALFORMED")),
    "a reference of 5000": ([("x-purpose", "tracing"), ("x-purpose-ref", MARK * 400)], (400, "PURPOSE_MALFORMED")),
    "200 kB of one header": ([("x-note", MARK * 15_000)], NOT_REQUEST),
    "a language of nothing": ([("accept-language", "zh;q=9999," * 2000)], NOT_REQUEST),
    "another method": ([("x-http-method-override", "DELETE")], NOT_REQUEST),
    "another address": ([("x-original-url", "/v1/policies"), ("x-rewrite-url", "/healthz")], NOT_REQUEST),
    "another caller": ([("x-forwarded-user", "admin"), ("x-caller-subject", "admin")], NOT_REQUEST),
}
KEYS = [
    "",
    " ",
    "x",
    f"{{{ID}}}",
    ID.replace("-", ""),
    f"{ID},{ID}",
    f"urn:uuid:{ID}",
    "ñ" * 36,
    "-" * 36,
    MARK * 800,
    f"{ID};x",
]
NOWHERE = (404, "NO_SUCH_ROUTE")
PATHS = {
    "a double slash": ("/v1//cases", NOWHERE),
    "a double slash in front": ("//v1/cases", NOWHERE),
    "a slash at the end": ("/v1/cases/", NOWHERE),
    "a dot": ("/v1/./cases", NOWHERE),
    "a way up": ("/v1/x/../cases", NOWHERE),
    "a way up, encoded": ("/v1/cases/%2e%2e/policies/active", NOWHERE),
    "a way up, encoded twice": ("/v1/cases/%252e%252e", NOT_REQUEST),
    "files": ("/v1/../../../../etc/passwd", NOWHERE),
    "other letters": ("/V1/CASES", NOWHERE),
    "NUL": ("/v1/cases/%00", NOT_REQUEST),
    "NUL behind an id": (f"/v1/cases/{ID}%00", NOT_REQUEST),
    "a new line": ("/v1/cases/%0d%0aset-cookie:%20x", NOT_REQUEST),
    "invalid UTF-8": ("/v1/cases/%ff%fe", NOT_REQUEST),
    "half an escape": ("/v1/cases/%", NOT_REQUEST),
    "no escape": ("/v1/cases/%zz", NOT_REQUEST),
    "a path of 60,000": (f"/v1/cases/{MARK * 4600}", NOT_REQUEST),
    "many parameters": ("/v1/cases?" + "area=1&" * 8000, NOT_REQUEST),
    "invalid UTF-8 in a query": ("/v1/cases?area=%ff", NOT_REQUEST),
    "NUL in a query": ("/v1/cases?area=141102&page_token=%00", NOT_REQUEST),
    "a list in a query": ("/v1/cases?area[]=141102", NOT_REQUEST),
    "a semicolon in a query": ("/v1/cases?area=141102;area=1", NOT_REQUEST),
    "an area of other digits": ("/v1/cases?area=%D9%A1%D9%A4%D9%A1%D9%A1%D9%A0%D9%A2", NOT_REQUEST),
    "an unknown parameter": (f"/v1/cases?area=141102&colour={MARK}", NOT_REQUEST),
    "a number beyond": ("/v1/cases?area=141102&page_size=" + "9" * 400, NOT_REQUEST),
    "a star": ("*", NOWHERE),
}
METHODS = ["TRACE", "CONNECT", "BREW", "get", "PUT", "PATCH", "DELETE", "PROPFIND", "G" * 5000]
# Framing: what two programs may take for different requests. One answer at most, then the connection is closed.
FRAMING = {
    "both a length and chunks": "content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "both chunks and a length": "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": "content-length: 2\r\ncontent-length: 60\r\n\r\n{}",
    "two lengths in one": "content-length: 2, 60\r\n\r\n{}",
    "a negative length": "content-length: -1\r\n\r\n{}",
    "a length with a sign": "content-length: +2\r\n\r\n{}",
    "a length in hex": "content-length: 0x2\r\n\r\n{}",
    "a length of 30 digits": f"content-length: {'9' * 30}\r\n\r\n{{}}",
    "a space before the colon": "transfer-encoding : chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "an unknown coding": "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked, but not last": "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "a folded header": "transfer-encoding:\r\n chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "NUL in a header": "x-note: a\x00b\r\ncontent-length: 2\r\n\r\n{}",
    "a header without a name": ": x\r\ncontent-length: 2\r\n\r\n{}",
    "a chunk of a wrong size": "transfer-encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
    "a chunk of a huge size": "transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a thousand headers": "x-note: 1\r\n" * 1000 + "content-length: 2\r\n\r\n{}",
}
SMUGGLED = "GET /healthz HTTP/1.1\r\nhost: smuggled\r\n\r\n"
GREETINGS = {
    "noise": b"\x00\x01\x02\xff" * 50 + b"\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"a" * 200,
    "HTTP/0.9": b"GET /healthz\r\n\r\n",
    "HTTP/9.1": b"GET /healthz HTTP/9.1\r\nhost: x\r\n\r\n",
    "HTTP/2, broken off": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    "a raw byte in the path": b"GET /v1/cases/\xe4\xb8 HTTP/1.1\r\nhost: x\r\n\r\n",
    "a megabyte of a first line": b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
}


@pytest.fixture(name="port", scope="module")
def _port(stack) -> int:
    return stack.children["gateway"].listen


@pytest.fixture(name="who", scope="module")
def _who(stack):
    """Headers of somebody of a role who writes."""

    def headers(role, key=""):
        return [("authorization", f"Bearer {stack.token(role)}"), ("idempotency-key", key or str(uuid4())), JSON]

    return headers


async def ask(port, data):
    async with wire.Line(port) as line:
        return await line.send(data)


def refused(answer, expected):
    status, reason = expected
    assert answer.status == status, answer
    assert problem_faults(answer, [MARK]) == []
    assert reason in {None, json.loads(answer.body)["reason"]}
    assert len(answer.body) < 16_384


@pytest.mark.parametrize("way", [("tracer", "/v1/cases"), ("app_backend", "/v1/check-ins")], ids=["route", "hot route"])
@pytest.mark.parametrize("name", BODIES)
async def test_a_hostile_body_is_refused(port, who, name, way):
    body, expected = BODIES[name]
    role, path = way
    refused(await ask(port, request("POST", path, who(role), body)), expected)


@pytest.mark.parametrize("way", [("tracer", "/v1/cases"), ("app_backend", "/v1/check-ins")], ids=["route", "hot route"])
@pytest.mark.parametrize("name", HEADERS)
async def test_hostile_headers_are_refused_or_mean_nothing(port, who, name, way):
    extra, expected = HEADERS[name]
    role, path = way
    refused(await ask(port, request("POST", path, [*who(role), *extra], GOOD)), expected)


@pytest.mark.parametrize("key", KEYS)
async def test_an_idempotency_key_that_is_no_uuid_is_refused(port, who, key):
    for role, path in (("tracer", "/v1/cases"), ("app_backend", "/v1/check-ins")):
        headers = [*who(role)[:1], ("idempotency-key", key), JSON]
        refused(await ask(port, request("POST", path, headers, GOOD)), (400, "IDEMPOTENCY_KEY_MALFORMED"))


@pytest.mark.parametrize("name", PATHS)
async def test_a_hostile_address_is_refused(port, who, name):
    target, expected = PATHS[name]
    refused(await ask(port, request("GET", target, who("command")[:1])), expected)


@pytest.mark.parametrize("method", METHODS)
async def test_a_method_that_is_not_served_is_refused(port, who, method):
    for path in ("/v1/cases", "/v1/check-ins", "/healthz"):
        if method != "get" or path != "/healthz":
            refused(await ask(port, request(method, path, who("command"))), (405, "METHOD_NOT_ALLOWED"))


@pytest.mark.parametrize("name", FRAMING)
async def test_a_request_that_two_programs_would_end_elsewhere_is_the_last_of_its_connection(port, who, name):
    for role, path in (("tracer", "/v1/cases"), ("app_backend", "/v1/check-ins")):
        lines = "".join(f"{header}: {value}\r\n" for header, value in who(role))
        sent = f"POST {path} HTTP/1.1\r\nhost: gateway\r\n{lines}{FRAMING[name]}{SMUGGLED}".encode("latin-1")
        came = await wire.talk(port, sent, seconds=5)
        assert came.count(b"HTTP/1.1 ") <= 1, came
        assert came == b"" or came.startswith(b"HTTP/1.1 4"), came
        assert b"alive" not in came


@pytest.mark.parametrize("name", GREETINGS)
async def test_what_is_no_http_ends_its_connection(port, name):
    came = await wire.talk(port, GREETINGS[name], seconds=5)
    assert b"HTTP/1.1 2" not in came
    assert b"alive" not in came


async def test_a_body_that_ends_early_is_nobodys_request(port, who):
    head = [*who("tracer"), ("content-length", "500")]
    assert b"HTTP/1.1 2" not in await wire.talk(port, request("POST", "/v1/cases", head) + GOOD, finish=True)


async def test_a_length_beyond_all_bounds_is_refused_unread(port, who):
    for length in (2**31, 2**53, 2**63 - 1):
        head = [*who("tracer"), ("content-length", str(length))]
        refused(await ask(port, request("POST", "/v1/cases", head) + GOOD), (413, "BODY_TOO_LARGE"))


async def test_chunks_without_end_are_given_up(port, who):
    head = [*who("tracer"), ("transfer-encoding", "chunked")]
    chunk = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"
    came = await wire.talk(port, request("POST", "/v1/cases", head), *[chunk] * 140, seconds=5)
    assert b"HTTP/1.1 2" not in came
    assert came == b"" or b"BODY_TOO_LARGE" in came


@pytest.mark.slow
async def test_a_body_that_does_not_come_is_given_up(port, who):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request("POST", "/v1/cases", [*who("tracer"), ("content-length", "500")]) + GOOD)
    refused(await wire.read(reader, seconds=40), (408, "BODY_TOO_SLOW"))
    writer.close()


LISTS = {
    "/v1/cases": "tracer", "/v1/interview-tasks": "tracer", "/v1/venues": "command", "/v1/posts": "command",
    "/v1/devices": "command",
}  # fmt: skip
TOKENS = ["AAAA", "AA==", "-_-_", "eyJhIjoxfQ", "A" * 500, "%00", "%F0%9F%98%80", "0", "%2e%2e%2f", MARK]


@pytest.mark.parametrize("token", TOKENS)
async def test_a_page_token_that_is_not_ours_is_refused(port, who, token):
    for path, role in LISTS.items():
        answer = await ask(port, request("GET", f"{path}?area=141102&page_token={token}", who(role)[:1]))
        refused(answer, (400, None))
        assert json.loads(answer.body)["reason"] in {"PAGE_TOKEN_INVALID", "INVALID_REQUEST"}


@pytest.mark.parametrize("token", ["bnVsbA", "_____w", "_" * 21 + "w", f"9999999999.{'f' * 32}", f"0.{'0' * 32}"])
async def test_a_page_token_of_the_right_form_leads_nowhere_else(port, who, token):
    """Positions are no secret: the area of the query holds for whatever follows one."""
    for path, role in LISTS.items():
        answer = await ask(port, request("GET", f"{path}?area=110101&page_token={token}", who(role)[:1]))
        refused(answer, (403, "OUT_OF_AREA"))
        answer = await ask(port, request("GET", f"{path}?area=141102&page_token={token}", who(role)[:1]))
        assert answer.status in {200, 400}


async def test_none_of_it_changes_anything_is_logged_or_harms_the_server(port, who, stack):
    """All of the above once more and together, against the contents of every table, the logs and the spans."""
    requests = [request("POST", "/v1/cases", who("tracer"), body) for body, _ in BODIES.values()]
    requests += [request("POST", "/v1/cases", [*who("tracer"), *extra], GOOD) for extra, _ in HEADERS.values()]
    requests += [request("GET", target, who("command")[:1]) for target, _ in PATHS.values()]
    requests += list(GREETINGS.values())
    async with stored.connected(stack) as database:
        before = await stored.at_rest(database)
        await asyncio.gather(*(ask(port, data) for data in requests))
        assert await stored.at_rest(database) == before
    for path in [*(stack.folder / "logs").iterdir(), *(stack.folder / "spans").iterdir()]:
        assert MARK not in path.read_text(errors="replace"), path.name
    async with httpx.AsyncClient(base_url=stack.gateway_url, trust_env=False) as client:
        assert (await client.get("/readyz")).json()["status"] == "ready"

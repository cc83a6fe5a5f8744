"""What the attack on the running system found, each held here without it."""

import json

import orjson
import pytest
from gateway import bodies
from gateway.problems import HttpError
from gateway.repeats import repeats_a_field
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.feature("R9")
ID = "fefa8f19-29be-5cd4-8c6f-b2a09488bb52"
JSON = {"Content-Type": "application/json"}


def nest(inner):
    return st.lists(inner) | st.dictionaries(st.text(), inner)


def invalid(response):
    assert (response.status_code, response.json()["reason"]) == (400, "INVALID_REQUEST"), response.text
    return response.json()["errors"]


async def test_numbers_beyond_what_the_stores_hold_are_refused_before_a_service_is_asked(door):
    for verb, path in (("POST", "codes"), ("DELETE", "code"), ("POST", "screen-secrets")):
        for zone in (2**31, 2**32 - 1):
            response = await door.client.request(
                verb, f"/v1/zones/{zone}/{path}", headers=door.headers("venue_officer")
            )
            assert [error["parameter"] for error in invalid(response)] == ["zone"]
    rules = {
        "infectious_days_before": 2, "close_contact_minutes": 10, "close_contact_days": 7, "case_days": 10,
        "largest_zone": 2**31, "impact_cap": 2**32 - 1, "passage_minutes": 10,
    }  # fmt: skip
    policy = {"policy_id": ID, "title": "x", "rules": rules, "effective_from": "2022-03-10T00:00:00Z"}
    response = await door.client.post("/v1/policies", headers=door.headers("policy_editor"), json=policy)
    assert {error["pointer"] for error in invalid(response)} == {"/rules/largest_zone", "/rules/impact_cap"}
    assert not door.peers.asked


@pytest.mark.parametrize("text", ["-" * 36, "a" * 36, ID.replace("-", "a"), f"{ID[:-1]}g"])
async def test_a_filter_by_case_takes_ids_only(door, text):
    query = {"area": "141102", "case_id": text}
    response = await door.client.get("/v1/interview-tasks", headers=door.headers("tracer"), params=query)
    assert [error["parameter"] for error in invalid(response)] == ["case_id"]
    assert not door.peers.asked


async def test_a_refusal_is_not_larger_than_what_it_refuses(door):
    """A body of many unknown fields, or of a list of many wrong items, is answered with the first faults alone."""
    many = {f"f{number}": 1 for number in range(20_000)}
    household = {"household_id": ID, "area": "141102001001", "address": "x", "channel": "self"}
    for body in (many, household | {"residents": [7] * 20_000}, household | {"residents": [{}] * 20_000}):
        response = await door.client.post("/v1/households", headers=door.headers("registrar"), json=body)
        assert 1 <= len(invalid(response)) <= 50
        assert len(response.content) < 8192


@pytest.mark.parametrize("name", ["张三 110101199001011234", "<script>", "a" * 65, "", "x\r\nset-cookie: y", "a.b[0]"])
async def test_names_that_no_field_has_are_not_quoted(door, name):
    response = await door.client.post("/v1/cases", headers=door.headers("tracer"), json={name: 1, "colour": 1})
    assert invalid(response) == [
        {"pointer": "", "detail": "has something that is not a field of this request"},
        {"pointer": "/colour", "detail": "is not a field of this request"},
    ]
    assert not name or name not in json.dumps(response.json(), ensure_ascii=False)


TWICE = [
    b'{"a":1,"a":1}',
    b'{"a":"x:y","b":1,"a":2}',
    b'{"a" : 1 , "\\u0061" : 2}',
    b'{"a":{"b":1,"b":2}}',
    b'{"a":[{},{"b":null,"c":0,"b":[]}]}',
    b'[{"a":1,"a":2}]',
    b'{"":1,"":2}',
]
ONCE = [
    b'{"a":1,"b":":","c":"::"}',
    b'{":":1,"a":"{\\"a\\":1,\\"a\\":2}"}',
    b'{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1.5e3}]}',
    b"[]",
    b'"a:b"',
    b"17",
]


@pytest.mark.parametrize(("body", "twice"), [(body, True) for body in TWICE] + [(body, False) for body in ONCE])
def test_a_field_that_stands_twice_is_noticed_at_any_depth_and_nothing_else_is(body, twice):
    assert repeats_a_field(body, orjson.loads(body)) is twice


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(), nest))
def test_no_honest_text_is_taken_for_one_with_a_field_twice(value):
    for body in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False, indent=1).encode()):
        assert not repeats_a_field(body, value)


async def test_a_field_that_stands_twice_is_refused_on_every_way_in(door):
    for role, path in (
        ("tracer", "/v1/cases"),
        ("app_backend", "/v1/check-ins"),
        ("venue_officer", "/v1/venue-batches"),
    ):
        body = b'{"credential":"a","credential":"b"}'
        response = await door.client.post(path, headers=door.headers(role) | JSON, content=body)
        assert (response.status_code, response.json()["reason"]) == (400, "REPEATED_FIELD")
    deep = b'{"a":' * 1000 + b"1" + b"}" * 1000
    response = await door.client.post("/v1/cases", headers=door.headers("tracer") | JSON, content=deep)
    assert response.status_code == 400
    assert not door.peers.asked


@pytest.mark.parametrize("headers", [{"content-length": "3000"}, {}])
async def test_what_is_too_large_is_read_to_its_end_so_that_the_answer_arrives(headers):
    """Closing a connection while its client still sends would lose the answer."""
    left = [b"x" * 1000] * 3

    async def receive():
        return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

    with pytest.raises(HttpError) as caught:
        await bodies.read(receive, headers, 1500)
    assert (caught.value.status, left) == (413, [])


async def test_what_has_no_end_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr(bodies, "_DROPPED", 50_000)
    received = 0

    async def receive():
        nonlocal received
        received += 1000
        return {"type": "http.request", "body": b"x" * 1000, "more_body": True}

    with pytest.raises(HttpError) as caught:
        await bodies.read(receive, {}, 1500)
    assert caught.value.status == 413
    with pytest.raises(HttpError) as caught:
        await bodies.read(receive, {"content-length": "60000"}, 1500)
    assert caught.value.status == 413
    assert 50_000 < received < 60_000


async def test_a_body_that_breaks_off_is_answered_for_its_sender_may_still_be_there(door):
    """Chunks that are none end a body as a lost connection does; without an answer of ours the server gave its own 500."""
    for path, role in (("/v1/cases", "tracer"), ("/v1/check-ins", "app_backend")):
        headers = [(name.lower().encode(), value.encode()) for name, value in door.headers(role).items()]
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "",
        }  # fmt: skip
        sent = []

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message, sent=sent):
            sent.append(message)

        await door.gateway.front(scope, receive, send)
        assert sent[0]["status"] == 400
        assert json.loads(sent[1]["body"])["reason"] == "BODY_INCOMPLETE"
    assert not door.peers.asked


async def test_two_hosts_are_one_too_many(door):
    headers = [*door.headers("tracer").items(), ("Host", "a"), ("Host", "b")]
    response = await door.client.get("/v1/cases?area=141102", headers=headers)
    assert (response.status_code, response.json()["reason"]) == (400, "AMBIGUOUS_HEADER")


async def test_every_status_that_a_body_can_meet_is_documented():
    from gateway.documentation.document import document

    for item in document()["paths"].values():
        for operation in item.values():
            if "requestBody" in operation:
                assert {"400", "408", "413", "415"} <= operation["responses"].keys(), operation["operationId"]


async def test_a_purposes_reference_is_documented_as_it_is_checked(door):
    from chassis.rpc.admission import _REFERENCE
    from gateway.documentation.document import document

    parameters = document()["paths"]["/v1/households/{household_id}"]["get"]["parameters"]
    (reference,) = [one["schema"] for one in parameters if one["name"] == "X-Purpose-Ref"]
    assert reference["pattern"].strip("^$") == _REFERENCE.pattern.replace(r"\x21-\x7e", "!-~")

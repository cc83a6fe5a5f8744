"""HTTP itself: methods, formats, sizes, headers, refusals that never are HTML."""

import pytest
from chassis.errors import DomainError, Kind
from gateway.codec import base64

KEY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
ID = "fefa8f19-29be-5cd4-8c6f-b2a09488bb52"
CASE = {"case_id": ID, "resident_id": ID}


def problem(response, status, reason):
    assert (response.status_code, response.json()["reason"]) == (status, reason), response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["type"] == "/problems/" + reason.lower().replace("_", "-")
    assert body["title"]
    assert body["detail"]
    return body


async def test_an_unknown_address_is_a_problem_with_or_without_a_token(door):
    problem(await door.client.get("/v1/nothing"), 404, "NO_SUCH_ROUTE")
    problem(await door.client.get("/", headers=door.headers("tracer")), 404, "NO_SUCH_ROUTE")
    problem(await door.client.get("/v1/cases/", headers=door.headers("tracer")), 404, "NO_SUCH_ROUTE")
    problem(await door.client.get("/docs"), 404, "NO_SUCH_ROUTE")


async def test_a_wrong_method_is_told_the_right_ones(door):
    response = await door.client.put("/v1/cases", headers=door.headers("tracer"))
    problem(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "GET, HEAD, OPTIONS, POST"
    response = await door.client.get("/v1/check-ins")
    problem(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "OPTIONS, POST"
    problem(await door.client.request("BREW", "/v1/cases"), 405, "METHOD_NOT_ALLOWED")


async def test_options_says_what_is_possible_to_everybody(door):
    response = await door.client.options("/v1/zones/17/code")
    assert (response.status_code, response.headers["allow"], response.content) == (204, "DELETE, OPTIONS", b"")
    problem(await door.client.options("/v1/nothing"), 404, "NO_SUCH_ROUTE")


async def test_head_is_get_without_the_body(door):
    headers = door.headers("venue_officer")
    whole = await door.client.get(f"/v1/venues/{ID}", headers=headers)
    head = await door.client.head(f"/v1/venues/{ID}", headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == whole.headers["etag"]
    assert head.headers["content-length"] == str(len(whole.content))


async def test_a_body_that_is_not_json_is_refused(door):
    headers = door.headers("tracer")
    send = door.client.post
    body = b'{"case_id": "x"}'
    problem(await send("/v1/cases", headers=headers, content=body), 415, "JSON_REQUIRED")
    problem(await send("/v1/cases", headers=headers, data={"case_id": "x"}), 415, "JSON_REQUIRED")
    zipped = headers | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    problem(await send("/v1/cases", headers=zipped, content=body), 415, "JSON_REQUIRED")
    asked = headers | {"Content-Type": "application/json; charset=utf-8"}
    problem(await send("/v1/cases", headers=asked, content=b"{'no': json}"), 400, "MALFORMED_JSON")
    problem(await send("/v1/cases", headers=asked, content=b"\xff\xfe"), 400, "MALFORMED_JSON")
    problem(await send("/v1/cases", headers=asked, content=b'{"case_id": NaN}'), 400, "MALFORMED_JSON")
    problem(await send("/v1/cases", headers=asked, content=b"[" * 100_000), 400, "MALFORMED_JSON")
    body = problem(await send("/v1/cases", headers=asked, content=b"[]"), 400, "INVALID_REQUEST")
    assert body["errors"] == [{"pointer": "", "detail": "must be an object"}]
    assert not door.peers.asked


async def test_every_field_at_fault_is_named_by_a_pointer(door):
    body = {
        "household_id": ID, "area": "14110", "address": "x", "channel": "self",
        "residents": [{"resident_id": ID, "name": "", "id_number": "1", "phone": ""}],
    }  # fmt: skip
    response = await door.client.post("/v1/households", headers=door.headers("registrar"), json=body)
    found = {error["pointer"] for error in problem(response, 400, "INVALID_REQUEST")["errors"]}
    assert found == {"/area", "/residents/0/name", "/residents/0/id_number"}


async def test_a_fault_in_the_address_is_named_as_a_parameter(door):
    headers = door.headers("venue_officer")
    body = problem(await door.client.get("/v1/venues/nonsense", headers=headers), 400, "INVALID_REQUEST")
    assert [error["parameter"] for error in body["errors"]] == ["venue_id"]
    for text in ("x", "-1", "0", "4294967296", "1e3"):
        response = await door.client.post(f"/v1/zones/{text}/codes", headers=headers)
        assert problem(response, 400, "INVALID_REQUEST")["errors"][0]["parameter"] == "zone"
    for query in (
        "?area=141102&page_size=x",
        "?area=141102&page_size=501",
        "?area=141102&colour=red",
        "?area=141102&category=zoo",
    ):
        body = problem(await door.client.get(f"/v1/venues{query}", headers=headers), 400, "INVALID_REQUEST")
        assert body["errors"][0]["parameter"] == query.rpartition("&")[2].partition("=")[0]
    response = await door.client.get("/v1/venues?area=141102&area=141181", headers=headers)
    assert problem(response, 400, "INVALID_REQUEST")["errors"] == [
        {"parameter": "area", "detail": "may be given only once"}
    ]
    assert not door.peers.asked


async def test_a_query_may_leave_things_empty(door):
    response = await door.client.get(
        f"/v1/interview-tasks?area=141102&case_id={ID}&open_only=true&page_size=200&page_token=",
        headers=door.headers("tracer"),
    )
    assert response.status_code == 200
    asked = door.peers.last.request
    assert (asked.open_only, asked.page_size, asked.page_token) == (True, 200, "")


async def test_a_body_that_is_too_large_is_refused_before_it_is_read(make_door):
    door = make_door(body_limit=1024, batch_body_limit=4096)
    headers = door.headers("tracer")
    response = await door.client.post("/v1/cases", headers=headers, json={"case_id": "x" * 2000})
    problem(response, 413, "BODY_TOO_LARGE")
    assert response.headers["connection"] == "close"

    async def endless():
        for _ in range(100):
            yield b"x" * 100

    problem(await door.client.post("/v1/cases", headers=headers, content=endless()), 413, "BODY_TOO_LARGE")
    batch = {"requests": [{"venue_id": "x" * 2000}]}
    response = await door.client.post("/v1/venue-batches", headers=door.headers("venue_officer"), json=batch)
    assert response.status_code == 207
    batch = {"requests": [{"venue_id": "x" * 5000}]}
    response = await door.client.post("/v1/venue-batches", headers=door.headers("venue_officer"), json=batch)
    problem(response, 413, "BODY_TOO_LARGE")
    response = await door.client.post(
        "/v1/check-ins", headers=door.headers("app_backend"), json={"credential": "x" * 2000}
    )
    problem(response, 413, "BODY_TOO_LARGE")


@pytest.mark.parametrize("name", ["Authorization", "Idempotency-Key", "X-Purpose", "Content-Type"])
async def test_a_header_that_decides_may_come_only_once(door, name):
    headers = [*door.headers("app_backend", purpose=True).items(), ("Content-Type", "application/json"), (name, "x")]
    for address in ("/v1/households", "/v1/check-ins"):
        problem(await door.client.post(address, headers=headers, content=b"{}"), 400, "AMBIGUOUS_HEADER")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        (Kind.INVALID, 400), (Kind.UNAUTHENTICATED, 401), (Kind.DENIED, 403), (Kind.NOT_FOUND, 404), (Kind.EXISTS, 409),
        (Kind.PRECONDITION, 409), (Kind.ABORTED, 409), (Kind.MISMATCH, 422), (Kind.EXHAUSTED, 429), (Kind.INTERNAL, 500),
        (Kind.UNAVAILABLE, 503),
    ],
)  # fmt: skip
async def test_a_services_refusal_keeps_its_reason_and_gets_the_kinds_status(door, kind, status):
    door.peers.answers["OpenCase"] = DomainError(
        kind, "SOME_REASON", "A public text.", fields={"resident_id": "odd"}, metadata={"limit": "3"}
    )
    response = await door.client.post("/v1/cases", headers=door.headers("tracer"), json=CASE)
    body = problem(response, status, "SOME_REASON")
    assert (body["detail"], body["metadata"]) == ("A public text.", {"limit": "3"})
    assert body["errors"] == [{"pointer": "/resident_id", "detail": "odd"}]
    assert ("retry-after" in response.headers) == (status in {429, 503})
    assert ("www-authenticate" in response.headers) == (status == 401)


async def test_an_unknown_failure_tells_nothing_but_an_id(door):
    door.peers.answers["OpenCase"] = RuntimeError("the secret of 张三")
    response = await door.client.post("/v1/cases", headers=door.headers("tracer"), json=CASE)
    body = problem(response, 500, "INTERNAL")
    assert "secret" not in response.text
    assert len(body["metadata"]["error_id"]) == 16


@pytest.mark.feature("X9")
@pytest.mark.parametrize(
    ("accept", "lang"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("en;q=0.1, zh;q=0", "en"),
        ("fr, zh-Hans;q=0.2", "zh"),
        ("*", "en"),
        (";;q=zh", "en"),
    ],
)
async def test_titles_are_in_the_language_that_is_asked_for(door, accept, lang):
    response = await door.client.get("/v1/nothing", headers={"Accept-Language": accept})
    assert response.headers["content-language"] == lang
    assert response.json()["title"] == {"en": "Not found", "zh": "未找到"}[lang]


@pytest.mark.feature("V1")
async def test_an_unchanged_thing_is_not_sent_again(door):
    headers = door.headers("venue_officer")
    first = await door.client.get(f"/v1/venues/{ID}", headers=headers)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    for given in (tag, f'"x", W/{tag}', "*"):
        again = await door.client.get(f"/v1/venues/{ID}", headers=headers | {"If-None-Match": given})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    changed = await door.client.get(f"/v1/venues/{ID}", headers=headers | {"If-None-Match": '"x"'})
    assert changed.content == first.content


async def test_answers_are_not_cached_sniffed_or_framed(door):
    for response in (
        await door.client.get("/v1/nothing"),
        await door.client.post("/v1/check-ins"),
        await door.client.post("/v1/cases", headers=door.headers("tracer"), json=CASE),
    ):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]


@pytest.mark.feature("X2")
async def test_a_caller_who_asks_too_fast_is_told_when_to_come_back_and_others_are_not(make_door):
    door = make_door(rate=0.5, burst=2, check_in_rate=0.5, check_in_burst=1)
    headers = door.headers("tracer")
    left = []
    for _ in range(2):
        response = await door.client.post("/v1/cases", headers=headers, json=CASE)
        assert response.status_code == 201
        assert response.headers["ratelimit-policy"] == '"caller";q=2;w=4'
        left.append(response.headers["ratelimit"])
    assert left == ['"caller";r=1;t=0', '"caller";r=0;t=2']
    refused = await door.client.post("/v1/cases", headers=headers, json=CASE)
    problem(refused, 429, "RATE_LIMITED")
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["ratelimit"].startswith('"caller";r=0')
    other = await door.client.post("/v1/cases", headers=door.headers("tracer", subject="person-2"), json=CASE)
    assert other.status_code == 201
    app = door.headers("app_backend")
    codes = [(await door.client.post("/v1/check-ins", headers=app, json={})).status_code for _ in range(2)]
    assert codes == [400, 429]


async def test_addresses_are_not_logged_for_they_hold_peoples_ids(make_door):
    """The access log names the route's template."""
    from structlog.testing import capture_logs

    door = make_door(access_log=True)
    with capture_logs() as lines:
        await door.client.post(f"/v1/residents/{ID}/passes?x={ID}", headers=door.headers("app_backend"), json={})
        await door.client.get(f"/v1/nothing/{ID}")
    access = [line for line in lines if line["event"] == "request"]
    assert [(line["route"], line["status"]) for line in access] == [
        ("POST /v1/residents/{resident_id}/passes", 400),
        ("unrouted", 404),
    ]
    assert ID not in str(lines)


async def test_bytes_numbers_and_times_are_written_as_documented(door):
    from lilitong.quarantine.v1 import restriction_pb2 as pb

    proof = pb.LogProof(content=b"\xfb\xff", leaf_index=2**53, path=[b"\x00" * 3])
    explanation = pb.Explanation(reason="RESTRICTION_REASON_CLOSE_CONTACT", exposure_half=1, proof=proof)
    explanation.ends_at.FromJsonString("2022-03-17T16:00:00.5Z")
    door.peers.answers["ExplainRestriction"] = pb.ExplainRestrictionResponse(explanations=[explanation])
    body = {"reference": {"day": 19061, "reference": base64(b"\xff" * 8) + "="}}
    response = await door.client.post("/v1/restriction-explanations", headers=door.headers("app_backend"), json=body)
    assert door.peers.last.request.reference.reference == b"\xff" * 8
    (found,) = response.json()["explanations"]
    assert (found["reason"], found["exposure_half"], found["state"]) == ("close_contact", "morning", "unspecified")
    assert found["proof"]["content"] == "-_8"
    assert found["proof"]["leaf_index"] == 2**53
    assert found["proof"]["path"] == ["AAAA"]
    assert found["ends_at"] == "2022-03-17T16:00:00.500000Z"
    both = body | {"resident_id": ID}
    response = await door.client.post("/v1/restriction-explanations", headers=door.headers("app_backend"), json=both)
    assert problem(response, 400, "INVALID_REQUEST")["errors"][0]["pointer"] == "/resident_id"

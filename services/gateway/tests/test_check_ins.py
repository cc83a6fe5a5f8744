"""The hot route, through the same front door as the others."""

import asyncio
from uuid import uuid4

import pytest
from chassis.errors import DomainError, Kind
from chassis.rpc.status import to_proto
from gateway.problems import STATUS
from gateway.visits import visit_key
from lilitong.venue.v1 import visit_pb2

pytestmark = pytest.mark.feature("V4")
BODY = {"credential": "LLT1:ABCDEFG", "venue_code": "LLV1:ABCDEFG", "scanned_by_staff": False}
KEY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def admit(request):
    return visit_pb2.BatchCheckInResponse(
        results=[
            {"response": {"outcome": 1, "visit_ids": [each.visit_key.hex()], "grade": 3, "list_age_seconds": 2}}
            for each in request.requests
        ]
    )


@pytest.fixture
def door(door):
    door.peers.answers["BatchCheckIn"] = admit
    return door


@pytest.mark.case("happy path")
async def test_a_check_in_is_answered_in_words(door):
    response = await door.client.post("/v1/check-ins", headers=door.headers("app_backend"), json=BODY)
    assert response.status_code == 200
    assert response.json() == {
        "outcome": "admitted", "reasons": [], "visit_ids": [visit_key(KEY).hex()], "grade": "static_code",
        "list_age_seconds": 2, "degraded": False, "drill_id": "", "reference": "",
    }  # fmt: skip
    assert response.headers["content-type"] == "application/json"
    assert "ratelimit" in response.headers
    (sent,) = door.peers.last.request.requests
    assert (sent.visit_key, sent.credential, sent.venue_code) == (visit_key(KEY), "LLT1:ABCDEFG", "LLV1:ABCDEFG")
    assert door.peers.last.metadata["authorization"] == response.request.headers["authorization"]


async def test_a_refusal_is_an_answer_with_reasons_in_both_languages(door):
    reason = {"code": "RESTRICTED", "text_zh": "请联系", "text_en": "Please call"}
    refused = {"outcome": 2, "reasons": [reason], "reference": b"\x01" * 8, "drill_id": "drill-1", "degraded": True}
    door.peers.answers["BatchCheckIn"] = visit_pb2.BatchCheckInResponse(results=[{"response": refused}])
    response = await door.client.post("/v1/check-ins", headers=door.headers("venue_operator"), json=BODY)
    body = response.json()
    assert response.status_code == 200
    assert (body["outcome"], body["reasons"], body["reference"]) == ("refused", [reason], "AQEBAQEBAQE")
    assert (body["drill_id"], body["degraded"], body["visit_ids"]) == ("drill-1", True, [])


@pytest.mark.case("repeat")
async def test_the_same_key_in_any_case_is_the_same_visit(door):
    for key in (KEY, KEY.upper()):
        await door.client.post("/v1/check-ins", headers=door.headers("app_backend", key=key), json=BODY)
    first, second = (asked.request.requests[0].visit_key for asked in door.peers.asked)
    assert first == second


async def test_times_and_lateness_are_handed_on(door):
    late = BODY | {"late": True, "scanned_at": "2022-03-10T12:00:00.25+08:00"}
    await door.client.post("/v1/check-ins", headers=door.headers("app_backend"), json=late)
    (sent,) = door.peers.last.request.requests
    assert (sent.late, sent.scanned_at.ToJsonString()) == (True, "2022-03-10T04:00:00.250Z")


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/credential", "/venue_code"}),
        (BODY | {"credential": "short"}, {"/credential"}),
        (BODY | {"credential": 7, "late": "yes"}, {"/credential", "/late"}),
        (BODY | {"visit_key": "AAAAAAAAAAA"}, {"/visit_key"}),
        (BODY | {"scanned_at": "yesterday"}, {"/scanned_at"}),
        (BODY | {"scanned_at": "2022-02-30T00:00:00Z"}, {"/scanned_at"}),
        (BODY | {"credential": "LLT1:ABC\x00DEF"}, {"/credential"}),
        ([], {""}),
    ],
)
@pytest.mark.case("bad input")
async def test_a_wrong_check_in_is_refused_before_it_meets_others(door, body, pointers):
    response = await door.client.post("/v1/check-ins", headers=door.headers("app_backend"), json=body)
    assert (response.status_code, response.json()["reason"]) == (400, "INVALID_REQUEST")
    assert {error["pointer"] for error in response.json()["errors"]} == pointers
    assert response.headers["content-type"] == "application/problem+json"
    assert not door.peers.asked


@pytest.mark.case("bad input")
async def test_a_check_in_without_a_key_is_refused(door):
    for key, reason in ((None, "IDEMPOTENCY_KEY_REQUIRED"), ("7", "IDEMPOTENCY_KEY_MALFORMED")):
        response = await door.client.post("/v1/check-ins", headers=door.headers("app_backend", key=key), json=BODY)
        assert (response.status_code, response.json()["reason"]) == (400, reason)
    assert not door.peers.asked


@pytest.mark.case("concurrency")
async def test_concurrent_check_ins_share_calls_and_keep_their_answers(door):
    gate = asyncio.Event()

    async def slowly(request):
        await gate.wait()
        return admit(request)

    door.peers.answers["BatchCheckIn"] = slowly
    keys = [str(uuid4()) for _ in range(300)]
    people = [door.headers("app_backend", key=key, subject=f"app-{number % 3}") for number, key in enumerate(keys)]
    waiting = [asyncio.create_task(door.client.post("/v1/check-ins", headers=headers, json=BODY)) for headers in people]
    await asyncio.sleep(0.3)
    gate.set()
    responses = await asyncio.gather(*waiting)
    assert [each.json()["visit_ids"] for each in responses] == [[visit_key(key).hex()] for key in keys]
    assert len(door.peers.asked) <= 12
    for asked in door.peers.asked:
        owner = asked.metadata["authorization"]
        mine = {visit_key(key) for key, headers in zip(keys, people, strict=True) if headers["Authorization"] == owner}
        assert {each.visit_key for each in asked.request.requests} <= mine


@pytest.mark.parametrize("kind", Kind)
async def test_an_item_refused_by_the_service_becomes_its_problem_whatever_the_reason(door, kind):
    error = to_proto(DomainError(kind, "NEW_REASON", "A public text.", fields={"venue_code": "odd"}))
    door.peers.answers["BatchCheckIn"] = visit_pb2.BatchCheckInResponse(results=[{"error": error}])
    response = await door.client.post("/v1/check-ins", headers=door.headers("app_backend"), json=BODY)
    body = response.json()
    assert (response.status_code, body["reason"]) == (STATUS[kind], "NEW_REASON")
    assert (body["detail"], body["errors"]) == ("A public text.", [{"pointer": "/venue_code", "detail": "odd"}])


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        ({"error_reason": "OLD_REASON", "error_message": "A public text."}, 400, "OLD_REASON"),
        ({}, 500, "PEER_FAILED"),
        ({"error": {"code": 5, "message": "Not ours."}}, 500, "PEER_FAILED"),
    ],
)
async def test_a_result_that_does_not_tell_its_kind_is_never_taken_for_an_answer(door, result, status, reason):
    """The first is a service older than the field, in the middle of an upgrade."""
    door.peers.answers["BatchCheckIn"] = visit_pb2.BatchCheckInResponse(results=[result])
    response = await door.client.post("/v1/check-ins", headers=door.headers("app_backend"), json=BODY)
    assert (response.status_code, response.json()["reason"]) == (status, reason)


async def test_a_service_that_is_away_is_said_with_a_time_to_come_back(door):
    door.peers.answers["BatchCheckIn"] = DomainError(Kind.UNAVAILABLE, "PEER_UNAVAILABLE", "Away.")
    response = await door.client.post("/v1/check-ins", headers=door.headers("app_backend"), json=BODY)
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


async def test_an_unknown_failure_tells_nothing(door):
    door.peers.answers["BatchCheckIn"] = RuntimeError("the secret of 张三")
    response = await door.client.post("/v1/check-ins", headers=door.headers("app_backend"), json=BODY)
    assert (response.status_code, response.json()["reason"]) == (500, "INTERNAL")
    assert "secret" not in response.text

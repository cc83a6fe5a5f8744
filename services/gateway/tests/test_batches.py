"""Batches: each item is judged on its own."""

import pytest
from chassis.errors import DomainError, Kind
from chassis.rpc.status import to_proto
from gateway.documentation.document import request_example
from gateway.routes import OPERATIONS
from lilitong.quarantine.v1 import pass_pb2, register_pb2
from lilitong.venue.v1 import inspection_pb2, obligation_pb2, venue_pb2, visit_pb2

BATCHES = [pytest.param(each, id=each.id) for each in OPERATIONS if each.batch is not None]
KEYS = [f"6f9619ff-8b86-4d01-b42d-00cf4fc964f{digit}" for digit in range(10)]


def item(operation, index, **changes):
    found = request_example(operation)["requests"][0] | {operation.batch.item_key: KEYS[index]}
    if operation.batch.identity != operation.batch.item_key:
        found[operation.batch.identity] = KEYS[-index]
    return found | changes


def answers(operation):
    """What the service answers: every item is done, with its own id."""
    name = operation.rpc.descriptor.name
    replies = {
        "BatchRegisterHouseholds": lambda request: register_pb2.BatchRegisterHouseholdsResponse(
            results=[{"household_id": each.household_id} for each in request.requests]
        ),
        "BatchIssuePasses": lambda request: pass_pb2.BatchIssuePassesResponse(
            results=[{"resident_id": each.resident_id, "passes": [{"day": 1}]} for each in request.requests]
        ),
        "BatchRegisterVenues": lambda request: venue_pb2.BatchRegisterVenuesResponse(
            results=[{"venue_id": each.venue_id, "venue": {"venue_id": each.venue_id}} for each in request.requests]
        ),
        "BatchRecordInspections": lambda request: inspection_pb2.BatchRecordInspectionsResponse(
            results=[{"inspection_id": each.inspection_id, "response": {"step": 1}} for each in request.requests]
        ),
        "BatchServeObligations": lambda request: obligation_pb2.BatchServeObligationsResponse(
            results=[{"venue_id": each.venue_id, "response": {"obligations": []}} for each in request.requests]
        ),
        "BatchCheckIn": lambda request: visit_pb2.BatchCheckInResponse(
            results=[{"response": {"outcome": 1, "visit_ids": [each.visit_key.hex()]}} for each in request.requests]
        ),
    }
    return replies[name]


async def post(door, operation, body, **headers):
    who = door.headers(*sorted(operation.rule.roles)[:1]) | headers
    return await door.client.post(operation.path, headers=who, json=body)


@pytest.mark.parametrize("operation", BATCHES)
async def test_every_item_is_answered_in_order(door, operation):
    door.peers.answers[operation.rpc.descriptor.name] = answers(operation)
    items = [item(operation, index) for index in range(5)]
    response = await post(door, operation, {"requests": items})
    assert response.status_code == 207, response.text
    results = response.json()["results"]
    identity = operation.batch.identity
    assert [each[identity] for each in results] == [each[identity] for each in items]
    assert not any(each.get("error") for each in results)
    assert len(door.peers.asked) == 1
    assert door.peers.last.timeout == operation.seconds


@pytest.mark.parametrize("operation", BATCHES)
async def test_a_wrong_item_is_refused_by_its_id_and_spoils_nothing(door, operation):
    door.peers.answers[operation.rpc.descriptor.name] = answers(operation)
    items = [item(operation, index) for index in range(5)]
    items[1]["colour"] = "red"
    items[3] = 7
    response = await post(door, operation, {"requests": items})
    results = response.json()["results"]
    assert response.status_code == 207
    assert [bool(each.get("error")) for each in results] == [False, True, False, True, False]
    assert results[1][operation.batch.identity] == items[1][operation.batch.identity]
    assert results[1]["error"]["reason"] == "INVALID_REQUEST"
    assert results[1]["error"]["errors"][0]["pointer"] == "/colour"
    assert len(door.peers.last.request.requests) == 3
    identity = operation.batch.identity
    assert [results[index][identity] for index in (0, 2, 4)] == [items[index][identity] for index in (0, 2, 4)]


@pytest.mark.parametrize("operation", BATCHES)
async def test_a_batch_of_nothing_but_wrong_items_asks_nobody(door, operation):
    response = await post(door, operation, {"requests": [{}, {}]})
    assert response.status_code == 207
    assert all(each["error"]["status"] == 400 for each in response.json()["results"])
    assert not door.peers.asked


@pytest.mark.parametrize("operation", BATCHES)
async def test_an_item_needs_a_key_of_its_own(door, operation):
    wrong = item(operation, 0)
    del wrong[operation.batch.item_key]
    response = await post(door, operation, {"requests": [wrong, item(operation, 1, **{operation.batch.item_key: "x"})]})
    assert [each["error"]["status"] for each in response.json()["results"]] == [400, 400]


@pytest.mark.parametrize("operation", BATCHES)
async def test_a_batch_is_bounded_and_never_empty(door, operation):
    for body in ({}, {"requests": []}, {"requests": 7}, {"requests": [{}] * 501}, {"requests": [{}], "x": 1}, []):
        response = await post(door, operation, body)
        assert response.status_code == 400, body
        assert response.json()["errors"][0]["pointer"] == "/requests"
    assert not door.peers.asked


@pytest.mark.parametrize("operation", BATCHES)
async def test_a_batch_whose_service_is_away_is_refused_as_a_whole(door, operation):
    door.peers.answers[operation.rpc.descriptor.name] = DomainError(Kind.UNAVAILABLE, "PEER_UNAVAILABLE", "Away.")
    response = await post(door, operation, {"requests": [item(operation, 0)]})
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("operation", BATCHES)
async def test_a_service_that_loses_an_item_is_found_out(door, operation):
    door.peers.answers[operation.rpc.descriptor.name] = lambda request: type(answers(operation)(request))()
    response = await post(door, operation, {"requests": [item(operation, 0)]})
    assert (response.status_code, response.json()["reason"]) == (500, "INTERNAL")


@pytest.mark.feature("V1")
@pytest.mark.case("wrong caller")
async def test_an_item_outside_the_callers_area_is_refused_alone(door):
    (operation,) = [each for each in OPERATIONS if each.id == "batchRegisterVenues"]
    door.peers.answers["BatchRegisterVenues"] = answers(operation)
    items = [item(operation, 0), item(operation, 1, area="141181001001")]
    results = (await post(door, operation, {"requests": items})).json()["results"]
    assert results[1]["error"]["reason"] == "OUT_OF_AREA"
    assert results[0]["venue"]["venue_id"] == items[0]["venue_id"]


@pytest.mark.feature("V1")
@pytest.mark.case("bad input")
async def test_an_item_that_the_service_refuses_carries_the_problem(door):
    (operation,) = [each for each in OPERATIONS if each.id == "batchRegisterVenues"]
    error = to_proto(DomainError(Kind.EXISTS, "VENUE_EXISTS", "Another venue is registered under this id."))
    door.peers.answers["BatchRegisterVenues"] = venue_pb2.BatchRegisterVenuesResponse(
        results=[{"venue_id": KEYS[0], "error": error}]
    )
    response = await post(door, operation, {"requests": [item(operation, 0)]}, **{"Accept-Language": "zh"})
    (result,) = response.json()["results"]
    assert (result["error"]["status"], result["error"]["reason"]) == (409, "VENUE_EXISTS")
    assert result["error"]["title"] == "当前状态不允许此操作"
    assert "venue" not in result


@pytest.mark.feature("V4")
@pytest.mark.case("bad input")
async def test_a_check_in_that_is_refused_carries_the_problem_of_its_reason(door):
    (operation,) = [each for each in OPERATIONS if each.id == "batchCheckIn"]
    door.peers.answers["BatchCheckIn"] = visit_pb2.BatchCheckInResponse(
        results=[
            {"error": to_proto(DomainError(Kind.MISMATCH, "VISIT_KEY_REUSED", "Used."))},
            {"response": {"outcome": 2, "reference": b"\xff" * 8}},
            {"error": to_proto(DomainError(Kind.UNAVAILABLE, "STORE_BUSY", "Busy."))},
            {"error": to_proto(DomainError(Kind.INVALID, "VENUE_CODE_INVALID", "Not genuine."))},
        ]
    )
    results = (await post(door, operation, {"requests": [item(operation, n) for n in range(4)]})).json()["results"]
    assert [each.get("error", {}).get("status") for each in results] == [422, None, 503, 400]
    assert (results[1]["response"]["outcome"], results[1]["response"]["reference"]) == ("refused", "__________8")

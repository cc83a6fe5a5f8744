"""What a spot check was drawn from: anybody gets the published document itself, at a bounded rate."""

import json

import pytest
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import spot_check_pb2 as pb

pytestmark = pytest.mark.feature("V9")
DRAW = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
PATH = f"/v1/spot-checks/{DRAW}/record"
RECORD = json.dumps({"format": "lilitong/spot-check/1", "draw_id": DRAW, "pairs": []})


@pytest.fixture(name="published")
def _published(door):
    door.peers.answers["GetSpotCheckRecord"] = pb.GetSpotCheckRecordResponse(record=RECORD)
    return door


async def test_anybody_gets_the_record_as_the_document_it_is_and_no_credentials_are_handed_on(published):
    response = await published.client.get(PATH)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.text == RECORD
    assert published.peers.last.request.draw_id == DRAW
    assert (await published.client.get(PATH, headers={"Authorization": "Bearer nonsense"})).text == RECORD
    assert published.peers.last.incoming.authorization == ""


async def test_it_may_be_kept_and_need_not_be_sent_again(published):
    first = await published.client.get(PATH)
    assert "public" in first.headers["cache-control"]
    again = await published.client.get(PATH, headers={"If-None-Match": f'W/{first.headers["etag"]}, "other"'})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        (Kind.PRECONDITION, "NOT_YET_PUBLISHED", 409),
        (Kind.NOT_FOUND, "SPOT_CHECK_UNKNOWN", 404),
        (Kind.UNAVAILABLE, "AWAY", 503),
    ],
)
async def test_what_is_not_there_yet_is_said_and_not_kept(door, kind, reason, status):
    door.peers.answers["GetSpotCheckRecord"] = DomainError(kind, reason, "Not now.")
    response = await door.client.get(PATH)
    assert (response.status_code, response.json()["reason"]) == (status, reason)
    assert "public" not in response.headers.get("cache-control", "")


async def test_an_id_that_is_none_is_refused_before_anybody_is_asked(door):
    response = await door.client.get("/v1/spot-checks/latest/record")
    assert (response.status_code, response.json()["reason"]) == (400, "INVALID_REQUEST")
    assert [each["parameter"] for each in response.json()["errors"]] == ["draw_id"]
    assert not door.peers.asked


async def test_whoever_asks_too_fast_is_told_to_wait_and_papers_are_verified_all_the_same(make_door):
    door = make_door(verification_burst=2, verification_rate=0.001)
    assert [(await door.client.get(PATH)).status_code for _ in range(3)] == [200, 200, 429]
    assert (await door.client.get("/v1/document-verifications/mfrggzdfmztwq2lknnwg23tpoa")).status_code == 200

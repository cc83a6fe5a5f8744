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
    assert again.headers["etag"] == first.headers["etag"]
    assert (await published.client.get(PATH, headers={"If-None-Match": "*"})).status_code == 304


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


LIST = "/v1/published-spot-checks"


async def test_anybody_sees_which_spot_checks_are_over_and_no_credentials_are_handed_on(door):
    check = pb.SpotCheck(draw_id=DRAW, area="141102", state=pb.SPOT_CHECK_STATE_LAPSED)
    door.peers.answers["ListPublishedSpotChecks"] = pb.ListPublishedSpotChecksResponse(
        spot_checks=[check], next_page_token="t"
    )
    response = await door.client.get(
        LIST, params={"area": "141102", "page_size": 20, "page_token": ""}, headers={"Authorization": "Bearer nonsense"}
    )
    assert response.status_code == 200
    (found,) = response.json()["spot_checks"]
    assert (found["draw_id"], found["state"], response.json()["next_page_token"]) == (DRAW, "lapsed", "t")
    assert (door.peers.last.request.area, door.peers.last.request.page_size) == ("141102", 20)
    assert door.peers.last.incoming.authorization == ""
    assert response.headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("area=x", "area"), ("page_size=101", "page_size"), ("colour=red", "colour"), ("area=14&area=15", "area")],
)
async def test_a_query_that_breaks_the_contract_is_refused_before_anybody_is_asked(door, query, parameter):
    response = await door.client.get(f"{LIST}?{query}", headers={"Accept-Language": "zh"})
    assert (response.status_code, response.json()["reason"]) == (400, "INVALID_REQUEST")
    assert [each["parameter"] for each in response.json()["errors"]] == [parameter]
    assert not door.peers.asked
    assert "public" not in response.headers.get("cache-control", "")


async def test_lists_and_records_share_one_limit(make_door):
    door = make_door(verification_burst=2, verification_rate=0.001)
    assert [(await door.client.get(path)).status_code for path in (PATH, LIST, LIST)] == [200, 200, 429]

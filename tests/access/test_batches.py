"""A batch carries nothing in that its items could not enter alone."""

import pytest
from access_matrix.samples import people, places
from access_matrix.world import World
from lilitong.quarantine.v1 import pass_pb2, register_pb2
from lilitong.venue.v1 import venue_pb2

pytestmark = [
    pytest.mark.connected,
    pytest.mark.feature("X2"),
    pytest.mark.asyncio(loop_scope="session"),
]

ELSEWHERE = "141102003001"


def venues(home, away):
    one, other = places.register_venue(World(), ""), places.register_venue(World(), "")
    other.area = ELSEWHERE
    return "venue_officer", venue_pb2.BatchRegisterVenuesRequest(requests=[one, other])


def households(home, away):
    one, other = (people.register_household(World(), "registrar") for _ in range(2))
    other.area = ELSEWHERE
    return "registrar", register_pb2.BatchRegisterHouseholdsRequest(requests=[one, other])


def passes(home, away):
    asked = [people.issue_passes(World(resident_id=one), "") for one in (home, away)]
    return "app_backend", pass_pb2.BatchIssuePassesRequest(requests=asked)


@pytest.mark.parametrize("batch", [venues, households, passes])
@pytest.mark.parametrize("door", ["grpc", "rest"])
async def test_an_item_of_another_area_is_refused_in_a_mixed_batch(door, batch, catalog, doors, callers, maker, world):
    away = people.register_household(World(), "registrar")
    away.area = ELSEWHERE
    await maker.say("registrar", away)
    role, request = batch(world.resident_id, away.residents[0].resident_id)
    (endpoint,) = [one for one in catalog.endpoints.values() if one.request is type(request)]
    answer = await doors[door].call(endpoint, request, callers.person(role, ["141102002"]))
    if door == "rest":
        home, foreign = answer.reply["results"]
        assert not home.get("error")
        assert (foreign["error"]["status"], foreign["error"]["reason"]) == (403, "OUT_OF_AREA")
    elif batch is passes:
        home, foreign = answer.reply.results
        assert not home.HasField("error")
        assert foreign.error.code == 7
        assert not foreign.passes
    else:
        assert str(answer) == "denied OUT_OF_AREA"

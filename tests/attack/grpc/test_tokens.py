"""Tokens of people and services: forged, altered, of another time or place, of somebody else. On one write of each service."""

import access_table
import pytest
from access_matrix.callers import bearer
from access_matrix.samples import people, places
from attack_tools.forger import FORGERIES, SCHEMES, STRANGERS, Forger
from attack_tools.stage import quoted

pytestmark = [pytest.mark.slow, pytest.mark.feature("S2"), pytest.mark.feature("X2")]

WRITES = {
    "venue": ("/lilitong.venue.v1.VenueService/RegisterVenue", places.register_venue, "venue_officer"),
    "checkpoint": ("/lilitong.checkpoint.v1.PostService/RegisterPost", places.register_post, "checkpoint_lead"),
    "quarantine": ("/lilitong.quarantine.v1.RegisterService/RegisterHousehold", people.register_household, "registrar"),
}
CREDENTIALS = {"TOKEN_REFUSED", "CREDENTIALS_REQUIRED"}


@pytest.fixture(params=access_table.SERVICES)
def write(request, stage):
    """Sends a good write of one service with the given headers; gives the forger for it and the outcome's maker."""
    path, sample, role = WRITES[request.param]

    async def write(headers):
        return await stage.send(path, sample(stage.world, role).SerializeToString(), headers)

    return Forger(stage.stack.minter, role), write


async def test_the_genuine_token_is_let_in(write, stage):
    """Without this, nothing below would tell anything."""
    forger, send = write
    assert (await send(bearer(forger.signed()))).code == "OK"
    assert await stage.grown()


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_forgery_speaks_for_nobody(name, write, stage):
    forger, send = write
    token = FORGERIES[name](forger)
    outcome = await send(bearer(token))
    assert (outcome.code, outcome.reason) == ("UNAUTHENTICATED", "TOKEN_REFUSED")
    assert quoted(token.encode(), outcome.said) is None
    assert not await stage.grown()


@pytest.mark.parametrize("name", STRANGERS)
async def test_who_may_not_is_told_so(name, write, stage):
    forger, send = write
    outcome = await send(bearer(STRANGERS[name](forger)))
    assert (outcome.code, outcome.reason) in {
        ("PERMISSION_DENIED", "NOT_ALLOWED"),
        ("PERMISSION_DENIED", "OUT_OF_AREA"),
    }
    assert not await stage.grown()


@pytest.mark.parametrize("name", SCHEMES)
async def test_credentials_count_only_in_their_place_and_once(name, write, stage):
    forger, send = write
    headers = SCHEMES[name](forger)
    outcome = await send(headers)
    known = {("UNAUTHENTICATED", reason) for reason in CREDENTIALS} | {("INVALID_ARGUMENT", "AMBIGUOUS_METADATA")}
    assert (outcome.code, outcome.reason) in known
    for _, value in headers:
        assert quoted(value if isinstance(value, bytes) else value.encode(), outcome.said) is None
    assert not await stage.grown()


@pytest.mark.parametrize("service", access_table.SERVICES)
@pytest.mark.parametrize("named", ["venue", "checkpoint", "quarantine", "gateway"])
async def test_a_services_own_token_writes_nowhere(named, service, stage):
    """Stolen from one service and shown to another: it opens the listed snapshots and nothing else."""
    path, sample, role = WRITES[service]
    outcome = await stage.send(path, sample(stage.world, role).SerializeToString(), stage.callers.workload(named))
    assert (outcome.code, outcome.reason) == ("PERMISSION_DENIED", "NOT_ALLOWED")
    assert not await stage.grown()

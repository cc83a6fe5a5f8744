"""Codes that several change at once, that are changed twice by one request, or whose change is cut off in the middle."""

import asyncio
from uuid import uuid4

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError, Kind
from chassis.rpc.validation import validate
from lilitong.venue.v1 import venue_pb2 as pb
from lilitong.venue.v1 import visit_pb2

pytestmark = [pytest.mark.feature("V3"), pytest.mark.connected]
ADMITTED = visit_pb2.CHECK_IN_OUTCOME_ADMITTED
ACTS = ("ReplaceVenueCode", "RevokeVenueCode", "IssueScreenSecret")


def ask(method, zone, request_id=None):
    return getattr(pb, f"{method}Request")(request_id=request_id or str(uuid4()), zone=zone)


async def act(house, caller, request):
    with calling(caller):
        return await getattr(house.venues, type(request).__name__.removesuffix("Request"))(request, None)


async def told(house):
    return await house.owner.fetchval("SELECT count(*) FROM outbox WHERE subject = 'lilitong.venue.code.v1.changed'")


async def versions(house):
    return tuple((await house.rows("SELECT code_version, screen_version, code FROM zones"))[0])


async def refused(action):
    with pytest.raises(DomainError) as caught:
        await action
    return caught.value.kind, caught.value.reason


@pytest.mark.case("concurrency")
async def test_ten_who_replace_one_code_at_once_each_make_a_version_and_only_the_last_admits(house, who):
    zone = (await house.register()).zones[0].zone
    made = await asyncio.gather(*(act(house, who.officer, ask("ReplaceVenueCode", zone)) for _ in range(10)))
    by_version = {each.zone.code_version: each.zone.code for each in made}
    assert sorted(by_version) == [*range(2, 12)]
    assert await told(house) == 10
    newest = by_version.pop(11)
    assert await versions(house) == (11, 0, newest)
    assert (await house.check_in(house.scan("wang", newest))).outcome == ADMITTED
    for former in by_version.values():
        assert await refused(house.check_in(house.scan("wang", former))) == (Kind.PRECONDITION, "VENUE_CODE_REVOKED")


@pytest.mark.case("concurrency")
async def test_screens_asked_for_at_once_get_a_secret_each_and_the_last_one_holds(house, who):
    zone = (await house.register()).zones[0].zone
    made = await asyncio.gather(*(act(house, who.operator, ask("IssueScreenSecret", zone)) for _ in range(6)))
    assert sorted(each.version for each in made) == [1, 2, 3, 4, 5, 6]
    assert len({each.secret for each in made}) == 6
    assert (await versions(house))[:2] == (1, 6)


@pytest.mark.case("repeat", "concurrency")
@pytest.mark.parametrize("method", ACTS)
async def test_one_request_sent_eight_times_at_once_acts_once_and_its_answer_stays(house, who, method):
    venue = await house.register(zones=2)
    zone, other = (each.zone for each in venue.zones)
    request = ask(method, zone)
    answers = await asyncio.gather(*(act(house, who.officer, request) for _ in range(8)))
    assert all(each == answers[0] for each in answers)
    assert await house.owner.fetchval("SELECT count(*) FROM code_requests") == 1
    assert await told(house) == (0 if method == "IssueScreenSecret" else 1)
    for changed in (*(ask(each, zone, request.request_id) for each in ACTS if each != method), ask(method, other)):
        changed.request_id = request.request_id
        mismatch = (Kind.MISMATCH, "IDEMPOTENCY_MISMATCH")
        assert await refused(act(house, who.officer, changed)) == mismatch
    await act(house, who.officer, ask("ReplaceVenueCode", zone))
    assert await act(house, who.officer, request) == answers[0]


@pytest.mark.case("crash")
@pytest.mark.parametrize("method", ACTS)
async def test_a_change_cut_off_at_its_last_step_leaves_the_former_code_in_force(house, who, monkeypatch, method):
    venue = await house.register()
    zone, code = venue.zones[0].zone, venue.zones[0].code
    request, before = ask(method, zone), await versions(house)

    async def cut(conn, *_):
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with monkeypatch.context() as broken:
        broken.setattr("venue.register.code_store.remember", cut)
        with pytest.raises(Exception, match=r"terminat|closed"):
            await act(house, who.officer, request)
    assert (await versions(house), await told(house)) == (before, 0)
    await house.zones.look()
    assert (await house.check_in(house.scan("wang", code))).outcome == ADMITTED
    await act(house, who.officer, request)
    assert await versions(house) != before


@pytest.mark.case("wrong caller")
@pytest.mark.parametrize("method", ACTS)
async def test_officers_of_another_area_change_no_code(house, method):
    zone, before = (await house.register()).zones[0].zone, await versions(house)
    stranger = Caller("officer-9", frozenset({"venue_officer"}), ("141103",))
    assert await refused(act(house, stranger, ask(method, zone))) == (Kind.DENIED, "OUT_OF_AREA")
    assert await versions(house) == before


@pytest.mark.case("bad input")
@pytest.mark.parametrize("method", ACTS)
async def test_a_zone_that_is_none_has_no_code_to_change(house, who, method):
    assert (await refused(act(house, who.officer, ask(method, 999_999))))[0] is Kind.NOT_FOUND
    for wrong, field in ((ask(method, 0), "zone"), (ask(method, 1, "17"), "request_id")):
        with pytest.raises(DomainError) as caught:
            validate(wrong)
        assert set(caught.value.fields) == {field}

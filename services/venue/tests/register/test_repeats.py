"""Applications and changes that come four times at once, with other content under their id, or cut off in the middle."""

from types import SimpleNamespace
from uuid import uuid4

import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError
from chassis.events.outbox import unsealed
from lilitong.venue.v1 import application_pb2, duplicate_pb2, venue_pb2
from venue.register.applications.rpc import ApplicationServicer
from venue.register.duplicates.finding import Finding
from venue.register.duplicates.rpc import DuplicateServicer

pytestmark = [pytest.mark.connected, pytest.mark.feature("V1")]
AREA = "141102001001"
OTHERS = {
    "SubmitApplication": {"application_id": str(uuid4())},
    "ReturnApplication": {"reasons": ["别的原因"]},
    "ApproveApplication": {"submission": 7},
    "RegisterVenue": {"name": "别的店"},
    "AddZones": {"zones": [venue_pb2.NewZone(name="别的层", capacity=1)]},
    "ChangeOwner": {"operators": ["shop-3"]},
    "CloseVenue": {"reason": "别的原因"},
    "DecideMergeCandidate": {"kept_venue_id": str(uuid4())},
}


@pytest.fixture
def office(house, who):
    """`await office.call(caller, request)`: any write of the register, by its request."""
    servicers = (
        house.venues,
        ApplicationServicer(house.pool, house.clock, house.codes, unsealed, lambda: None, house.zones.announce),
        DuplicateServicer(house.pool, house.clock, unsealed, house.zones.announce),
    )

    async def call(caller, request):
        name = type(request).__name__.removesuffix("Request")
        servicer = next(each for each in servicers if hasattr(each, name))
        with calling(caller):
            return await getattr(servicer, name)(request, None)

    return SimpleNamespace(call=call, find=Finding(house.pool, house.clock).tick)


def submission(application_id, **given):
    content = {
        "name": "吕梁人家",
        "category": 6,
        "area": AREA,
        "address": "滨河路9号",
        "zones": [venue_pb2.NewZone(name="大厅", capacity=40)],
    }
    return application_pb2.SubmitApplicationRequest(
        request_id=str(uuid4()),
        application_id=application_id,
        content=application_pb2.ApplicationContent(**content | given),
    )


async def walk(office, who):
    """Every kind of write of the register once: (caller, request)."""
    key = str(uuid4())
    fresh = lambda kind, **given: kind(request_id=str(uuid4()), **given)  # noqa: E731
    yield who.operator, submission(key)
    yield (
        who.officer,
        fresh(application_pb2.ReturnApplicationRequest, application_id=key, submission=1, reasons=["地址不详"]),
    )
    yield who.operator, submission(key, address="滨河路9号二楼")
    yield who.officer, fresh(application_pb2.ApproveApplicationRequest, application_id=key, submission=2)
    twin = fresh(
        venue_pb2.RegisterVenueRequest, venue_id=str(uuid4()), name="吕梁人家", category=6, area=AREA,
        address="滨河路9号二楼", zones=[venue_pb2.NewZone(name="厅", capacity=9)],
    )  # fmt: skip
    yield who.officer, twin
    yield (
        who.officer,
        fresh(venue_pb2.AddZonesRequest, venue_id=key, zones=[venue_pb2.NewZone(name="二层", capacity=5)]),
    )
    yield who.officer, fresh(venue_pb2.ChangeOwnerRequest, venue_id=key, operators=["shop-2"])
    await office.find()
    (pair,) = (await office.call(who.officer, duplicate_pb2.ListMergeCandidatesRequest(area="141102"))).candidates
    yield who.officer, fresh(
        duplicate_pb2.DecideMergeCandidateRequest, candidate_id=pair.candidate_id,
        decision=duplicate_pb2.MERGE_DECISION_SAME_VENUE, kept_venue_id=key,
    )  # fmt: skip
    yield who.officer, fresh(venue_pb2.CloseVenueRequest, venue_id=key, reason="歇业")


async def counts(house):
    tables = (
        "applications",
        "application_submissions",
        "application_decisions",
        "venues",
        "zones",
        "venue_particulars",
    )
    tables += ("merge_decisions", "outbox")
    found = {table: await house.owner.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    return found | {"closed": await house.owner.fetchval("SELECT count(*) FROM venues WHERE closed_at IS NOT NULL")}


@pytest.mark.case("repeat", "concurrency")
async def test_every_act_sent_four_times_at_once_acts_once_and_other_content_under_its_id_is_refused(
    office, house, who, insisting
):
    pressed = insisting(office.call, OTHERS)
    async for caller, request in walk(office, who):
        await pressed(caller, request)
    expected = {
        "applications": 1, "application_submissions": 2, "application_decisions": 2, "venues": 2, "zones": 3,
        "merge_decisions": 1, "closed": 2,
    }  # fmt: skip
    found = await counts(house)
    assert {name: found[name] for name in expected} == expected
    # A registration is told again as the venue is by now, so that nobody prints a code that was replaced since.
    (registered,) = [each for each in pressed.sent if isinstance(each[1], venue_pb2.RegisterVenueRequest)]
    pressed.sent.remove(registered)
    caller, request, answer = registered
    now = (await office.call(caller, request)).venue
    assert (now.venue_id, now.zones[0].zone) == (answer.venue.venue_id, answer.venue.zones[0].zone)
    assert now == (await office.call(caller, venue_pb2.GetVenueRequest(venue_id=now.venue_id))).venue
    assert await pressed.again() == OTHERS.keys() - {"RegisterVenue"}
    assert await counts(house) == found


@pytest.mark.case("crash")
async def test_every_act_cut_off_at_its_last_step_leaves_nothing_and_succeeds_when_sent_again(
    office, house, who, monkeypatch
):
    async def cut(conn, *_, **__):
        await conn.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    walked = 0
    async for caller, request in walk(office, who):
        before = await counts(house)
        with monkeypatch.context() as broken:
            for place in ("chassis.writes.idempotency.remember", "venue.register.registration.publish_registered"):
                broken.setattr(place, cut)
            with pytest.raises(Exception, match=r"terminat|closed"):
                await office.call(caller, request)
        assert await counts(house) == before, type(request).__name__
        await office.call(caller, request)
        assert await counts(house) != before
        walked += 1
    assert walked == 9


@pytest.mark.case("wrong caller")
async def test_an_answer_given_to_one_is_not_given_to_another_who_sends_the_same(office, who):
    """The same request id and content, from somebody else."""
    request = submission(str(uuid4()))
    await office.call(who.operator, request)
    with pytest.raises(DomainError) as refused:
        await office.call(who.other, request)
    assert refused.value.reason == "NOT_AN_OPERATOR"
    assert (await office.call(who.operator, request)).application.applicant == who.operator.subject
    far = Caller("officer-9", frozenset({"venue_officer"}), ("141103",))
    async for caller, each in walk(office, who):
        await office.call(caller, each)
        if not isinstance(each, application_pb2.SubmitApplicationRequest | venue_pb2.RegisterVenueRequest):
            with pytest.raises(DomainError) as refused:
                await office.call(far, each)
            assert refused.value.reason == "OUT_OF_AREA"

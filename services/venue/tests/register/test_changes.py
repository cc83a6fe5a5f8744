"""What becomes of a registered venue: further zones, another owner, its closing."""

import asyncio
from datetime import UTC
from uuid import uuid4

import asyncpg
import pytest
from chassis.access import calling
from chassis.auth import Caller
from chassis.errors import DomainError
from lilitong.venue.v1 import events_pb2, venue_pb2, visit_pb2
from passes import venue_code

pytestmark = [pytest.mark.feature("V1"), pytest.mark.connected]


def zones(venue, *names, request_id=None):
    return venue_pb2.AddZonesRequest(
        request_id=request_id or str(uuid4()),
        venue_id=venue.venue_id,
        zones=[venue_pb2.NewZone(name=name, capacity=30) for name in names],
    )


def owner(venue, name="新业主", *, operators=("shop-2",)):
    return venue_pb2.ChangeOwnerRequest(
        request_id=str(uuid4()),
        venue_id=venue.venue_id,
        particulars=venue_pb2.Particulars(owner=name, responsible_person="王五", licence="91141102MA0K00000X"),
        operators=operators,
    )


def closing(venue):
    return venue_pb2.CloseVenueRequest(request_id=str(uuid4()), venue_id=venue.venue_id, reason="歇业")


async def act(house, method, request, caller):
    with calling(caller):
        return await getattr(house.venues, method)(request, None)


async def subjects(house):
    rows = await house.rows("SELECT subject FROM outbox ORDER BY seq")
    return [row["subject"].removeprefix("lilitong.venue.") for row in rows]


@pytest.mark.case("happy path", "repeat")
async def test_zones_added_later_have_codes_of_their_own_and_are_known_at_once(house, who):
    venue = await house.register(zones=2)
    request = zones(venue, "三层", "四层")
    changed = (await act(house, "AddZones", request, who.officer)).venue
    assert [zone.name for zone in changed.zones] == ["区0", "区1", "三层", "四层"]
    assert changed.zones[:2] == venue.zones
    for zone in changed.zones[2:]:
        assert venue_code.parse(zone.code).zone == zone.zone
    assert (
        await house.check_in(house.scan("甲", changed.zones[3].code))
    ).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    assert (await act(house, "AddZones", request, who.officer)).venue == changed
    assert await subjects(house) == ["venue.v1.registered", "venue.v1.zones_added"]


@pytest.mark.case("bad input")
async def test_zones_beyond_the_bound_or_with_a_name_twice_are_refused(house, who):
    venue = await house.register(zones=2)
    for request, reason in (
        (zones(venue, *(f"层{n}" for n in range(49))), "TOO_MANY_ZONES"),
        (zones(venue, "区0"), "ZONE_EXISTS"),
        (zones(venue, "新", "新"), "ZONE_EXISTS"),
    ):
        with pytest.raises(DomainError, match=reason):
            await act(house, "AddZones", request, who.officer)
    assert await house.owner.fetchval("SELECT count(*) FROM zones") == 2


@pytest.mark.case("concurrency")
async def test_zones_added_at_once_do_not_take_each_others_place(house, who):
    venue = await house.register(zones=1)
    await asyncio.gather(*(act(house, "AddZones", zones(venue, f"层{n}"), who.officer) for n in range(8)))
    rows = await house.rows("SELECT ordinal FROM zones ORDER BY ordinal")
    assert [row["ordinal"] for row in rows] == list(range(9))


@pytest.mark.case("happy path", "wrong caller")
async def test_another_owners_accounts_take_over_at_once_and_the_former_stays_on_record(house, who):
    venue = await house.register()
    changed = (await act(house, "ChangeOwner", owner(venue), who.officer)).venue
    assert list(changed.operators) == ["shop-2"]
    code, pass_text = venue.zones[0].code, house.people.show("乙", house.clock.now())
    with pytest.raises(DomainError, match="NOT_AN_OPERATOR"):
        await house.check_in(house.staff_scan(pass_text, code), who.operator)
    admitted = await house.check_in(house.staff_scan(pass_text, code), who.other)
    assert admitted.outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    given = venue_pb2.GetParticularsRequest(venue_id=venue.venue_id)
    entries = (await act(house, "GetParticulars", given, who.officer)).entries
    assert [(each.particulars.owner, list(each.operators)) for each in entries] == [
        ("新业主", ["shop-2"]),
        ("", ["shop-1"]),
    ]
    mine = (await act(house, "GetParticulars", given, who.other)).entries
    assert [each.particulars.responsible_person for each in mine] == ["王五"]
    with pytest.raises(DomainError, match="NOT_AN_OPERATOR"):
        await act(house, "GetParticulars", given, who.operator)


async def test_who_owns_a_venue_is_told_to_nobody(house, who):
    venue = await house.register()
    await act(house, "ChangeOwner", owner(venue, "秘密业主"), who.officer)
    for row in await house.rows("SELECT payload FROM outbox"):
        assert "秘密业主".encode() not in row["payload"]
        assert "王五".encode() not in row["payload"]


@pytest.mark.feature("V3")
@pytest.mark.case("happy path", "repeat")
async def test_a_closed_venues_codes_are_invalid_at_once_and_nothing_is_deleted(house, who):
    venue = await house.register(zones=2)
    await house.check_in(house.scan("甲", venue.zones[0].code))
    request = closing(venue)
    closed = (await act(house, "CloseVenue", request, who.officer)).venue
    assert closed.closed_at.ToDatetime(UTC) == house.clock.now()
    assert [zone.code for zone in closed.zones] == ["", ""]
    for zone in venue.zones:
        with pytest.raises(DomainError, match="VENUE_CODE_REVOKED"):
            await house.check_in(house.scan("乙", zone.code))
    assert await house.stored() == 1
    assert (await act(house, "CloseVenue", request, who.officer)).venue == closed
    assert await subjects(house) == ["venue.v1.registered", "code.v1.changed", "code.v1.changed", "venue.v1.closed"]
    told = await house.owner.fetchval("SELECT payload FROM outbox ORDER BY seq DESC LIMIT 1")
    assert events_pb2.VenueChanged.FromString(told).venue == closed


@pytest.mark.case("bad input")
async def test_what_is_closed_does_not_change_any_more(house, who):
    venue = await house.register()
    await act(house, "CloseVenue", closing(venue), who.officer)
    replace = venue_pb2.ReplaceVenueCodeRequest(request_id=str(uuid4()), zone=venue.zones[0].zone)
    for method, request in (
        ("AddZones", zones(venue, "新")),
        ("ChangeOwner", owner(venue)),
        ("CloseVenue", closing(venue)),
        ("ReplaceVenueCode", replace),
    ):
        with pytest.raises(DomainError, match="VENUE_CLOSED"):
            await act(house, method, request, who.officer)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await house.pool.execute("UPDATE zones SET code = 'LLV1:X'")
    assert refused.value.constraint_name == "zones_closed_check"


@pytest.mark.case("concurrency")
async def test_a_code_that_is_replaced_while_the_venue_closes_is_refused_or_falls_with_it(house, who):
    venue = await house.register()
    replacing = [venue_pb2.ReplaceVenueCodeRequest(request_id=str(uuid4()), zone=venue.zones[0].zone) for _ in range(6)]
    acts = [act(house, "ReplaceVenueCode", each, who.officer) for each in replacing]
    acts.insert(3, act(house, "CloseVenue", closing(venue), who.officer))
    done = await asyncio.gather(*acts, return_exceptions=True)
    refused = [each for each in done if isinstance(each, Exception)]
    assert {getattr(each, "reason", each) for each in refused} <= {"VENUE_CLOSED"}
    assert await house.owner.fetchval("SELECT code FROM zones") is None


@pytest.mark.case("concurrency")
async def test_closing_once_of_ten_at_once(house, who):
    venue = await house.register()
    done = await asyncio.gather(
        *(act(house, "CloseVenue", closing(venue), who.officer) for _ in range(10)), return_exceptions=True
    )
    assert sorted(getattr(each, "reason", "done") for each in done) == ["VENUE_CLOSED"] * 9 + ["done"]


@pytest.mark.case("wrong caller")
async def test_officers_of_another_area_change_nothing(house, who):
    venue = await house.register()
    stranger = Caller("officer-9", frozenset({"venue_officer"}), ("141103",))
    for method, request in (
        ("AddZones", zones(venue, "新")),
        ("ChangeOwner", owner(venue)),
        ("CloseVenue", closing(venue)),
        ("GetParticulars", venue_pb2.GetParticularsRequest(venue_id=venue.venue_id)),
    ):
        with pytest.raises(DomainError, match="OUT_OF_AREA"):
            await act(house, method, request, stranger)
    with pytest.raises(DomainError, match="VENUE_UNKNOWN"):
        await act(
            house,
            "CloseVenue",
            venue_pb2.CloseVenueRequest(request_id=str(uuid4()), venue_id=str(uuid4()), reason="x"),
            who.officer,
        )


@pytest.mark.case("happy path")
async def test_the_register_is_searched_by_name_address_and_licence_page_by_page(house, who):
    venues = [await house.register() for _ in range(5)]
    await act(house, "ChangeOwner", owner(venues[3]), who.officer)
    await act(house, "CloseVenue", closing(venues[4]), who.officer)

    async def found(query, **more):
        names, token = [], ""
        while True:
            request = venue_pb2.ListVenuesRequest(area="141102", query=query, page_size=2, page_token=token, **more)
            answer = await act(house, "ListVenues", request, who.officer)
            names += [each.name for each in answer.venues]
            token = answer.next_page_token
            if not token:
                assert answer.total == len(names)
                return sorted(names)

    everything = sorted(each.name for each in venues)
    assert await found("店") == await found("滨河路") == everything
    assert await found(venues[2].name) == [venues[2].name]
    assert await found("91141102ma0k00000x") == [venues[3].name]
    assert await found("91141102MA0K") == await found("' OR 1=1 --") == await found("%") == []
    assert await found("店", open_only=True) == sorted(each.name for each in venues[:4])

"""Check-out and occupancy."""

import asyncio
import base64
from datetime import date, timedelta

import pytest
from chassis.access import calling
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import visit_pb2
from venue.visits.model import CheckOutError, VisitRef, check_out, instant_of

pytestmark = [pytest.mark.feature("V4")]
TODAY = date(2022, 3, 10)


async def occupancy(house, venue, caller):
    with calling(caller):
        answer = await house.visits.GetOccupancy(visit_pb2.GetOccupancyRequest(venue_id=venue.venue_id), None)
    return [(zone.inside, zone.capacity) for zone in answer.zones]


@pytest.mark.connected
@pytest.mark.case("happy path", "repeat")
async def test_a_check_out_ends_the_visit_once(house):
    code = (await house.register()).zones[0].code
    (visit_id,) = (await house.check_in(house.scan("wang", code))).visit_ids
    house.clock.advance(timedelta(minutes=20))
    left = await house.check_out(visit_id)
    assert left.ToDatetime() == instant_of(TODAY, 12 * 3600 + 1200).replace(tzinfo=None)
    house.clock.advance(timedelta(minutes=5))
    assert await house.check_out(visit_id) == left
    assert await house.check_out(visit_id, instant_of(TODAY, 12 * 3600 + 1200)) == left
    with pytest.raises(DomainError) as refused:
        await house.check_out(visit_id, instant_of(TODAY, 12 * 3600 + 1300))
    assert (refused.value.kind, refused.value.reason) == (Kind.MISMATCH, "VISIT_ENDED")
    (row,) = await house.rows("SELECT stay, overstay, checked_out FROM visits_plain")
    assert tuple(row) == (1200, False, True)


@pytest.mark.connected
@pytest.mark.case("happy path", "bad input")
async def test_a_check_out_may_be_later_than_the_default_up_to_the_limit_and_past_midnight(house):
    code = (await house.register(category=2)).zones[0].code
    house.clock.advance(timedelta(hours=11))  # 23:00
    (visit_id,) = (await house.check_in(house.scan("guest", code))).visit_ids
    house.clock.advance(timedelta(hours=30))
    with pytest.raises(DomainError) as refused:
        await house.check_out(visit_id, instant_of(TODAY, 48 * 3600))
    assert (refused.value.reason, set(refused.value.fields)) == ("STAY_TOO_LONG", {"left_at"})
    await house.check_out(visit_id, instant_of(TODAY, 37 * 3600))
    (row,) = await house.rows("SELECT day, stay, overstay FROM visits_plain")
    assert tuple(row) == (TODAY, 14 * 3600, True)


@pytest.mark.connected
@pytest.mark.case("bad input")
async def test_a_check_out_that_cannot_be_changes_nothing(house):
    code = (await house.register()).zones[0].code
    (visit_id,) = (await house.check_in(house.scan("wang", code))).visit_ids
    for left, reason in ((12 * 3600 - 1, "LEFT_BEFORE_CHECK_IN"), (13 * 3600, "LEFT_IN_FUTURE")):
        with pytest.raises(DomainError) as refused:
            await house.check_out(visit_id, instant_of(TODAY, left))
        assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, reason)
    unknown = VisitRef(TODAY, bytes(16), bytes(8)).to_id()
    with pytest.raises(DomainError) as missing:
        await house.check_out(unknown)
    assert missing.value.kind is Kind.NOT_FOUND
    (row,) = await house.rows("SELECT stay, checked_out FROM visits_plain")
    assert tuple(row) == (2_700, False)


@pytest.mark.connected
@pytest.mark.case("concurrency")
async def test_two_check_outs_at_once_agree(house):
    code = (await house.register()).zones[0].code
    (visit_id,) = (await house.check_in(house.scan("wang", code))).visit_ids
    house.clock.advance(timedelta(minutes=10))
    answers = await asyncio.gather(*(house.check_out(visit_id) for _ in range(8)))
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.connected
@pytest.mark.feature("V5", "X10")
@pytest.mark.case("happy path", "wrong caller", of="V5")
async def test_occupancy_counts_who_is_inside_now_and_no_drill(house, who):
    venue = await house.register(zones=2, capacity=50)
    hall, yard = (zone.code for zone in venue.zones)
    await house.check_in(house.scan("wang", hall, companions=("son",)))
    await house.check_in(house.scan("wang", hall))  # the same person again is one person
    (left,) = (await house.check_in(house.scan("li", yard))).visit_ids
    await house.check_in(house.scan("zhao", yard, drill_id="spring"))
    assert await occupancy(house, venue, who.operator) == [(2, 50), (1, 50)]
    house.clock.advance(timedelta(minutes=5))
    await house.check_out(left)
    assert await occupancy(house, venue, who.officer) == [(2, 50), (0, 50)]
    house.clock.advance(timedelta(minutes=41))
    assert await occupancy(house, venue, who.officer) == [(0, 50), (0, 50)]
    with pytest.raises(DomainError) as refused:
        await occupancy(house, venue, who.other)
    assert refused.value.reason == "NOT_AN_OPERATOR"


@pytest.mark.connected
@pytest.mark.feature("V5")
@pytest.mark.case("happy path", of="V5")
async def test_occupancy_knows_who_came_before_midnight(house, who):
    venue = await house.register(category=2)
    house.clock.advance(timedelta(hours=11, minutes=30))
    await house.check_in(house.scan("guest", venue.zones[0].code))
    house.clock.advance(timedelta(hours=1))
    assert await occupancy(house, venue, who.officer) == [(1, 100)]


@pytest.mark.case("bad input")
def test_a_visit_id_is_read_back_exactly_or_refused():
    ref = VisitRef(TODAY, bytes(range(16)), bytes(range(8)))
    text = ref.to_id()
    assert (len(text), VisitRef.of_id(text)) == (38, ref)
    other_spelling = text[:-1] + chr(ord(text[-1]) + 1)  # the last symbol has bits that no byte needs
    wide = base64.urlsafe_b64encode(b"\xff" * 28).decode().rstrip("=")
    for wrong in ("", text[:-1], text + "A", "!" * 38, other_spelling, wide, "ü" * 38):
        with pytest.raises(ValueError, match=r"visit id|out of range"):
            VisitRef.of_id(wrong)


def test_a_stay_lies_between_nothing_and_the_limit():
    assert check_out(2_700, 1_000, None, 1_600, 7_200) == 600
    assert check_out(2_700, 1_000, None, 900, 7_200) == 0
    assert check_out(2_700, 1_000, None, 90_000, 7_200) == 7_200
    assert check_out(2_700, 1_000, 8_200, 8_140, 7_200) == 7_200
    for left, now in ((999, 5_000), (8_201, 9_000), (5_000, 4_939)):
        with pytest.raises(CheckOutError):
            check_out(2_700, 1_000, left, now, 7_200)

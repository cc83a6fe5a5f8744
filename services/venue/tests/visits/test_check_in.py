"""Check-in: who is let in, who is stopped, who is looked at."""

from dataclasses import replace

import pytest
from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import visit_pb2
from venue.visits.model import VisitRef, key_bytes

from .conftest import ADMITTED, REFER, REFUSED, TODAY, reasons

pytestmark = [pytest.mark.connected, pytest.mark.feature("V4")]


@pytest.mark.case("happy path")
async def test_a_resident_who_scans_the_poster_is_admitted_and_recorded(house):
    code = (await house.register()).zones[0].code
    answer = await house.check_in(house.scan("wang", code))
    assert (answer.outcome, answer.grade, reasons(answer), answer.degraded) == (ADMITTED, 3, [], False)
    ref = VisitRef.of_id(answer.visit_ids[0])
    (row,) = await house.rows("SELECT * FROM visits_plain")
    assert (row["day"], row["tag"].bytes, key_bytes(row["visit_key"])) == (ref.day, ref.tag, ref.visit_key)
    assert (row["entered"], row["stay"], row["grade"], row["late"]) == (12 * 3600, 45 * 60, 3, False)


@pytest.mark.case("happy path", "wrong caller")
async def test_staff_of_the_venue_scan_the_phone_and_nobody_elses_staff_may(house, who):
    code = (await house.register()).zones[0].code
    request = house.staff_scan(house.people.show("wang", house.clock.now()), code)
    with pytest.raises(DomainError) as refused:
        await house.check_in(request, who.other)
    assert (refused.value.kind, refused.value.reason) == (Kind.DENIED, "NOT_AN_OPERATOR")
    assert await house.stored() == 0
    answer = await house.check_in(request, who.operator)
    assert (answer.outcome, answer.grade) == (ADMITTED, 1)


@pytest.mark.case("happy path")
async def test_companions_are_recorded_with_the_holder_or_without(house):
    code = (await house.register()).zones[0].code
    family = await house.check_in(house.scan("wang", code, companions=("son", "aunt")))
    assert len(family.visit_ids) == 3
    only_son = await house.check_in(house.scan("wang", code, companions=("son", "aunt"), presence=0b010))
    assert VisitRef.of_id(only_son.visit_ids[0]).tag == house.people.tag("son", TODAY)
    assert await house.stored() == 4


@pytest.mark.case("happy path", "bad input")
async def test_a_paper_card_is_scanned_by_staff_and_weighs_little(house, who):
    code = (await house.register()).zones[0].code
    card = house.card("grandma")
    answer = await house.check_in(house.staff_scan(card, code), who.operator)
    assert (answer.outcome, answer.grade) == (ADMITTED, 4)
    assert VisitRef.of_id(answer.visit_ids[0]).tag == house.people.tag("grandma", TODAY)
    with pytest.raises(DomainError) as refused:
        await house.check_in(visit_pb2.CheckInRequest(visit_key=bytes(8), credential=card, venue_code=code))
    assert refused.value.reason == "CARD_NEEDS_STAFF"
    unknown = await house.check_in(house.staff_scan("LLC1:00000000000000000000000000K1", code), who.operator)
    assert (unknown.outcome, await house.stored()) == (REFER, 1)


@pytest.mark.case("happy path")
async def test_a_restricted_person_is_refused_with_reason_and_reference_and_not_recorded(house):
    code = (await house.register()).zones[0].code
    entry = house.entry("contact")
    house.restrict(entry)
    answer = await house.check_in(house.scan("contact", code))
    assert (answer.outcome, reasons(answer), answer.reference) == (REFUSED, ["RESTRICTED_CLOSE_CONTACT"], entry.ref)
    assert all((answer.reasons[0].text_zh, answer.reasons[0].text_en))
    assert (list(answer.visit_ids), await house.stored()) == ([], 0)
    assert (await house.check_in(house.scan("neighbour", code))).outcome == ADMITTED


async def test_a_family_with_one_restricted_member_is_refused_as_a_whole(house):
    code = (await house.register()).zones[0].code
    house.restrict(house.entry("son", reason=3))
    answer = await house.check_in(house.scan("wang", code, companions=("son",)))
    assert (answer.outcome, reasons(answer)) == (REFUSED, ["RESTRICTED_HOUSEHOLD"])
    assert (await house.check_in(house.scan("wang", code, companions=("son",), presence=1))).outcome == ADMITTED


async def test_a_restriction_that_has_ended_or_was_lifted_stops_nobody(house):
    code = (await house.register()).zones[0].code
    house.restrict(house.entry("free", end_minute=11 * 60), house.entry("lifted"))
    house.restrict(house.entry("lifted", lift=True))
    assert (await house.check_in(house.scan("free", code))).outcome == ADMITTED
    assert (await house.check_in(house.scan("lifted", code))).outcome == ADMITTED


async def test_a_denial_without_proof_is_no_denial_but_a_question(house):

    code = (await house.register()).zones[0].code
    genuine = house.log.segment(1, [house.entry("wang")], day=TODAY)
    house.index.apply(replace(genuine, salt=bytes(16)))
    answer = await house.check_in(house.scan("wang", code))
    assert (answer.outcome, reasons(answer)) == (REFER, ["UNPROVEN_DENIAL"])
    assert await house.stored() == 0


async def test_a_list_too_old_lets_nobody_in_unseen(house):
    code = (await house.register()).zones[0].code
    house.state.too_old = True
    answer = await house.check_in(house.scan("wang", code))
    assert (answer.outcome, reasons(answer), await house.stored()) == (REFER, ["LIST_TOO_OLD"], 0)


@pytest.mark.feature("X10")
async def test_a_drill_touches_nobody_real(house):
    real, mock = await house.register(), await house.register(drill_id="spring")
    house.restrict(house.entry("wang"), drill_id="spring")
    assert (await house.check_in(house.scan("wang", real.zones[0].code))).outcome == ADMITTED
    stopped = await house.check_in(house.scan("wang", real.zones[0].code, drill_id="spring"))
    assert (stopped.outcome, stopped.drill_id) == (REFUSED, "spring")
    visitor = await house.check_in(house.scan("wang", mock.zones[0].code))
    assert (visitor.outcome, reasons(visitor)) == (REFER, ["DRILL_VENUE"])
    other = await house.check_in(house.scan("li", mock.zones[0].code, drill_id="autumn"))
    assert (other.outcome, reasons(other)) == (REFER, ["OTHER_DRILL"])
    played = await house.check_in(house.scan("li", real.zones[0].code, drill_id="spring"))
    assert (played.outcome, played.drill_id) == (ADMITTED, "spring")
    rows = await house.rows("SELECT drill_id FROM visits ORDER BY drill_id NULLS FIRST")
    assert [row["drill_id"] for row in rows] == [None, "spring"]

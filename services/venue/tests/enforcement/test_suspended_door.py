"""The door of a suspended venue: whom it refuses, where, and from when to when."""

from datetime import timedelta

import pytest
from lilitong.venue.v1 import visit_pb2

from .conftest import FORM, RED, failed

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7")]


@pytest.mark.case("happy path")
async def test_a_suspended_venues_code_refuses_at_once_on_every_replica_and_no_longer_after_the_end(street, replica):
    await street.policies()
    venue = await street.venue()
    await replica.zones.look()
    code = venue.zones[0].code

    def at_the_other(name):
        request = street.house.scan(name, code)
        from venue.visits.rpc import attempt

        return replica.admission.decide(attempt(request, "app-1"), street.now())

    assert (await street.check_in(venue, "a")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    measure = await failed(street, venue)
    # Proposed is not in force.
    assert (await street.check_in(venue, "b")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    bells = street.told.bell
    suspension = (await street.suspend(measure)).suspension
    assert street.told.bell == bells + 1
    answer = await street.check_in(venue, "c")
    assert answer.outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    (reason,) = answer.reasons
    assert (reason.code, reason.text_en) == ("VENUE_SUSPENDED", "This venue is suspended and closed for now")
    assert "停业整顿" in reason.text_zh
    await replica.zones.look()
    assert at_the_other("d").reasons == ("VENUE_SUSPENDED",)
    # By itself, with nobody telling anybody: neither memory reads the database again.
    street.house.clock.set(suspension.ends_at.ToDatetime(street.now().tzinfo) - timedelta(seconds=1))
    assert (await street.check_in(venue, "e")).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    street.later(seconds=1)
    await street.standing(venue)
    assert not at_the_other("f").reasons
    assert (await street.check_in(venue, "g")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    standing = await street.standing(venue)
    assert (standing.suspended, standing.card) == (False, RED)
    assert list(standing.measures[2].papers_in_force) == [FORM, RED]


async def test_what_was_admitted_before_keeps_its_answer_and_what_comes_later_is_recorded(street):
    await street.policies()
    venue = await street.venue()
    before = street.house.scan("wang", venue.zones[0].code)
    first = await street.house.check_in(before)
    late = street.house.scan("li", venue.zones[0].code, late=True)
    await street.suspend(await failed(street, venue))
    assert (await street.house.check_in(before)).visit_ids == first.visit_ids
    assert (await street.house.check_in(late)).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED


async def test_another_venue_and_a_drills_venue_stay_as_they_are(street):
    await street.policies()
    venue, other, drill = await street.venue(), await street.venue(), await street.venue(drill_id="spring")
    await street.suspend(await failed(street, drill))
    for each in (venue, other):
        assert (await street.check_in(each, each.venue_id)).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    played = street.house.scan("actor", drill.zones[0].code, drill_id="spring")
    street.house.restrict(drill_id="spring")
    assert (await street.house.check_in(played)).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED

"""Appeals: who decides, what an upheld one takes away, and what comes about by itself when its time has come."""

import asyncio
from datetime import timedelta

import pytest
from chassis.errors import Kind
from lilitong.venue.v1 import visit_pb2

from .conftest import FORM, count, failed, person, refused

pytestmark = [pytest.mark.connected, pytest.mark.feature("V7")]
UPHELD, REJECTED = 1, 2
OPEN, ESCALATED, WAS_UPHELD, WAS_REJECTED, LAPSED = 1, 2, 3, 4, 5


@pytest.mark.case("happy path", "wrong caller")
async def test_an_upheld_appeal_annuls_the_inspection_and_its_papers(street):
    await street.policies()
    venue = await street.venue()
    measure, _ = await street.climb_to_suspension(venue)
    appeal = await street.appeal(measure)
    assert (appeal.state, appeal.lapses_at.ToDatetime() - appeal.filed_at.ToDatetime()) == (OPEN, timedelta(hours=24))
    assert await refused(street.appeal(measure)) == (Kind.PRECONDITION, "APPEAL_OPEN")
    for involved in (street.lead, person("inspector-1", "enforcement_lead"), person("shop-1", "enforcement_lead")):
        assert await refused(street.decide(appeal.appeal_id, UPHELD, involved)) == (Kind.DENIED, "INVOLVED")
    assert (await street.decide(appeal.appeal_id, UPHELD)).state == WAS_UPHELD
    assert await refused(street.decide(appeal.appeal_id, REJECTED)) == (Kind.PRECONDITION, "APPEAL_DECIDED")
    standing = await street.standing(venue)
    annulled = standing.measures[2]
    assert (annulled.state, list(annulled.papers_in_force), standing.suspended) == (5, [], False)
    assert (standing.failed_counting, standing.current_measure_id) == (2, standing.measures[1].measure_id)
    assert (await street.check_in(venue)).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    assert (await street.fail(venue)).step == 3
    kinds = [subject for subject, _ in await street.events() if subject.startswith(("appeal", "suspension"))]
    assert kinds == ["suspension.v1.decided", "appeal.v1.filed", "appeal.v1.decided", "suspension.v1.ended"]


@pytest.mark.case("happy path")
async def test_a_rejected_appeal_leaves_everything_and_another_may_follow(street):
    await street.policies()
    venue = await street.venue()
    measure, suspension = await street.climb_to_suspension(venue)
    appeal = await street.appeal(measure)
    # Until it is decided nobody knows of a later end than this.
    assert (await street.standing(venue)).suspended_until == appeal.lapses_at
    assert (await street.decide(appeal.appeal_id, REJECTED)).state == WAS_REJECTED
    assert (await street.standing(venue)).suspended_until == suspension.ends_at
    street.later(hours=30)
    assert (await street.check_in(venue)).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    assert (await street.appeal(measure)).state == OPEN


@pytest.mark.case("happy path")
async def test_an_appeal_is_escalated_at_12_hours_and_at_24_suspension_and_cards_end(street, replica):
    await street.policies()
    venue = await street.venue()
    measure, _ = await street.climb_to_suspension(venue)
    appeal = await street.appeal(measure)
    await replica.zones.look()

    async def state():
        return (await street.standing(venue)).measures[2].appeal.state

    street.later(hours=12, seconds=-1)
    assert await state() == OPEN
    street.later(seconds=1)
    assert await state() == ESCALATED
    await street.room.clocks.tick()
    street.later(hours=12, seconds=-1)
    assert (await street.check_in(venue, "a")).outcome == visit_pb2.CHECK_IN_OUTCOME_REFUSED
    # Truth is computed from the time: no sweep has run, no memory was told.
    street.later(seconds=1)
    assert (await street.check_in(venue, "b")).outcome == visit_pb2.CHECK_IN_OUTCOME_ADMITTED
    assert not replica.zones.find(venue.zones[0].zone).suspended(street.now())
    assert await refused(street.decide(appeal.appeal_id, REJECTED)) == (Kind.PRECONDITION, "APPEAL_LAPSED")
    assert await refused(street.appeal(measure)) == (Kind.PRECONDITION, "APPEAL_LAPSED")
    standing = await street.standing(venue)
    assert (standing.failed_counting, standing.suspended) == (3, False)
    assert list(standing.measures[2].papers_in_force) == [FORM]
    assert await refused(street.propose_extension(measure)) == (Kind.PRECONDITION, "NOTHING_TO_EXTEND")
    await street.room.clocks.tick()
    await street.room.clocks.tick()
    told = [subject for subject, _ in await street.events() if subject.startswith(("appeal", "suspension"))]
    assert told == [
        "suspension.v1.decided", "appeal.v1.filed", "appeal.v1.escalated", "appeal.v1.lapsed", "suspension.v1.ended",
    ]  # fmt: skip
    (ended,) = await street.events("suspension.v1.ended")
    assert ended.ended_at == appeal.lapses_at
    # Nothing is left to lift but the older card: the measure closes with the re-inspection.
    street.later(days=3)
    await street.room.clocks.tick()
    assert len(await street.events("suspension.v1.ended")) == 1
    await street.rectify(measure)
    await street.passes(venue, measure)
    standing = await street.standing(venue)
    assert [each.state for each in standing.measures] == [4, 3, 4]
    assert standing.current_measure_id == standing.measures[1].measure_id


@pytest.mark.case("concurrency")
async def test_a_sweep_that_comes_late_still_tells_everything_once_even_from_two_replicas(street):
    await street.policies()
    venue = await street.venue()
    measure, _ = await street.climb_to_suspension(venue)
    await street.appeal(measure)
    street.later(days=30)
    await street.standing(venue)
    await asyncio.gather(*(street.room.clocks.tick() for _ in range(4)))
    told = [subject for subject, _ in await street.events() if subject.startswith("appeal")]
    assert told == ["appeal.v1.filed", "appeal.v1.escalated", "appeal.v1.lapsed"]
    assert await count(street, "ladder_clocks") == 0


async def test_the_end_of_a_suspension_is_told_when_it_has_come(street):
    await street.policies()
    venue = await street.venue()
    _, suspension = await street.climb_to_suspension(venue)
    street.later(days=2)
    await street.room.clocks.tick()
    assert not await street.events("suspension.v1.ended")
    street.later(days=1)
    await street.standing(venue)
    await street.room.clocks.tick()
    (ended,) = await street.events("suspension.v1.ended")
    assert (ended.suspension_id, ended.ended_at) == (suspension.suspension_id, suspension.ends_at)


async def test_nothing_is_left_to_rectify_where_the_shop_was_found_good_though_the_measure_looked_at_was_annulled(
    street,
):
    await street.policies()
    venue = await street.venue()
    yellow = await failed(street, venue, 2)
    red = await failed(street, venue, 1)
    await street.rectify(red)
    await street.passes(venue, red)
    await street.decide((await street.appeal(red)).appeal_id, UPHELD)
    standing = await street.standing(venue)
    assert (standing.current_measure_id, standing.measures[1].state) == (yellow, 3)
    assert await refused(street.rectify(yellow)) == (Kind.PRECONDITION, "REINSPECTED_ALREADY")
    await street.lift(await street.propose_lift(yellow))

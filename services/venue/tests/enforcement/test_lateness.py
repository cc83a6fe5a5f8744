"""What is late climbs: grid worker, community, sub-district, district; computed from the time, listed with the longest due first."""

from datetime import UTC, datetime, timedelta

import pytest
from chassis.errors import DomainError
from hypothesis import given
from hypothesis import strategies as st
from lilitong.venue.v1 import inspection_pb2 as ipb
from venue.enforcement.ladder.listing import DueCursor
from venue.enforcement.ladder.standing import Level, climbs_at, level_of

from .conftest import FENGSHAN, LIANHUACHI, person

pytestmark = pytest.mark.feature("X7")
connected = pytest.mark.connected
NOW = datetime(2022, 3, 10, tzinfo=UTC)


def test_a_level_is_reached_with_every_climb_and_the_district_is_the_top():
    due = NOW
    for late, expected in (
        (timedelta(0), Level.NONE),
        (timedelta(microseconds=1), Level.GRID_WORKER),
        (timedelta(hours=12), Level.COMMUNITY),
        (timedelta(hours=24), Level.SUB_DISTRICT),
        (timedelta(hours=36), Level.DISTRICT),
        (timedelta(days=400), Level.DISTRICT),
    ):
        assert level_of(due, 12, due + late) is expected
    assert level_of(None, 12, NOW) is Level.NONE


@given(st.integers(1, 240), st.timedeltas(timedelta(days=-9), timedelta(days=90)))
def test_it_stays_at_its_level_until_it_climbs_and_then_is_one_higher(hours, late):
    at = NOW + late
    level, climbs = level_of(NOW, hours, at), climbs_at(NOW, hours, at)
    if level in (Level.NONE, Level.DISTRICT):
        assert climbs is None
    else:
        assert climbs is not None
        assert climbs > at
        assert level_of(NOW, hours, climbs - timedelta(microseconds=1)) is level
        assert level_of(NOW, hours, climbs) == level + 1


@connected
async def test_an_overdue_rectification_and_reinspection_climb_and_are_listed_with_their_level(street):
    await street.policies()
    slow, quick = await street.venue(LIANHUACHI), await street.venue(FENGSHAN)
    late = (await street.fail(slow)).inspection.inspection_id
    done = (await street.fail(quick)).inspection.inspection_id
    assert not await street.open_measures(late_only=True)
    street.later(hours=47)
    await street.rectify(done)
    rows = await street.open_measures()
    assert [(row.measure_id, row.state, row.level) for row in rows] == [(late, 1, 0), (done, 2, 0)]
    levels = []
    for _ in range(5):
        street.later(hours=24)
        rows = await street.open_measures(late_only=True)
        levels.append([(row.venue_name, row.level) for row in rows])
    one, other = slow.name, quick.name
    assert levels == [
        [(one, 1)],
        [(one, 2), (other, 2)],
        [(one, 3), (other, 3)],
        [(one, 4), (other, 4)],
        [(one, 4), (other, 4)],
    ]
    assert [row.HasField("climbs_at") for row in rows] == [False, False]
    await street.passes(quick, done)
    assert [row.measure_id for row in await street.open_measures()] == [late]
    await street.rectify(late)
    assert not await street.open_measures(late_only=True)


@connected
async def test_lists_are_bounded_by_area_state_and_level_and_paged_without_loss(street):
    await street.policies()
    venues = [await street.venue(area) for area in (LIANHUACHI, FENGSHAN) * 3]
    measures = []
    for venue in venues:
        measures.append((await street.fail(venue)).inspection.inspection_id)
        street.later(hours=1)
    await street.rectify(measures[0])
    everything = await street.open_measures()
    assert len(everything) == 6
    assert [row.due_at.ToDatetime() for row in everything] == sorted(row.due_at.ToDatetime() for row in everything)
    assert len(await street.open_measures(FENGSHAN)) == 3
    assert [row.measure_id for row in await street.open_measures(state=2)] == [measures[0]]
    street.later(hours=45)
    rows = await street.open_measures(level=1)
    assert {row.measure_id for row in rows} == {measures[0], measures[1], measures[2]}
    street.later(hours=3)
    assert [row.measure_id for row in await street.open_measures(level=2)] == [measures[0]]
    from lilitong.venue.v1 import enforcement_pb2 as pb

    pages, token = [], ""
    for _ in range(3):
        ask = pb.ListOpenMeasuresRequest(area="141102", page_size=2, page_token=token)
        answer = await street.call(street.lead, ask)
        pages += answer.measures
        token = answer.next_page_token
    assert (token, [row.measure_id for row in pages]) == ("", [row.measure_id for row in await street.open_measures()])


@connected
async def test_what_waits_for_a_lift_or_an_approval_is_seen_too(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    for _ in range(3):
        measure = (await street.fail(venue)).inspection.inspection_id
    (row,) = await street.open_measures()
    assert (row.suspension_pending, row.step) == (True, 3)
    await street.suspend(measure)
    (row,) = await street.open_measures()
    assert not row.suspension_pending
    await street.rectify(measure)
    await street.passes(venue, measure)
    (row,) = await street.open_measures(state=3)
    assert (row.HasField("due_at"), row.level) == (False, 0)
    await street.lift(await street.propose_lift(measure))
    assert not await street.open_measures()


@connected
async def test_a_grid_worker_sees_what_is_late_in_its_community(street):
    """That it sees no other is held by the access matrix: the area is a field of the request."""
    await street.policies()
    await street.fail(await street.venue(FENGSHAN))
    worker = person("grid-1", "grid_worker", areas=(f"{FENGSHAN}001",))
    street.later(hours=49)
    (row,) = await street.open_measures(f"{FENGSHAN}001", worker, late_only=True)
    assert row.level == Level.GRID_WORKER


@connected
async def test_a_page_token_that_is_not_ours_is_refused(street):
    with pytest.raises(DomainError) as refused:
        await street.open_measures(page_token="x")
    assert refused.value.reason == "PAGE_TOKEN_INVALID"


@given(st.one_of(st.none(), st.integers(0, 2**60)), st.uuids())
def test_a_page_token_is_read_back(due, venue_id):
    assert DueCursor.decode(DueCursor(due, venue_id).encode()) == DueCursor(due, venue_id)


@connected
async def test_a_closed_venue_is_late_with_nothing_and_its_ladder_stays_to_be_read(street):
    await street.policies()
    closed, other = await street.venue(LIANHUACHI), await street.venue(LIANHUACHI)
    measures = [(await street.fail(each)).inspection.inspection_id for each in (closed, other)]
    street.later(hours=1)
    await street.house.close(closed)
    assert [row.measure_id for row in await street.open_measures()] == [measures[1]]
    street.later(hours=95)
    assert [row.measure_id for row in await street.open_measures(late_only=True)] == [measures[1]]
    assert (await street.standing(closed)).measures[0].measure_id == measures[0]


@connected
@pytest.mark.feature("V6")
async def test_an_inspection_made_after_the_closing_is_refused_and_one_made_before_is_taken(street):
    await street.policies()
    venue = await street.venue(LIANHUACHI)
    before = await street.inspection(venue, bad=["masks"])
    street.later(hours=1)
    await street.house.close(venue)
    with pytest.raises(DomainError, match="VENUE_CLOSED"):
        await street.fail(venue)
    assert (await street.call(street.one, before)).step == 1


@connected
@pytest.mark.feature("X10", "V6")
async def test_a_drills_measures_and_inspections_are_listed_only_when_it_is_named(street):
    await street.policies()
    real, drill = await street.venue(LIANHUACHI), await street.venue(LIANHUACHI, drill_id="drill-1")
    ours, theirs = [(await street.fail(each)).inspection.inspection_id for each in (real, drill)]
    for drill_id, expected in (("", [ours]), ("drill-1", [theirs]), ("drill-2", [])):
        assert [row.measure_id for row in await street.open_measures(drill_id=drill_id)] == expected
        request = ipb.ListInspectionsRequest(area="141102", drill_id=drill_id)
        listed = (await street.call(street.lead, request)).inspections
        assert [each.inspection_id for each in listed] == expected
    # Of one venue there is nothing to tell apart.
    request = ipb.ListInspectionsRequest(area="141102", subject_id=drill.venue_id)
    assert [each.inspection_id for each in (await street.call(street.lead, request)).inspections] == [theirs]

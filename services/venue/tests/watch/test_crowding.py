"""Alerts about crowds: told when a level is reached, not again while people come and go around it."""

from datetime import timedelta

import pytest
from chassis.auth import Caller
from hypothesis import given
from hypothesis import strategies as st
from lilitong.venue.v1 import occupancy_pb2
from venue.watch.model import Crowding, level_of

LEVELS = (Crowding(1, 80, 70), Crowding(2, 100, 90), Crowding(3, 120, 110))
CROWDED, EASED = "lilitong.venue.occupancy.v1.crowded", "lilitong.venue.occupancy.v1.eased"


@pytest.mark.feature("V5")
@pytest.mark.parametrize(
    ("inside", "current", "expected"),
    [
        (79, 0, 0), (80, 0, 1), (75, 1, 1), (69, 1, 0), (100, 1, 2), (95, 2, 2), (89, 2, 1), (120, 0, 3), (111, 3, 3),
        (109, 3, 2), (0, 3, 0),
    ],
)  # fmt: skip
def test_a_level_rises_at_once_and_falls_only_below_its_lower_bound(inside, current, expected):
    assert level_of(inside, 100, current, LEVELS) == expected


@pytest.mark.feature("V5")
@given(st.integers(0, 500), st.integers(1, 300), st.integers(0, 3))
def test_a_level_that_was_just_reached_is_kept_by_the_same_number(inside, capacity, current):
    level = level_of(inside, capacity, current, LEVELS)
    assert level_of(inside, capacity, level, LEVELS) == level


@pytest.mark.connected
@pytest.mark.feature("V5")
@pytest.mark.case("happy path")
async def test_a_zone_that_fills_is_told_once_per_level_and_listed_until_it_has_emptied(watch, house):
    venue = await house.register(capacity=10)
    await watch.come(venue, [f"a{n}" for n in range(8)])
    await watch.tick()
    (first,) = await watch.events(CROWDED, occupancy_pb2.CrowdingChanged)
    assert (first.zone, first.level, first.former_level, first.inside, first.capacity) == (
        venue.zones[0].zone,
        1,
        0,
        8,
        10,
    )
    assert (first.venue_id, watch.told.relay) == (venue.venue_id, 1)
    await watch.come(venue, ["b1"])
    await watch.tick()
    assert len(await watch.events(CROWDED, occupancy_pb2.CrowdingChanged)) == 1
    listed = await watch.crowded()
    assert [(each.inside, each.capacity, each.level, each.venue_name) for each in listed.zones] == [
        (9, 10, 1, venue.name)
    ]
    assert (await watch.crowded(at_least=2)).total == 0 == (await watch.crowded("110101")).total
    house.clock.advance(timedelta(minutes=46))
    await watch.tick()
    (eased,) = await watch.events(EASED, occupancy_pb2.CrowdingChanged)
    assert (eased.level, eased.former_level, eased.inside) == (0, 1, 0)
    assert (await watch.crowded()).total == 0


@pytest.mark.connected
@pytest.mark.feature("V5")
async def test_somebody_who_comes_in_again_and_again_is_no_crowd(watch, house):
    venue = await house.register(capacity=3)
    for _ in range(5):
        await house.check_in(house.scan("wang", venue.zones[0].code))
        house.clock.advance(timedelta(seconds=2))
    assert await watch.counted(venue.zones[0].zone) == 5
    assert (await watch.exact(venue))[0] == 1
    assert not await watch.events(CROWDED, occupancy_pb2.CrowdingChanged)


@pytest.mark.connected
@pytest.mark.feature("V5")
@pytest.mark.case("happy path")
async def test_the_fullest_comes_first_and_the_list_is_bounded(watch, house):
    fuller, full = await house.register(capacity=2), await house.register(capacity=3)
    for venue in (full, fuller):
        await watch.come(venue, [f"{venue.name}{n}" for n in range(3)])
    await watch.tick()
    answer = await watch.crowded(page_size=1)
    assert ([each.zone for each in answer.zones], answer.total) == ([fuller.zones[0].zone], 2)
    worker = Caller("grid-1", frozenset({"grid_worker"}), ("141102",))
    assert (await watch.call(occupancy_pb2.ListCrowdedZonesRequest(area="141102"), worker)).total == 2


@pytest.mark.connected
@pytest.mark.feature("V5", "X10")
async def test_a_drills_crowd_is_listed_and_counted_only_when_it_is_named(watch, house):
    real, drill = await house.register(capacity=2), await house.register(capacity=2, drill_id="drill-1")
    for venue, drill_id in ((real, ""), (drill, "drill-1")):
        await watch.come(venue, [f"{venue.name}{n}" for n in range(3)], drill_id=drill_id)
    await watch.tick()
    for drill_id, expected in (("", [real.zones[0].zone]), ("drill-1", [drill.zones[0].zone]), ("drill-2", [])):
        answer = await watch.crowded(drill_id=drill_id)
        assert ([each.zone for each in answer.zones], answer.total) == (expected, len(expected))


@pytest.mark.connected
@pytest.mark.feature("V5")
async def test_a_count_repeats_of_its_venue_only_what_lists_read(watch, house):
    """`category` stays for the version before, which writes it."""
    venue = await house.register(category=5, capacity=2)
    await watch.come(venue, ["a"])
    await watch.tick()
    rows = await house.rows("SELECT area, category FROM zone_occupancy WHERE zone = $1", venue.zones[0].zone)
    assert [tuple(row) for row in rows] == [(venue.area, 0)]

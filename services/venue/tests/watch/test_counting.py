"""The count that goes along with check-ins: right after repeats, check-outs, late uploads, restarts, and at every replica."""

import asyncio
import random
from datetime import timedelta

import pytest
from chassis.access import calling
from chassis.events.outbox import unsealed
from lilitong.venue.v1 import summary_pb2
from venue.summary.rpc import SummaryServicer
from venue.watch.fold import Fold
from venue.watch.model import note_of_end, note_of_visit

pytestmark = [pytest.mark.connected, pytest.mark.feature("V5")]


@pytest.mark.case("happy path")
async def test_people_are_counted_in_while_they_stay_and_out_without_anybodys_doing(watch, house):
    venue = await house.register()
    zone = venue.zones[0].zone
    for name in ("wang", "li", "zhao"):
        await house.check_in(house.scan(name, venue.zones[0].code))
    assert await watch.counted(zone) == 3 == (await watch.exact(venue))[0]
    house.clock.advance(timedelta(minutes=46))
    assert await watch.counted(zone) == 0 == (await watch.exact(venue))[0]


@pytest.mark.case("repeat")
async def test_a_check_in_sent_again_is_counted_once(watch, house):
    venue = await house.register()
    request = house.scan("wang", venue.zones[0].code)
    for _ in range(3):
        await house.check_in(request)
    assert await watch.counted(venue.zones[0].zone) == 1


@pytest.mark.case("happy path")
async def test_a_check_out_takes_the_visitor_out_and_a_later_one_keeps_him(watch, house):
    venue = await house.register()
    zone = venue.zones[0].zone
    (short,) = (await house.check_in(house.scan("wang", venue.zones[0].code))).visit_ids
    (long,) = (await house.check_in(house.scan("li", venue.zones[0].code))).visit_ids
    house.clock.advance(timedelta(minutes=10))
    await house.check_out(short)
    house.clock.advance(timedelta(minutes=1))
    assert await watch.counted(zone) == 1 == (await watch.exact(venue))[0]
    house.clock.advance(timedelta(minutes=60))
    assert await watch.counted(zone) == 0
    await house.check_out(long)
    house.clock.advance(timedelta(minutes=1))
    assert await watch.counted(zone) == 0
    assert not await house.rows("SELECT FROM zone_changes")


@pytest.mark.case("happy path")
async def test_the_summary_of_an_area_has_the_people_of_all_its_zones(watch, house):
    venues = [await house.register(zones=2), await house.register(area="141102002001", category=6)]
    await house.register()
    for number, venue in enumerate(venues):
        await watch.come(venue, [f"{number}-{n}" for n in range(5 + number)], zone=0)
    await watch.tick()
    servicer = SummaryServicer(house.pool, house.clock)

    async def people(**given):
        with calling(watch.officer):
            answer = await servicer.GetVenueSummary(
                summary_pb2.GetVenueSummaryRequest(**{"area": "141102"} | given), None
            )
        return [row.now.occupancy for row in answer.rows]

    assert (await people(), await people(area_digits=9), await people(category=6)) == ([11], [5, 6], [6])
    house.clock.advance(timedelta(minutes=80))
    await watch.tick()
    assert await people() == [0]


@pytest.mark.case("concurrency")
async def test_what_was_counted_survives_a_restart_and_two_replicas_count_it_once(watch, house):
    venue = await house.register()
    zone = venue.zones[0].zone
    await watch.come(venue, [f"p{number}" for number in range(40)])
    others = [Fold(house.pool, house.clock, unsealed, lambda: None) for _ in range(4)]
    await watch.tick()
    await asyncio.gather(*(each.tick() for each in others))
    assert await watch.counted(zone) == 40
    assert await house.owner.fetchval("SELECT count(*) FROM visit_notes") == 0


async def test_late_uploads_of_a_stay_that_is_over_change_nothing_now(watch, house):
    venue = await house.register()
    await watch.come(venue, ["early"], entered=3 * 3600)
    assert await watch.counted(venue.zones[0].zone) == 0


@pytest.mark.feature("X10")
async def test_a_drills_visitor_is_not_inside_a_real_venue(watch, house):
    real = await house.register()
    await house.check_in(house.scan("wang", real.zones[0].code, drill_id="drill-1"))
    drill = await house.register(drill_id="drill-1")
    await house.check_in(house.scan("li", drill.zones[0].code, drill_id="drill-1"))
    assert await watch.counted(real.zones[0].zone) == 0 == (await watch.exact(real))[0]
    assert await watch.counted(drill.zones[0].zone) == 1 == (await watch.exact(drill))[0]


async def test_a_check_in_that_is_rolled_back_leaves_no_note(watch, house):
    venue = await house.register()
    code = venue.zones[0].code
    first = house.scan("wang", code, key=b"12345678", companions=("son",), presence=0b10)
    await house.check_in(first)
    await house.owner.execute("DELETE FROM visit_notes")
    house.clock.advance(timedelta(seconds=5))
    with pytest.raises(Exception, match="visit key"):
        await house.check_in(house.scan("wang", code, key=b"12345678", companions=("son",)))
    assert await house.owner.fetchval("SELECT count(*) FROM visit_notes") == 0


@pytest.mark.case("happy path")
async def test_random_comings_and_goings_are_counted_as_the_visits_say(watch, house):
    """Everybody comes once, so that the count and the visits mean the same; whole minutes, in which both are told."""
    draw = random.Random(5)
    venues = [await house.register(zones=2), await house.register(category=2)]
    staying = []
    for number in range(60):
        venue = draw.choice(venues)
        zone = draw.choice(venue.zones)
        answer = await house.check_in(house.scan(f"p{number}", zone.code))
        staying += answer.visit_ids
        if draw.random() < 0.4:
            visit = staying.pop(draw.randrange(len(staying)))
            await house.check_out(visit)
        house.clock.advance(timedelta(minutes=draw.choice([0, 1, 7, 30])))
        if draw.random() < 0.5:
            await watch.tick()
    house.clock.advance(timedelta(minutes=1))
    for venue in venues:
        exact = await watch.exact(venue)
        assert [await watch.counted(zone.zone) for zone in venue.zones] == exact
    assert await house.owner.fetchval("SELECT min(inside) FROM zone_occupancy") >= 0


async def test_a_note_says_the_same_in_the_database_and_here(watch, house):
    venue = await house.register()
    await house.check_in(house.scan("wang", venue.zones[0].code))
    zone = venue.zones[0].zone
    (row,) = await house.rows("SELECT packed FROM visit_notes")
    assert row["packed"] == [note_of_visit(zone, 12 * 3600, 12 * 3600 + 45 * 60, 3)]
    assert note_of_end(zone, 100, 200) == zone << 27 | 2 << 15 | 4 << 3

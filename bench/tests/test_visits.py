"""The made-up visits look like visits, are the same on every run, and lie in the real partition as the service's own do."""

import random
from collections import Counter
from datetime import date, timedelta

import asyncpg
import pytest
from bench.fill import Filler, seed_of
from bench.loaded import GB, LoadError, check_space
from bench.p9_storage import size, town
from bench.visits import ARRIVALS, GRADES, OPEN, arrivals, hours, per_hour, stay_of, tag_of
from chassis import partitions
from chassis.clock import ManualClock
from venue.visits import store
from venue.visits.model import key_number

from bench import p9_storage

pytestmark = pytest.mark.feature("P5", "P6", "P9")
DAY = date(2022, 3, 10)
ZONES = town(2000)


def test_some_zones_are_visited_far_more_than_others_and_all_that_are_open_are_visited():
    hour = hours(ZONES)[12]
    draw = random.Random(1)
    found = Counter(hour.pick(draw.random()).zone for _ in range(100_000))
    ordered = [count for _, count in found.most_common()]
    assert sum(ordered[:20]) > 0.1 * 100_000
    assert sum(ordered[:20]) < 0.6 * 100_000
    assert len(found) > 0.9 * len(hour.zones)
    assert hour.shares[-1] == pytest.approx(1.0)
    assert hour.pick(0.0) == hour.zones[0]
    assert hour.pick(1.0 - 1e-17) == hour.zones[-1]


def test_nobody_comes_while_a_zone_is_closed():
    category = {zone.zone: zone.category for zone in ZONES}
    for visit in arrivals(ZONES, DAY, 20_000, 500):
        opens, closes, _ = OPEN[category[visit.zone]]
        assert opens <= visit.entered // 3600 < closes


def test_visits_come_in_the_order_of_their_times_and_are_as_many_as_asked_for():
    visits = list(arrivals(ZONES, DAY, 10_007, 500))
    assert len(visits) == 10_007
    assert [visit.entered for visit in visits] == sorted(visit.entered for visit in visits)
    assert visits == list(arrivals(ZONES, DAY, 10_007, 500))
    assert visits != list(arrivals(ZONES, DAY, 10_007, 500, seed="other"))


def test_hours_of_a_day_add_up_also_when_the_day_is_not_over():
    assert sum(per_hour(1_000_003)) == 1_000_003
    assert len(per_hour(1000)) == len(ARRIVALS) == 24
    assert sum(per_hour(1_000_003, 20)) == 1_000_003
    assert len(per_hour(1000, 20)) == 20


def test_a_third_stays_the_default_and_few_stay_longer():
    draw, zone = random.Random(2), ZONES[30]
    stays = [stay_of(zone, draw) for _ in range(20_000)]
    assert 0.33 < sum(not out for _, out in stays) / len(stays) < 0.37
    assert {stay for stay, out in stays if not out} == {zone.dwell}
    assert 0.02 < sum(stay > zone.dwell for stay, _ in stays) / len(stays) < 0.06
    assert all(60 <= stay <= zone.stay_limit for stay, _ in stays)


def test_a_person_has_another_tag_every_day():
    tags = {tag_of(DAY + timedelta(days=step), person) for step in range(5) for person in range(100)}
    assert len(tags) == 500
    assert {len(tag) for tag in tags} == {16}


def test_seeds_lie_in_postgres_range_and_differ():
    seeds = [
        seed_of(DAY + timedelta(days=step), hour, held) for step in range(14) for hour in range(24) for held in (0, 9)
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(-1 <= seed <= 1 for seed in seeds)


def test_a_disk_that_is_too_small_is_said_before_anything_is_loaded():
    check_space(17 * GB, 50_000_000)
    with pytest.raises(LoadError, match=r"50,000,000 visits need 17 GB of disk, 16 GB are free"):
        check_space(16 * GB + 999, 50_000_000)
    check_space(16 * GB, 1_000_000)


@pytest.fixture
async def urls(make_service_database):
    """A database with the venue service's schema; role → URL."""
    made = await make_service_database("venue")
    return {"venue": made.url("venue"), "venue_owner": made.owner_url("venue")}


@pytest.fixture
async def owner(urls):
    connection = await asyncpg.connect(urls["venue_owner"])
    await partitions.ensure(connection, DAY, DAY)
    yield connection
    await connection.close()


PARTITION = "visits_20220310"
INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'visits_20220310' ORDER BY 1"
ATTACHED = """SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid
    WHERE indrelid = 'visits_20220310'::regclass AND indisvalid AND relispartition"""


@pytest.mark.connected
async def test_a_filled_partition_is_what_the_service_makes_with_its_rows_kept(urls, owner):
    before = (await owner.fetch(INDEXES), await owner.fetchval(ATTACHED))
    assert before[1] == 3
    filler = Filler(urls["venue_owner"], ZONES, 400)
    (mine,) = arrivals(ZONES, DAY, 1, 400)
    async with owner.transaction():
        await store.insert(owner, [mine])
    await filler.fill(DAY, 3000)
    await filler.fill(DAY, 1000, until=20, fill_percent=70)
    assert await owner.fetchval("SELECT count(*) FROM visits") == 4001
    assert (await owner.fetch(INDEXES), await owner.fetchval(ATTACHED)) == before
    kept = await owner.fetchrow("SELECT tag, entered FROM visits WHERE visit_key = $1", key_number(mine.visit_key))
    assert (kept["tag"].bytes, kept["entered"]) == (mine.tag, mine.entered)
    assert "fillfactor='70'" in await owner.fetchval(
        "SELECT indexdef FROM pg_indexes WHERE indexname = 'visits_20220310_unique'"
    )
    # The service goes on with it: it writes, sees repeats, and reindexes the day when it is closed.
    pool = await asyncpg.create_pool(urls["venue"], min_size=1, max_size=2)
    async with pool.acquire() as connection, connection.transaction():
        assert await store.insert(connection, [mine]) == set()
    done = await partitions.reindex_closed(pool, ManualClock(p9_storage.noon_after(DAY)))
    assert done == [PARTITION]
    await pool.close()
    measured = await size(owner, DAY)
    assert measured.rows == 4001
    assert sum(measured.parts.values()) == measured.total


@pytest.mark.connected
async def test_visits_loaded_in_bulk_are_like_those_of_the_other_generator(urls, owner):
    filler = Filler(urls["venue_owner"], ZONES, 400)
    await filler.fill(DAY, 20_000)
    rows = await owner.fetch("SELECT * FROM visits_plain")
    zones = {zone.zone: zone for zone in ZONES}
    known = {tag_of(DAY, person) for person in range(1, 401)}
    assert {row["tag"].bytes for row in rows} == known
    for row in rows:
        zone = zones[row["zone"]]
        opens, closes, _ = OPEN[zone.category]
        assert opens <= row["entered"] // 3600 < closes
        assert row["overstay"] == (row["stay"] > zone.dwell)
        assert row["checked_out"] or row["stay"] == zone.dwell
        assert 60 <= row["stay"] <= zone.stay_limit
    python = list(arrivals(ZONES, DAY, 20_000, 400))
    for share in (
        lambda each: each["late"],
        lambda each: each["overstay"],
        lambda each: each["grade"] == 1,
        lambda each: each["grade"] == len(GRADES),
        lambda each: each["stay"] == zones[each["zone"]].dwell,
    ):
        ours = sum(map(share, rows)) / len(rows)
        theirs = sum(share(vars_of(visit)) for visit in python) / len(python)
        assert ours == pytest.approx(theirs, abs=0.015)
    again = sorted((row["tag"].bytes, row["entered"], row["visit_key"]) for row in rows)
    await owner.execute("TRUNCATE visits")
    await filler.fill(DAY, 20_000)
    rows = await owner.fetch("SELECT tag, entered, visit_key FROM visits")
    assert sorted((row["tag"].bytes, row["entered"], row["visit_key"]) for row in rows) == again


def vars_of(visit):
    return {name: getattr(visit, name) for name in ("late", "overstay", "grade", "stay", "zone")}

"""Searches: answers in parts, concurrency with writers, drills, repeats, and what events they refuse."""

import asyncio
import json
import os
import random
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
from chassis.events import Event, PoisonError, Received
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from passes.days import DAY_SECONDS, day_number
from venue.searches import store
from venue.searches.events import OPENED, opened_handler
from venue.searches.model import Search, probes
from venue.searches.search import interval_of
from venue.visits.model import Visit, instant_of
from venue.visits.recording import Fate

pytestmark = [pytest.mark.connected, pytest.mark.feature("V11")]

TODAY = date(2022, 3, 10)
INDEX = b"i" * 16


def visit(zone, tag, entered, stay=2_700, **given):
    made = Visit(TODAY, tag, os.urandom(8), zone, entered, stay, 1, False, False, "")
    return replace(made, **given)


def search(**given):
    return replace(Search(TODAY, uuid4(), INDEX, 0, DAY_SECONDS, ""), **given)


async def open_search(house, wanted):
    async with house.pool.acquire() as connection, connection.transaction():
        await house.searching.open(connection, wanted)


def tags(messages):
    return [hit.tag for message in messages for hit in message.hits]


@pytest.mark.case("happy path")
async def test_nobody_found_is_an_answer_too(house):
    wanted = search()
    await open_search(house, wanted)
    (answer,) = await house.found()
    assert (answer.search_id, answer.part, answer.parts, len(answer.hits)) == (wanted.search_id.bytes, 1, 1, 0)


@pytest.mark.case("happy path")
async def test_an_answer_comes_in_parts_of_five_hundred_with_what_to_know_of_the_zones(house):
    venue = await house.register(category=3)
    zone = venue.zones[0].zone
    people = [n.to_bytes(16, "big") for n in range(1201)]
    await house.recorder.record_all([(visit(zone, INDEX, 40_000),), *((visit(zone, tag, 41_000),) for tag in people)])
    await open_search(house, search())
    answers = await house.found()
    assert [(a.part, a.parts, len(a.hits)) for a in answers] == [(1, 3, 500), (2, 3, 500), (3, 3, 201)]
    assert sorted(tags(answers)) == people
    for answer in answers:
        (context,) = answer.zones
        assert (context.zone, context.venue_name, context.category, context.area, context.visitors) == (
            zone,
            venue.name,
            3,
            venue.area,
            1202,
        )
    hit = answers[0].hits[0]
    assert (hit.overlap_start.ToDatetime(), hit.overlap_end.ToDatetime()) == (
        instant_of(TODAY, 41_000).replace(tzinfo=None),
        instant_of(TODAY, 42_700).replace(tzinfo=None),
    )


@pytest.mark.case("repeat")
async def test_opening_a_search_twice_answers_once(house):
    wanted = search()
    await open_search(house, wanted)
    await open_search(house, wanted)
    assert len(await house.found()) == 1


@pytest.mark.feature("X10")
async def test_a_drill_finds_its_own_and_a_real_search_finds_no_drill(house):
    zone = (await house.register()).zones[0].zone
    await house.recorder.record_all(
        [
            (visit(zone, INDEX, 100),),
            (visit(zone, INDEX, 100, drill_id="spring"),),
            (visit(zone, b"r" * 16, 200),),
            (visit(zone, b"d" * 16, 200, drill_id="spring"),),
            (visit(zone, b"e" * 16, 200, drill_id="autumn"),),
        ]
    )
    await open_search(house, search())
    await open_search(house, search(drill_id="spring"))
    real, drill = await house.found()
    assert (tags([real]), real.drill_id) == ([b"r" * 16], "")
    assert (tags([drill]), drill.drill_id) == ([b"d" * 16], "spring")
    rows = await house.rows("SELECT drill_id FROM outbox ORDER BY seq")
    assert [row["drill_id"] for row in rows][-2:] == ["", "spring"]
    await house.recorder.record((visit(zone, b"f" * 16, 300, drill_id="spring"),))
    late = (await house.found())[2:]
    assert [(m.drill_id, m.part, m.parts) for m in late] == [("spring", 0, 0)]


@pytest.mark.case("concurrency")
async def test_searches_and_writers_at_the_same_time_overlook_nobody(house):
    """The lock of the day: without it a visit and a search that cross would both miss the other."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    zone = (await house.register()).zones[0].zone
    rounds, people = 12, 8
    for round_ in range(rounds):
        await house.clear()
        wanted = search(tag=round_.to_bytes(16, "big"))
        everybody = [bytes([n]) * 16 for n in range(100, 100 + people)]

        async def write(one, delay):
            await asyncio.sleep(delay)
            # A connection each, not one group: writers must cross as those of several replicas do.
            async with house.pool.acquire() as connection, connection.transaction():
                answers = await house.recorder._write(connection, [(one,)])
            house.recorder.tell(answers[0].noted)

        async def look(delay, asked):
            await asyncio.sleep(delay)
            await open_search(house, asked)

        work = [write(visit(zone, tag, 1_000), chance.random() * 0.02) for tag in everybody]
        work += [write(visit(zone, wanted.tag, 900), chance.random() * 0.02), look(chance.random() * 0.02, wanted)]
        chance.shuffle(work)
        await asyncio.gather(*work)
        await house.again.work()
        assert sorted(tags(await house.found())) == everybody


@pytest.mark.case("concurrency")
async def test_two_visits_that_cross_are_not_overlooked_by_an_open_search(house):
    """The index person's own late visit and a contact's, written side by side, cannot see each other."""
    zone = (await house.register()).zones[0].zone
    await open_search(house, search())
    mine, theirs = visit(zone, INDEX, 900), visit(zone, b"c" * 16, 1_000)
    async with house.pool.acquire() as one, house.pool.acquire() as two, one.transaction():
        await house.recorder._write(one, [(mine,)])
        async with two.transaction():
            await house.recorder._write(two, [(theirs,)])
    assert await house.again.work() == 1
    assert tags(await house.found()) == [b"c" * 16]
    assert await house.again.work() == 0


@pytest.mark.case("crash")
async def test_what_waits_to_be_searched_again_survives_the_process(house):
    zone = (await house.register()).zones[0].zone
    await house.recorder.record((visit(zone, b"c" * 16, 1_000),))
    await open_search(house, search())
    async with house.pool.acquire() as connection, connection.transaction():
        await house.recorder._write(connection, [(visit(zone, INDEX, 900),)])  # and nobody is told: killed here
    from venue.searches.again import SearchAgain

    assert await SearchAgain(house.pool, house.searching, lambda: None).work() == 1
    assert tags(await house.found()) == [b"c" * 16]


@pytest.mark.case("crash")
async def test_a_killed_search_leaves_nothing_and_is_repeated_whole(house):
    zone = (await house.register()).zones[0].zone
    await house.recorder.record_all([(visit(zone, INDEX, 900),), (visit(zone, b"c" * 16, 1_000),)])
    wanted = search()

    async def killed():
        async with house.pool.acquire() as connection, connection.transaction():
            await house.searching.open(connection, wanted)
            await house.admin.execute("SELECT pg_terminate_backend($1, 5000)", connection.get_server_pid())
            await connection.execute("SELECT")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await killed()
    assert await house.found() == []
    await open_search(house, wanted)
    assert tags(await house.found()) == [b"c" * 16]


@pytest.mark.case("happy path")
async def test_a_check_out_after_the_answer_adds_whom_the_longer_stay_met(house):
    zone = (await house.register(category=3)).zones[0].zone
    mine, met, later = visit(zone, INDEX, 1_000), visit(zone, b"m" * 16, 3_000), visit(zone, b"l" * 16, 5_000)
    await house.recorder.record_all([(mine,), (met,), (later,)])
    await open_search(house, search())
    assert tags(await house.found()) == [b"m" * 16]
    from venue.visits.model import VisitRef

    await house.check_out(VisitRef(TODAY, INDEX, mine.visit_key).to_id(), instant_of(TODAY, 5_001))
    await house.again.work()
    added = (await house.found())[1:]
    assert sorted(tags(added)) == [b"l" * 16, b"m" * 16]
    by_tag = {hit.tag: hit for message in added for hit in message.hits}
    assert by_tag[b"l" * 16].overlap_end.seconds - by_tag[b"l" * 16].overlap_start.seconds == 1
    assert by_tag[b"m" * 16].overlap_end.seconds - by_tag[b"m" * 16].overlap_start.seconds == 2_001


async def test_a_check_in_that_comes_twice_at_once_is_told_of_once(house):
    """Both may share a transaction, to which both are new."""
    zone = (await house.register(category=3)).zones[0].zone
    mine, met = visit(zone, INDEX, 1_000), visit(zone, b"m" * 16, 3_000)
    await house.recorder.record((mine,))
    await open_search(house, search())
    assert await house.recorder.record_all([(met,), (met,), (mine,)]) == [Fate.STORED, Fate.STORED, Fate.REPEATED]
    assert tags(await house.found()) == [b"m" * 16]


def event(**given):
    start = instant_of(TODAY, 0)
    message = SearchOpened(search_id=b"s" * 16, day=day_number(TODAY), tag=INDEX, drill_id="")
    message.window_start.FromDatetime(start)
    message.window_end.FromDatetime(start + timedelta(days=1))
    for name, value in given.items():
        setattr(message, name, value) if name != "window_end" else message.window_end.FromDatetime(value)
    sent = Event.of(message, subject=OPENED, aggregate="s", day=TODAY)
    return Received(**{name: getattr(sent, name) for name in Event.__slots__})


@pytest.mark.case("happy path")
async def test_the_event_opens_the_search_and_wakes_the_relay(house):
    async with house.pool.acquire() as connection, connection.transaction():
        after = await opened_handler(house.searching.open, print)(connection, event())
    assert after is print
    (row,) = await house.rows("SELECT * FROM searches")
    assert (row["search_id"], row["window_start"], row["window_end"]) == (UUID(bytes=b"s" * 16), 0, DAY_SECONDS)


@pytest.mark.parametrize(
    "given",
    [
        {"tag": b"short"},
        {"day": 4_000_000_000},
        {"drill_id": "spring"},
        {"day": day_number(TODAY) - 1},
        {"window_end": instant_of(TODAY, 0)},
        {"window_end": instant_of(TODAY, 3 * DAY_SECONDS)},
    ],
    ids=lambda given: next(iter(given)),
)
@pytest.mark.case("bad input")
async def test_an_event_that_breaks_its_contract_is_poison(house, given):
    async with house.pool.acquire() as connection:
        with pytest.raises(PoisonError):
            await opened_handler(house.searching.open, print)(connection, event(**given))
    assert await house.found() == []


async def read_by(house, asked):
    """Index rows that the search reads for these probes, and rows that it has to look up in the table."""
    touched, heap = 0, 0
    async with house.pool.acquire() as connection:
        for overstay in (False, True):
            plan = await connection.fetchval(
                "EXPLAIN (ANALYZE, FORMAT JSON, TIMING OFF) " + store.seen_statement(overstay=overstay, drill=False),
                *store.probe_columns([probe for probe in asked if probe.overstay is overstay]),
            )
            for node in walk(json.loads(plan)[0]["Plan"]):
                if node["Node Type"] == "Seq Scan":
                    assert node["Actual Loops"] == 0
                assert node["Node Type"] not in {"Index Scan", "Bitmap Index Scan"}
                if "Index" in node["Node Type"]:
                    touched += node["Actual Loops"] * (
                        node["Actual Rows"]
                        + node.get("Rows Removed by Filter", 0)
                        + node.get("Rows Removed by Index Recheck", 0)
                    )
                    heap += node.get("Heap Fetches", 0)
    return touched, heap


async def test_a_search_touches_at_most_two_index_rows_per_contact(house):
    """Product P5 in small: three days of a busy shop, 60,000 visits, default dwell, one in twenty overstayed."""
    zone = (await house.register(category=3)).zones[0].zone
    await house.owner.execute(
        """
        INSERT INTO visits (place, entered, facts, day, tag, visit_key)
        SELECT entered / 3600 << 26 | $1, entered, CASE WHEN over THEN 9000 | 1048576 ELSE 2700 END,
               DATE '2022-03-10' - n % 3, gen_random_uuid(), n
        FROM (SELECT n, random() < 0.05 AS over, (random() * 86399)::integer AS entered
              FROM generate_series(1, 60000) AS n) AS made
        """,
        zone,
    )
    mine = visit(zone, INDEX, 43_200)
    assert await house.recorder.record((mine,)) is Fate.STORED
    wanted = search()
    async with house.pool.acquire() as connection:
        place = (await store.places(connection, [zone]))[zone]
    asked = probes(0, TODAY, interval_of(wanted, mine), place)
    # Once all pages are marked nothing but the index is read. Whoever has a snapshot in that moment, the server's own
    # maintenance included, keeps some from being marked.
    for _ in range(40):
        for day in ("20220310", "20220309", "20220308"):
            await house.owner.execute(f"VACUUM (ANALYZE, DISABLE_PAGE_SKIPPING) visits_{day}")
        touched, heap = await read_by(house, asked)
        if heap == 0:
            break
        await asyncio.sleep(0.25)
    await open_search(house, wanted)
    contacts = len(tags(await house.found()))
    print(f"{touched} index rows for {contacts} contacts: {touched / contacts:.2f} a contact, {heap} heap fetches")
    assert contacts > 900
    assert touched <= 2 * contacts
    assert heap == 0


def walk(node):
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)

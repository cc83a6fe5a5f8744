"""Searches: who passed a post near the index person, at once and for what is uploaded later, held against brute force."""

import asyncio
import secrets
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest
from chassis.clock import local_day
from chassis.events import Event, Received
from checkpoint.scanning import store
from checkpoint.scanning.model import Grade, Passage, Scan
from checkpoint.searches import events
from checkpoint.searches.model import first_open_day, parts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from passes.days import bounds, date_of, day_number

pytestmark = [pytest.mark.connected, pytest.mark.feature("Q6"), pytest.mark.asyncio(loop_scope="module")]

DAY = date(2022, 3, 10)
MINUTE = timedelta(minutes=1)


def new_tag():
    return secrets.token_bytes(16)


def hits(messages):
    return {
        (date_of(hit.day), hit.tag, hit.post, hit.passed_at.ToDatetime(UTC)) for found in messages for hit in found.hits
    }


async def test_those_at_the_same_post_within_the_minutes_are_leads_and_nobody_else(world):
    scanner, elsewhere, now = await world.scanner(), await world.scanner(), world.clock.now()
    index, close, far, other = (new_tag() for _ in range(4))
    await scanner.upload(
        world.offline(now - 20 * MINUTE, index),
        world.offline(now - 25 * MINUTE, close),
        world.offline(now - 26 * MINUTE, far),
    )
    await elsewhere.upload(world.offline(now - 20 * MINUTE, other))
    search_id = await world.search(index, DAY, minutes=5)
    (found,) = await world.answered(search_id)
    assert hits([found]) == {(DAY, close, scanner.post, now - 25 * MINUTE)}
    assert (found.search_id, found.part, found.parts, found.hits[0].late) == (search_id, 1, 1, True)


async def test_those_who_passed_just_before_midnight_lie_in_the_partition_of_the_day_before(world):
    scanner, midnight, index, close = await world.scanner(), bounds(DAY)[0], new_tag(), new_tag()
    await scanner.upload(world.offline(midnight + MINUTE, index), world.offline(midnight - 2 * MINUTE, close))
    (found,) = await world.answered(await world.search(index, DAY))
    assert hits([found]) == {(DAY - timedelta(days=1), close, scanner.post, midnight - 2 * MINUTE)}


async def test_a_search_without_anybody_is_answered_with_one_empty_part(world):
    search_id = await world.search(new_tag(), DAY)
    (found,) = await world.answered(search_id)
    assert (found.part, found.parts, len(found.hits)) == (1, 1, 0)


async def test_the_answer_is_published_on_the_bus_once_although_the_search_is_told_three_times(world):
    scanner, now, index, close = await world.scanner(), world.clock.now(), new_tag(), new_tag()
    await scanner.upload(world.offline(now, index), world.offline(now, close))
    subscription = await world.bus.jetstream().subscribe(events.FOUND)
    search_id = secrets.token_bytes(16)
    message = opened(search_id, index, DAY)
    event = Event.of(message, subject=events.OPENED, aggregate=search_id.hex(), day=DAY)
    for _ in range(3):
        await world.bus.publish(event.subject, event.payload, headers=event.headers() | {"Nats-Msg-Id": uuid4().hex})
    await world.answered(search_id)
    await asyncio.sleep(1)
    published = [m for m in list(subscription._pending_queue._queue) if m.headers["ce-partitionkey"] == search_id.hex()]
    assert len(published) == 1
    assert len(await world.found(search_id)) == 1
    assert "traceparent" not in published[0].headers
    await subscription.unsubscribe()


async def test_more_than_five_hundred_come_in_numbered_parts(world):
    scanner, now, index = await world.scanner(), world.clock.now(), new_tag()
    for _ in range(2):
        await scanner.upload(*[world.offline(now, new_tag(), new_tag()) for _ in range(260)])
    await scanner.upload(world.offline(now, index))
    search_id = await world.search(index, DAY)
    await world.answered(search_id)
    found = await world.found(search_id)
    assert [(message.part, message.parts, len(message.hits)) for message in found] == [
        (1, 3, 500),
        (2, 3, 500),
        (3, 3, 40),
    ]
    assert len(hits(found)) == 1040


async def test_later_uploads_meet_the_open_search_whichever_side_they_are_of(world):
    scanner, now, index, close, closer = await world.scanner(), world.clock.now(), new_tag(), new_tag(), new_tag()
    await scanner.upload(world.offline(now - 2 * MINUTE, close))
    search_id = await world.search(index, DAY)
    assert hits(await world.answered(search_id)) == set()
    await scanner.scan(world.quarantine.show((index,), now))
    assert hits(await world.found(search_id)) == {(DAY, close, scanner.post, now - 2 * MINUTE)}
    await scanner.scan(world.quarantine.show((closer,), now))
    found = await world.found(search_id)
    assert hits(found) == {(DAY, close, scanner.post, now - 2 * MINUTE), (DAY, closer, scanner.post, now)}
    assert {(message.part, message.parts) for message in found[1:]} == {(0, 0)}


async def test_the_windows_end_is_sharp_for_late_uploads_too(world):
    scanner, now, index, close = await world.scanner(), world.clock.now(), new_tag(), new_tag()
    search_id = await world.search(index, DAY, window=(now - 30 * MINUTE, now - 10 * MINUTE))
    await world.answered(search_id)
    await scanner.upload(world.offline(now - 10 * MINUTE, index), world.offline(now - 10 * MINUTE, close))
    assert hits(await world.found(search_id)) == set()
    await scanner.upload(world.offline(now - 11 * MINUTE, index))
    assert hits(await world.found(search_id)) == {(DAY, close, scanner.post, now - 10 * MINUTE)}


@pytest.mark.feature("X10")
async def test_a_drill_search_finds_only_its_drills_passages(world):
    scanner, now, index, real, drill = await world.scanner(), world.clock.now(), new_tag(), new_tag(), new_tag()
    await scanner.upload(
        world.offline(now, index, drill_id="drill-1"),
        world.offline(now, drill, drill_id="drill-1"),
        world.offline(now, real),
        world.offline(now, index, scan_id=b"realscan"),
    )
    search_id = await world.search(index, DAY, drill_id="drill-1")
    (found,) = await world.answered(search_id)
    assert {tag for _, tag, _, _ in hits([found])} == {drill}
    assert found.drill_id == "drill-1"
    row = await world.sql.fetchrow("SELECT drill_id FROM outbox WHERE aggregate = $1", search_id.hex())
    assert row["drill_id"] == "drill-1"


async def test_a_search_of_a_day_too_old_for_uploads_is_answered_and_not_kept_open(world):
    for age, kept in [(4, 1), (5, 1), (14, 1)]:
        search_id = await world.search(new_tag(), DAY - timedelta(days=age))
        await world.answered(search_id)
        assert await world.sql.fetchval("SELECT count(*) FROM searches") == kept


@pytest.mark.parametrize(
    "broken",
    [
        SearchOpened(search_id=b"short", tag=bytes(16), day=19061, passage_minutes=5),
        SearchOpened(search_id=bytes(16), tag=bytes(16), day=19061, passage_minutes=241),
        SearchOpened(search_id=bytes(16), tag=bytes(16), day=19062, passage_minutes=5),
        SearchOpened(search_id=bytes(16), tag=bytes(16), day=19061, passage_minutes=5, drill_id="other"),
    ],
)
async def test_an_event_that_cannot_be_a_search_is_set_aside_and_the_next_one_answered(world, broken):
    await world.sql.execute("DELETE FROM dead_letters")
    start, end = bounds(DAY)
    broken.window_start.FromDatetime(start)
    broken.window_end.FromDatetime(end)
    await world.tell(broken, events.OPENED, day=DAY, aggregate="broken")
    await world.answered(await world.search(new_tag(), DAY))

    async def letter():
        return await world.sql.fetchrow(
            "SELECT reason, payload FROM dead_letters WHERE consumer = 'checkpoint-searches'"
        )

    row = await world.until(letter)
    assert row["payload"] == broken.SerializeToString(deterministic=True)
    assert row["reason"]


def opened(search_id, tag, day, *, minutes=5, drill_id="", window=None):
    message = SearchOpened(
        search_id=search_id, day=day_number(day), tag=tag, passage_minutes=minutes, drill_id=drill_id
    )
    start, end = window or bounds(day)
    message.window_start.FromDatetime(start)
    message.window_end.FromDatetime(end)
    return message


def received(message, day, drill_id=""):
    event = Event.of(message, subject=events.OPENED, aggregate="a", day=day, drill_id=drill_id)
    return Received(
        event.event_id, event.type, event.subject, event.aggregate, event.day, event.payload, event.drill_id
    )


async def test_a_search_and_a_passage_that_commit_at_the_same_moment_always_meet(world):
    """Whoever comes second waits for the other's commit, and then sees it."""
    scanner, now = await world.scanner(), world.clock.now()
    handle = events.search_handler(world.clock, bytes, lambda: None)

    async def search(index):
        search_id = secrets.token_bytes(16)
        from asyncpg import connect

        conn = await connect(world.settings.database_url)
        try:
            async with conn.transaction():
                await handle(conn, received(opened(search_id, index, DAY), DAY))
                await asyncio.sleep(0.02)
        finally:
            await conn.close()
        return search_id

    people = [(new_tag(), new_tag()) for _ in range(25)]

    async def passage(index, close):
        await asyncio.sleep(secrets.randbelow(30) / 1000)
        await scanner.upload(world.offline(now, index))
        await scanner.upload(world.offline(now, close))

    found = await asyncio.gather(*(search(index) for index, _ in people), *(passage(*pair) for pair in people))
    for (_, close), search_id in zip(people, found[:25], strict=True):
        assert close in {tag for _, tag, _, _ in hits(await world.found(search_id))}


# A small world in which everything collides: two posts, one drill, three people, minutes around two midnights.
MIDNIGHT = bounds(DAY)[1]
scans = st.builds(
    lambda person, post, minute, drill: (person, post, MIDNIGHT + minute * MINUTE, drill),
    st.integers(0, 2),
    st.integers(1, 2),
    st.one_of(st.integers(-8, 4), st.sampled_from([-1442, -1440, -1438])),
    st.sampled_from(["", "", "", "drill"]),
)


def tag_of(person, day):
    return bytes([person]) * 12 + day_number(day).to_bytes(4, "big")


def expected(passages, tag, day, drill, minutes, window):
    own = [
        p for p in passages if (p.tag, p.day, p.drill_id) == (tag, day, drill) and window[0] <= p.passed_at < window[1]
    ]
    return {
        (p.day, p.tag, p.post, p.passed_at)
        for p in passages
        for mine in own
        if (p.tag, p.day) != (tag, day)
        and p.post == mine.post
        and p.drill_id == drill
        and abs(p.passed_at - mine.passed_at) <= minutes * MINUTE
    }


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    before=st.lists(scans, max_size=14),
    after=st.lists(st.lists(scans, min_size=1, max_size=5), max_size=4),
    minutes=st.integers(0, 5),
    window=st.sampled_from([(0, 1440), (0, 1437), (1434, 1440), (1433, 1438), (2, 1440)]),
    drill=st.sampled_from(["", "drill"]),
)
async def test_the_first_answer_and_later_ones_together_equal_brute_force(world, before, after, minutes, window, drill):
    def made(scan):
        person, post, at, drill_id = scan
        day = local_day(at)
        return Scan(
            (tag_of(person, day),),
            secrets.token_bytes(8),
            day,
            post,
            at,
            1,
            0,
            Grade.SHOWN,
            late=False,
            drill_id=drill_id,
        )

    async def write(scans_):
        batch = [made(scan) for scan in scans_]
        await store.lock_days(world.sql, [scan.day for scan in batch], searching=False)
        stored = await store.insert(world.sql, batch)
        assert all(word.fresh for word in stored)
        rows: list[Passage] = [row for scan in batch for row in store.passages(scan)]
        await events.meet_searches(world.sql, rows, world.clock, bytes)
        return rows

    start = bounds(DAY)[0]
    bounds_ = start + window[0] * MINUTE, start + window[1] * MINUTE
    search_id, index = secrets.token_bytes(16), tag_of(0, DAY)
    handle = events.search_handler(world.clock, bytes, lambda: None)
    transaction = world.sql.transaction()
    await transaction.start()
    try:
        passages = await write(before) if before else []
        message = opened(search_id, index, DAY, minutes=minutes, drill_id=drill, window=bounds_)
        await handle(world.sql, received(message, DAY, drill))
        for late in after:
            passages += await write(late)
        told = [(hit.day, hit.tag, hit.post) for part in await world.found(search_id) for hit in part.hits]
        assert len(told) == len(set(told)), "a person at a post is told once"
        near = expected(passages, index, DAY, drill, minutes, bounds_)
        assert {(date_of(day), tag, post) for day, tag, post in told} == {lead[:3] for lead in near}
    finally:
        await transaction.rollback()


@pytest.mark.parametrize(("size", "sizes"), [(0, [0]), (1, [1]), (500, [500]), (501, [500, 1])])
async def test_parts_hold_at_most_five_hundred_and_there_is_always_one(size, sizes):
    assert [len(part) for part in parts(range(size))] == sizes


async def test_a_search_stays_open_until_72_hours_after_the_last_passage_it_could_find():
    last = bounds(DAY)[1] + timedelta(hours=4)
    assert first_open_day(last + timedelta(hours=72)) <= DAY
    assert first_open_day(datetime(2022, 3, 15, 0, 0, tzinfo=UTC)) > DAY

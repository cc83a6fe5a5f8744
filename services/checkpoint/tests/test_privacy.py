"""What is stored of a person on two days has nothing in common, and goes with its day."""

import secrets
from datetime import timedelta

import pytest
from asyncpg import InsufficientPrivilegeError, connect
from chassis import partitions, pool
from chassis.clock import local_day

pytestmark = [pytest.mark.connected, pytest.mark.feature("X5")]

# What many people share: numbers of posts, verdicts, grades, reasons and minutes; names of subjects, types, consumers.
SHARED = ("post", "verdict", "grade", "reasons", "late", "drill_id", "passage_minutes", "shard", "published")
NAMES = ("subject", "type", "consumer", "attempts", "window_start", "window_end")
OURS = (
    "passages",
    "anonymous_passages",
    "searches",
    "search_passages",
    "search_leads",
    "outbox",
    "inbox",
    "consumer_attempts",
    "dead_letters",
)


async def test_no_value_is_shared_by_two_days_of_a_person(own_world):
    world = own_world
    scanner, now = await world.scanner(), world.clock.now()
    yesterday, today = local_day(now) - timedelta(days=1), local_day(now)
    tags = {yesterday: secrets.token_bytes(16), today: secrets.token_bytes(16)}
    other = secrets.token_bytes(16)
    # One upload spans both days, as after a night without network.
    await scanner.upload(
        *(world.offline(now - timedelta(days=1, minutes=m), tag) for m, tag in enumerate((tags[yesterday], other))),
        world.offline(now - timedelta(days=1, minutes=7)),
        world.offline(now - timedelta(minutes=3), tags[today]),
    )
    await scanner.scan(world.quarantine.show((tags[today],), now))
    await scanner.scan("")
    for day, tag in tags.items():
        await world.answered(await world.search(tag, day))
    await world.search(tags[today], yesterday, minutes=999)  # becomes a dead letter
    await world.until(lambda: world.sql.fetchval("SELECT count(*) FROM dead_letters"))
    seen = 0
    for table in OURS:
        rows = [dict(row) for row in await world.sql.fetch(f"SELECT * FROM {table}")]
        of_day = {
            day: {
                value
                for row in rows
                if row["day"] == day
                for column, value in row.items()
                if column not in (*SHARED, *NAMES, "day") and value not in (b"", "")
            }
            for day in tags
        }
        assert not of_day[yesterday] & of_day[today], table
        seen += bool(of_day[yesterday]) and bool(of_day[today])
    assert seen >= 5


async def test_a_day_is_gone_after_fourteen_full_days_and_the_next_eight_are_ready(own_world):
    world = own_world
    scanner, today = await world.scanner(), local_day(world.clock.now())
    await scanner.scan(world.quarantine.show((secrets.token_bytes(16),), world.clock.now()))
    db = await pool.create(world.settings.database_url, application_name="test")
    try:
        for later, left in [(14, 1), (15, 0)]:
            world.clock.advance(timedelta(days=later))
            await partitions.maintain(db, world.clock)
            assert await world.sql.fetchval("SELECT count(*) FROM passages") == left
            world.clock.advance(-timedelta(days=later))
    finally:
        await pool.close(db)
    assert await world.sql.fetchval("SELECT to_regclass('passages_' || $1)", f"{today + timedelta(days=8):%Y%m%d}")


REWRITES = (
    "UPDATE passages SET post = 1",
    "DELETE FROM passages",
    "TRUNCATE anonymous_passages",
    "UPDATE devices SET public_key = ''",
    "DELETE FROM devices",
    "UPDATE scan_policies SET codes_required = false",
    "CREATE TABLE mine (x int)",
)


async def test_the_services_own_role_cannot_rewrite_what_happened(make_service_database):
    database = await make_service_database("checkpoint")
    conn = await connect(database.url("checkpoint"))
    try:
        for statement in REWRITES:
            with pytest.raises(InsufficientPrivilegeError):
                await conn.execute(statement)
    finally:
        await conn.close()

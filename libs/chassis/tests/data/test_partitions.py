import asyncio
from datetime import date, timedelta

import asyncpg
import pytest
from chassis import partitions

pytestmark = [pytest.mark.connected, pytest.mark.feature("X5")]
TODAY = date(2022, 3, 10)


async def days_of(pool, parent):
    statement = """SELECT right(child.relname, 8) FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
                   WHERE inhparent = to_regclass($1) ORDER BY 1"""
    return [row[0] for row in await pool.fetch(statement, parent)]


@pytest.fixture
async def owner(database):
    connection = await asyncpg.connect(database.owner_url("chassis"))
    yield connection
    await connection.close()


@pytest.fixture
async def sightings(owner):
    """A day-partitioned table with what services' tables have: a check, an index, a generated column."""
    await owner.execute("""
        CREATE TABLE sightings (
            day date NOT NULL, tag bytea NOT NULL, size int GENERATED ALWAYS AS (octet_length(tag)) STORED,
            CONSTRAINT sightings_tag_check CHECK (octet_length(tag) = 16),
            CONSTRAINT sightings_pkey PRIMARY KEY (day, tag)
        ) PARTITION BY RANGE (day);
        INSERT INTO day_partitioned (parent) VALUES ('sightings');
        GRANT SELECT, INSERT ON sightings TO chassis;
    """)


async def test_fourteen_full_days_and_today_are_kept_and_eight_are_ahead(pool, clock, sightings):
    await partitions.maintain(pool, clock)
    wanted = [(TODAY + timedelta(days=n)).strftime("%Y%m%d") for n in range(-14, 9)]
    assert await days_of(pool, "sightings") == wanted
    clock.advance(timedelta(days=1))
    await partitions.maintain(pool, clock)
    assert await days_of(pool, "sightings") == [*wanted[1:], "20220319"]


async def test_the_login_role_writes_through_the_parent_under_its_constraints(pool, clock, sightings):
    await partitions.maintain(pool, clock)
    await pool.execute("INSERT INTO sightings (day, tag) VALUES ($1, $2)", TODAY, bytes(16))
    assert await pool.fetchval("SELECT size FROM sightings") == 16
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute("INSERT INTO sightings (day, tag) VALUES ($1, $2)", TODAY, b"short")
    with pytest.raises(asyncpg.UniqueViolationError):
        await pool.execute("INSERT INTO sightings (day, tag) VALUES ($1, $2)", TODAY, bytes(16))
    with pytest.raises(asyncpg.CheckViolationError):  # no partition for that day
        await pool.execute("INSERT INTO sightings (day, tag) VALUES ($1, $2)", TODAY - timedelta(days=15), bytes(16))


async def test_the_login_role_makes_and_drops_only_days_of_listed_tables(pool, clock):
    await partitions.maintain(pool, clock)
    async with pool.acquire() as connection:
        assert await partitions.ensure(connection, date(2022, 3, 1), TODAY) == 0
        for statement in (
            "SELECT ensure_day_partitions('requests', '2022-03-01', '2022-03-02')",
            "SELECT drop_day_partitions('requests', '2022-03-01')",
            "SELECT ensure_day_partitions('outbox', '2022-03-01', '2032-03-02')",
        ):
            with pytest.raises(asyncpg.InvalidParameterValueError):
                await connection.execute(statement)
        for statement in (
            "DROP TABLE outbox_20220310",
            "INSERT INTO day_partitioned (parent) VALUES ('requests')",
            "CREATE TABLE mine (n int)",
            "CREATE TEMPORARY TABLE day_partitioned (parent text)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        assert await partitions.drop(connection, date(2022, 3, 1)) > 0
        assert await connection.fetchval("SELECT to_regclass('outbox_20220228')") is None


async def test_replicas_that_maintain_at_once_do_not_fail_each_other(pool, clock):
    await asyncio.gather(*(partitions.maintain(pool, clock) for _ in range(6)))
    clock.advance(timedelta(days=5))
    await asyncio.gather(*(partitions.maintain(pool, clock) for _ in range(6)))
    days = await days_of(pool, "outbox")
    assert (days[0], days[-1], len(days)) == ("20220301", "20220323", 23)


async def test_a_slow_reader_delays_the_drop_but_not_tomorrows_partition(pool, clock, owner):
    await partitions.maintain(pool, clock)
    clock.advance(timedelta(days=1))
    async with owner.transaction():
        await owner.execute("SELECT 1 FROM outbox_20220224")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await asyncio.wait_for(partitions.maintain(pool, clock), 4)  # sooner than the pool's own limit of 5 s
        assert (await days_of(pool, "outbox"))[-1] == "20220319"
    await partitions.maintain(pool, clock)
    assert (await days_of(pool, "outbox"))[0] == "20220225"


async def test_writers_of_today_are_not_held_up_while_days_are_made(pool, clock, owner, sightings):
    await partitions.maintain(pool, clock)
    async with owner.transaction():
        await owner.execute("SELECT ensure_day_partitions('sightings', '2022-03-10', '2022-04-10')")
        insert = pool.execute("INSERT INTO sightings (day, tag) VALUES ($1, $2)", TODAY, bytes(16))
        assert await asyncio.wait_for(insert, 2) == "INSERT 0 1"


@pytest.fixture
async def marks(owner):
    """A table of which a day is closed after four, unique by `tag` within a day."""
    await owner.execute("""
        CREATE TABLE marks (day date NOT NULL, tag bytea NOT NULL) PARTITION BY RANGE (day);
        CREATE INDEX marks_tag_idx ON marks (tag) WITH (fillfactor = 100);
        INSERT INTO day_partitioned (parent, unique_by, reindex_after_days) VALUES ('marks', 'tag', 4);
        GRANT SELECT, INSERT ON marks TO chassis;
    """)


async def fill(pool, day, rows=5000):
    statement = "INSERT INTO marks (day, tag) SELECT $1, uuid_send(gen_random_uuid()) FROM generate_series(1, $2)"
    for _ in range(4):
        await pool.execute(statement, day, rows // 4)


async def test_what_is_unique_within_a_day_is_so_in_each_partition(pool, clock, marks):
    await partitions.maintain(pool, clock)
    statement = "INSERT INTO marks (day, tag) VALUES ($1, $2) ON CONFLICT DO NOTHING"
    assert await pool.execute(statement, TODAY, b"a") == "INSERT 0 1"
    assert await pool.execute(statement, TODAY, b"a") == "INSERT 0 0"
    assert await pool.execute(statement, TODAY + timedelta(days=1), b"a") == "INSERT 0 1"


async def test_a_closed_partition_is_reindexed_once_and_an_open_one_is_not(pool, clock, marks):
    await partitions.maintain(pool, clock)
    closed, still_open = TODAY - timedelta(days=4), TODAY - timedelta(days=3)
    for day in (closed, still_open):
        await fill(pool, day)
    size = "SELECT pg_indexes_size(to_regclass('marks_' || to_char($1::date, 'YYYYMMDD')))"
    before = [await pool.fetchval(size, day) for day in (closed, still_open)]
    done = await partitions.reindex_closed(pool, clock, days=100)
    assert done[-1] == "marks_20220306"
    assert [name[:5] for name in done] == ["marks"] * 11  # TODAY - 14 … TODAY - 4
    after = [await pool.fetchval(size, day) for day in (closed, still_open)]
    assert after[0] < 0.85 * before[0]
    assert after[1] == before[1]
    assert await partitions.reindex_closed(pool, clock, days=100) == []
    clock.advance(timedelta(days=1))
    assert await partitions.reindex_closed(pool, clock) == ["marks_20220307"]


async def test_readers_and_writers_of_the_day_go_on_while_it_is_reindexed(pool, clock, owner, marks):
    await partitions.maintain(pool, clock)
    closed = TODAY - timedelta(days=14)
    await fill(pool, closed)
    async with owner.transaction():  # a writer in the middle: the new index waits for it, nobody else does
        await owner.execute("INSERT INTO marks (day, tag) VALUES ($1, $2)", closed, b"first")
        work = asyncio.create_task(partitions.reindex_closed(pool, clock))
        await asyncio.sleep(0.5)
        assert not work.done()
        insert = pool.execute("INSERT INTO marks (day, tag) VALUES ($1, $2)", closed, b"second")
        assert await asyncio.wait_for(insert, 2) == "INSERT 0 1"
        assert await asyncio.wait_for(pool.fetchval("SELECT count(*) FROM marks WHERE day = $1", closed), 2) == 5001
    assert await asyncio.wait_for(work, 20) == ["marks_20220224"]


async def test_an_interrupted_reindex_leaves_nothing_and_is_done_an_hour_later(pool, clock, owner, marks):
    await partitions.maintain(pool, clock)
    closed = TODAY - timedelta(days=14)
    async with owner.transaction():
        await owner.execute("INSERT INTO marks (day, tag) VALUES ($1, $2)", closed, b"first")
        work = asyncio.create_task(partitions.reindex_closed(pool, clock))
        await asyncio.sleep(0.5)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
    broken = "SELECT count(*) FROM pg_index WHERE indrelid = 'marks_20220224'::regclass AND NOT indisvalid"
    assert await owner.fetchval(broken) > 0
    assert await partitions.reindex_closed(pool, clock) == ["marks_20220225"]  # the other one is taken by whoever died
    clock.advance(timedelta(minutes=61))
    assert await partitions.reindex_closed(pool, clock) == ["marks_20220224"]
    assert await owner.fetchval(broken) == 0


async def test_replicas_share_the_closed_partitions_without_doing_one_twice(pool, clock, marks):
    await partitions.maintain(pool, clock)
    done = await asyncio.gather(*(partitions.reindex_closed(pool, clock, days=3) for _ in range(3)))
    names = [name for each in done for name in each]
    assert len(names) == len(set(names)) == 9


async def test_the_login_role_drops_no_index_that_is_whole(pool, clock, marks):
    await partitions.maintain(pool, clock)
    assert await pool.fetchval("SELECT drop_broken_indexes('marks', $1)", TODAY) == 0
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await pool.execute("SELECT drop_broken_indexes('requests', '2022-03-01')")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pool.execute("DROP INDEX marks_20220310_unique")

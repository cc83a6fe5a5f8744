"""Day partitions: made ahead of time, reindexed when no more is written to them, dropped with the day's key.

Making and dropping is done by functions of the schema's owner.
"""

from datetime import date, timedelta

import asyncpg

from chassis.clock import Clock, local_day
from chassis.pool import Connection

KEEP_DAYS = 14
AHEAD_DAYS = 8
# A replica that died while it reindexed holds its day for so long.
CLAIM = timedelta(hours=1)


async def ensure(connection: Connection, first: date, last: date) -> int:
    """Makes the missing partitions of every day-partitioned table for the days first..last; returns how many."""
    statement = "SELECT coalesce(sum(ensure_day_partitions(parent, $1, $2)), 0)::int FROM day_partitioned"
    return int(await connection.fetchval(statement, first, last))


async def drop(connection: Connection, before: date) -> int:
    """Drops the partitions of all days before `before`; returns how many."""
    statement = "SELECT coalesce(sum(drop_day_partitions(parent, $1)), 0)::int FROM day_partitioned"
    return int(await connection.fetchval(statement, before))


async def maintain(
    pool: asyncpg.Pool, clock: Clock, *, keep_days: int = KEEP_DAYS, ahead_days: int = AHEAD_DAYS
) -> None:
    """Keeps `keep_days` full days plus today and `ahead_days` ahead. Runs at start and from the sweep; repeats do nothing.

    Each table is worked on in a transaction of its own, so that no lock is held longer than one table takes. Days are made before
    any are dropped: a table that is too busy to drop from (`asyncpg.LockNotAvailableError`) must not stop tomorrow's writes.
    """
    today = local_day(clock.now())
    first, last = today - timedelta(days=keep_days), today + timedelta(days=ahead_days)
    async with pool.acquire() as connection:
        parents = [
            row["parent"] for row in await connection.fetch("SELECT parent FROM day_partitioned ORDER BY parent")
        ]
        for parent in parents:
            await connection.execute("SELECT ensure_day_partitions($1, $2, $3)", parent, first, last)
        for parent in parents:
            await connection.execute("SELECT drop_day_partitions($1, $2)", parent, first)


async def reindex_closed(pool: asyncpg.Pool, clock: Clock, *, days: int = 1) -> list[str]:
    """Builds the indexes of closed partitions anew, without the gaps that writing left; returns the partitions' names.

    A partition is closed once no writer can reach it (`day_partitioned.reindex_after_days`). At most `days` of them in one
    call, the oldest first; each once, by one replica. Readers and writers go on meanwhile (REINDEX CONCURRENTLY), which takes
    seconds for millions of rows: give it a pool whose statements may last (`chassis.pool.create`). What an interrupted run
    left is dropped first.
    """
    today = local_day(clock.now())
    done: list[str] = []
    async with pool.acquire() as connection:
        for parent, day in await _closed(connection, today):
            if len(done) == days:
                break
            if not await connection.fetchval(_CLAIM, parent, day, clock.now(), clock.now() - CLAIM):
                continue
            partition = f"{parent}_{day:%Y%m%d}"
            await connection.execute("SELECT drop_broken_indexes($1, $2)", parent, day)
            # A name from the catalogue; and no parameters, because it must be a simple statement of its own.
            await connection.execute(f'REINDEX TABLE CONCURRENTLY "{partition}"')
            await connection.execute("UPDATE day_reindexed SET done = true WHERE parent = $1 AND day = $2", parent, day)
            done.append(partition)
    return done


_CLAIM = """
    INSERT INTO day_reindexed AS r (parent, day, began) VALUES ($1, $2, $3)
    ON CONFLICT (parent, day) DO UPDATE SET began = excluded.began WHERE NOT r.done AND r.began < $4
    RETURNING true
"""


async def _closed(connection: Connection, today: date) -> list[tuple[str, date]]:
    rows = await connection.fetch(
        """
        SELECT parent, closed.day FROM (
            SELECT d.parent, to_date(right(child.relname, 8), 'YYYYMMDD') AS day, d.reindex_after_days AS after_days
            FROM day_partitioned d
            JOIN pg_inherits ON inhparent = to_regclass(quote_ident(d.parent))
            JOIN pg_class child ON child.oid = inhrelid
        ) AS closed
        WHERE closed.day + after_days <= $1
          AND NOT EXISTS (SELECT FROM day_reindexed r WHERE r.done AND (r.parent, r.day) = (closed.parent, closed.day))
        ORDER BY closed.day, parent
        """,
        today,
    )
    return [(row["parent"], row["day"]) for row in rows]

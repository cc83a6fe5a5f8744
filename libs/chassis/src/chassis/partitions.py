"""Day partitions: made ahead of time, dropped with the day's key. The work is done by functions of the schema's owner."""

from datetime import date, timedelta

import asyncpg

from chassis.clock import Clock, local_day
from chassis.pool import Connection

KEEP_DAYS = 14
AHEAD_DAYS = 8


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

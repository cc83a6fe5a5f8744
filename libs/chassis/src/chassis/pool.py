"""The connection pool: time-outs everywhere, no session state (PgBouncer in transaction mode stands between)."""

import asyncio
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

CLOSE_SECONDS = 5.0

# What store functions take first: a connection of a pool, or one of its own.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"


async def create(
    url: str,
    *,
    application_name: str,
    min_size: int = 1,
    max_size: int = 10,
    statement_seconds: float = 15.0,
    lock_seconds: float = 5.0,
) -> asyncpg.Pool:
    """Opens a pool. The role's own search_path decides the schema.

    Args:
        url: `postgresql://…` of the service's login role.
        application_name: shown in pg_stat_activity.
        min_size, max_size: connections.
        statement_seconds, lock_seconds: limits of a statement and of a wait for a lock.

    Raises:
        OSError, asyncpg.PostgresError: the server cannot be reached or refuses.

    """
    return await asyncpg.create_pool(
        url,
        min_size=min_size,
        max_size=max_size,
        command_timeout=statement_seconds + 1,
        timeout=5.0,
        server_settings={
            "application_name": application_name,
            "statement_timeout": str(int(statement_seconds * 1000)),
            "lock_timeout": str(int(lock_seconds * 1000)),
            "idle_in_transaction_session_timeout": "60000",
        },
    )


async def close(pool: asyncpg.Pool) -> None:
    """Closes in an orderly way, within bounds: `Pool.close` may wait for ever for a connection that is stuck."""
    try:
        await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
    except TimeoutError:
        pool.terminate()

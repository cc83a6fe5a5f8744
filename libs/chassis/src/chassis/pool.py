"""The connection pool: time-outs everywhere, no session state (PgBouncer in transaction mode may stand between).

Nothing may be kept on a connection between transactions: no `SET` without `LOCAL`, no `LISTEN`, no session advisory lock, no
temporary table. The role brings the search_path.
"""

import asyncio
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

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
        url: `postgresql://…` of the service's login role. With `pgbouncer=true` among its query parameters no limits are
            sent when connecting, because PgBouncer refuses a client that sends any; the role's own then hold
            (`chassis.migrate.prepare` sets them), and `statement_seconds` still bounds the wait here. PgBouncer needs
            `max_prepared_statements` above 0.
        application_name: shown in pg_stat_activity.
        min_size, max_size: connections.
        statement_seconds, lock_seconds: limits of a statement and of a wait for a lock.

    Raises:
        OSError, asyncpg.PostgresError: the server cannot be reached or refuses.

    """
    address, pooled = _split(url)
    limits = {
        "statement_timeout": str(int(statement_seconds * 1000)),
        "lock_timeout": str(int(lock_seconds * 1000)),
        "idle_in_transaction_session_timeout": "60000",
    }
    return await asyncpg.create_pool(
        address,
        min_size=min_size,
        max_size=max_size,
        command_timeout=statement_seconds + 1,
        timeout=5.0,
        reset=_nothing_to_reset,
        server_settings={"application_name": application_name} | ({} if pooled else limits),
    )


def _split(url: str) -> tuple[str, bool]:
    """The URL as the driver takes it, and whether PgBouncer answers there."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    pooled = query.pop("pgbouncer", "false").lower() == "true"
    return urlunsplit(parts._replace(query=urlencode(query))), pooled


async def _nothing_to_reset(_: Connection) -> None:
    # An open transaction is rolled back by the driver before this. The rest of its usual reset is a round trip per use of a
    # connection for session state that we do not have.
    return


async def close(pool: asyncpg.Pool) -> None:
    """Closes in an orderly way, within bounds: `Pool.close` may wait for ever for a connection that is stuck."""
    try:
        await asyncio.wait_for(pool.close(), CLOSE_SECONDS)
    except TimeoutError:
        pool.terminate()

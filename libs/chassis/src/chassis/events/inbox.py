"""The inbox, attempts, leases and dead letters: all SQL of the consuming side."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg

from chassis.events.model import Received
from chassis.pool import Connection

# A pool does for single statements; what belongs into a transaction takes its connection.
Queries: TypeAlias = "asyncpg.Pool | Connection"


RESTING: Final = "SELECT consumer, count(*) AS letters FROM dead_letters WHERE NOT requeued GROUP BY consumer"


class Claim(Enum):
    """What the inbox says about a delivery."""

    FRESH = "fresh"  # not seen; the effect belongs into this transaction
    SEEN = "seen"  # its effect is committed already, or it is a dead letter
    LOST = "lost"  # this process no longer holds the consumer's lease


class NoPartitionError(Exception):
    """The event's day has no partition: it is past retention, or partitions were not made ahead."""


async def claim(connection: Connection, event: Received, consumer: str, holder: UUID) -> Claim:
    """Note the event in the caller's transaction. A concurrent claim of the same event waits for this one to end.

    The lease is looked at in the same statement, so that a process that was frozen past its lease handles nothing out
    of order. Raises `NoPartitionError`.
    """
    try:
        found = await connection.fetchval(
            """
            WITH held AS (SELECT FROM consumer_leases WHERE consumer = $2 AND holder = $4),
                 fresh AS (INSERT INTO inbox (day, consumer, event_id) SELECT $1, $2, $3 FROM held
                           ON CONFLICT (day, consumer, event_id) DO NOTHING RETURNING true)
            SELECT CASE WHEN NOT EXISTS (SELECT FROM held) THEN 'lost'
                        WHEN EXISTS (SELECT FROM fresh) THEN 'fresh' ELSE 'seen' END
            """,
            event.day,
            consumer,
            event.event_id,
            holder,
        )
    except asyncpg.CheckViolationError:
        raise NoPartitionError from None
    return Claim(found)


async def count_attempt(connection: Connection, event: Received, consumer: str) -> int:
    """One more attempt failed; returns how many so far. Kept here so that a restart does not forget."""
    attempts: int = await connection.fetchval(
        """
        INSERT INTO consumer_attempts AS found (day, consumer, event_id, attempts) VALUES ($1, $2, $3, 1)
        ON CONFLICT (day, consumer, event_id) DO UPDATE SET attempts = found.attempts + 1 RETURNING attempts
        """,
        event.day,
        consumer,
        event.event_id,
    )
    return attempts


async def forget_attempts(connection: Connection, event: Received, consumer: str) -> None:
    await connection.execute(
        "DELETE FROM consumer_attempts WHERE day = $1 AND consumer = $2 AND event_id = $3",
        event.day,
        consumer,
        event.event_id,
    )


async def bury(connection: Connection, event: Received, consumer: str, reason: str, attempts: int) -> None:
    """Give the event up: a dead letter with payload and reason, and an inbox row, so that no redelivery tries again."""
    await connection.execute(
        """
        INSERT INTO dead_letters
            (day, consumer, event_id, subject, type, aggregate, drill_id, payload, reason, attempts)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (day, consumer, event_id) DO UPDATE SET reason = $9, attempts = $10, requeued = false
        """,
        event.day,
        consumer,
        event.event_id,
        event.subject,
        event.type,
        event.aggregate,
        event.drill_id,
        event.payload,
        reason,
        attempts,
    )
    await connection.execute(
        "INSERT INTO inbox (day, consumer, event_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        event.day,
        consumer,
        event.event_id,
    )
    await forget_attempts(connection, event, consumer)


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter, with the reason it was given up for."""

    event: Received
    reason: str
    attempts: int


async def letters(connection: Queries, consumer: str, *, requeued: bool, limit: int) -> list[Letter]:
    """Dead letters of `consumer`: those to be handled again, or those at rest; oldest day first."""
    rows = await connection.fetch(
        """
        SELECT day, event_id, subject, type, aggregate, drill_id, payload, reason, attempts
        FROM dead_letters WHERE consumer = $1 AND requeued = $2 ORDER BY day, event_id LIMIT $3
        """,
        consumer,
        requeued,
        limit,
    )
    return [
        Letter(
            Received(
                event_id=row["event_id"],
                type=row["type"],
                subject=row["subject"],
                aggregate=row["aggregate"],
                day=row["day"],
                payload=row["payload"],
                drill_id=row["drill_id"],
            ),
            row["reason"],
            row["attempts"],
        )
        for row in rows
    ]


async def resting(connection: Queries) -> dict[str, int]:
    """How many dead letters nobody put back, by consumer; consumers without any are left out."""
    rows = await connection.fetch(RESTING)
    return {row["consumer"]: row["letters"] for row in rows}


async def take_letter(connection: Connection, event: Received, consumer: str, holder: UUID) -> Claim:
    """Remove a requeued letter in the transaction of its effect; `SEEN` if it is no longer there."""
    found = await connection.fetchval(
        """
        WITH held AS (SELECT FROM consumer_leases WHERE consumer = $2 AND holder = $4),
             taken AS (DELETE FROM dead_letters WHERE day = $1 AND consumer = $2 AND event_id = $3 AND requeued
                       AND EXISTS (SELECT FROM held) RETURNING true)
        SELECT CASE WHEN NOT EXISTS (SELECT FROM held) THEN 'lost'
                    WHEN EXISTS (SELECT FROM taken) THEN 'fresh' ELSE 'seen' END
        """,
        event.day,
        consumer,
        event.event_id,
        holder,
    )
    return Claim(found)


async def requeue(connection: Queries, consumer: str, event_ids: Sequence[UUID] | None) -> int:
    """Mark letters (all of the consumer's if `event_ids` is None) to be handled again; returns how many."""
    answer: str = await connection.execute(
        """
        UPDATE dead_letters SET requeued = true
        WHERE consumer = $1 AND ($2::uuid[] IS NULL OR event_id = ANY($2)) AND NOT requeued
        """,
        consumer,
        event_ids,
    )
    return int(answer.rpartition(" ")[2])


async def hold_lease(connection: Queries, consumer: str, holder: UUID, ttl: timedelta) -> bool:
    """Take or renew the right to handle `consumer`'s events; False while another process has it.

    Times are the database's own, so that clocks of machines need not agree.
    """
    row = await connection.fetchrow(
        """
        INSERT INTO consumer_leases AS lease (consumer, holder, until) VALUES ($1, $2, clock_timestamp() + $3::interval)
        ON CONFLICT (consumer) DO UPDATE SET holder = $2, until = excluded.until
        WHERE lease.holder = $2 OR lease.until < clock_timestamp()
        RETURNING true
        """,
        consumer,
        holder,
        ttl,
    )
    return row is not None


async def release_lease(connection: Queries, consumer: str, holder: UUID) -> None:
    """Let another process take over at once."""
    await connection.execute("DELETE FROM consumer_leases WHERE consumer = $1 AND holder = $2", consumer, holder)

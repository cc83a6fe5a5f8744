"""The outbox: a fact and its event commit together. All SQL of the publishing side.

Order within an aggregate is the order of `seq`. It equals the order of commits because whoever changes an aggregate
locks its row first: two transactions about one aggregate cannot overlap, so the later one draws the later number.
Across aggregates numbers commit in any order, which is why nothing here remembers a position: a row is due as long as
it is not marked.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID
from zlib import crc32

from chassis.events.inbox import Queries
from chassis.events.model import Event
from chassis.events.streams import StreamSpec, StreamState
from chassis.pool import Connection

SHARDS: Final = 8
# The consumer's name in `dead_letters` for events that the bus can never take.
UNDELIVERABLE: Final = "outbox"


@dataclass(frozen=True, slots=True)
class Due:
    """An unpublished row. `day` and `seq` are its key."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class Backlog:
    """Number of unpublished rows and the age of the oldest, in seconds."""

    rows: int
    oldest_s: float


def unsealed() -> bytes:
    """No trace context: for services and tests without tracing."""
    return b""


async def publish(connection: Connection, events: Iterable[Event], *, seal: Callable[[], bytes] = unsealed) -> None:
    """Write `events` into the outbox, in order, in the caller's transaction; call the relay's `wake` after the commit.

    `seal` gives the encrypted trace context; it is called once per event, because two events must not carry the same
    bytes. An event's own seal wins. Raises `asyncpg.CheckViolationError` when a day has no partition (out of
    retention).
    """
    rows = list(events)
    if not rows:
        return
    await connection.execute(
        """
        INSERT INTO outbox (day, shard, aggregate, event_id, subject, type, drill_id, trace, payload)
        SELECT * FROM unnest($1::date[], $2::smallint[], $3::text[], $4::uuid[], $5::text[], $6::text[], $7::text[],
                             $8::bytea[], $9::bytea[])
        """,
        [event.day for event in rows],
        [crc32(event.aggregate.encode()) % SHARDS for event in rows],
        [event.aggregate for event in rows],
        [event.event_id for event in rows],
        [event.subject for event in rows],
        [event.type for event in rows],
        [event.drill_id for event in rows],
        [event.seal or seal() for event in rows],
        [event.payload for event in rows],
    )


async def backlog(connection: Queries) -> Backlog:
    """What waits to be published."""
    [row] = await connection.fetch(
        """
        SELECT count(*) AS rows, coalesce(extract(epoch FROM clock_timestamp() - min(queued_at)), 0)::float8 AS oldest
        FROM outbox WHERE NOT published
        """
    )
    return Backlog(rows=row["rows"], oldest_s=max(0.0, row["oldest"]))


async def waiting(connection: Queries) -> bool:
    """Whether anything is unpublished; cheap, for the poll."""
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE NOT published)")
    return found


async def claim(connection: Connection) -> list[int]:
    """Lock the shards that no other relay holds, until the transaction ends.

    Row locks work behind PgBouncer; session locks do not.
    """
    # A frozen relay must not keep its shards: the server ends a transaction that stays idle longer than any cycle.
    await connection.execute("SET LOCAL idle_in_transaction_session_timeout = '15s'")
    rows = await connection.fetch("SELECT shard FROM outbox_shards ORDER BY shard FOR UPDATE SKIP LOCKED")
    return [row["shard"] for row in rows]


async def due(connection: Connection, shards: Sequence[int], limit: int) -> list[Due]:
    """The first `limit` unpublished rows of `shards`, in order."""
    rows = await connection.fetch(
        """
        SELECT day, seq, aggregate, event_id, subject, type, drill_id, trace, payload
        FROM outbox WHERE NOT published AND shard = ANY($1::smallint[]) ORDER BY seq LIMIT $2
        """,
        shards,
        limit,
    )
    return [
        Due(
            row["seq"],
            Event(
                event_id=row["event_id"],
                type=row["type"],
                subject=row["subject"],
                aggregate=row["aggregate"],
                day=row["day"],
                payload=row["payload"],
                drill_id=row["drill_id"],
                seal=row["trace"],
            ),
        )
        for row in rows
    ]


async def mark_published(connection: Connection, rows: Sequence[Due]) -> None:
    """These rows are on the bus, or among the dead letters."""
    await connection.execute(
        """
        UPDATE outbox SET published = true FROM unnest($1::date[], $2::bigint[]) AS done (day, seq)
        WHERE outbox.day = done.day AND outbox.seq = done.seq
        """,
        [row.event.day for row in rows],
        [row.seq for row in rows],
    )


async def bury(connection: Connection, event: Event, reason: str) -> None:
    """Keep an event that the bus can never take among the dead letters."""
    await connection.execute(
        """
        INSERT INTO dead_letters
            (day, consumer, event_id, subject, type, aggregate, drill_id, payload, reason, attempts)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1) ON CONFLICT (day, consumer, event_id) DO UPDATE SET reason = $9
        """,
        event.day,
        UNDELIVERABLE,
        event.event_id,
        event.subject,
        event.type,
        event.aggregate,
        event.drill_id,
        event.payload,
        reason,
    )


async def known_stream(connection: Queries, stream: str) -> StreamState | None:
    """The incarnation that the published rows went to, and the last sequence acknowledged."""
    row = await connection.fetchrow("SELECT identity, last_seq FROM outbox_streams WHERE stream = $1", stream)
    return None if row is None else StreamState(identity=row["identity"], last_seq=row["last_seq"])


async def remember_stream(connection: Connection, stream: str, state: StreamState) -> None:
    """From now on rows go to this incarnation."""
    await connection.execute(
        """
        INSERT INTO outbox_streams (stream, identity, last_seq) VALUES ($1, $2, $3)
        ON CONFLICT (stream) DO UPDATE SET identity = excluded.identity, last_seq = excluded.last_seq
        """,
        stream,
        state.identity,
        state.last_seq,
    )


async def advance_stream(connection: Connection, stream: str, last_seq: int) -> None:
    """The stream acknowledged up to `last_seq`; if it is ever shorter, it lost its tail."""
    await connection.execute(
        "UPDATE outbox_streams SET last_seq = $2 WHERE stream = $1 AND last_seq < $2", stream, last_seq
    )


async def stop_relays(connection: Connection) -> None:
    """Lock every shard, waiting for cycles under way, until the transaction ends."""
    await connection.execute("SELECT shard FROM outbox_shards ORDER BY shard FOR UPDATE")


async def republish(connection: Connection, spec: StreamSpec, window: timedelta) -> int:
    """Mark what was written within `window` and belongs to `spec` as unpublished again; returns the number of rows.

    The window is by the time of writing, not by `day`: a search about a day last week is written today.
    """
    await connection.execute("SET LOCAL statement_timeout = '120s'")  # every event of the window, once in a disaster
    answer: str = await connection.execute(
        """
        UPDATE outbox SET published = false
        WHERE published AND subject ~ $1 AND queued_at >= clock_timestamp() - $2::interval
          AND NOT EXISTS (
            SELECT FROM dead_letters letter
            WHERE letter.day = outbox.day AND letter.consumer = $3 AND letter.event_id = outbox.event_id)
        """,
        spec.pattern,
        window,
        UNDELIVERABLE,
        timeout=120,
    )
    return int(answer.rpartition(" ")[2])


async def republish_letters(connection: Queries, event_ids: Sequence[UUID] | None) -> int:
    """Put undeliverable events (all if `event_ids` is None) back into the outbox's queue; returns how many."""
    rows: int = await connection.fetchval(
        """
        WITH taken AS (
            DELETE FROM dead_letters WHERE consumer = $1 AND ($2::uuid[] IS NULL OR event_id = ANY($2))
            RETURNING day, event_id),
        again AS (
            UPDATE outbox SET published = false FROM taken
            WHERE outbox.day = taken.day AND outbox.event_id = taken.event_id RETURNING true)
        SELECT count(*) FROM again
        """,
        UNDELIVERABLE,
        event_ids,
    )
    return rows

"""The list in a service's own Postgres: written by consumers of quarantine's events, read by each replica's `Follower`.

All SQL of day sets and keys is here; the tables are in `migrations/00500_daysets.sql`. Functions do not commit.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import TypeAlias

from asyncpg import Connection, Record
from asyncpg.pool import PoolConnectionProxy
from chassis.errors import DomainError, Kind
from chassis.events.handling import AfterCommit, Handler
from chassis.events.model import PoisonError, Received
from lilitong.quarantine.v1.day_set_pb2 import DaySetSegment
from lilitong.quarantine.v1.keys_pb2 import VerificationKeysChanged

from daysets import wire
from daysets.segment import Segment, SegmentError, is_proven
from daysets.trust import Key, TrustedKeys, Use

MIGRATIONS = Path(__file__).parents[2] / "migrations"

Db: TypeAlias = "Connection[Record] | PoolConnectionProxy[Record]"


async def apply(conn: Db, segment: Segment, *, proven: bool) -> bool:
    """Stores a segment under the next version; False when it was there already.

    Locks the version row until the transaction ends, so that versions commit in order. The day's partition must exist.
    """
    stored = await conn.fetchval(
        """
        WITH bumped AS (UPDATE day_set_version SET version = version + 1 RETURNING version)
        INSERT INTO day_set_segments (day, drill_id, generation, number, proven, version, segment)
        SELECT $1, $2, $3, $4, $5, bumped.version, $6 FROM bumped
        ON CONFLICT ON CONSTRAINT day_set_segments_pkey DO NOTHING
        RETURNING version
        """,
        segment.day,
        segment.drill_id,
        segment.generation,
        segment.number,
        proven,
        wire.encode(segment),
    )
    return stored is not None


async def load_since(conn: Db, version: int, first_day: date) -> tuple[int, list[Segment]]:
    """Segments of `first_day` and later stored after `version`, in order of storing, and the version they lead to."""
    rows = await conn.fetch(
        """
        SELECT head.version AS head, stored.version, stored.segment
        FROM day_set_version AS head
        LEFT JOIN day_set_segments AS stored
            ON stored.version > $1 AND stored.version <= head.version AND stored.day >= $2
        ORDER BY stored.version
        """,
        version,
        first_day,
    )
    return rows[0]["head"], [wire.decode(row["segment"]) for row in rows if row["segment"] is not None]


async def seeded(conn: Db) -> bool:
    """Whether a whole snapshot was ever taken in."""
    return bool(await conn.fetchval("SELECT seeded FROM day_set_version"))


async def mark_seeded(conn: Db) -> None:
    await conn.execute("UPDATE day_set_version SET seeded = true WHERE NOT seeded")


async def load_keys(conn: Db) -> list[Key]:
    rows = await conn.fetch(
        """
        SELECT kid, use, public_key, not_before, not_after, revoked, origin
        FROM verification_keys ORDER BY kid, use
        """
    )
    return [
        Key(
            kid=row["kid"],
            use=Use(row["use"]),
            public_key=row["public_key"],
            not_before=row["not_before"],
            not_after=row["not_after"],
            revoked=row["revoked"],
            origin=row["origin"],
        )
        for row in rows
    ]


async def replace_keys(conn: Db, keys: Sequence[Key]) -> None:
    """Puts this list in the place of the former one. ValueError for an empty one, which can only be a mistake.

    Replicas that do so at the same time wait for each other.
    """
    if not keys:
        raise ValueError("a list of verification keys is never empty")
    await conn.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema() || '.verification_keys'))")
    if await load_keys(conn) == sorted(keys, key=lambda key: (key.kid, key.use)):
        return
    await conn.execute("DELETE FROM verification_keys")
    await conn.executemany(
        """
        INSERT INTO verification_keys (kid, use, public_key, not_before, not_after, revoked, origin)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        [(k.kid, k.use.value, k.public_key, k.not_before, k.not_after, k.revoked, k.origin) for k in keys],
    )


def segment_handler(trusted: Callable[[], TrustedKeys], after_commit: AfterCommit) -> Handler:
    """The consumer's handler of `lilitong.quarantine.restricted.v1.segment`; `after_commit` is `Follower.announce`.

    An unproven segment is stored as such, so that every replica knows whom to doubt. While no log key is known at all
    nothing can be told, and the event waits without being counted as failed.
    """

    async def handle(conn: Db, event: Received) -> AfterCommit | None:
        message = event.parse(DaySetSegment)
        keys = trusted().logs
        if not keys:
            raise DomainError(Kind.UNAVAILABLE, "LOG_KEYS_UNKNOWN", "The log's keys are not known yet.")
        try:
            segment = wire.from_message(message)
        except SegmentError as error:
            raise PoisonError(f"segment: {error.reason}") from None
        if (segment.day, segment.drill_id) != (event.day, event.drill_id):
            raise PoisonError("segment: the envelope is of another day or drill")
        stored = await apply(conn, segment, proven=is_proven(segment, keys))
        return after_commit if stored else None

    return handle


def keys_handler(after_commit: AfterCommit) -> Handler:
    """The consumer's handler of `lilitong.quarantine.key.v1.changed`; `after_commit` is `TrustStore.wake`.

    The event says that the keys have changed, not to what: nothing on the bus is signed, and whoever could name a log
    key there could deny anybody. The list itself is asked of quarantine.
    """

    async def handle(_: Db, event: Received) -> AfterCommit | None:
        if not event.parse(VerificationKeysChanged).keys:
            raise PoisonError("keys: the list is empty")
        return after_commit

    return handle

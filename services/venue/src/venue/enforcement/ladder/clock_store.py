"""SQL of the ladder's clocks. Functions take the connection first and never commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from chassis.pool import Connection


class Ring(IntEnum):
    """What a clock rings for; numbers as in the table."""

    APPEAL_ESCALATES = 1
    APPEAL_LAPSES = 2
    SUSPENSION_ENDS = 3


@dataclass(frozen=True, slots=True)
class Due:
    """A clock that has run out. `fact_id`: the appeal or the suspension."""

    fact_id: UUID
    ring: Ring
    venue_id: UUID
    due_at: datetime


async def wind(conn: Connection, venue_id: UUID, fact_id: UUID, rings: Mapping[Ring, datetime]) -> None:
    await conn.executemany(
        "INSERT INTO ladder_clocks (fact_id, kind, venue_id, due_at) VALUES ($1, $2, $3, $4)",
        [(fact_id, int(ring), venue_id, due_at) for ring, due_at in rings.items()],
    )


async def take(conn: Connection, now: datetime, limit: int) -> list[Due]:
    """Those that have run out and are not put off, the longest due first; others pass over them until the transaction ends."""
    rows = await conn.fetch(
        """
        SELECT fact_id, kind, venue_id, due_at FROM ladder_clocks
        WHERE due_at <= $1 AND (retry_at IS NULL OR retry_at <= $1)
        ORDER BY due_at, venue_id LIMIT $2 FOR UPDATE SKIP LOCKED
        """,
        now,
        limit,
    )
    return [Due(row["fact_id"], Ring(row["kind"]), row["venue_id"], row["due_at"]) for row in rows]


async def stop(conn: Connection, rung: Sequence[Due]) -> None:
    """They have rung and are gone."""
    await conn.executemany(
        "DELETE FROM ladder_clocks WHERE fact_id = $1 AND kind = $2", [(each.fact_id, int(each.ring)) for each in rung]
    )


async def put_off(conn: Connection, failed: Sequence[Due], until: datetime) -> None:
    await conn.executemany(
        "UPDATE ladder_clocks SET retry_at = $3 WHERE fact_id = $1 AND kind = $2",
        [(each.fact_id, int(each.ring), until) for each in failed],
    )


async def count_put_off(conn: Connection) -> int:
    """How many have failed and not rung since."""
    found: int = await conn.fetchval("SELECT count(*) FROM ladder_clocks WHERE retry_at IS NOT NULL")
    return found

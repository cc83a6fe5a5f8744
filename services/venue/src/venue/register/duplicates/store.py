"""All SQL of likely duplicates. Functions take the connection first and never commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from chassis.pages import Cursor

from venue.register.duplicates.likeness import MOST_PER_KEY, Entry, Likeness

_ENTRY = """
    SELECT v.venue_id, v.name, v.address, v.area, v.drill_id, coalesce(p.licence, '') AS licence FROM venues v
    LEFT JOIN LATERAL (
        SELECT licence FROM venue_particulars WHERE venue_id = v.venue_id ORDER BY ordinal DESC LIMIT 1
    ) p ON true
"""


_CANDIDATE = "c.candidate_id, c.first_id, c.second_id, c.area, c.second_area, c.score, c.reasons, c.found_at"


@dataclass(frozen=True, slots=True)
class Candidate:
    candidate_id: UUID
    first_id: UUID
    second_id: UUID
    area: str
    second_area: str
    score: int
    reasons: tuple[str, ...]
    found_at: datetime


async def due(conn: Any, since: datetime) -> bool:
    """Whether something waits, and no import is being read that began after that moment."""
    found: bool = await conn.fetchval(
        """
        SELECT EXISTS (SELECT FROM duplicate_queue)
           AND NOT EXISTS (SELECT FROM imports WHERE state IN (2, 3) AND created_at > $1)
        """,
        since,
    )
    return found


async def take(conn: Any, limit: int) -> list[UUID]:
    """The next venues of the queue, which leave it with this transaction."""
    rows = await conn.fetch(
        "DELETE FROM duplicate_queue WHERE seq IN (SELECT seq FROM duplicate_queue ORDER BY seq LIMIT $1) RETURNING venue_id",
        limit,
    )
    return list(dict.fromkeys(row["venue_id"] for row in rows))


async def entries(conn: Any, ids: Sequence[UUID]) -> dict[UUID, Entry]:
    """Those of these venues that are open."""
    rows = await conn.fetch(f"{_ENTRY} WHERE v.venue_id = ANY($1) AND v.closed_at IS NULL", ids)
    return {row["venue_id"]: Entry(**row) for row in rows}


async def add_keys(conn: Any, keys: Sequence[tuple[bytes, UUID]]) -> None:
    await conn.execute(
        "INSERT INTO duplicate_keys (key, venue_id) SELECT * FROM unnest($1::bytea[], $2::uuid[]) ON CONFLICT DO NOTHING",
        [key for key, _ in keys],
        [venue_id for _, venue_id in keys],
    )


async def sharing(conn: Any, keys: Sequence[tuple[bytes, UUID]]) -> set[tuple[UUID, UUID]]:
    """Pairs, the smaller id first, of these venues with any that share one of these keys; keys of too many are left out."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT least(n.venue_id, k.venue_id) AS first, greatest(n.venue_id, k.venue_id) AS second
        FROM unnest($1::bytea[], $2::uuid[]) AS n (key, venue_id)
        CROSS JOIN LATERAL (
            SELECT array_agg(o.venue_id) AS ids
            FROM (SELECT venue_id FROM duplicate_keys d WHERE d.key = n.key LIMIT $3) o
        ) s
        CROSS JOIN LATERAL unnest(s.ids) AS k (venue_id)
        WHERE cardinality(s.ids) < $3 AND k.venue_id <> n.venue_id
        """,
        [key for key, _ in keys],
        [venue_id for _, venue_id in keys],
        MOST_PER_KEY + 1,
    )
    return {(row["first"], row["second"]) for row in rows}


async def propose(conn: Any, found: Sequence[tuple[Entry, Entry, Likeness]], at: datetime) -> None:
    """A pair that was proposed before stays as it was, decided or not."""
    # One by one: few are found, and arrays of arrays would have to be of one length.
    await conn.executemany(
        """
        INSERT INTO merge_candidates (candidate_id, first_id, second_id, area, second_area, score, reasons, found_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (first_id, second_id) DO NOTHING
        """,
        [
            (uuid4(), one.venue_id, other.venue_id, one.area, other.area, like.score, list(like.reasons), at)
            for one, other, like in found
        ],
    )


async def page(conn: Any, area: str, after: Cursor | None, size: int) -> tuple[list[Candidate], Cursor | None]:
    """Undecided pairs of open venues, both below `area`, the likeliest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_CANDIDATE} FROM merge_candidates c
        JOIN venues f ON f.venue_id = c.first_id AND f.closed_at IS NULL
        JOIN venues s ON s.venue_id = c.second_id AND s.closed_at IS NULL
        WHERE c.area >= $1 AND c.area < $1 || ':' AND c.second_area >= $1 AND c.second_area < $1 || ':'
          AND NOT EXISTS (SELECT FROM merge_decisions d WHERE d.candidate_id = c.candidate_id)
          AND ($2::bigint IS NULL OR (-c.score, c.candidate_id) > (-$2, $3::uuid))
        ORDER BY c.score DESC, c.candidate_id LIMIT $4
        """,
        area,
        None if after is None else after.number,
        None if after is None else after.id,
        size + 1,
    )
    found = [_candidate(row) for row in rows[:size]]
    return found, Cursor(found[-1].score, found[-1].candidate_id) if len(rows) > size else None


async def find(conn: Any, candidate_id: UUID) -> Candidate | None:
    row = await conn.fetchrow(f"SELECT {_CANDIDATE} FROM merge_candidates c WHERE c.candidate_id = $1", candidate_id)
    return None if row is None else _candidate(row)


async def decided(conn: Any, candidate_id: UUID) -> bool:
    return bool(
        await conn.fetchval("SELECT EXISTS (SELECT FROM merge_decisions WHERE candidate_id = $1)", candidate_id)
    )


async def inspected(conn: Any, venue_id: UUID) -> bool:
    return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM ladder_facts WHERE venue_id = $1)", venue_id))


async def decide(conn: Any, candidate_id: UUID, kept_id: UUID | None, by: str, at: datetime) -> None:
    await conn.execute(
        "INSERT INTO merge_decisions (candidate_id, kept_id, decided_by, decided_at) VALUES ($1, $2, $3, $4)",
        candidate_id,
        kept_id,
        by,
        at,
    )


def _candidate(row: Any) -> Candidate:
    return Candidate(**dict(row) | {"reasons": tuple(row["reasons"])})

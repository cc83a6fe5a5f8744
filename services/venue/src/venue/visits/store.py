"""All SQL of visits. Functions take the connection first and never commit.

Writers of visits hold the shared lock of each day they write; a search holds the exclusive lock of the days it reads (see
`venue.searches.store`). The lock is taken in the statement that writes, and the searches are read in the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from passes.days import day_number

from venue.searches.locks import LOCK_CLASS
from venue.visits.model import Visit, VisitRef


@dataclass(frozen=True, slots=True)
class Stored:
    """What of a visit decides whether another check-in with its key is a repeat."""

    zone: int
    entered: int
    grade: int


@dataclass(frozen=True, slots=True)
class StoredVisit:
    visit: Visit
    checked_out: bool


async def insert(connection: Any, visits: Sequence[Visit]) -> set[tuple[Any, UUID, bytes]]:
    """Write those visits whose key (day, tag, visit key) is free; returns these keys.

    Raises `asyncpg.CheckViolationError` when a day has no partition.
    """
    rows = await connection.fetch(
        """
        WITH held AS MATERIALIZED (
            SELECT pg_advisory_xact_lock_shared($1, number) FROM unnest($2::integer[]) AS number
        ), locked AS MATERIALIZED (SELECT count(*) AS days FROM held)
        INSERT INTO visits (zone, entered, stay, day, tag, grade, late, overstay, visit_key, drill_id)
        SELECT n.* FROM locked,
            unnest($3::integer[], $4::integer[], $5::integer[], $6::date[], $7::uuid[], $8::smallint[], $9::boolean[],
                   $10::boolean[], $11::bytea[], $12::text[]) AS n
        ON CONFLICT (day, tag, visit_key) DO NOTHING
        RETURNING day, tag, visit_key
        """,
        LOCK_CLASS,
        sorted({day_number(visit.day) for visit in visits}),
        [visit.zone for visit in visits],
        [visit.entered for visit in visits],
        [visit.stay for visit in visits],
        [visit.day for visit in visits],
        [UUID(bytes=visit.tag) for visit in visits],
        [visit.grade for visit in visits],
        [visit.late for visit in visits],
        [visit.overstay for visit in visits],
        [visit.visit_key for visit in visits],
        [visit.drill_id for visit in visits],
    )
    return {(row["day"], row["tag"], row["visit_key"]) for row in rows}


async def find(connection: Any, refs: Sequence[VisitRef]) -> dict[VisitRef, Stored]:
    """Which of these visits exist."""
    rows = await connection.fetch(
        """
        SELECT v.day, v.tag, v.visit_key, v.zone, v.entered, v.grade
        FROM unnest($1::date[], $2::uuid[], $3::bytea[]) AS n (day, tag, visit_key)
        JOIN visits v USING (day, tag, visit_key)
        """,
        [ref.day for ref in refs],
        [UUID(bytes=ref.tag) for ref in refs],
        [ref.visit_key for ref in refs],
    )
    return {
        VisitRef(row["day"], row["tag"].bytes, row["visit_key"]): Stored(row["zone"], row["entered"], row["grade"])
        for row in rows
    }


async def lock_for_check_out(connection: Any, ref: VisitRef) -> StoredVisit | None:
    """The visit, locked against other check-outs, with the shared lock of its day held."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", LOCK_CLASS, day_number(ref.day))
    row = await connection.fetchrow(
        """
        SELECT zone, entered, stay, grade, late, overstay, drill_id, checked_out
        FROM visits WHERE day = $1 AND tag = $2 AND visit_key = $3 FOR UPDATE
        """,
        ref.day,
        UUID(bytes=ref.tag),
        ref.visit_key,
    )
    if row is None:
        return None
    visit = Visit(
        ref.day,
        ref.tag,
        ref.visit_key,
        row["zone"],
        row["entered"],
        row["stay"],
        row["grade"],
        row["late"],
        row["overstay"],
        row["drill_id"],
    )
    return StoredVisit(visit, row["checked_out"])


async def set_stay(connection: Any, ref: VisitRef, stay: int, *, overstay: bool) -> None:
    await connection.execute(
        """
        UPDATE visits SET stay = $4, overstay = $5, checked_out = true
        WHERE day = $1 AND tag = $2 AND visit_key = $3
        """,
        ref.day,
        UUID(bytes=ref.tag),
        ref.visit_key,
        stay,
        overstay,
    )


async def inside(
    connection: Any, zones: Sequence[int], drill_id: str, places: Sequence[tuple[Any, int]], reach: int
) -> dict[int, int]:
    """People in each zone at one moment, given as (day, second) once for each day on which they may have come in.

    `reach` (seconds) is the longest stay at such a venue. Visits of another drill do not count.
    """
    rows = await connection.fetch(
        """
        SELECT zone, count(DISTINCT tag) AS inside FROM unnest($3::date[], $4::integer[]) AS moment (on_day, at), visits
        WHERE day = on_day AND zone = ANY($1) AND drill_id = $2
          AND entered <= at AND entered > at - $5 AND entered + stay > at
        GROUP BY zone
        """,
        zones,
        drill_id,
        [day for day, _ in places],
        [second for _, second in places],
        reach,
    )
    return {row["zone"]: row["inside"] for row in rows}

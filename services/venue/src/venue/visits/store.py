"""All SQL of visits. Functions take the connection first and never commit.

Writers of visits hold the shared lock of each day they write; a search holds the exclusive lock of the days it reads (see
`venue.searches.store`). The lock is taken in the statement that writes, and the searches are read in the next one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any
from uuid import UUID

from passes.days import day_number

from venue.searches.locks import LOCK_CLASS
from venue.visits.model import (
    CHECKED_OUT,
    GRADE_SHIFT,
    HOURS,
    LATE,
    OVERSTAY,
    Visit,
    VisitRef,
    key_bytes,
    key_number,
    place_of,
)
from venue.watch.model import note_of_end

_IDENTITY = attrgetter("day", "tag", "visit_key")
_KEPT = LATE | 3 << GRADE_SHIFT  # what a check-out does not change of the facts


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
    # In one order, so that two batches which share visits, as repeats do, wait for each other instead of deadlocking. Of
    # visits with one key the first stays first.
    visits = sorted(visits, key=_IDENTITY)
    # No target of the conflict: what is unique is an index of each partition, the parent knows none.
    rows = await connection.fetch(
        """
        WITH held AS MATERIALIZED (
            SELECT pg_advisory_xact_lock_shared($1, number) FROM unnest($2::integer[]) AS number
        ), locked AS MATERIALIZED (SELECT count(*) AS days FROM held), stored AS (
            INSERT INTO visits (visit_key, tag, day, place, entered, facts, drill_id)
            SELECT n.visit_key, n.tag, n.day, n.place, n.entered, n.facts, nullif(n.drill_id, '') FROM locked,
                unnest($3::bigint[], $4::uuid[], $5::date[], $6::integer[], $7::integer[], $8::integer[], $9::text[])
                    AS n (visit_key, tag, day, place, entered, facts, drill_id)
            ON CONFLICT DO NOTHING
            RETURNING day, tag, visit_key, place, entered, facts, drill_id
        ), noted AS (
            -- One row for each day, so that nothing stored is shared by two; see venue.watch.model.
            INSERT INTO visit_notes (day, drill_id, packed)
            SELECT day, coalesce(drill_id, ''), array_agg(
                ((place & 67108863)::bigint << 27) | ((entered / 60)::bigint << 15)
                | (((entered + (facts & 131071) + 59) / 60)::bigint << 3) | (((facts >> 17) & 3) + 1))
            FROM stored GROUP BY day, drill_id
        )
        SELECT day, tag, visit_key FROM stored
        """,
        LOCK_CLASS,
        sorted({day_number(visit.day) for visit in visits}),
        [key_number(visit.visit_key) for visit in visits],
        [UUID(bytes=visit.tag) for visit in visits],
        [visit.day for visit in visits],
        [visit.place for visit in visits],
        [visit.entered for visit in visits],
        [visit.facts for visit in visits],
        [visit.drill_id for visit in visits],
    )
    return {(row["day"], row["tag"], key_bytes(row["visit_key"])) for row in rows}


async def find(connection: Any, refs: Sequence[VisitRef]) -> dict[VisitRef, Stored]:
    """Which of these visits exist."""
    rows = await connection.fetch(
        """
        SELECT n.day, n.tag, n.visit_key, v.zone, v.entered, v.grade
        FROM unnest($1::date[], $2::uuid[], $3::bigint[]) AS n (day, tag, visit_key),
        LATERAL (
            SELECT v.zone, v.entered, v.grade FROM visits_plain v
            WHERE v.day = n.day AND v.tag_hash = uuid_hash_extended(n.tag, 0) AND v.visit_key = n.visit_key
              AND v.tag = n.tag
            OFFSET 0
        ) v
        """,
        [ref.day for ref in refs],
        [UUID(bytes=ref.tag) for ref in refs],
        [key_number(ref.visit_key) for ref in refs],
    )
    return {
        VisitRef(row["day"], row["tag"].bytes, key_bytes(row["visit_key"])): Stored(
            row["zone"], row["entered"], row["grade"]
        )
        for row in rows
    }


async def lock_for_check_out(connection: Any, ref: VisitRef) -> StoredVisit | None:
    """The visit, locked against other check-outs, with the shared lock of its day held."""
    await connection.execute("SELECT pg_advisory_xact_lock_shared($1, $2)", LOCK_CLASS, day_number(ref.day))
    row = await connection.fetchrow(
        """
        SELECT zone, entered, stay, grade, late, overstay, coalesce(drill_id, '') AS drill_id, checked_out
        FROM visits_plain
        WHERE day = $1 AND tag_hash = uuid_hash_extended($2, 0) AND visit_key = $3 AND tag = $2 FOR UPDATE
        """,
        ref.day,
        UUID(bytes=ref.tag),
        key_number(ref.visit_key),
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
        UPDATE visits SET facts = (facts & $4) | $5
        WHERE day = $1 AND uuid_hash_extended(tag, 0) = uuid_hash_extended($2, 0) AND visit_key = $3 AND tag = $2
        """,
        ref.day,
        UUID(bytes=ref.tag),
        key_number(ref.visit_key),
        _KEPT,
        stay | CHECKED_OUT | (OVERSTAY if overstay else 0),
    )


async def note_end(connection: Any, former: Visit, left: int) -> None:
    """For those who count along (`venue.watch`): the visit ends in another second than it did."""
    await connection.execute(
        "INSERT INTO visit_notes (day, drill_id, packed) VALUES ($1, $2, $3)",
        former.day,
        former.drill_id,
        [note_of_end(former.zone, former.left, left)],
    )


async def inside(
    connection: Any, zones: Sequence[int], drill_id: str, places: Sequence[tuple[Any, int]], reach: int
) -> dict[int, int]:
    """People in each zone at one moment, given as (day, second) once for each day on which they may have come in.

    `reach` (seconds) is the longest stay at such a venue. Visits of another drill do not count.
    """
    # A drill's visits are in an index of their own, and the planner sees only from the text which one is meant.
    mine = "drill_id = $5" if drill_id else "drill_id IS NULL"
    rows = await connection.fetch(
        f"""
        SELECT zone, count(DISTINCT tag) AS inside
        FROM unnest($2::date[], $3::integer[]) AS moment (on_day, at), visits_plain
        WHERE day = on_day AND place = ANY($1) AND entered <= at AND entered > at - $4 AND entered + stay > at
          AND {mine}
        GROUP BY zone
        """,
        [place_of(hour, zone) for hour in range(HOURS) for zone in sorted(zones)],
        [day for day, _ in places],
        [second for _, second in places],
        reach,
        *([drill_id] if drill_id else []),
    )
    return {row["zone"]: row["inside"] for row in rows}

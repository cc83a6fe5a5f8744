"""All SQL of exposure searches. Functions take the connection first and never commit.

Who reads visits for a search holds the locks of `venue.searches.locks`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from venue.searches.model import Interval, Place, Probe, Search, Seen
from venue.visits.model import HOUR_SHIFT, Visit, key_bytes

_DAY = timedelta(days=1)
_SEARCH = "s.day, s.search_id, s.tag, s.window_start, s.window_end, s.drill_id"
_INTERVAL = "i.visit_key, i.zone, i.starts, i.ends, i.grade, i.late"


@dataclass(frozen=True, slots=True)
class Change:
    """A visit that was written. Up to second `known_until` of its day the searches have taken it into account."""

    visit: Visit
    known_until: int


async def insert(connection: Any, search: Search) -> bool:
    """Whether the search is new."""
    answer: str = await connection.execute(
        """
        INSERT INTO searches (day, search_id, tag, window_start, window_end, drill_id) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (day, search_id) DO NOTHING
        """,
        search.day,
        search.search_id,
        UUID(bytes=search.tag),
        search.window_start,
        search.window_end,
        search.drill_id,
    )
    return answer.endswith(" 1")


async def near(connection: Any, days: Iterable[date]) -> bool:
    """Whether any search could concern a visit of these days: those of the day itself and of its neighbours can."""
    around = sorted({day + step for day in days for step in (-_DAY, timedelta(), _DAY)})
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM searches WHERE day = ANY($1))", around)
    return found


async def visits_of(connection: Any, search: Search) -> list[Visit]:
    """The index person's visits of the day."""
    rows = await connection.fetch(
        """
        SELECT visit_key, zone, entered, stay, grade, late, overstay FROM visits_plain
        WHERE day = $1 AND tag_hash = uuid_hash_extended($2, 0) AND tag = $2 AND coalesce(drill_id, '') = $3
        ORDER BY entered, visit_key
        """,
        search.day,
        UUID(bytes=search.tag),
        search.drill_id,
    )
    return [
        Visit(
            search.day,
            search.tag,
            key_bytes(row["visit_key"]),
            row["zone"],
            row["entered"],
            row["stay"],
            row["grade"],
            row["late"],
            row["overstay"],
            search.drill_id,
        )
        for row in rows
    ]


async def intervals(connection: Any, search: Search, zone: int | None = None) -> list[Interval]:
    """What is known of the index person's stays, in one zone or in all."""
    rows = await connection.fetch(
        f"""
        SELECT {_INTERVAL} FROM search_intervals i
        WHERE i.day = $1 AND i.search_id = $2 AND ($3::integer IS NULL OR i.zone = $3) ORDER BY i.starts, i.visit_key
        """,
        search.day,
        search.search_id,
        zone,
    )
    return [Interval(**row) for row in rows]


async def put_intervals(connection: Any, search: Search, found: Sequence[Interval]) -> None:
    """Store stays, or the new ends of stays that are stored."""
    await connection.execute(
        """
        INSERT INTO search_intervals AS i (day, search_id, visit_key, zone, starts, ends, grade, late)
        SELECT $1, $2, n.* FROM unnest($3::bytea[], $4::integer[], $5::integer[], $6::integer[], $7::smallint[],
                                       $8::boolean[]) AS n
        ON CONFLICT (day, search_id, visit_key) DO UPDATE SET ends = excluded.ends
        """,
        search.day,
        search.search_id,
        [each.visit_key for each in found],
        [each.zone for each in found],
        [each.starts for each in found],
        [each.ends for each in found],
        [each.grade for each in found],
        [each.late for each in found],
    )


async def places(connection: Any, zones: Iterable[int]) -> dict[int, Place]:
    rows = await connection.fetch(
        """
        SELECT z.zone, v.name AS venue_name, v.category, v.area, c.dwell_minutes * 60 AS dwell,
               c.stay_limit_minutes * 60 AS stay_limit
        FROM zones z JOIN venues v USING (venue_id) JOIN venue_categories c USING (category) WHERE z.zone = ANY($1)
        """,
        sorted(set(zones)),
    )
    return {row["zone"]: Place(**row) for row in rows}


# LATERAL with OFFSET 0 keeps the planner to one index range per probe and hour, whatever it believes about a partition that was
# analysed before the morning's rush.
_SEEN = f"""
    SELECT p.source, v.day, v.tag, v.entered, v.stay, v.grade, v.late
    FROM unnest($1::integer[], $2::date[], $3::integer[], $4::integer[], $5::integer[], $6::integer[])
         AS p (source, day, zone, after, before, leaves_after),
    generate_series((p.after + 1) / 3600, (p.before - 1) / 3600) AS began (hour),
    LATERAL (
        SELECT v.day, v.tag, v.entered, v.stay, v.grade, v.late FROM visits_plain v
        WHERE v.day = p.day AND v.place = began.hour << {HOUR_SHIFT} | p.zone
          AND v.entered > p.after AND v.entered < p.before AND v.entered + v.stay > p.leaves_after AND {{condition}}
        OFFSET 0
    ) v
"""


def seen_statement(*, overstay: bool, drill: bool) -> str:
    """The search's SQL. Its arguments are the probes' columns, and the drill's id where it is for a drill's visits.

    Overstays and a drill's visits have an index of their own, which the planner finds by the text.
    """
    condition = "v.drill_id = $7" if drill else "v.drill_id IS NULL"
    return _SEEN.format(condition=condition + (" AND v.overstay" if overstay else ""))


def probe_columns(probes: Sequence[Probe]) -> list[list[Any]]:
    """The probes as the arguments of the search's SQL."""
    return [
        [probe.source for probe in probes],
        [probe.day for probe in probes],
        [probe.zone for probe in probes],
        [probe.after for probe in probes],
        [probe.before for probe in probes],
        [probe.leaves_after for probe in probes],
    ]


async def seen(connection: Any, drill_id: str, probes: Sequence[Probe]) -> list[Seen]:
    """The visits that the probes find, the index person's own included."""
    found: list[Seen] = []
    for overstay in (False, True):
        chosen = [probe for probe in probes if probe.overstay is overstay]
        if not chosen:
            continue
        rows = await connection.fetch(
            seen_statement(overstay=overstay, drill=bool(drill_id)),
            *probe_columns(chosen),
            *([drill_id] if drill_id else []),
        )
        found += [Seen(source, day, tag.bytes, *rest) for source, day, tag, *rest in rows]
    return found


async def met(connection: Any, changes: Sequence[Change]) -> list[tuple[int, Search, Interval]]:
    """Which changed visits share time with which stays of index persons, as (position in `changes`, search, stay).

    Only what is new counts: of a visit that was lengthened, the stays that its new part meets.
    """
    days = sorted({change.visit.day + step for change in changes for step in (-_DAY, timedelta(), _DAY)})
    rows = await connection.fetch(
        f"""
        SELECT n.position, {_SEARCH}, {_INTERVAL}
        FROM unnest($2::integer[], $3::date[], $4::uuid[], $5::integer[], $6::integer[], $7::integer[], $8::text[])
             AS n (position, day, tag, zone, known_until, leaves, drill_id)
        JOIN search_intervals i ON i.day = ANY($1) AND i.zone = n.zone AND i.starts < i.ends
             AND i.starts < n.leaves + (n.day - i.day) * 86400 AND i.ends > n.known_until + (n.day - i.day) * 86400
        JOIN searches s ON s.day = ANY($1) AND s.day = i.day AND s.search_id = i.search_id
        WHERE s.drill_id = n.drill_id AND NOT (s.day = n.day AND s.tag = n.tag)
        """,
        days,
        *_columns(changes),
    )
    return [(row["position"], _search(row), _interval(row)) for row in rows]


async def mark_pending(connection: Any, changes: Sequence[Change]) -> bool:
    """Note the searches for whose index person a visit was written; whether there are any."""
    rows = await connection.fetch(
        """
        INSERT INTO search_pending (day, search_id)
        SELECT DISTINCT s.day, s.search_id
        FROM unnest($2::integer[], $3::date[], $4::uuid[], $5::integer[], $6::integer[], $7::integer[], $8::text[])
             AS n (position, day, tag, zone, known_until, leaves, drill_id)
        JOIN searches s ON s.day = ANY($1) AND s.day = n.day AND s.tag = n.tag AND s.drill_id = n.drill_id
        ORDER BY s.day, s.search_id
        ON CONFLICT (day, search_id) DO NOTHING
        RETURNING search_id
        """,
        sorted({change.visit.day for change in changes}),
        *_columns(changes),
    )
    return bool(rows)


async def pending(connection: Any) -> list[tuple[date, UUID]]:
    """Searches that wait to be searched again, a few at a time."""
    rows = await connection.fetch("SELECT day, search_id FROM search_pending ORDER BY day, search_id LIMIT 100")
    return [(row["day"], row["search_id"]) for row in rows]


async def take_pending(connection: Any, day: date, search_id: UUID) -> Search | None:
    """The search, if it still waits; it waits no more. Call with the locks held, or a writer may be overlooked."""
    row = await connection.fetchrow(
        f"""
        WITH taken AS (DELETE FROM search_pending WHERE day = $1 AND search_id = $2 RETURNING day, search_id)
        SELECT {_SEARCH} FROM taken JOIN searches s USING (day, search_id)
        """,
        day,
        search_id,
    )
    return None if row is None else _search(row)


def _columns(changes: Sequence[Change]) -> list[list[Any]]:
    return [
        list(range(len(changes))),
        [change.visit.day for change in changes],
        [UUID(bytes=change.visit.tag) for change in changes],
        [change.visit.zone for change in changes],
        [change.known_until for change in changes],
        [change.visit.left for change in changes],
        [change.visit.drill_id for change in changes],
    ]


def _search(row: Any) -> Search:
    return Search(
        row["day"], row["search_id"], row["tag"].bytes, row["window_start"], row["window_end"], row["drill_id"]
    )


def _interval(row: Any) -> Interval:
    return Interval(row["visit_key"], row["zone"], row["starts"], row["ends"], row["grade"], row["late"])

"""All SQL of what is counted along with the visits. Functions take the connection first and never commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.pages import TimeCursor
from chassis.pool import Connection

from venue.watch.model import HOUR_SLOTS, Crowding, Rule, Suspected, Use

KEEP_SLOTS: Final = 2 * 24 * HOUR_SLOTS


@dataclass(frozen=True, slots=True)
class Moved:
    """A zone whose number of people has changed."""

    zone: int
    venue_id: UUID
    area: str
    drill_id: str
    capacity: int
    inside: int
    level: int


@dataclass(frozen=True, slots=True)
class Folded:
    """`slots`: (zone, slot) in which a printed code was used."""

    moved: tuple[Moved, ...]
    slots: tuple[tuple[int, int], ...]


async def through(conn: Connection) -> int:
    """Up to which minute all is counted. Only one at a time folds."""
    minute: int = await conn.fetchval("SELECT through FROM occupancy_state")
    return minute


async def fold(conn: Connection, now: int) -> Folded:
    """Take what transactions have noted, and departures up to the minute `now`, into the counts. Only one at a time does."""
    # A visit of a drill to a real venue leaves no trace there.
    rows = await conn.fetch(
        """
        WITH taken AS (
            DELETE FROM visit_notes RETURNING day, drill_id, packed
        ), each AS (
            SELECT z.zone, v.area, v.category, v.drill_id, t.start + ((n >> 15) & 4095)::integer AS starts,
                   t.start + ((n >> 3) & 4095)::integer AS ends, (n & 7)::integer AS grade
            FROM (SELECT drill_id, packed, (day - date '1970-01-01') * 1440 - 480 AS start FROM taken) t
            CROSS JOIN unnest(t.packed) AS n
            JOIN zones z ON z.zone = (n >> 27)::integer JOIN venues v ON v.venue_id = z.venue_id AND v.drill_id = t.drill_id
        ), changes AS (
            SELECT zone, minute, sum(change)::integer AS change
            FROM each CROSS JOIN LATERAL (VALUES (starts, 1), (ends, -1)) AS c (minute, change)
            GROUP BY zone, minute HAVING sum(change) <> 0
        ), later AS (
            INSERT INTO zone_changes (minute, zone, change) SELECT minute, zone, change FROM changes WHERE minute > $1
            ON CONFLICT (minute, zone) DO UPDATE SET change = zone_changes.change + excluded.change
        ), due AS (
            DELETE FROM zone_changes WHERE minute <= $1 RETURNING zone, change
        ), moved AS (
            SELECT zone, sum(change)::integer AS change
            FROM (SELECT zone, change FROM changes WHERE minute <= $1 UNION ALL SELECT zone, change FROM due) AS c
            GROUP BY zone HAVING sum(change) <> 0
        ), counted AS (
            INSERT INTO zone_occupancy AS o (zone, area, drill_id, inside)
            SELECT m.zone, v.area, v.drill_id, m.change
            FROM moved m JOIN zones z USING (zone) JOIN venues v USING (venue_id)
            ON CONFLICT (zone) DO UPDATE SET inside = o.inside + excluded.inside
            RETURNING o.zone, o.area, o.drill_id, o.inside, o.level
        ), spread AS (
            INSERT INTO area_occupancy AS o (area, category, drill_id, inside)
            SELECT v.area, v.category, v.drill_id, sum(m.change)
            FROM moved m JOIN zones z USING (zone) JOIN venues v USING (venue_id) GROUP BY 1, 2, 3
            ON CONFLICT (area, category, drill_id) DO UPDATE SET inside = o.inside + excluded.inside
        ), used AS (
            INSERT INTO code_use AS u (slot, zone, printed, shown)
            SELECT starts / 10, zone, count(*) FILTER (WHERE grade = 3), count(*) FILTER (WHERE grade = 2)
            FROM each WHERE grade IN (2, 3) AND starts / 10 > $1 / 10 - $2 GROUP BY 1, 2
            ON CONFLICT (slot, zone) DO UPDATE SET printed = u.printed + excluded.printed, shown = u.shown + excluded.shown
            RETURNING u.zone, u.slot
        )
        SELECT c.zone, z.venue_id, c.area, c.drill_id, z.capacity, c.inside, c.level, NULL::integer AS slot
        FROM counted c JOIN zones z USING (zone)
        UNION ALL SELECT zone, NULL, NULL, NULL, NULL, NULL, NULL, slot FROM used
        """,
        now,
        KEEP_SLOTS,
    )
    await conn.execute("UPDATE occupancy_state SET through = $1 WHERE through <> $1", now)
    await conn.execute("DELETE FROM code_use WHERE slot <= $1::integer / 10 - $2", now, KEEP_SLOTS)
    return Folded(
        tuple(Moved(**{name: row[name] for name in Moved.__slots__}) for row in rows if row["slot"] is None),
        tuple((row["zone"], row["slot"]) for row in rows if row["slot"] is not None),
    )


async def crowding_levels(conn: Connection) -> list[Crowding]:
    rows = await conn.fetch("SELECT level, rises_at, falls_below FROM crowding_levels ORDER BY level")
    return [Crowding(**row) for row in rows]


async def set_levels(conn: Connection, levels: Mapping[int, int], at: datetime) -> None:
    await conn.execute(
        """
        UPDATE zone_occupancy o SET level = n.level, level_since = $3
        FROM unnest($1::integer[], $2::smallint[]) AS n (zone, level) WHERE o.zone = n.zone
        """,
        list(levels),
        list(levels.values()),
        at,
    )


async def crowded(conn: Connection, area: str, drill_id: str, at_least: int, size: int) -> tuple[list[Any], int]:
    """Zones at this level and above, the fullest first, and how many there are in all; real ones or a drill's."""
    scope = "o.area >= $1 AND o.area < $1 || ':' AND o.level > 0 AND o.level >= $2 AND o.drill_id = $3"
    rows = await conn.fetch(
        f"""
        SELECT v.venue_id, v.name AS venue_name, o.zone, z.name AS zone_name, o.area, o.level, o.inside, z.capacity,
               o.level_since, o.drill_id
        FROM zone_occupancy o JOIN zones z USING (zone) JOIN venues v USING (venue_id)
        WHERE {scope} ORDER BY o.inside::float / z.capacity DESC, o.zone LIMIT $4
        """,
        area,
        at_least,
        drill_id,
        size,
    )
    total = await conn.fetchval(f"SELECT count(*) FROM zone_occupancy o WHERE {scope}", area, at_least, drill_id)
    return rows, total


async def code_rules(conn: Connection) -> dict[int, Rule]:
    """By category."""
    rows = await conn.fetch(
        "SELECT category, rate_percent, rate_floor, night_from, night_until, night_limit, beside_limit FROM code_rules"
    )
    return {
        row["category"]: Rule(
            row["rate_percent"],
            row["rate_floor"],
            None if row["night_from"] is None else (row["night_from"], row["night_until"]),
            row["night_limit"],
            row["beside_limit"],
        )
        for row in rows
    }


async def uses(conn: Connection, slots: Sequence[tuple[int, int]]) -> list[tuple[int, Use]]:
    """With their category; of these slots those in whose hour the printed code was used often enough to look at."""
    rows = await conn.fetch(
        """
        SELECT n.zone, n.slot, z.capacity, v.category, c.dwell_minutes,
               array_agg(u.slot) AS slots, array_agg(u.printed) AS printed, array_agg(u.shown) AS shown
        FROM unnest($1::integer[], $2::integer[]) AS n (zone, slot)
        JOIN code_use u ON u.zone = n.zone AND u.slot BETWEEN n.slot - n.slot % $3 AND n.slot - n.slot % $3 + $3 - 1
        JOIN zones z ON z.zone = n.zone JOIN venues v USING (venue_id) JOIN venue_categories c USING (category)
        JOIN code_rules r USING (category)
        GROUP BY n.zone, n.slot, z.capacity, v.category, c.dwell_minutes, r.rate_floor, r.night_limit, r.beside_limit
        HAVING sum(u.printed) >= least(r.rate_floor, r.night_limit, r.beside_limit)
        ORDER BY n.zone, n.slot
        """,
        [zone for zone, _ in slots],
        [slot for _, slot in slots],
        HOUR_SLOTS,
    )
    return [(row["category"], _use(row)) for row in rows]


def _use(row: Any) -> Use:
    first = row["slot"] - row["slot"] % HOUR_SLOTS
    printed, shown = [0] * HOUR_SLOTS, [0] * HOUR_SLOTS
    for slot, paper, screen in zip(row["slots"], row["printed"], row["shown"], strict=True):
        printed[slot - first], shown[slot - first] = paper, screen
    return Use(row["zone"], row["slot"], tuple(printed), tuple(shown), row["capacity"], row["dwell_minutes"])


async def raise_task(conn: Connection, task_id: UUID, zone: int, day: Any, found: Suspected, at: datetime) -> bool:
    """False when this zone has its task of that day already."""
    row = await conn.fetchrow(
        """
        INSERT INTO code_tasks (task_id, zone, day, area, drill_id, suspicion, window_start, window_minutes, seen, allowed,
                                raised_at)
        SELECT $1, z.zone, $3, v.area, v.drill_id, $4, $5, $6, $7, $8, $9
        FROM zones z JOIN venues v USING (venue_id) WHERE z.zone = $2
        ON CONFLICT ON CONSTRAINT code_tasks_zone_key DO NOTHING RETURNING task_id
        """,
        task_id,
        zone,
        day,
        int(found.suspicion),
        found.starts,
        found.minutes,
        found.seen,
        found.allowed,
        at,
    )
    return row is not None


_TASK: Final = """
    SELECT t.task_id, v.venue_id, v.name AS venue_name, t.area, t.zone, z.name AS zone_name, t.suspicion, t.window_start,
           t.window_minutes, t.seen, t.allowed, t.raised_at, t.drill_id, coalesce(a.finding, 0) AS finding,
           coalesce(a.note, '') AS note, coalesce(a.answered_by, '') AS answered_by, a.answered_at
    FROM code_tasks t JOIN zones z USING (zone) JOIN venues v USING (venue_id) LEFT JOIN code_task_answers a USING (task_id)
"""


async def task(conn: Connection, task_id: UUID) -> Any | None:
    return await conn.fetchrow(f"{_TASK} WHERE t.task_id = $1", task_id)


async def tasks(
    conn: Connection, area: str, drill_id: str, after: TimeCursor | None, size: int, *, open_only: bool
) -> list[Any]:
    """Real ones or a drill's, the newest first, behind `after` (raised, task)."""
    rows: list[Any] = await conn.fetch(
        f"""
        {_TASK} WHERE t.area >= $1 AND t.area < $1 || ':' AND (NOT $2 OR a.task_id IS NULL)
          AND t.drill_id = $6 AND ($3::timestamptz IS NULL OR (t.raised_at, t.task_id) < ($3, $4::uuid))
        ORDER BY t.raised_at DESC, t.task_id DESC LIMIT $5
        """,
        area,
        open_only,
        after.at if after else None,
        after.id if after else None,
        size,
        drill_id,
    )
    return rows


async def answer(conn: Connection, task_id: UUID, finding: int, note: str, who: str, at: datetime) -> None:
    """Breaks `code_task_answers_pkey` when it was answered before."""
    await conn.execute(
        "INSERT INTO code_task_answers (task_id, finding, note, answered_by, answered_at) VALUES ($1, $2, $3, $4, $5)",
        task_id,
        finding,
        note,
        who,
        at,
    )

"""All SQL of the summary. Functions take the connection first and never commit."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Final

from chassis.pool import Connection

from venue.summary.model import Metric, Summary, Wanted

STANDING: Final = date(1970, 1, 1)
"""The day of what has none."""

# Below the prefix $1, in rows of $2 digits.
_SCOPE: Final = "area >= $1 AND area < $1 || ':'"


async def fold(conn: Connection, most: int) -> int:
    """Add up at most so many of the changes; returns how many. The caller is the only one who does."""
    taken: int = await conn.fetchval(
        """
        WITH taken AS (
            DELETE FROM summary_changes WHERE seq IN (SELECT seq FROM summary_changes ORDER BY seq LIMIT $1)
            RETURNING area, category, drill_id, day, metric, change
        ), added AS (
            INSERT INTO summary_days AS d (level, drill_id, category, area, day, metric, total)
            SELECT l.level, t.drill_id, c.category, CASE l.level WHEN 0 THEN t.area ELSE left(t.area, l.level) END, t.day,
                   t.metric, sum(t.change)
            FROM taken t CROSS JOIN (VALUES (0), (6), (9)) AS l (level)
            CROSS JOIN LATERAL (VALUES (t.category), (0::smallint)) AS c (category)
            GROUP BY 1, 2, 3, 4, 5, 6
            ON CONFLICT (level, drill_id, category, area, day, metric) DO UPDATE SET total = d.total + excluded.total
        )
        SELECT count(*) FROM taken
        """,
        most,
    )
    return taken


async def summaries(conn: Connection, wanted: Wanted, now: datetime) -> dict[str, Summary]:
    """By area; areas without anything are left out. One snapshot is the caller's business."""
    found: dict[str, Summary] = {}

    def of(area: str) -> Summary:
        return found.setdefault(area, Summary(area))

    await _counts(conn, wanted, of)
    await _now(conn, wanted, now, of)
    return found


async def _counts(conn: Connection, wanted: Wanted, of: Callable[[str], Summary]) -> None:
    # Of one area that is kept as such its rows are named; otherwise those below the prefix.
    scope = "area = $1" if wanted.level == len(wanted.area) else _SCOPE
    for row in await conn.fetch(
        f"""
        WITH parts AS (
            SELECT left(area, $2) AS area, metric, total FROM summary_days
            WHERE level = $3::smallint AND drill_id = $4 AND category = $5::smallint AND {scope} AND day = $6
            UNION ALL
            SELECT left(area, $2), metric, total FROM summary_days
            WHERE level = $3::smallint AND drill_id = $4 AND category = $5::smallint AND {scope} AND day BETWEEN $7 AND $8
            UNION ALL
            SELECT left(area, $2), metric, change FROM summary_changes
            WHERE {_SCOPE} AND drill_id = $4 AND $5::smallint IN (0, category) AND (day = $6 OR day BETWEEN $7 AND $8)
        )
        SELECT area, metric, sum(total)::integer AS total FROM parts GROUP BY area, metric
        """,
        wanted.area,
        wanted.digits,
        wanted.level,
        wanted.drill_id,
        wanted.category,
        STANDING,
        wanted.first,
        wanted.last,
    ):
        of(row["area"]).counts[Metric(row["metric"])] = row["total"]


# What is late, with 1 for each; with -1 for those of closed venues, which are few.
_LATE: Final = f"""
    SELECT area, due_at, climb_hours, 1 AS venues FROM ladder_heads
    WHERE drill_id = $3 AND {_SCOPE} AND state > 0 AND due_at < $4
    UNION ALL
    SELECT h.area, h.due_at, h.climb_hours, -1
    FROM (SELECT venue_id FROM counted_venues WHERE closed AND {_SCOPE}) v JOIN ladder_heads h USING (venue_id)
    WHERE h.drill_id = $3 AND h.state > 0 AND h.due_at < $4
"""
_LATE_OF_CATEGORY: Final = """
    SELECT h.area, h.due_at, h.climb_hours, 1 AS venues FROM counted_venues v JOIN ladder_heads h USING (venue_id)
    WHERE h.drill_id = $3 AND h.area >= $1 AND h.area < $1 || ':' AND h.state > 0 AND h.due_at < $4 AND v.category = $5
      AND NOT v.closed
"""


async def _now(conn: Connection, wanted: Wanted, now: datetime, of: Callable[[str], Summary]) -> None:
    chosen = [wanted.category] if wanted.category else []
    for row in await conn.fetch(
        f"""
        SELECT left(area, $2) AS area,
               least(1 + floor(date_part('epoch', $4 - due_at) / (climb_hours * 3600)), 4)::integer AS level,
               sum(venues)::integer AS venues
        FROM ({_LATE_OF_CATEGORY if chosen else _LATE}) AS late GROUP BY 1, 2
        """,
        wanted.area,
        wanted.digits,
        wanted.drill_id,
        now,
        *chosen,
    ):
        of(row["area"]).overdue[row["level"] - 1] = row["venues"]
    for row in await conn.fetch(
        """
        SELECT left(v.area, $2) AS area, count(DISTINCT s.venue_id) AS venues
        FROM suspensions s JOIN counted_venues v USING (venue_id) JOIN effective_suspensions e USING (suspension_id)
        WHERE s.ends_at > $5 AND s.starts_at <= $5 AND e.ends_at > $5
          AND v.area >= $1 AND v.area < $1 || ':' AND v.drill_id = $3 AND $4::smallint IN (0, v.category) AND NOT v.closed
        GROUP BY 1
        """,
        wanted.area,
        wanted.digits,
        wanted.drill_id,
        wanted.category,
        now,
    ):
        of(row["area"]).suspended = row["venues"]
    for row in await conn.fetch(
        f"""
        SELECT left(area, $2) AS area, sum(inside)::integer AS people FROM area_occupancy
        WHERE {_SCOPE} AND drill_id = $3 AND $4::smallint IN (0, category) AND inside > 0 GROUP BY 1
        """,
        wanted.area,
        wanted.digits,
        wanted.drill_id,
        wanted.category,
    ):
        of(row["area"]).occupancy = row["people"]

"""SQL of what is open in an area. Functions take the connection first and never commit."""

from datetime import datetime

from chassis.pool import Connection

from venue.enforcement.ladder.listing import DueCursor, OpenMeasure, Wanted
from venue.enforcement.ladder.standing import State


async def open_measures(
    conn: Connection, wanted: Wanted, now: datetime, after: DueCursor | None, size: int
) -> tuple[list[OpenMeasure], DueCursor | None]:
    """The cursor is None on the last page."""
    rows = await conn.fetch(
        """
        SELECT h.venue_id, v.name, h.area, h.measure_id, h.step, h.state, h.due_at, h.climb_hours, h.suspension_pending,
               h.drill_id
        FROM ladder_heads h JOIN venues v USING (venue_id)
        WHERE h.area >= $1 AND h.area < $1 || ':' AND h.state > 0 AND ($2::smallint = 0 OR h.state = $2)
          AND v.closed_at IS NULL AND h.drill_id = $8
          AND ($3::smallint = 0 OR h.due_at < $4 AND h.due_at + ($3 - 1) * h.climb_hours * interval '1 hour' <= $4)
          AND ($5::uuid IS NULL
               OR (coalesce(h.due_at, 'infinity'), h.venue_id)
                  > (coalesce('epoch'::timestamptz + $6::bigint * interval '1 microsecond', 'infinity'), $5))
        ORDER BY coalesce(h.due_at, 'infinity'), h.venue_id LIMIT $7
        """,
        wanted.area,
        wanted.state,
        int(wanted.level),
        now,
        after.venue_id if after else None,
        after.due if after else None,
        size + 1,
        wanted.drill_id,
    )
    found = [
        OpenMeasure(
            venue_id=row["venue_id"],
            venue_name=row["name"],
            area=row["area"],
            measure_id=row["measure_id"],
            step=row["step"],
            state=State(row["state"]),
            due_at=row["due_at"],
            climb_hours=row["climb_hours"],
            suspension_pending=row["suspension_pending"],
            drill_id=row["drill_id"],
        )
        for row in rows[:size]
    ]
    return found, DueCursor.after(found[-1]) if len(rows) > size else None

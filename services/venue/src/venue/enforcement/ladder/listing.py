"""Open measures of an area in the order in which they are due, with the level up to which they have climbed."""

from dataclasses import dataclass
from datetime import datetime
from re import ASCII
from re import compile as compile_pattern
from uuid import UUID

from chassis.pool import Connection

from venue.enforcement.ladder.standing import Level, State, climbs_at, level_of

_CURSOR = compile_pattern(r"(\d{1,20}|-)\.([0-9a-f]{32})", ASCII)


@dataclass(frozen=True, slots=True)
class OpenMeasure:
    venue_id: UUID
    venue_name: str
    area: str
    measure_id: UUID
    step: int
    state: State
    due_at: datetime | None
    climb_hours: int
    suspension_pending: bool
    drill_id: str

    def level(self, at: datetime) -> Level:
        return level_of(self.due_at, self.climb_hours, at)

    def climbs_at(self, at: datetime) -> datetime | None:
        return climbs_at(self.due_at, self.climb_hours, at)


@dataclass(frozen=True, slots=True)
class DueCursor:
    """Where a page ended. `due` counts microseconds since 1970; None for what has no deadline, which comes last."""

    due: int | None
    venue_id: UUID

    @classmethod
    def after(cls, last: OpenMeasure) -> "DueCursor":
        due = None if last.due_at is None else int(last.due_at.timestamp()) * 1_000_000 + last.due_at.microsecond
        return cls(due, last.venue_id)

    def encode(self) -> str:
        return f"{'-' if self.due is None else self.due}.{self.venue_id.hex}"

    @classmethod
    def decode(cls, token: str) -> "DueCursor":
        """The inverse of `encode`. Raises `ValueError` on anything else."""
        found = _CURSOR.fullmatch(token)
        if found is None or (found[1] != "-" and int(found[1]) >= 1 << 62):
            raise ValueError("not a page token")
        return cls(None if found[1] == "-" else int(found[1]), UUID(hex=found[2]))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which measures: below an area, of one state if given, late at least up to `level` (0: all)."""

    area: str
    state: int
    level: Level


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
          AND v.closed_at IS NULL
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

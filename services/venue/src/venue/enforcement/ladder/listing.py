"""Open measures of an area in the order in which they are due, with the level up to which they have climbed. Pure."""

from dataclasses import dataclass
from datetime import datetime
from re import ASCII
from re import compile as compile_pattern
from uuid import UUID

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
    """Which measures: below an area, of one state if given, late at least up to `level` (0: all), real ones or a drill's."""

    area: str
    state: int
    level: Level
    drill_id: str

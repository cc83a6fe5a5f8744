"""The figures of an area, and which of the kept counts they are read from. Pure."""

from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import IntEnum
from typing import Final

from chassis.errors import DomainError, Kind

LONGEST: Final = timedelta(days=400)
ALL: Final = 0
"""The category under which all are counted together."""


class Metric(IntEnum):
    """Numbers as in `summary_days`; those below 10 stand now, the others are of a day."""

    REGISTERED = 1
    ON_CODE = 2
    LETTER_SERVED = 3
    NOTICE_SERVED = 4
    LETTER_ACKNOWLEDGED = 5
    NOTICE_ACKNOWLEDGED = 6
    INSPECTED = 7
    INSPECTIONS = 10
    FAILED = 11
    NOTICES = 12
    YELLOW_CARDS = 13
    RED_CARDS = 14
    SUSPENSIONS = 15
    LIFTS = 16
    REOPENED = 17
    ANNULLED = 18

    @property
    def stands(self) -> bool:
        return self < Metric.INSPECTIONS


@dataclass(frozen=True, slots=True)
class Wanted:
    """`digits`: of the areas that get a row each. `first` and `last` are included."""

    area: str
    digits: int
    category: int
    drill_id: str
    first: date
    last: date

    @property
    def level(self) -> int:
        """Counts are kept for districts (6 digits), sub-districts (9) and the venues' own areas (0)."""
        return next((kept for kept in (6, 9) if self.digits <= kept), 0)


@dataclass(slots=True)
class Summary:
    """Of one area. `overdue` by level, from grid worker to district."""

    area: str
    counts: dict[Metric, int] = field(default_factory=dict)
    suspended: int = 0
    overdue: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    occupancy: int = 0


def wanted(area: str, digits: int, category: int, drill_id: str, first_day: str, last_day: str, today: date) -> Wanted:
    """Raises INVALID / PERIOD_INVALID or AREA_DIGITS_INVALID."""
    try:
        last = date.fromisoformat(last_day) if last_day else today
        first = date.fromisoformat(first_day) if first_day else last
    except ValueError:
        raise _period("There is no such day.") from None
    if first > last:
        raise _period("The period ends before it begins.")
    if last - first > LONGEST:
        raise _period(f"A period has at most {LONGEST.days} days.")
    if digits and digits < len(area):
        raise DomainError(
            Kind.INVALID,
            "AREA_DIGITS_INVALID",
            "Areas below a prefix have at least as many digits.",
            fields={"area_digits": f"at least {len(area)}, or 0"},
        )
    return Wanted(area, digits or len(area), category, drill_id, first, last)


def _period(text: str) -> DomainError:
    return DomainError(Kind.INVALID, "PERIOD_INVALID", text, fields={"first_day": text})

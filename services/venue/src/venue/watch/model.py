"""How full a zone is, and when the use of its printed code cannot be that of one place. Pure.

A *note* is what a transaction that wrote visits leaves for the fold (`visit_notes.packed`), one number for each visit: zone
(26 bits), the minutes of the visit's day in which it begins and ends (12 bits each; it may end after midnight), grade (3 bits).
Grade 0 is no visit: an end that was moved from the first minute to the second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from passes.days import ZONE as LOCAL

SLOT_MINUTES = 10
HOUR_SLOTS = 6


def note_of_visit(zone: int, entered: int, left: int, grade: int) -> int:
    """From seconds of the day: whoever comes counts from the beginning of a minute on, and leaves at the end of one."""
    return zone << 27 | entered // 60 << 15 | -(-left // 60) << 3 | grade


def note_of_end(zone: int, former: int, left: int) -> int:
    """A visit's end was moved, in seconds of the day; earlier or later."""
    return zone << 27 | -(-former // 60) << 15 | -(-left // 60) << 3


@dataclass(frozen=True, slots=True)
class Crowding:
    """When a level is reached and left, in percent of the capacity."""

    level: int
    rises_at: int
    falls_below: int


def level_of(inside: int, capacity: int, current: int, levels: Sequence[Crowding]) -> int:
    """The level that follows `current` (0: not crowded): up at once, down only below where a level is left."""
    reached = max((each.level for each in levels if inside * 100 >= each.rises_at * capacity), default=0)
    kept = max(
        (each.level for each in levels if each.level <= current and inside * 100 >= each.falls_below * capacity),
        default=0,
    )
    return max(reached, kept)


class Suspicion(IntEnum):
    """Numbers as in the contract."""

    RATE = 1
    AT_NIGHT = 2
    BESIDE_SCREEN = 3


@dataclass(frozen=True, slots=True)
class Rule:
    """When it is suspicious; see `code_rules`. `night`: hours from … until."""

    rate_percent: int
    rate_floor: int
    night: tuple[int, int] | None
    night_limit: int
    beside_limit: int


@dataclass(frozen=True, slots=True)
class Use:
    """How a zone's codes were used in one hour: check-ins by slot of ten minutes, and what the zone is.

    `slot`: the one that was written to; the hour's first is a multiple of 6. `dwell`: minutes of a usual stay.
    """

    zone: int
    slot: int
    printed: tuple[int, ...]
    shown: tuple[int, ...]
    capacity: int
    dwell: int


@dataclass(frozen=True, slots=True)
class Suspected:
    suspicion: Suspicion
    starts: datetime
    minutes: int
    seen: int
    allowed: int


def possible(capacity: int, dwell: int, minutes: int, rule: Rule) -> int:
    """So many can come in within `minutes`: the empty place is filled at once, and each place is taken again after a stay."""
    turnover = capacity + -(-capacity * minutes // dwell)
    return max(rule.rate_floor, -(-turnover * rule.rate_percent // 100))


def suspect(use: Use, rule: Rule) -> Suspected | None:
    """What is wrong with this hour, the plainest first. A check-in proves a code, and no place: these are questions."""
    first = use.slot - use.slot % HOUR_SLOTS
    hour = sum(use.printed)
    for starts, minutes, seen in (
        (use.slot, SLOT_MINUTES, use.printed[use.slot - first]),
        (first, SLOT_MINUTES * HOUR_SLOTS, hour),
    ):
        allowed = possible(use.capacity, use.dwell, minutes, rule)
        if seen > allowed:
            return Suspected(Suspicion.RATE, _time(starts), minutes, seen, allowed)
    starts_at = _time(first)
    if rule.night is not None and hour >= rule.night_limit:
        shut, opens = rule.night
        if shut <= starts_at.astimezone(LOCAL).hour < opens:
            return Suspected(Suspicion.AT_NIGHT, starts_at, SLOT_MINUTES * HOUR_SLOTS, hour, rule.night_limit)
    if hour >= rule.beside_limit <= sum(use.shown):
        return Suspected(Suspicion.BESIDE_SCREEN, starts_at, SLOT_MINUTES * HOUR_SLOTS, hour, rule.beside_limit)
    return None


def _time(slot: int) -> datetime:
    return datetime.fromtimestamp(slot * SLOT_MINUTES * 60, UTC)

"""Exposure search: who was in the same zone at the same time. Pure: no I/O, no protobuf.

Two stays overlap when they share more than 0 seconds: somebody who comes in the second in which the other leaves has not met
them. Times are whole seconds; those named absolute are Unix time, the others count from the start of a day.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from passes.days import DAY_SECONDS, date_of, day_number, number_of_unix, start_unix

PART_SIZE = 500


@dataclass(frozen=True, slots=True)
class Search:
    """An open search. The window is in seconds from the start of `day`."""

    day: date
    search_id: UUID
    tag: bytes
    window_start: int
    window_end: int
    drill_id: str

    @property
    def aggregate(self) -> str:
        """Its answers are ordered under this name on the bus: the search's own random id."""
        return self.search_id.hex


@dataclass(frozen=True, slots=True)
class Interval:
    """A stay of the index person within the window, in seconds from the start of the search's day."""

    visit_key: bytes
    zone: int
    starts: int
    ends: int
    grade: int
    late: bool


@dataclass(frozen=True, slots=True)
class Place:
    """What an answer tells of a zone, and how far back the search must look there (seconds)."""

    zone: int
    venue_name: str
    category: int
    area: str
    dwell: int
    stay_limit: int


@dataclass(frozen=True, slots=True)
class Probe:
    """One range of one partition's index: entered in (after, before), left after `leaves_after`; seconds of `day`.

    `source` is the position of the interval that asks; `overstay` restricts to visits longer than the default dwell.
    """

    source: int
    day: date
    zone: int
    after: int
    before: int
    leaves_after: int
    overstay: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """A visit that a probe found."""

    source: int
    day: date
    tag: bytes
    entered: int
    stay: int
    grade: int
    late: bool


@dataclass(frozen=True, slots=True)
class Hit:
    """Somebody who was there too. Overlap in absolute seconds; `late` if either visit was uploaded late."""

    day: date
    tag: bytes
    zone: int
    overlap_start: int
    overlap_end: int
    grade: int
    index_grade: int
    late: bool


def clip(search: Search, entered: int, stay: int) -> tuple[int, int] | None:
    """The part of the index person's visit within the window, None if there is none.

    A window that reaches the end of the day does not cut a visit that goes on after midnight: the tag changes there, the
    infection does not, and the next day's search cannot see this visit.
    """
    starts = max(entered, search.window_start)
    ends = entered + stay if search.window_end >= DAY_SECONDS else min(entered + stay, search.window_end)
    return (starts, ends) if starts < ends else None


def probes(source: int, day: date, interval: Interval, place: Place) -> Iterator[Probe]:
    """Where the visits that overlap an interval can lie.

    A visit within the default dwell began less than that before the interval; a longer one less than the stay limit before,
    and is looked for in an index of its own. A range over midnight is two: the other's visit may have begun the day
    before, or after midnight under that day's tag.
    """
    base = start_unix(day_number(day))
    starts, ends = base + interval.starts, base + interval.ends
    yield from _by_day(source, interval.zone, starts - place.dwell, ends, starts, overstay=False)
    yield from _by_day(
        source, interval.zone, starts - place.stay_limit, starts - place.dwell + 1, starts, overstay=True
    )


def _by_day(source: int, zone: int, after: int, before: int, leaves_after: int, *, overstay: bool) -> Iterator[Probe]:
    """Split the open range (after, before) of absolute seconds by local day."""
    if before - after < 2:  # noqa: PLR2004 - the range is open at both ends: 2 is the first with a second inside
        return
    for number in range(number_of_unix(after + 1), number_of_unix(before - 1) + 1):
        start = start_unix(number)
        yield Probe(
            source,
            date_of(number),
            zone,
            max(after - start, -1),
            min(before - start, DAY_SECONDS),
            leaves_after - start,
            overstay,
        )


def hit_of(search: Search, interval: Interval, seen: Seen) -> Hit | None:
    """The overlap of a found visit with an interval; None for the index person's own visit or without overlap."""
    if seen.day == search.day and seen.tag == search.tag:
        return None
    base = start_unix(day_number(search.day))
    other = start_unix(day_number(seen.day)) + seen.entered
    start, end = max(base + interval.starts, other), min(base + interval.ends, other + seen.stay)
    if start >= end:
        return None
    return Hit(
        seen.day,
        seen.tag,
        interval.zone,
        start,
        end,
        seen.grade,
        interval.grade,
        interval.late or seen.late,
    )


def visitors(hits: Iterable[Hit]) -> dict[int, int]:
    """Distinct visitors by zone during the index person's stays there, the index person included.

    Around midnight one person may count twice, once by each day's tag: nobody here can tell.
    """
    found: dict[int, set[tuple[date, bytes]]] = {}
    for hit in hits:
        found.setdefault(hit.zone, set()).add((hit.day, hit.tag))
    return {zone: len(people) + 1 for zone, people in found.items()}


def parts(hits: Sequence[Hit]) -> list[Sequence[Hit]]:
    """Pieces of at most 500; one empty piece when there is nothing to tell."""
    return [hits[at : at + PART_SIZE] for at in range(0, len(hits), PART_SIZE)] or [()]

"""Searches: who passed a post near the index person. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from passes.days import bounds, local_day

HITS_A_PART: Final = 500
_DAY: Final = timedelta(days=1)
# The end of the searched day, four hours of others' passages after it (the contract's bound), 72 h of late uploads,
# rounded up to whole days: what is derived from the day needs no stored time.
_OPEN_DAYS: Final = timedelta(days=5)


@dataclass(frozen=True, slots=True)
class Search:
    """Find who passed within `minutes` before or after the bearer of `tag` on `day`, at the same post.

    start, end: the bearer's passages at start <= t < end count.
    """

    search_id: bytes
    day: date
    tag: bytes
    start: datetime
    end: datetime
    minutes: int
    drill_id: str


@dataclass(frozen=True, slots=True)
class Own:
    """A passage of the index person."""

    post: int
    passed_at: datetime
    late: bool


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """Somebody else's passage near one of them. late: this row or the index person's was uploaded late."""

    day: date
    tag: bytes
    post: int
    passed_at: datetime
    late: bool


def first_open_day(now: datetime) -> date:
    """Searches of this day and later are still open for what is uploaded late."""
    return local_day(now) - _OPEN_DAYS + _DAY


def days_read(day: date) -> tuple[date, date, date]:
    """Partitions that a search reads: minutes around midnight belong to the neighbours."""
    return day - _DAY, day, day + _DAY


def offsets(search: Search) -> tuple[int, int]:
    """The window in seconds from the start of the search's day."""
    start = bounds(search.day)[0]
    return int((search.start - start).total_seconds()), int((search.end - start).total_seconds())


def instant(day: date, offset: int) -> datetime:
    """The inverse of `offsets`, for one of the two."""
    return bounds(day)[0] + timedelta(seconds=offset)


def merge(hits: Iterable[Hit]) -> list[Hit]:
    """Each person at each post once, by the earliest passage; one that was not uploaded late goes before those that were."""
    found: dict[tuple[date, bytes, int], Hit] = {}
    for hit in hits:
        key = (hit.day, hit.tag, hit.post)
        known = found.get(key)
        if known is None or (hit.late, hit.passed_at) < (known.late, known.passed_at):
            found[key] = hit
    return sorted(found.values())


def parts(hits: Sequence[Hit]) -> Iterator[Sequence[Hit]]:
    """At most 500 hits each; one empty part when there are none."""
    for begin in range(0, max(len(hits), 1), HITS_A_PART):
        yield hits[begin : begin + HITS_A_PART]

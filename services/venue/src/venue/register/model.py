"""Venues, zones and categories: what the register says, without I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from re import ASCII
from re import compile as compile_pattern
from uuid import UUID

_CURSOR = compile_pattern(r"(\d{9,18})\.([0-9a-f]{32})", ASCII)


@dataclass(frozen=True, slots=True)
class Category:
    """One of the 13 categories. Times are in minutes: of a visit without check-out, and of the longest visit."""

    category: int
    name_zh: str
    name_en: str
    dwell_minutes: int
    stay_limit_minutes: int


@dataclass(frozen=True, slots=True)
class NewZone:
    name: str
    capacity: int


@dataclass(frozen=True, slots=True)
class Particulars:
    """Who owns a venue and answers for it; business data that stays out of logs and events."""

    owner: str = ""
    responsible_person: str = ""
    licence: str = ""


@dataclass(frozen=True, slots=True)
class Owned:
    """`particulars` and the venue's accounts from a moment on."""

    particulars: Particulars
    operators: tuple[str, ...]
    since: datetime
    recorded_by: str


@dataclass(frozen=True, slots=True)
class NewVenue:
    """A registration. `digest` (32 bytes) covers everything but the request's id: a repeat has the same."""

    request_id: UUID
    venue_id: UUID
    name: str
    category: int
    area: str
    address: str
    zones: tuple[NewZone, ...]
    operators: tuple[str, ...]
    drill_id: str
    digest: bytes
    particulars: Particulars = Particulars()


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone as it is registered. `code` is the text of its static code, None while revoked."""

    zone: int
    name: str
    capacity: int
    code_version: int
    code: str | None


@dataclass(frozen=True, slots=True)
class Venue:
    venue_id: UUID
    name: str
    category: int
    area: str
    address: str
    operators: tuple[str, ...]
    drill_id: str
    zones: tuple[Zone, ...]
    closed_at: datetime | None = None
    merged_into: UUID | None = None


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """What a check-in needs to know of a zone, held in memory. Times are in seconds.

    `code_valid` is false while the code is revoked; `screen_version` 0 means that there is no screen.
    """

    zone: int
    venue_id: UUID
    area: str
    capacity: int
    dwell: int
    stay_limit: int
    code_version: int
    code_valid: bool
    screen_version: int
    operators: frozenset[str]
    drill_id: str
    # From … until, each: when the venue is suspended. Judged by the time of the check-in, so that an end needs nobody.
    suspensions: tuple[tuple[datetime, datetime], ...] = ()

    def suspended(self, at: datetime) -> bool:
        return any(starts <= at < ends for starts, ends in self.suspensions)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page of the list ended; areas and then ids ascend."""

    area: str
    venue_id: UUID

    def encode(self) -> str:
        return f"{self.area}.{self.venue_id.hex}"

    @classmethod
    def decode(cls, token: str) -> "Cursor":
        """The inverse of `encode`. Raises `ValueError` on anything else."""
        found = _CURSOR.fullmatch(token)
        if found is None:
            raise ValueError("not a page token")
        return cls(found[1], UUID(hex=found[2]))


@dataclass(frozen=True, slots=True)
class Page:
    """`total` counts all venues that match, on whatever page."""

    venues: Sequence[Venue]
    next: Cursor | None
    total: int


class Fate(Enum):
    """What becomes of a registration."""

    NEW = "new"
    REPEATED = "repeated"  # the same was registered before: the answer is the same
    REQUEST_REUSED = "request_reused"  # the request's id was used with other content
    VENUE_EXISTS = "venue_exists"  # another venue has that id


@dataclass(frozen=True, slots=True)
class Known:
    """What tells a repeat from a clash: the ids and the digest of a venue that is registered."""

    venue_id: UUID
    request_id: UUID
    digest: bytes


def fates(venues: Sequence[NewVenue], known: Sequence[Known]) -> list[Fate]:
    """The fate of each, in order; within one call the earlier one counts as registered for the later ones.

    A venue that is sent again under another request's id with the same content is a repeat: imports are repeated by people
    who start their program anew.
    """
    by_venue = {each.venue_id: each for each in known}
    by_request = {each.request_id: each for each in known}
    found = []
    for venue in venues:
        namesake = by_venue.get(venue.venue_id)
        used = by_request.get(venue.request_id)
        if used is not None and (used.venue_id, used.digest) != (venue.venue_id, venue.digest):
            found.append(Fate.REQUEST_REUSED)
        elif namesake is None:
            mine = Known(venue.venue_id, venue.request_id, venue.digest)
            by_venue[venue.venue_id] = by_request[venue.request_id] = mine
            found.append(Fate.NEW)
        else:
            found.append(Fate.REPEATED if namesake.digest == venue.digest else Fate.VENUE_EXISTS)
    return found

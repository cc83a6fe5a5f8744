"""The words of a verdict. Numbers are those of lilitong.checkpoint.v1.scan and never change."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import IntEnum
from typing import Final, Protocol


class Verdict(IntEnum):
    """Ordered: the worst of several people's verdicts is the largest."""

    ALLOW = 1
    REFER = 2
    DENY = 3


class Reason(IntEnum):
    """Why a verdict is what it is. UNSPECIFIED is a proven restriction whose kind this version does not know."""

    UNSPECIFIED = 0
    RESTRICTED_CASE = 1
    RESTRICTED_CLOSE_CONTACT = 2
    RESTRICTED_HOUSEHOLD = 3
    RESTRICTED_INTERVIEWED = 4
    STALE = 10
    CLOCK = 11
    REPLAYED = 12
    MALFORMED = 13
    UNKNOWN_KEY = 14
    BAD_SIGNATURE = 15
    WRONG_DAY = 16
    UNKNOWN_CARD = 17
    STATIC_CARD = 18
    NO_CREDENTIAL = 19
    UNPROVEN_DENIAL = 20
    LIST_TOO_OLD = 21
    HIGH_TEMPERATURE = 30
    TEMPERATURE_MISSING = 31
    HEALTH_CODE_BAD = 32
    ITINERARY_BAD = 33
    CODES_MISSING = 34
    NOT_REGISTERED = 35


ORDER: Final = (
    Reason.RESTRICTED_CASE,
    Reason.RESTRICTED_CLOSE_CONTACT,
    Reason.RESTRICTED_HOUSEHOLD,
    Reason.RESTRICTED_INTERVIEWED,
    Reason.UNSPECIFIED,
    Reason.UNPROVEN_DENIAL,
    Reason.LIST_TOO_OLD,
    Reason.BAD_SIGNATURE,
    Reason.UNKNOWN_KEY,
    Reason.MALFORMED,
    Reason.WRONG_DAY,
    Reason.REPLAYED,
    Reason.STALE,
    Reason.CLOCK,
    Reason.UNKNOWN_CARD,
    Reason.HIGH_TEMPERATURE,
    Reason.HEALTH_CODE_BAD,
    Reason.ITINERARY_BAD,
    Reason.TEMPERATURE_MISSING,
    Reason.CODES_MISSING,
    Reason.STATIC_CARD,
    Reason.NO_CREDENTIAL,
    Reason.NOT_REGISTERED,
)
"""The order in which reasons are shown: what stops somebody first, what is merely to be noted last."""

_RANK: Final = {reason: rank for rank, reason in enumerate(ORDER)}


class Colour(IntEnum):
    """A code issued elsewhere, as staff saw it."""

    UNSPECIFIED = 0
    GREEN = 1
    YELLOW = 2
    RED = 3
    NOT_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Observations:
    """What staff saw. temperature: tenths of a degree Celsius, 0 = not taken."""

    temperature_decicelsius: int = 0
    health_code: Colour = Colour.UNSPECIFIED
    itinerary_card: Colour = Colour.UNSPECIFIED
    mask_worn: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """What a post checks (product C2). The defaults are those that the service starts with."""

    version: int = 1
    temperature_required: bool = True
    high_temperature_decicelsius: int = 373
    codes_required: bool = True
    registration_required: bool = True
    list_max_age_seconds: int = 43_200


@dataclass(frozen=True, slots=True)
class Denial:
    """One person's proven restriction. person: position on the pass, 0 = holder. reference: 8 bytes of that day.

    day, generation and number name the segment whose log proof is the ground.
    """

    person: int
    day: date
    reason: Reason
    reference: bytes
    generation: int
    number: int


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for everybody present: the worst verdict, reasons in the order of `ORDER`, one denial per person."""

    verdict: Verdict
    reasons: tuple[Reason, ...]
    denials: tuple[Denial, ...] = field(default=())
    drill_id: str = ""


class Restriction(Protocol):
    """What `Lists.lookup` finds; a `daysets.index.Hit` is one."""

    @property
    def reason(self) -> int: ...
    @property
    def ref(self) -> bytes: ...
    @property
    def generation(self) -> int: ...
    @property
    def number(self) -> int: ...


class Lists(Protocol):
    """The day sets in memory; `daysets.index.DaySetIndex` is one. Only proven restrictions may be found by `lookup`."""

    def lookup(self, day: date, drill_id: str, tag: bytes, at: datetime) -> Restriction | None: ...
    def doubt(self, day: date, drill_id: str, tag: bytes) -> object | None: ...
    def resolve_card(self, day: date, drill_id: str, card_key: bytes) -> bytes | None: ...


def ordered(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Each reason once, in the order in which they are shown."""
    return tuple(sorted(set(reasons), key=_RANK.__getitem__))


def to_mask(reasons: Iterable[Reason]) -> int:
    """The set of reasons as bits of one integer below 2**63, by their numbers: 8 bytes in a row instead of an array."""
    mask = 0
    for reason in reasons:
        mask |= 1 << reason
    return mask


def from_mask(mask: int) -> tuple[Reason, ...]:
    """Inverse of `to_mask`, in the order of `ORDER`; bits of reasons that this version does not know are left out."""
    return tuple(reason for reason in ORDER if mask >> reason & 1)

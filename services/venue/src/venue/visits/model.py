"""A visit and the arithmetic of its times. Pure: no I/O, no protobuf.

Times within a day are whole seconds from the start of the tag's local day: a presentation signs whole seconds, and the
district has no summer time. A visit may end after midnight; it still belongs to the day on which it began.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import IntEnum

from passes.days import DAY_SECONDS, date_of, day_number, start_unix

KEY_BYTES = 8
TAG_BYTES = 16
# Bits of the stored `facts` (10200_visits.sql): the stay takes those below the grade's.
GRADE_SHIFT = 17
LATE = 1 << 19
OVERSTAY = 1 << 20
CHECKED_OUT = 1 << 21
# The stored `place` has the hour of the check-in above the zone's 26 bits.
HOUR_SHIFT = 26
HOURS = 24
_ID_BYTES = 4 + TAG_BYTES + KEY_BYTES


class Grade(IntEnum):
    """How well a visit is proven; numbers as in the contract's PresenceGrade."""

    STAFF_VERIFIED = 1
    ROTATING_CODE = 2
    STATIC_CODE = 3
    STATIC_CARD = 4


@dataclass(frozen=True, slots=True)
class VisitRef:
    """The key of a visit. Its text form is the visit's id, which a check-out quotes so that midnight is no seam."""

    day: date
    tag: bytes
    visit_key: bytes

    def to_id(self) -> str:
        """38 characters: base64url of day (u32) ‖ tag ‖ visit key."""
        return visit_id(self.day, self.tag, self.visit_key)

    @classmethod
    def of_id(cls, text: str) -> "VisitRef":
        """The inverse of `to_id`. Raises `ValueError` on anything else."""
        try:
            data = base64.b64decode(text + "==", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("not a visit id") from None
        if len(data) != _ID_BYTES:
            raise ValueError("not a visit id")
        found = cls(date_of(int.from_bytes(data[:4], "big")), data[4:20], data[20:])
        if found.to_id() != text:
            raise ValueError("not a visit id")
        return found


@dataclass(frozen=True, slots=True)
class Visit:
    """One person in one zone. `entered`: second of `day`; `stay`: seconds. `overstay`: longer than the default dwell."""

    day: date
    tag: bytes
    visit_key: bytes
    zone: int
    entered: int
    stay: int
    grade: int
    late: bool
    overstay: bool
    drill_id: str

    @property
    def left(self) -> int:
        """Second of `day` at which the visit ends; beyond 86,400 after midnight."""
        return self.entered + self.stay

    @property
    def place(self) -> int:
        """Hour and zone as one number, as they are stored."""
        return place_of(self.entered // 3600, self.zone)

    @property
    def facts(self) -> int:
        """Stay, grade, late and overstay as one number, as they are stored before a check-out."""
        return (
            self.stay
            | (self.grade - 1) << GRADE_SHIFT
            | (LATE if self.late else 0)
            | (OVERSTAY if self.overstay else 0)
        )


def place_of(hour: int, zone: int) -> int:
    """What visits to a zone that began in that hour of their day are found by."""
    return hour << HOUR_SHIFT | zone


def key_number(visit_key: bytes) -> int:
    """The visit key as it is stored: a signed 64-bit number."""
    return int.from_bytes(visit_key, "big", signed=True)


def key_bytes(number: int) -> bytes:
    """The inverse of `key_number`."""
    return number.to_bytes(KEY_BYTES, "big", signed=True)


def visit_id(day: date, tag: bytes, visit_key: bytes) -> str:
    data = day_number(day).to_bytes(4, "big") + tag + visit_key
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def second_of(day: date, instant: datetime) -> int:
    """Seconds from the start of `day` to `instant`, cut to whole seconds; may lie outside the day."""
    return int(instant.timestamp() // 1) - start_unix(day_number(day))


def instant_of(day: date, second: int) -> datetime:
    """The inverse of `second_of`, in UTC."""
    return datetime.fromtimestamp(start_unix(day_number(day)) + second, UTC)


def check_out(visit_stay: int, entered: int, left: int | None, now: int, stay_limit: int) -> int:
    """The stay, in seconds, that a check-out makes of a visit. All times are seconds of the visit's day.

    Without `left` it is now, or the stay limit if that has passed: whoever comes back next week to check out was not
    there all the time. `visit_stay` bounds nothing: a visit may turn out longer than its default. Raises
    `CheckOutError` for a time before the check-in, beyond the limit, or more than a minute ahead.
    """
    if left is None:
        return min(max(now - entered, 0), max(stay_limit, visit_stay))
    if left < entered:
        raise CheckOutError("LEFT_BEFORE_CHECK_IN", "The check-out lies before the check-in.")
    if left > now + CLOCK_TOLERANCE:
        raise CheckOutError("LEFT_IN_FUTURE", "The check-out lies in the future.")
    if left - entered > stay_limit:
        raise CheckOutError("STAY_TOO_LONG", "The check-out lies beyond the longest stay at such a venue.")
    return left - entered


CLOCK_TOLERANCE = 60
MAX_STAY = DAY_SECONDS


class CheckOutError(ValueError):
    """A check-out that cannot be; `reason` is stable, the text is public."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason

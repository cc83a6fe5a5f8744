"""Passages: what is kept of a scan, and which uploads are taken. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import Final, NamedTuple

from passes.days import local_day
from verdicts.credential import Credential, Shown
from verdicts.model import Decision, Reason, to_mask

OLDEST_UPLOAD: Final = timedelta(hours=72)
FUTURE_TOLERANCE: Final = timedelta(seconds=60)
LATE_AFTER: Final = timedelta(minutes=10)
# A pass shown just after midnight may have been signed just before it, and the other way round (passes.presentation).
MIDNIGHT_TOLERANCE: Final = timedelta(seconds=90)
_UNPROVEN: Final = frozenset({Reason.STALE, Reason.CLOCK, Reason.REPLAYED})


class Grade(IntEnum):
    """How well a row proves that this person was there."""

    SHOWN = 1
    """A fresh pass, signed by the phone at that moment."""
    CARD_MATCHED = 2
    """A paper card whose bearer staff compared."""
    STATIC_CARD = 3
    """A paper card, whoever carried it."""
    UNPROVEN = 4
    """A genuine pass that was stale, replayed or from a phone with a wrong clock."""


class Scan(NamedTuple):
    """One scan as it is kept: a row for each tag, or a single anonymous one without tags.

    day: of the tags. reasons: bits by number. late: came long after it happened, or is not provably of that time.
    A tuple, because every upload makes hundreds of them and the store turns them into columns.
    """

    tags: tuple[bytes, ...]
    scan_id: bytes
    day: date
    post: int
    passed_at: datetime
    verdict: int
    reasons: int
    grade: Grade
    late: bool
    drill_id: str


class Stored(NamedTuple):
    """What the store says of a scan: newly written or not, and the first answer given to it."""

    fresh: bool
    verdict: int
    reasons: int
    told: bool = False
    """Whether its transaction left events to be published."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One person's row, as searches see it."""

    day: date
    tag: bytes
    post: int
    passed_at: datetime
    late: bool
    drill_id: str


def of_live(
    scan_id: bytes, post: int, credential: Credential, decision: Decision, *, matched: bool, now: datetime
) -> Scan:
    """The scan that was just judged.

    A stale pass of another day is kept without its tags: with them, the row would tie that day's tag to this moment,
    at which the bearer most likely shows today's pass next.
    """
    today = local_day(now)
    tags: tuple[bytes, ...] = ()
    shown = isinstance(credential, Shown) and (credential.failure is None or credential.day == today)
    if not shown or not isinstance(credential, Shown):
        day, passed_at, grade = today, now, Grade.UNPROVEN
    else:
        day, tags = credential.day, credential.tags
        passed_at = now if credential.failure in (Reason.STALE, Reason.CLOCK) else credential.time
        grade = _grade(credential, matched=matched)
    return Scan(
        tags,
        scan_id,
        day,
        post,
        passed_at,
        int(decision.verdict),
        to_mask(decision.reasons),
        grade,
        late=False,
        drill_id=decision.drill_id,
    )


def of_upload(
    scan_id: bytes,
    day: date,
    tags: Sequence[bytes],
    post: int,
    scanned_at: datetime,
    verdict: int,
    reasons: Sequence[int],
    *,
    static_card: bool,
    drill_id: str,
    now: datetime,
) -> Scan:
    """A scan that the device judged by itself. An uploaded card is worth little whether or not staff compared it."""
    mask, grade = graded(reasons, static_card=static_card)
    if not tags:
        grade = Grade.UNPROVEN
    late = now - scanned_at > LATE_AFTER
    unique = tuple(dict.fromkeys(tags))
    return Scan(unique, scan_id, day, post, scanned_at, verdict, mask, grade, late, drill_id)


def graded(reasons: Sequence[int], *, static_card: bool) -> tuple[int, Grade]:
    """What a device's reasons say of somebody who showed something: as bits, those known here, and how well it proves them."""
    grade = Grade.STATIC_CARD if static_card else Grade.SHOWN
    if not reasons:
        return 0, grade
    known = [Reason(number) for number in reasons if number in Reason._value2member_map_]
    return to_mask(known), grade if _UNPROVEN.isdisjoint(known) else Grade.UNPROVEN


def refusal(day: date, scanned_at: datetime, now: datetime) -> str | None:
    """Why an upload will never be taken; None when it is."""
    if scanned_at - now > FUTURE_TOLERANCE:
        return "IN_THE_FUTURE"
    if now - scanned_at > OLDEST_UPLOAD:
        return "TOO_OLD"
    if day not in (local_day(scanned_at - MIDNIGHT_TOLERANCE), local_day(scanned_at + MIDNIGHT_TOLERANCE)):
        return "DAY_AND_TIME_DISAGREE"
    return None


def _grade(shown: Shown, *, matched: bool) -> Grade:
    if shown.failure is not None:
        return Grade.UNPROVEN
    if not shown.card:
        return Grade.SHOWN
    return Grade.CARD_MATCHED if matched else Grade.STATIC_CARD

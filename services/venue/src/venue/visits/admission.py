"""The decision on a check-in: entirely in memory, from what was shown, the zone and the day's list."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum

from chassis.errors import DomainError, Kind
from passes.days import day_number, start_unix
from verdicts.model import Lists

from venue.register.codes import ReadCode, VenueCodes
from venue.register.model import ZoneFacts
from venue.visits import texts
from venue.visits.credentials import Credentials, NotShownError, Shown, is_card, parse
from venue.visits.model import Grade, Visit


class Outcome(IntEnum):
    """Numbers as in the contract."""

    ADMITTED = 1
    REFUSED = 2
    REFER = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """A check-in as it was asked for. `caller`: the account that asks, which matters when staff scan."""

    visit_key: bytes
    credential: str
    venue_code: str
    by_staff: bool
    scanned_at: datetime | None
    late: bool
    caller: str


@dataclass(frozen=True, slots=True)
class Decision:
    """`visits` are what an admission records; without admission, what it would have: so that a repeat of an admitted
    check-in that comes too late to be admitted again is recognised.
    """

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    visits: tuple[Visit, ...] = field(default=(), repr=False)
    grade: int = 0
    drill_id: str = ""
    reference: bytes = b""


@dataclass(frozen=True, slots=True)
class Admission:
    """Decides. `find_zone` is the memory of zones; `too_old` tells that the list is older than verdicts may rest on."""

    codes: VenueCodes
    find_zone: Callable[[int], ZoneFacts | None]
    credentials: Credentials
    lists: Lists
    too_old: Callable[[], bool]

    def decide(self, attempt: Attempt, now: datetime) -> Decision:
        """The decision; nothing is stored. Raises `DomainError` for a request that is wrong whoever stands there."""
        read = self.codes.read(attempt.venue_code)
        try:
            shown, zone = self._shown(attempt, read, now)
        except NotShownError as error:
            return Decision(Outcome.REFER, (error.code,))
        grade = _grade(attempt, read, card=shown.card)
        other = _drill_trouble(shown.drill_id, zone.drill_id)
        if other is not None:
            return Decision(Outcome.REFER, (other,))
        visits = _visits(attempt, shown, zone, grade)
        if not attempt.late and zone.suspended(now):  # what is uploaded later tells who was there, and stops nobody
            return Decision(Outcome.REFUSED, (texts.VENUE_SUSPENDED,), visits, grade, shown.drill_id)
        if shown.failure is not None:
            return Decision(Outcome.REFER, (shown.failure,), visits, grade, shown.drill_id)
        if not attempt.late:  # whoever left two days ago can neither be stopped nor let in
            stopped = self._look_up(shown, visits, grade)
            if stopped is not None:
                return stopped
        return Decision(Outcome.ADMITTED, (), visits, grade, shown.drill_id)

    def _shown(self, attempt: Attempt, read: ReadCode, now: datetime) -> tuple[Shown, ZoneFacts]:
        if is_card(attempt.credential):
            if not attempt.by_staff:
                raise DomainError(
                    Kind.INVALID,
                    "CARD_NEEDS_STAFF",
                    "A paper card is scanned by the venue's staff.",
                    fields={"scanned_by_staff": "must be true for a paper card"},
                )
            zone = self._zone(attempt, read, attempt.scanned_at or now)
            return self.credentials.card(attempt.credential, attempt.scanned_at, now, late=attempt.late), zone
        shown = parse(attempt.credential)
        zone = self._zone(attempt, read, datetime.fromtimestamp(shown.time, UTC))
        context = b"" if attempt.by_staff else read.data
        return self.credentials.phone(shown, context, attempt.visit_key, now, late=attempt.late), zone

    def _zone(self, attempt: Attempt, read: ReadCode, at: datetime) -> ZoneFacts:
        zone = self.codes.check(read.code, self.find_zone(read.code.zone), at)
        if attempt.by_staff and attempt.caller not in zone.operators:
            raise DomainError(Kind.DENIED, "NOT_AN_OPERATOR", "Only the venue's own accounts may check visitors in.")
        return zone

    def _look_up(self, shown: Shown, visits: tuple[Visit, ...], grade: int) -> Decision | None:
        at = datetime.fromtimestamp(shown.second, UTC)
        hits = [hit for tag in shown.tags if (hit := self.lists.lookup(shown.day, shown.drill_id, tag, at)) is not None]
        if hits:
            reasons = tuple(dict.fromkeys(texts.restriction(hit.reason) for hit in hits))
            return Decision(Outcome.REFUSED, reasons, visits, grade, shown.drill_id, hits[0].ref)
        if any(self.lists.doubt(shown.day, shown.drill_id, tag) is not None for tag in shown.tags):
            return Decision(Outcome.REFER, ("UNPROVEN_DENIAL",), visits, grade, shown.drill_id)
        if self.too_old():
            return Decision(Outcome.REFER, ("LIST_TOO_OLD",), visits, grade, shown.drill_id)
        return None


def _grade(attempt: Attempt, read: ReadCode, *, card: bool) -> Grade:
    if card:
        return Grade.STATIC_CARD
    if attempt.by_staff:
        return Grade.STAFF_VERIFIED
    return Grade.ROTATING_CODE if read.code.rotating else Grade.STATIC_CODE


def _drill_trouble(shown: str, zone: str) -> str | None:
    """A real visitor has no business at a venue that exists only in a drill; a drill's visitors may go to real ones."""
    if zone in {"", shown}:
        return None
    return texts.OTHER_DRILL if shown else texts.DRILL_VENUE


def _visits(attempt: Attempt, shown: Shown, zone: ZoneFacts, grade: Grade) -> tuple[Visit, ...]:
    entered = shown.second - start_unix(day_number(shown.day))
    return tuple(
        [
            Visit(
                shown.day,
                tag,
                attempt.visit_key,
                zone.zone,
                entered,
                zone.dwell,
                grade,
                attempt.late,
                False,
                shown.drill_id,
            )
            for tag in shown.tags
        ]
    )

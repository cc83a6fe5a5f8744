"""What follows from a case, an exposure or a passage. Pure: policy in, decisions and dates out."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from passes.days import bounds, local_day

from quarantine.policy.model import PolicyRules

SPECIMEN_MAX_AGE: Final = timedelta(days=14)
KEYS_KEPT: Final = timedelta(days=14)
INTERVIEW_TIME: Final = timedelta(hours=24)
"""How long a tracer has for an interview, from the confirmation or from when the contact came in."""


class CaseState(IntEnum):
    """The numbers of the contract (case.proto) and of the table."""

    SUSPECTED = 1
    SEARCHING = 2
    AWAITING_THIRD = 3
    CONFIRMED = 4
    CLOSED = 5


class Kind(IntEnum):
    """Kinds of contact as in contact.proto, and 0, the index person, who is restricted by the same decision."""

    INDEX = 0
    CLOSE = 1
    HOUSEHOLD = 2
    CO_PRESENT = 3
    LEAD = 4


class Ask(IntEnum):
    """Why a tracer has to ask (InterviewReason)."""

    UNPROVEN_PRESENCE = 1
    LATE_ITEM = 2
    LARGE_ZONE = 3
    SHORT_OVERLAP = 4
    PASSAGE = 5


class Grade(IntEnum):
    """How well a visit is proven (PresenceGrade)."""

    UNKNOWN = 0
    STAFF_VERIFIED = 1
    ROTATING_CODE = 2
    STATIC_CODE = 3
    STATIC_CARD = 4


PROVEN: Final = frozenset({Grade.STAFF_VERIFIED, Grade.ROTATING_CODE})
RESTRICTED_KINDS: Final = frozenset({Kind.INDEX, Kind.CLOSE, Kind.HOUSEHOLD})


class Evidence(IntEnum):
    """What an evidence row is: 1 to 4 as EvidenceType; the other two are leads, on which nothing can be restricted."""

    LABORATORY = 1
    EXPOSURE = 2
    HOUSEHOLD = 3
    INTERVIEW = 4
    WEAK_PRESENCE = 10
    PASSAGE = 11


EVIDENCE_OF: Final = {
    Kind.INDEX: Evidence.LABORATORY,
    Kind.CLOSE: Evidence.EXPOSURE,
    Kind.HOUSEHOLD: Evidence.HOUSEHOLD,
    Kind.CO_PRESENT: Evidence.WEAK_PRESENCE,
    Kind.LEAD: Evidence.PASSAGE,
}


@dataclass(frozen=True, slots=True)
class Presence:
    """One shared stay, as the venue service found it. `visitors` is None when the zone is not described."""

    overlap_start: datetime
    overlap_end: datetime
    grade: Grade
    index_grade: Grade
    late: bool
    visitors: int | None

    @property
    def minutes(self) -> int:
        """Whole minutes shared, rounded down: a policy's shortest stay is reached, not rounded up to."""
        return int((self.overlap_end - self.overlap_start) // timedelta(minutes=1))


def classify(presence: Presence, rules: PolicyRules) -> tuple[Kind, Ask | None]:
    """Whether a shared stay makes a close contact, or which question it leaves.

    Product rule 2: what a static code or card alone says is asked about, never acted on. A late item may have been
    made up after the fact, and in a large zone nobody can say who stood near whom.
    """
    if presence.grade not in PROVEN or presence.index_grade not in PROVEN:
        return Kind.CO_PRESENT, Ask.UNPROVEN_PRESENCE
    if presence.late:
        return Kind.CO_PRESENT, Ask.LATE_ITEM
    if presence.visitors is None or presence.visitors > rules.largest_zone:
        return Kind.CO_PRESENT, Ask.LARGE_ZONE
    if presence.overlap_end - presence.overlap_start < timedelta(minutes=rules.close_contact_minutes):
        return Kind.CO_PRESENT, Ask.SHORT_OVERLAP
    return Kind.CLOSE, None


def infectious_from(specimen_at: datetime, rules: PolicyRules) -> datetime:
    """Start of the local day that lies the policy's number of days before the specimen's."""
    return bounds(local_day(specimen_at) - timedelta(days=rules.infectious_days_before))[0]


def search_days(specimen_at: datetime, now: datetime, rules: PolicyRules) -> list[date]:
    """Local days to search: from the first infectious one to today, as far back as day keys are kept (product X5)."""
    today = local_day(now)
    first = max(local_day(specimen_at) - timedelta(days=rules.infectious_days_before), today - KEYS_KEPT)
    return [first + timedelta(days=offset) for offset in range((today - first).days + 1)]


def restrict_until(kind: Kind, since: datetime, rules: PolicyRules) -> datetime:
    """When a restriction ends: the local midnight after the policy's number of full days since exposure or specimen."""
    days = rules.case_days if kind is Kind.INDEX else rules.close_contact_days
    return bounds(local_day(since) + timedelta(days=days))[1]


def rank(kind: Kind) -> int:
    """Lower is stronger. Close and household contacts follow from one rule and weigh the same."""
    return {Kind.INDEX: 0, Kind.CLOSE: 1, Kind.HOUSEHOLD: 1, Kind.CO_PRESENT: 2, Kind.LEAD: 3}[kind]


@dataclass(frozen=True, slots=True)
class Found:
    """A person found for a case, with the evidence for it. `details` is the plain content of the evidence."""

    resident_id: UUID
    kind: Kind
    ask: Ask | None
    last_exposure_at: datetime
    minutes: int
    details: dict[str, object]

    def stronger_than(self, other: "Found") -> bool:
        """By kind, then by the later exposure: the end of a restriction counts from the last one."""
        mine, theirs = rank(self.kind), rank(other.kind)
        return (mine, -self.last_exposure_at.timestamp()) < (theirs, -other.last_exposure_at.timestamp())


def strongest(found: Iterable[Found]) -> list[int]:
    """Indexes of the strongest find of each person, ordered by person (the order in which rows are locked)."""
    items = list(found)
    best: dict[UUID, int] = {}
    for index, item in enumerate(items):
        held = best.get(item.resident_id)
        if held is None or item.stronger_than(items[held]):
            best[item.resident_id] = index
    return [best[person] for person in sorted(best)]


@dataclass(frozen=True, slots=True)
class Case:
    """A case as stored. What the first approval fixes is None before it."""

    case_id: UUID
    resident_id: UUID
    drill_id: str
    area: str
    state: CaseState
    policy_version: int | None
    lab_result_id: UUID | None
    specimen_at: datetime | None
    infectious_from: datetime | None
    confirmed_at: datetime | None
    approvers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LabResult:
    lab_result_id: UUID
    resident_id: UUID
    drill_id: str
    specimen_at: datetime
    positive: bool
    laboratory: str


@dataclass(frozen=True, slots=True)
class Impact:
    """How many people a confirmation touches. `to_restrict` counts the index person too."""

    searches: int
    answered: int
    to_restrict: int
    to_ask: int
    areas: tuple[tuple[str, int], ...]

    def needs_third(self, rules: PolicyRules) -> bool:
        return self.to_restrict > rules.impact_cap


def third_allows(approvals: int, restricted: int, rules: PolicyRules) -> int | None:
    """How many more people the approvals given cover; None is without bound.

    Two approvals cover the policy's cap, three any number. Counted again whenever people are restricted, because
    searches go on answering for days after the second approval.
    """
    return None if approvals >= 3 else max(0, rules.impact_cap - restricted)  # noqa: PLR2004 - the third approver

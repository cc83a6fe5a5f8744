"""What a restriction is, what the log commits to, and what the person is told. Pure."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Final
from uuid import UUID

import cbor2
from ledger.commitment import Leaf, new_salt
from passes.days import ZONE, day_number, local_day

VENUE_NAMED_FROM: Final = 10
"""Product Q11: the venue is named only if at least this many people were there."""
_NOON: Final = 12


class Reason(IntEnum):
    """Why somebody is restricted; the same numbers as EvidenceType, and as the codes of the day sets."""

    CONFIRMED_CASE = 1
    CLOSE_CONTACT = 2
    HOUSEHOLD_CONTACT = 3
    INTERVIEWED_CONTACT = 4


class State(IntEnum):
    """The numbers of RestrictionState."""

    PROPOSED = 1
    IN_FORCE = 2
    LIFT_PROPOSED = 3
    LIFTED = 4
    ENDED = 5


class HalfDay(IntEnum):
    MORNING = 1
    AFTERNOON = 2


@dataclass(frozen=True, slots=True)
class Decision:
    """What two people decided about one person, before it is in the log.

    `evidence_hash` is SHA-256 over the evidence as it is stored (sealed), so it can be recomputed from the row.
    """

    restriction_id: UUID
    resident_id: UUID
    drill_id: str
    reason: Reason
    policy_version: int
    case_id: UUID
    evidence_id: UUID
    evidence_hash: bytes
    first_approver: str
    second_approver: str
    proposed: bool
    starts_at: datetime
    ends_at: datetime


def leaf_of(decision: Decision, pseudonym: Callable[[str], bytes]) -> Leaf:
    """The log entry of a decision: canonical CBOR (RFC 8949 §4.2.1), and nothing in it that names the person.

    [ "lilitong/restriction/1", restriction id, reason, policy version, evidence hash, [approver pseudonyms], start, end
    (Unix seconds, rounded down), drill id ]
    """
    content = cbor2.dumps(
        [
            "lilitong/restriction/1",
            decision.restriction_id.bytes,
            int(decision.reason),
            decision.policy_version,
            decision.evidence_hash,
            [pseudonym(decision.first_approver), pseudonym(decision.second_approver)],
            int(decision.starts_at.timestamp()),
            int(decision.ends_at.timestamp()),
            decision.drill_id,
        ],
        canonical=True,
    )
    return Leaf(content, new_salt())


def evidence_hash(sealed: bytes) -> bytes:
    return hashlib.sha256(sealed).digest()


@dataclass(frozen=True, slots=True)
class Restriction:
    """A restriction as stored, with what is known of its lift."""

    restriction_id: UUID
    resident_id: UUID
    area: str
    drill_id: str
    reason: Reason
    policy_version: int
    case_id: UUID
    evidence_id: UUID
    starts_at: datetime
    ends_at: datetime
    leaf_index: int
    lift_proposed: bool
    lifted: bool

    def state(self, now: datetime) -> State:
        """Computed when read: an end needs no job to take effect, and comes before any lift that was not finished."""
        if self.lifted:
            return State.LIFTED
        if now >= self.ends_at:
            return State.ENDED
        return State.LIFT_PROPOSED if self.lift_proposed else State.IN_FORCE

    def in_force(self, now: datetime) -> bool:
        return self.state(now) in {State.IN_FORCE, State.LIFT_PROPOSED}


def told_half_day(instant: datetime) -> tuple[int, HalfDay]:
    """Day number and half of the local day: all that a person is told of when it was (product Q11)."""
    morning = instant.astimezone(ZONE).hour < _NOON
    return day_number(local_day(instant)), HalfDay.MORNING if morning else HalfDay.AFTERNOON


def told_venue(name: str, visitors: int) -> str:
    return name if visitors >= VENUE_NAMED_FROM else ""


def end_minute(day_start: datetime, ends_at: datetime) -> int | None:
    """Minute of that local day at which a restriction ends, None if it does not end that day.

    Rounded down: a scanner lets somebody pass up to a minute early, and never a minute too late.
    """
    minutes = int((ends_at - day_start).total_seconds() // 60)
    return minutes if minutes < 24 * 60 else None

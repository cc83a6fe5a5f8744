"""Lots, what is found on them and where they go, without I/O. Numbers of enums are those of tables and contract."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from uuid import UUID

CATEGORY = 13
"""Of venues: cold chain."""
CLOCK_SKEW = timedelta(minutes=2)
"""How far a device's clock may be ahead of ours."""
OLDEST = timedelta(days=5 * 365)
"""How long ago a lot may have arrived when it is registered."""


class Kind(IntEnum):
    """What happened to a lot."""

    ARRIVED = 1
    SAMPLED = 2
    NEGATIVE = 3
    POSITIVE = 4
    DISINFECTED = 5
    RELEASED = 6
    DISTRIBUTED = 7
    RECALL_PROPOSED = 8
    RECALLED = 9
    POSITIVE_DISMISSED = 10
    PROPOSAL_DISMISSED = 11


class State(IntEnum):
    WAITING = 1
    RELEASED = 2
    HELD = 3
    RECALLED = 4


class SampleKind(IntEnum):
    LOT = 1
    PACKAGING = 2
    ENVIRONMENT = 3


class Outcome(IntEnum):
    NEGATIVE = 1
    POSITIVE = 2


class Decision(IntEnum):
    RECALL = 1
    DISMISS = 2


@dataclass(frozen=True, slots=True)
class Premises:
    """A venue that may take in imports."""

    venue_id: UUID
    drill_id: str
    licence_number: str
    registered_by: str
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class Lot:
    """A consignment as it arrived. `quantity` in whole numbers of `unit`."""

    lot_id: UUID
    premises_id: UUID
    drill_id: str
    declaration_number: str
    origin_country: str
    trace_code: str
    product: str
    quantity: int
    unit: int
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Head:
    """A lot and where it stands after `ordinal` facts. `positives`: results that nobody has dismissed."""

    lot: Lot
    ordinal: int
    released: bool = False
    positives: int = 0
    recalled: bool = False
    proposed: bool = False

    @property
    def state(self) -> State:
        if self.recalled:
            return State.RECALLED
        if self.positives:
            return State.HELD
        return State.RELEASED if self.released else State.WAITING

    def after(self, kind: Kind) -> "Head":
        """As the table's generated columns say it; `proposed` is left to whoever reads again."""
        step = {Kind.POSITIVE: 1, Kind.POSITIVE_DISMISSED: -1}.get(kind, 0)
        return replace(
            self,
            ordinal=self.ordinal + 1,
            released=self.released or kind is Kind.RELEASED,
            positives=self.positives + step,
            recalled=self.recalled or kind is Kind.RECALLED,
        )


@dataclass(frozen=True, slots=True)
class Result:
    """`proposal_id`: the recall that a positive one proposes."""

    outcome: Outcome
    laboratory: str
    tested_at: datetime
    entered_at: datetime
    ordinal: int
    proposal_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Retest:
    """A negative result of the goods that came after a positive one, with the ordinals of its sample and of itself."""

    sample_id: UUID
    sample_ordinal: int
    ordinal: int


@dataclass(frozen=True, slots=True)
class Sample:
    sample_id: UUID
    lot_id: UUID
    kind: SampleKind
    taken_by: str
    taken_at: datetime
    result: Result | None = None


@dataclass(frozen=True, slots=True)
class Disinfection:
    disinfection_id: UUID
    lot_id: UUID
    performed_by: str
    agent: str
    performed_at: datetime
    proof_sha256: bytes
    recorded_by: str


@dataclass(frozen=True, slots=True)
class Release:
    release_id: UUID
    sample_id: UUID
    disinfection_id: UUID
    released_by: str
    released_at: datetime


@dataclass(frozen=True, slots=True)
class Distribution:
    """`to_venue` None: out of the district, to `recipient`. `remaining`: what the sender has left."""

    distribution_id: UUID
    lot_id: UUID
    from_venue: UUID
    to_venue: UUID | None
    recipient: str
    quantity: int
    distributed_at: datetime
    recorded_by: str
    remaining: int = 0


@dataclass(frozen=True, slots=True)
class Voice:
    person: str
    decision: Decision
    reason: str
    given_at: datetime


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recall that was proposed by a positive result (of the sample `sample_id`) or by a person (None)."""

    proposal_id: UUID
    lot_id: UUID
    sample_id: UUID | None
    ordinal: int
    proposed_by: str
    reason: str
    proposed_at: datetime
    voices: tuple[Voice, ...] = ()
    decision: Decision | None = None
    decision_id: UUID | None = None
    decided_at: datetime | None = None

    def agreeing(self, decision: Decision) -> tuple[str, ...]:
        """Who has said so, in the order in which they did."""
        return tuple(each.person for each in self.voices if each.decision is decision)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a lot came to, the first of it through `level` hands from the premises; `venue_id` None outside the district.

    A venue that has closed since stays in the trace: what is there is still there, and who handled it did.
    """

    level: int
    venue_id: UUID | None
    name: str
    area: str
    received: int
    there: int
    closed: bool


@dataclass(frozen=True, slots=True)
class Handler:
    """Somebody who handled a lot at a venue; `day_number` as in passes, `tag` 16 bytes."""

    day_number: int
    tag: bytes
    venue_id: UUID


@dataclass(frozen=True, slots=True)
class Trace:
    places: tuple[Place, ...]
    handlers: tuple[Handler, ...]

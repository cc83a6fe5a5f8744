"""What is known to have happened to a venue, in the order in which it was recorded. Pure.

Facts are never changed: a later one says more. `ordinal` counts from 1 within the venue, and is the order in which papers
were handed out; `happened_at` is the device's or the client's time.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from venue.enforcement.policies.model import Paper, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """`fact_id` is the client's id of the thing; `actor` the account that did it."""

    ordinal: int
    fact_id: UUID
    actor: str
    happened_at: datetime
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """A document that was issued for a measure."""

    paper: Paper
    document_id: UUID
    number: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What a failed inspection led to, as it was decided then: a later policy does not change it."""

    policy_id: UUID
    policy_version: int
    step: int
    rules: Step
    rectify_by: datetime
    reinspect_hours: int
    climb_hours: int
    issuing_body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected(Fact):
    """`terms` of a failed one under a policy. `reinspects`: the measure it looked at again."""

    passed: bool
    inspectors: tuple[str, str]
    reinspects: UUID | None = None
    terms: Terms | None = None
    papers: tuple[Issued, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectified(Fact):
    measure_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended(Fact):
    """Approved by `actor`. `extension_id`: the proposal it answers, None for the one that the inspection proposed."""

    measure_id: UUID
    starts_at: datetime
    ends_at: datetime
    extension_id: UUID | None = None
    seal_number: str = ""
    leaf_index: int = 0
    papers: tuple[Issued, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtensionProposed(Fact):
    measure_id: UUID
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LiftProposed(Fact):
    measure_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifted(Fact):
    """Approved by `actor`: all measures before it are closed, and the ladder begins anew."""

    measure_id: UUID
    lift_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Appealed(Fact):
    measure_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class AppealDecided(Fact):
    measure_id: UUID
    appeal_id: UUID
    upheld: bool

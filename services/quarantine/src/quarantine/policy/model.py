"""What a policy says, as data. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

APPROVALS_NEEDED = 2


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """What follows from an exposure; the bounds are those of the contract (policy.proto) and of the table.

    Days are local days (Asia/Shanghai). `largest_zone` and `impact_cap` are people; `passage_minutes` counts to either
    side of the index person's own passage.
    """

    infectious_days_before: int
    close_contact_minutes: int
    close_contact_days: int
    case_days: int
    largest_zone: int
    impact_cap: int
    passage_minutes: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A policy as it was drafted; never changed afterwards."""

    policy_id: UUID
    title: str
    rules: PolicyRules
    effective_from: datetime
    drafted_by: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A draft with its approvals. `version` is 0 until the second one, then 1, 2, 3, … over all policies."""

    draft: Draft
    version: int
    approvers: tuple[str, ...]

    @property
    def approved(self) -> bool:
        return self.version > 0

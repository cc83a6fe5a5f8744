"""A ladder as data: what each failed inspection of a venue leads to. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from uuid import UUID

APPROVALS_NEEDED = 2


class Paper(IntEnum):
    """What a step may issue; numbers as in the contract's LadderPaper."""

    INSPECTION_FORM = 1
    RECTIFICATION_NOTICE = 2
    YELLOW_CARD = 3
    RED_CARD = 4
    SUSPENSION_DECISION = 5
    SEAL = 6


CARDS = (Paper.YELLOW_CARD, Paper.RED_CARD)
WITH_APPROVAL = (Paper.SUSPENSION_DECISION, Paper.SEAL)
"""Papers of a suspension: they are issued when it is approved, not by the failed inspection."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. `suspension_days` 0: it does not suspend."""

    papers: tuple[Paper, ...]
    suspension_days: int
    rectify_hours: int

    @property
    def issued_at_once(self) -> tuple[Paper, ...]:
        """The papers that the failed inspection hands out."""
        return tuple(paper for paper in self.papers if paper not in WITH_APPROVAL)

    @property
    def issued_on_approval(self) -> tuple[Paper, ...]:
        return tuple(paper for paper in self.papers if paper in WITH_APPROVAL)

    @property
    def has_card(self) -> bool:
        return any(paper in CARDS for paper in self.papers)


@dataclass(frozen=True, slots=True)
class Rules:
    """`window_days`: how long a failed inspection counts. `climb_hours`: after each, what is late climbs one level."""

    window_days: int
    steps: tuple[Step, ...]
    reinspect_hours: int
    climb_hours: int
    issuing_body: str

    def step_of(self, failed: int) -> int:
        """The step, from 1, of a venue's n-th failed inspection that counts."""
        return min(failed, len(self.steps))


@dataclass(frozen=True, slots=True)
class Policy:
    """A draft with its approvals. `version` is 0 until the second one, then 1, 2, 3, … within its area."""

    policy_id: UUID
    area: str
    title: str
    rules: Rules
    effective_from: datetime
    drafted_by: str
    version: int = 0
    approvers: tuple[str, ...] = ()
    approved_at: datetime | None = None

    @property
    def approved(self) -> bool:
        return self.version > 0


def trouble(rules: Rules) -> str | None:
    """What is wrong with a ladder, as a public text; None if nothing is."""
    for step in rules.steps:
        if (Paper.SUSPENSION_DECISION in step.papers) != (step.suspension_days > 0):
            return "a step suspends exactly if it issues a suspension decision"
        if Paper.SEAL in step.papers and not step.suspension_days:
            return "only a suspension is sealed"
    return None


def in_force(policies: Iterable[Policy], area: str, at: datetime) -> Policy | None:
    """The policy of the longest prefix of `area`; of several for one prefix that whose date came last, or the higher version."""
    begun = [
        each
        for each in policies
        if each.approved_at is not None
        and max(each.effective_from, each.approved_at) <= at
        and area.startswith(each.area)
    ]
    return max(begun, key=lambda each: (len(each.area), each.effective_from, each.version), default=None)

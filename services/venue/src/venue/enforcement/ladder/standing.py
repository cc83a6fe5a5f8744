"""Where a venue stands, as it is told: the result of replaying its facts up to a moment. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final
from uuid import UUID

from venue.enforcement.ladder.facts import ExtensionProposed, Issued, LiftProposed, Suspended, Terms
from venue.enforcement.policies.model import CARDS, Paper

ESCALATES: Final = timedelta(hours=12)
LAPSES: Final = timedelta(hours=24)
"""Product rule for appeals: escalated at 12 h, and at 24 h what is undecided ends."""


class State(IntEnum):
    """Numbers as in the contract's MeasureState."""

    AWAITING_RECTIFICATION = 1
    AWAITING_REINSPECTION = 2
    AWAITING_LIFT = 3
    CLOSED = 4
    ANNULLED = 5
    SUPERSEDED = 6


class AppealState(IntEnum):
    """Numbers as in the contract."""

    OPEN = 1
    ESCALATED = 2
    UPHELD = 3
    REJECTED = 4
    LAPSED = 5


class Level(IntEnum):
    """Up to whom what is late has climbed; numbers as in the contract's LatenessLevel."""

    NONE = 0
    GRID_WORKER = 1
    COMMUNITY = 2
    SUB_DISTRICT = 3
    DISTRICT = 4


@dataclass(frozen=True, slots=True)
class Appeal:
    appeal_id: UUID
    measure_id: UUID
    state: AppealState
    filed_at: datetime

    @property
    def escalates_at(self) -> datetime:
        return self.filed_at + ESCALATES

    @property
    def lapses_at(self) -> datetime:
        return self.filed_at + LAPSES


@dataclass(frozen=True, slots=True)
class Suspension:
    """`effective_until`: when it really ends, by what is known at the moment of the standing."""

    decision: Suspended
    effective_until: datetime
    in_force: bool


@dataclass(frozen=True, slots=True)
class Measure:
    """A failed inspection and what became of it. `involved`: everybody who had a part in it."""

    measure_id: UUID
    ordinal: int
    state: State
    terms: Terms
    inspected_at: datetime
    recorded_at: datetime
    rectified_at: datetime | None
    papers: tuple[Issued, ...]
    papers_in_force: tuple[Paper, ...]
    suspensions: tuple[Suspension, ...]
    suspension_pending: bool
    extension: ExtensionProposed | None
    lift: LiftProposed | None
    appeal: Appeal | None
    inspectors: tuple[str, str]
    involved: frozenset[str]

    @property
    def reinspect_by(self) -> datetime | None:
        if self.rectified_at is None:
            return None
        return self.rectified_at + timedelta(hours=self.terms.reinspect_hours)

    @property
    def due_at(self) -> datetime | None:
        """Until when the next step has to be done, where it has a deadline."""
        if self.state is State.AWAITING_RECTIFICATION:
            return self.terms.rectify_by
        return self.reinspect_by if self.state is State.AWAITING_REINSPECTION else None

    @property
    def lapsed(self) -> bool:
        return self.appeal is not None and self.appeal.state is AppealState.LAPSED


@dataclass(frozen=True, slots=True)
class Standing:
    """Of one venue at one moment. `measures` ascend; `failed_counting` are those that the next step builds on."""

    at: datetime
    measures: tuple[Measure, ...]
    failed_counting: int
    current: Measure | None
    last_lift_at: datetime | None

    @property
    def suspended_until(self) -> datetime | None:
        """The end of the suspensions that follow each other without a gap from now on; None if there is none now."""
        until: datetime | None = None
        everything = [each for measure in self.measures for each in measure.suspensions]
        for each in sorted(everything, key=lambda one: one.decision.starts_at):
            reached = until or self.at
            if each.decision.starts_at <= reached < each.effective_until:
                until = each.effective_until
        return until

    @property
    def card(self) -> Paper | None:
        """The highest card in force."""
        cards = [paper for measure in self.measures for paper in measure.papers_in_force if paper in CARDS]
        return max(cards, default=None)

    def find(self, measure_id: UUID) -> Measure | None:
        return next((each for each in self.measures if each.measure_id == measure_id), None)


def level_of(due_at: datetime | None, climb_hours: int, at: datetime) -> Level:
    """How far what was due has climbed: to the grid worker when it becomes late, one higher after each `climb_hours`."""
    if due_at is None or at <= due_at:
        return Level.NONE
    climbed = (at - due_at) // timedelta(hours=climb_hours)
    return Level(min(1 + climbed, Level.DISTRICT))


def climbs_at(due_at: datetime | None, climb_hours: int, at: datetime) -> datetime | None:
    """When it climbs next; None at the top and while it is not late."""
    level = level_of(due_at, climb_hours, at)
    if due_at is None or level in (Level.NONE, Level.DISTRICT):
        return None
    return due_at + timedelta(hours=climb_hours) * int(level)

"""The ladder: a venue's standing derived from its facts, and the step that a failed inspection is. Pure.

Facts are replayed in the order of recording, each judged by what was known then; what only time brings about (the end of
a suspension, an appeal that lapses) is computed for the moment asked about. So an earlier moment gives the answer of that time.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from venue.enforcement.ladder.facts import (
    AppealDecided,
    Appealed,
    ExtensionProposed,
    Fact,
    Inspected,
    Lifted,
    LiftProposed,
    Rectified,
    Suspended,
    Terms,
)
from venue.enforcement.ladder.standing import (
    ESCALATES,
    LAPSES,
    Appeal,
    AppealState,
    Measure,
    Standing,
    State,
    Suspension,
)
from venue.enforcement.policies.model import CARDS, WITH_APPROVAL, Paper, Policy, in_force


@dataclass(slots=True)
class _Failed:
    """A failed inspection while facts are replayed; `terms` are those of a measure, None where no policy was in force."""

    fact: Inspected
    terms: Terms | None
    rectified: Rectified | None = None
    passed_at: datetime | None = None
    lifted_at: datetime | None = None
    annulled_at: datetime | None = None
    suspensions: list[Suspended] = field(default_factory=list)
    extensions: list[ExtensionProposed] = field(default_factory=list)
    lifts: list[LiftProposed] = field(default_factory=list)
    appeals: list[tuple[Appealed, AppealDecided | None]] = field(default_factory=list)

    def lapses_at(self) -> datetime | None:
        """When an appeal that nobody has decided ends the measure's suspension and cards; may lie ahead."""
        return min((appeal.recorded_at + LAPSES for appeal, answer in self.appeals if answer is None), default=None)

    def lapsed(self, at: datetime) -> bool:
        lapses = self.lapses_at()
        return lapses is not None and lapses <= at

    def needs_lift(self, at: datetime) -> bool:
        """Whether it takes two people to end it: it gave a card or suspended, and these have not lapsed."""
        gave = self.terms is not None and (self.terms.rules.has_card or bool(self.suspensions))
        return gave and not self.lapsed(at)

    def open(self, at: datetime) -> bool:
        if self.terms is None or self.annulled_at is not None or self.lifted_at is not None:
            return False
        return self.passed_at is None or self.needs_lift(at)


class _Replay:
    """Facts up to a moment, gathered by failed inspection."""

    def __init__(self, facts: Iterable[Fact], at: datetime) -> None:
        self.failed: list[_Failed] = []
        self.last_lift: Lifted | None = None
        for fact in facts:
            if fact.recorded_at <= at:
                self._take(fact)

    def current(self, at: datetime) -> _Failed | None:
        """The last measure that is open: what the venue has to deal with."""
        return next((each for each in reversed(self.failed) if each.open(at)), None)

    def counting(self, at: datetime, window_days: int | None) -> int:
        """Failed inspections since the last lift that are not annulled and not older than the window."""
        since = self.last_lift.ordinal if self.last_lift else 0
        oldest = None if window_days is None else at - timedelta(days=window_days)
        return sum(
            each.annulled_at is None
            and each.fact.ordinal > since
            and (oldest is None or each.fact.recorded_at > oldest)
            for each in self.failed
        )

    def _take(self, fact: Fact) -> None:  # noqa: C901 - one arm for each kind of fact
        match fact:
            case Inspected(passed=False):
                self.failed.append(_Failed(fact, fact.terms))
            case Inspected():
                self._passed(fact)
            case Rectified():
                self._of(fact.measure_id).rectified = fact
            case Suspended():
                self._of(fact.measure_id).suspensions.append(fact)
            case ExtensionProposed():
                self._of(fact.measure_id).extensions.append(fact)
            case LiftProposed():
                self._of(fact.measure_id).lifts.append(fact)
            case Lifted():
                self.last_lift = fact
                for each in self.failed:
                    each.lifted_at = each.lifted_at or fact.recorded_at
            case Appealed():
                self._of(fact.measure_id).appeals.append((fact, None))
            case AppealDecided():
                self._decided(fact)
            case _:
                raise TypeError(f"no fact of the ladder: {type(fact).__name__}")

    def _of(self, measure_id: UUID) -> _Failed:
        return next(each for each in self.failed if each.fact.fact_id == measure_id)

    def _passed(self, fact: Inspected) -> None:
        """A re-inspection passes the open measures, if it looked at the current one after its rectification. Otherwise it is a
        good inspection and nothing more.
        """
        current = self.current(fact.recorded_at)
        if (
            current is None
            or current.fact.fact_id != fact.reinspects
            or current.rectified is None
            or current.passed_at is not None
        ):
            return
        for each in self.failed:
            if each.open(fact.recorded_at) and each.passed_at is None:
                each.passed_at = fact.recorded_at

    def _decided(self, fact: AppealDecided) -> None:
        failed = self._of(fact.measure_id)
        failed.appeals = [
            (appeal, fact if appeal.fact_id == fact.appeal_id else answer) for appeal, answer in failed.appeals
        ]
        if fact.upheld:
            failed.annulled_at = fact.recorded_at


def standing(facts: Sequence[Fact], policies: Iterable[Policy], area: str, at: datetime) -> Standing:
    """Where the venue stands at that moment, by the facts that were recorded by then (all others may be in `facts` too)."""
    replay = _Replay(facts, at)
    policy = in_force(policies, area, at)
    current = replay.current(at)
    lifts = [fact for fact in facts if isinstance(fact, Lifted) and fact.recorded_at <= at]
    measures = tuple(
        _measure(each, each.terms, replay.failed[-1].fact.ordinal, lifts, at, is_current=current is each)
        for each in replay.failed
        if each.terms is not None
    )
    return Standing(
        at=at,
        measures=measures,
        failed_counting=replay.counting(at, policy.rules.window_days if policy else None),
        current=next((each for each in measures if current and each.measure_id == current.fact.fact_id), None),
        last_lift_at=replay.last_lift.recorded_at if replay.last_lift else None,
    )


def step_of_next(facts: Sequence[Fact], policy: Policy, now: datetime) -> int:
    """The step that a failed inspection recorded now is, by the policy in force."""
    return policy.rules.step_of(_Replay(facts, now).counting(now, policy.rules.window_days) + 1)


def _measure(
    failed: _Failed, terms: Terms, last_failed: int, lifts: Sequence[Lifted], at: datetime, *, is_current: bool
) -> Measure:
    state = _state(failed, at, is_current=is_current)
    suspensions = tuple(_suspension(failed, each, lifts, at) for each in failed.suspensions)
    limited = state in (State.AWAITING_RECTIFICATION, State.AWAITING_REINSPECTION) and not failed.lapsed(at)
    extension = failed.extensions[-1] if failed.extensions and limited else None
    if extension and any(each.extension_id == extension.fact_id for each in failed.suspensions):
        extension = None
    lift = failed.lifts[-1] if failed.lifts and state is State.AWAITING_LIFT else None
    if lift and last_failed > lift.ordinal:
        lift = None  # what was proposed before a further failed inspection did not know of it
    return Measure(
        measure_id=failed.fact.fact_id,
        ordinal=failed.fact.ordinal,
        state=state,
        terms=terms,
        inspected_at=failed.fact.happened_at,
        recorded_at=failed.fact.recorded_at,
        rectified_at=failed.rectified.recorded_at if failed.rectified else None,
        papers=(*failed.fact.papers, *(paper for each in failed.suspensions for paper in each.papers)),
        papers_in_force=_papers_in_force(failed, terms, state, suspensions, at),
        suspensions=suspensions,
        suspension_pending=limited and terms.rules.suspension_days > 0 and not failed.suspensions,
        extension=extension,
        lift=lift,
        appeal=_appeal(failed, at),
        inspectors=failed.fact.inspectors,
        involved=_involved(failed),
    )


def _state(failed: _Failed, at: datetime, *, is_current: bool) -> State:
    if failed.annulled_at is not None:
        return State.ANNULLED
    if not failed.open(at):
        return State.CLOSED
    if not is_current:
        return State.SUPERSEDED
    if failed.passed_at is not None:
        return State.AWAITING_LIFT
    return State.AWAITING_RECTIFICATION if failed.rectified is None else State.AWAITING_REINSPECTION


def _suspension(failed: _Failed, decision: Suspended, lifts: Sequence[Lifted], at: datetime) -> Suspension:
    ends = [decision.ends_at, *(lift.recorded_at for lift in lifts if lift.ordinal > decision.ordinal)]
    ends += [end for end in (failed.annulled_at, failed.lapses_at()) if end is not None]
    until = min(ends)
    return Suspension(decision, until, decision.starts_at <= at < until)


def _papers_in_force(
    failed: _Failed, terms: Terms, state: State, suspensions: Sequence[Suspension], at: datetime
) -> tuple[Paper, ...]:
    """The form unless annulled, the notice until it passes or a later one asks, cards until lifted or lapsed, seals meanwhile."""
    if state is State.ANNULLED:
        return ()
    suspended = any(each.in_force for each in suspensions)
    kept = []
    for paper in terms.rules.papers:
        if paper in WITH_APPROVAL:
            holds = suspended
        elif paper in CARDS:
            holds = failed.lifted_at is None and not failed.lapsed(at)
        elif paper is Paper.RECTIFICATION_NOTICE:
            holds = failed.passed_at is None and failed.lifted_at is None and state is not State.SUPERSEDED
        else:
            holds = True
        if holds:
            kept.append(paper)
    return tuple(kept)


def _appeal(failed: _Failed, at: datetime) -> Appeal | None:
    if not failed.appeals:
        return None
    filed, answer = failed.appeals[-1]
    age = at - filed.recorded_at
    if answer is not None:
        state = AppealState.UPHELD if answer.upheld else AppealState.REJECTED
    elif age >= LAPSES:
        state = AppealState.LAPSED
    else:
        state = AppealState.ESCALATED if age >= ESCALATES else AppealState.OPEN
    return Appeal(filed.fact_id, filed.measure_id, state, filed.recorded_at)


def _involved(failed: _Failed) -> frozenset[str]:
    actors = [each.actor for each in (*failed.suspensions, *failed.extensions, *failed.lifts)]
    return frozenset(
        [*failed.fact.inspectors, failed.fact.actor, *actors, *(filed.actor for filed, _ in failed.appeals)]
    )

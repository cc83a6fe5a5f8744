"""What may be done about a measure, and by whom. Pure: each function returns what it is about, or raises `LadderError`."""

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import UUID

from venue.enforcement.ladder.standing import Appeal, AppealState, Measure, Standing, State


class LadderError(Exception):
    """A refusal. `reason` is stable, `text` public. `denied`: it is about who asks, not about the state."""

    def __init__(self, reason: str, text: str, *, denied: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.text, self.denied = reason, text, denied


def current(standing: Standing, measure_id: UUID) -> Measure:
    """The measure, which has to be the one that the venue now deals with."""
    measure = known(standing, measure_id)
    if standing.current is None or standing.current.measure_id != measure_id:
        if measure.state is State.SUPERSEDED:
            raise LadderError("MEASURE_SUPERSEDED", "A later failed inspection has taken this measure's place.")
        raise LadderError("MEASURE_CLOSED", "This measure is closed.")
    return measure


def known(standing: Standing, measure_id: UUID) -> Measure:
    measure = standing.find(measure_id)
    if measure is None:
        raise LadderError("MEASURE_UNKNOWN", "This venue has no such measure.")
    return measure


def rectify(standing: Standing, measure_id: UUID) -> Measure:
    measure = current(standing, measure_id)
    if (
        measure.state is State.AWAITING_LIFT
    ):  # so, too, when the re-inspection looked at a later measure that was annulled
        raise LadderError("REINSPECTED_ALREADY", "The re-inspection has passed; there is nothing left to rectify.")
    if measure.state is not State.AWAITING_RECTIFICATION:
        raise LadderError("ALREADY_RECTIFIED", "The rectification of this measure was submitted before.")
    return measure


def suspend(standing: Standing, measure_id: UUID, approver: str) -> Measure:
    """The measure whose suspension `approver` may put in force."""
    measure = current(standing, measure_id)
    if not measure.suspension_pending:
        raise LadderError("NO_SUSPENSION_PROPOSED", "This measure has no suspension that waits for approval.")
    _second_person(approver, measure.inspectors)
    return measure


def propose_extension(standing: Standing, measure_id: UUID, days: int) -> Measure:
    measure = current(standing, measure_id)
    if not measure.suspensions:
        raise LadderError("NOT_SUSPENDED", "Only a suspension that was approved can be extended.")
    if measure.state is State.AWAITING_LIFT or measure.lapsed:
        raise LadderError("NOTHING_TO_EXTEND", "The re-inspection has passed, or the suspension has lapsed.")
    if measure.suspensions[-1].decision.starts_at > standing.at:
        raise LadderError("EXTENDED_ALREADY", "An extension is approved already and has not begun.")
    if days > measure.terms.rules.suspension_days:
        raise LadderError("EXTENSION_TOO_LONG", "An extension is at most as long as the policy's suspension.")
    return measure


def approve_extension(standing: Standing, measure_id: UUID, extension_id: UUID, approver: str) -> Measure:
    measure = current(standing, measure_id)
    if measure.extension is None or measure.extension.fact_id != extension_id:
        raise LadderError("NO_EXTENSION_PROPOSED", "This extension does not wait for approval.")
    _second_person(approver, (*measure.inspectors, measure.extension.actor))
    propose_extension(standing, measure_id, measure.extension.days)
    return measure


def extension_start(measure: Measure, now: datetime) -> datetime:
    """An extension follows the suspension before it, or begins now if that has ended."""
    return max(now, measure.suspensions[-1].decision.ends_at)


def propose_lift(standing: Standing, measure_id: UUID) -> Measure:
    measure = current(standing, measure_id)
    if measure.state is not State.AWAITING_LIFT:
        raise LadderError("NOT_REINSPECTED", "A lift needs a re-inspection that has passed.")
    return measure


def approve_lift(standing: Standing, measure_id: UUID, lift_id: UUID, approver: str) -> Measure:
    measure = propose_lift(standing, measure_id)
    if measure.lift is None or measure.lift.fact_id != lift_id:
        raise LadderError("NO_LIFT_PROPOSED", "This lift does not wait for approval.")
    _second_person(approver, (measure.lift.actor,))
    return measure


def appeal(standing: Standing, measure_id: UUID) -> Measure:
    measure = known(standing, measure_id)
    if measure.state in (State.CLOSED, State.ANNULLED):
        raise LadderError("MEASURE_CLOSED", "This measure is closed.")
    if measure.appeal is not None:
        if measure.appeal.state in (AppealState.OPEN, AppealState.ESCALATED):
            raise LadderError("APPEAL_OPEN", "An appeal against this measure is open already.")
        if measure.appeal.state is AppealState.LAPSED:
            raise LadderError(
                "APPEAL_LAPSED", "The appeal has lapsed: suspension and cards of this measure have ended."
            )
    return measure


def decide(standing: Standing, measure_id: UUID, appeal_id: UUID, decider: str) -> Appeal:
    measure = known(standing, measure_id)
    found = measure.appeal
    if found is None or found.appeal_id != appeal_id or found.state in (AppealState.UPHELD, AppealState.REJECTED):
        raise LadderError("APPEAL_DECIDED", "This appeal is decided.")
    if found.state is AppealState.LAPSED:
        raise LadderError("APPEAL_LAPSED", "This appeal was open for 24 hours and has lapsed.")
    if decider in measure.involved:
        raise LadderError("INVOLVED", "An appeal is decided by somebody who had no part in the measure.", denied=True)
    return found


def suspension_end(starts_at: datetime, days: int) -> datetime:
    return starts_at + timedelta(hours=24 * days)


def _second_person(approver: str, others: Collection[str]) -> None:
    if approver in others:
        raise LadderError("SECOND_PERSON_NEEDED", "Who proposed or inspected cannot approve it.", denied=True)

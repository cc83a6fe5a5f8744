"""A standing as the contract says it."""

from collections.abc import Iterable

from chassis.rpc.times import stamp
from lilitong.venue.v1 import enforcement_pb2 as pb
from lilitong.venue.v1 import inspection_pb2

from venue.enforcement.ladder.facts import Issued
from venue.enforcement.ladder.standing import Appeal, Measure, Standing, Suspension
from venue.register.model import Venue


def encode_papers(papers: Iterable[Issued]) -> list[inspection_pb2.IssuedPaper]:
    return [
        inspection_pb2.IssuedPaper(
            document_id=str(each.document_id),
            paper=int(each.paper),  # type: ignore[arg-type]  # numbers are the contract's
            number=each.number,
        )
        for each in papers
    ]


def encode_appeal(appeal: Appeal) -> pb.Appeal:
    return pb.Appeal(
        appeal_id=str(appeal.appeal_id),
        measure_id=str(appeal.measure_id),
        state=int(appeal.state),  # type: ignore[arg-type]
        filed_at=stamp(appeal.filed_at),
        escalates_at=stamp(appeal.escalates_at),
        lapses_at=stamp(appeal.lapses_at),
    )


def encode_suspension(suspension: Suspension) -> pb.Suspension:
    decision = suspension.decision
    return pb.Suspension(
        suspension_id=str(decision.fact_id),
        measure_id=str(decision.measure_id),
        starts_at=stamp(decision.starts_at),
        ends_at=stamp(decision.ends_at),
        effective_until=stamp(suspension.effective_until),
        seal_number=decision.seal_number,
        leaf_index=decision.leaf_index,
        in_force=suspension.in_force,
        extension=decision.extension_id is not None,
    )


def encode_measure(measure: Measure) -> pb.Measure:
    terms = measure.terms
    return pb.Measure(
        measure_id=str(measure.measure_id),
        state=int(measure.state),  # type: ignore[arg-type]
        step=terms.step,
        policy_id=str(terms.policy_id),
        policy_version=terms.policy_version,
        inspected_at=stamp(measure.inspected_at),
        recorded_at=stamp(measure.recorded_at),
        rectify_by=stamp(terms.rectify_by),
        rectified_at=stamp(measure.rectified_at),
        reinspect_by=stamp(measure.reinspect_by),
        papers=encode_papers(measure.papers),
        papers_in_force=[int(paper) for paper in measure.papers_in_force],  # type: ignore[misc]
        proposed_suspension_days=terms.rules.suspension_days,
        suspension_pending=measure.suspension_pending,
        extension_proposal_id=str(measure.extension.fact_id) if measure.extension else "",
        lift_proposal_id=str(measure.lift.fact_id) if measure.lift else "",
        appeal=encode_appeal(measure.appeal) if measure.appeal else None,
        suspensions=[encode_suspension(each) for each in measure.suspensions],
    )


def encode_standing(venue: Venue, standing: Standing) -> pb.Standing:
    until = standing.suspended_until
    return pb.Standing(
        venue_id=str(venue.venue_id),
        at=stamp(standing.at),
        failed_counting=standing.failed_counting,
        suspended=until is not None,
        suspended_until=stamp(until),
        card=int(standing.card or 0),  # type: ignore[arg-type]
        current_measure_id=str(standing.current.measure_id) if standing.current else "",
        measures=[encode_measure(each) for each in standing.measures],
        last_lift_at=stamp(standing.last_lift_at),
        drill_id=venue.drill_id,
    )

"""The cold chain as its contract says it."""

from collections.abc import Iterable
from itertools import groupby

from chassis.rpc.times import stamp
from lilitong.venue.v1 import cold_chain_pb2 as pb

from venue.coldchain.model import (
    Decision,
    Disinfection,
    Distribution,
    Handler,
    Head,
    Place,
    Premises,
    Proposal,
    Release,
    Sample,
    Trace,
)

_MOST = 2**32 - 1


def encode_premises(premises: Premises) -> pb.ImportingPremises:
    return pb.ImportingPremises(
        venue_id=str(premises.venue_id),
        licence_number=premises.licence_number,
        registered_at=stamp(premises.registered_at),
    )


def encode_lot(head: Head) -> pb.Lot:
    lot = head.lot
    return pb.Lot(
        lot_id=str(lot.lot_id),
        premises_id=str(lot.premises_id),
        declaration_number=lot.declaration_number,
        origin_country=lot.origin_country,
        trace_code=lot.trace_code,
        product=lot.product,
        quantity=lot.quantity,
        unit=lot.unit,  # type: ignore[arg-type]  # numbers are the contract's
        arrived_at=stamp(lot.arrived_at),
        state=int(head.state),  # type: ignore[arg-type]
        recall_proposed=head.proposed,
        drill_id=lot.drill_id,
    )


def encode_sample(sample: Sample) -> pb.Sample:
    found = pb.Sample(
        sample_id=str(sample.sample_id),
        lot_id=str(sample.lot_id),
        kind=int(sample.kind),  # type: ignore[arg-type]
        taken_by=sample.taken_by,
        taken_at=stamp(sample.taken_at),
    )
    if sample.result is not None:
        found.result.CopyFrom(
            pb.SampleResult(
                outcome=int(sample.result.outcome),  # type: ignore[arg-type]
                laboratory=sample.result.laboratory,
                tested_at=stamp(sample.result.tested_at),
                entered_at=stamp(sample.result.entered_at),
            )
        )
    return found


def encode_disinfection(done: Disinfection) -> pb.Disinfection:
    return pb.Disinfection(
        disinfection_id=str(done.disinfection_id),
        lot_id=str(done.lot_id),
        performed_by=done.performed_by,
        agent=done.agent,
        performed_at=stamp(done.performed_at),
        proof_sha256=done.proof_sha256,
        recorded_by=done.recorded_by,
    )


def encode_release(release: Release) -> pb.LotRelease:
    return pb.LotRelease(
        release_id=str(release.release_id),
        sample_id=str(release.sample_id),
        disinfection_id=str(release.disinfection_id),
        released_by=release.released_by,
        released_at=stamp(release.released_at),
    )


def encode_distribution(moved: Distribution) -> pb.Distribution:
    return pb.Distribution(
        distribution_id=str(moved.distribution_id),
        lot_id=str(moved.lot_id),
        from_venue_id=str(moved.from_venue),
        to_venue_id=str(moved.to_venue or ""),
        recipient=moved.recipient,
        quantity=moved.quantity,
        distributed_at=stamp(moved.distributed_at),
        remaining=moved.remaining,
    )


def encode_recall(proposal: Proposal) -> pb.LotRecall:
    states = {
        None: pb.RECALL_STATE_PROPOSED,
        Decision.RECALL: pb.RECALL_STATE_RECALLED,
        Decision.DISMISS: pb.RECALL_STATE_DISMISSED,
    }
    return pb.LotRecall(
        proposal_id=str(proposal.proposal_id),
        lot_id=str(proposal.lot_id),
        state=states[proposal.decision],
        sample_id=str(proposal.sample_id or ""),
        reason=proposal.reason,
        proposed_at=stamp(proposal.proposed_at),
        voices=[
            pb.RecallVoice(
                person=each.person,
                decision=int(each.decision),  # type: ignore[arg-type]
                reason=each.reason,
                given_at=stamp(each.given_at),
            )
            for each in proposal.voices
        ],
        decision_id=str(proposal.decision_id or ""),
        decided_at=stamp(proposal.decided_at),
    )


def encode_place(place: Place) -> pb.LotPlace:
    return pb.LotPlace(
        level=place.level,
        venue_id=str(place.venue_id or ""),
        name=place.name,
        area=place.area,
        # What goes to and fro is counted each time, so the sum can exceed what a lot can have.
        received=min(place.received, _MOST),
        there=place.there,
        closed=place.closed,
    )


def encode_handlers(handlers: Iterable[Handler]) -> list[pb.LotHandler]:
    return [pb.LotHandler(tag=each.tag, venue_id=str(each.venue_id)) for each in handlers]


def encode_trace(head: Head, trace: Trace) -> pb.TraceLotResponse:
    days = groupby(trace.handlers, key=lambda each: each.day_number)
    return pb.TraceLotResponse(
        lot=encode_lot(head),
        places=[encode_place(each) for each in trace.places],
        handlers=[pb.LotHandlersOfDay(day=day, handlers=encode_handlers(each)) for day, each in days],
    )

"""Obligations as contracts say them."""

from chassis.rpc.times import stamp
from lilitong.venue.v1 import document_pb2
from lilitong.venue.v1 import obligation_pb2 as pb

from venue.obligations.model import Coverage, Due, Obligation, Template


def encode_template(template: Template) -> pb.ObligationTemplate:
    return pb.ObligationTemplate(
        template_id=str(template.template_id),
        kind=int(template.kind),  # type: ignore[arg-type]  # numbers are the contract's
        area=template.area,
        category=template.category,  # type: ignore[arg-type]  # numbers are the contract's
        title=template.title,
        body=template.body,
        requirements=template.requirements,
        issuing_body=template.issuing_body,
        version=template.version,
        drafted_by=template.drafted_by,
        drafted_at=stamp(template.drafted_at),
        approved_by=template.approved_by,
        approved_at=stamp(template.approved_at) if template.approved_at else None,
    )


def encode_obligation(obligation: Obligation) -> pb.Obligation:
    standing = (
        document_pb2.DOCUMENT_STANDING_SUPERSEDED if obligation.replaced else document_pb2.DOCUMENT_STANDING_IN_FORCE
    )
    found = pb.Obligation(
        obligation_id=str(obligation.obligation_id),
        venue_id=str(obligation.venue_id),
        kind=int(obligation.kind),  # type: ignore[arg-type]  # numbers are the contract's
        template_id=str(obligation.template_id),
        template_version=obligation.template_version,
        number=obligation.number,
        issued_at=stamp(obligation.issued_at),
        standing=standing,
        acknowledged_by=obligation.acknowledged_by,
        acknowledged_at=stamp(obligation.acknowledged_at) if obligation.acknowledged_at else None,
    )
    proof = obligation.proof
    if proof is not None:
        found.service.CopyFrom(
            pb.ServiceProof(
                method=int(proof.method),  # type: ignore[arg-type]  # numbers are the contract's
                served_by=proof.served_by,
                served_at=stamp(proof.served_at),
                recorded_at=stamp(proof.recorded_at),
                photo_sha256=proof.photo_sha256,
                witness=proof.witness,
                tracking_number=proof.tracking_number,
            )
        )
    return found


def encode_coverage(row: Coverage) -> pb.ObligationCoverage:
    return pb.ObligationCoverage(
        area=row.area,
        category=row.category,  # type: ignore[arg-type]  # numbers are the contract's
        kind=int(row.kind),  # type: ignore[arg-type]  # numbers are the contract's
        venues=row.venues,
        issued=row.issued,
        served=row.served,
        acknowledged=row.acknowledged,
    )


def encode_missing(due: Due) -> pb.MissingObligation:
    return pb.MissingObligation(
        venue_id=str(due.venue_id),
        venue_name=due.name,
        area=due.area,
        category=due.category,  # type: ignore[arg-type]  # numbers are the contract's
        kind=int(due.kind),  # type: ignore[arg-type]  # numbers are the contract's
        obligation_id=str(due.obligation_id or ""),
    )

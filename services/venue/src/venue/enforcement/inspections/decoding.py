"""An inspection as a client sent it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import UUID

from chassis.errors import DomainError, Kind
from lilitong.venue.v1 import inspection_pb2 as pb

from venue.enforcement.inspections.model import Finding, Outcome, Position, Subject


@dataclass(frozen=True, slots=True)
class Draft:
    """What was said, before it is known whether it can be. `digest` covers all but the request's id."""

    inspection_id: UUID
    subject: Subject
    subject_id: UUID | None
    subject_name: str
    area: str
    inspectors: tuple[str, str]
    recorded_by: str
    inspected_at: datetime
    checklist_version: int
    findings: tuple[Finding, ...]
    position: Position | None
    reinspects: UUID | None
    drill_id: str
    digest: bytes


def decode(request: pb.RecordInspectionRequest, caller: str) -> Draft:
    """Raises INVALID for what cannot be, whoever sends it."""
    subject = Subject(request.subject)
    wrong = _shape(request, subject)
    if wrong:
        raise DomainError(Kind.INVALID, "INSPECTION_INVALID", "This is no inspection of such a subject.", fields=wrong)
    if request.first_inspector == request.second_inspector:
        raise DomainError(
            Kind.INVALID,
            "ONE_INSPECTOR",
            "An inspection is made by two.",
            fields={"second_inspector": "must be another person"},
        )
    content = pb.RecordInspectionRequest()
    content.CopyFrom(request)
    content.ClearField("request_id")
    position = request.position
    return Draft(
        inspection_id=UUID(request.inspection_id),
        subject=subject,
        subject_id=UUID(request.subject_id) if request.subject_id else None,
        subject_name=request.subject_name,
        area=request.area,
        inspectors=(request.first_inspector, request.second_inspector),
        recorded_by=caller,
        inspected_at=request.inspected_at.ToDatetime(UTC),
        checklist_version=request.checklist_version,
        findings=tuple(
            Finding(each.item, Outcome(each.outcome), each.remark, tuple(each.photos)) for each in request.findings
        ),
        position=Position(position.latitude_e7, position.longitude_e7, position.accuracy_metres)
        if request.HasField("position")
        else None,
        reinspects=UUID(request.reinspects) if request.reinspects else None,
        drill_id=request.drill_id,
        digest=sha256(content.SerializeToString(deterministic=True)).digest(),
    )


def _shape(request: pb.RecordInspectionRequest, subject: Subject) -> dict[str, str]:
    """What does not belong to that kind of subject, by field."""
    wrong: dict[str, str] = {}
    if subject is Subject.VENUE:
        if not request.subject_id:
            wrong["subject_id"] = "must be the venue's id"
        for field in ("subject_name", "area", "drill_id"):
            if getattr(request, field):
                wrong[field] = "is the register's"
        return wrong
    if not request.subject_name:
        wrong["subject_name"] = "must say what it is"
    if not request.area:
        wrong["area"] = "must say where it lies"
    if (subject is Subject.CHECKPOINT) != bool(request.subject_id):
        wrong["subject_id"] = "must be the post's id" if subject is Subject.CHECKPOINT else "must be empty"
    if request.reinspects:
        wrong["reinspects"] = "is for venues"
    return wrong

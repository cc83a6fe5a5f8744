"""Requests to venue about inspections."""

import secrets
from hashlib import sha256

from lilitong.venue.v1 import inspection_pb2

from access_matrix.samples.registry import sample, stamp
from access_matrix.world import HOME, World, new_id, now

# Of a restaurant; see services/venue/migrations/20100_inspections.sql.
ITEMS = [
    "entrants_registered",
    "three_codes",
    "temperature",
    "masks",
    "app_in_use",
    "disinfection",
    "no_crowding",
    "tableware",
    "table_spacing",
    "staff_health",
]


def new_photo() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(24)


@sample
def checklist(world: World, role: str) -> inspection_pb2.GetChecklistRequest:
    return inspection_pb2.GetChecklistRequest(subject=inspection_pb2.INSPECTION_SUBJECT_VENUE, category=6)


@sample
def record(world: World, role: str) -> inspection_pb2.RecordInspectionRequest:
    """A good one, so that it leads to nothing."""
    met = inspection_pb2.FINDING_OUTCOME_MET
    return inspection_pb2.RecordInspectionRequest(
        request_id=new_id(),
        inspection_id=new_id(),
        subject=inspection_pb2.INSPECTION_SUBJECT_VENUE,
        subject_id=world.venue_id,
        first_inspector=world.inspector,
        second_inspector="inspector-beside",
        inspected_at=stamp(now()),
        checklist_version=1,
        findings=[inspection_pb2.Finding(item=item, outcome=met) for item in ITEMS],
    )


@sample
def record_many(world: World, role: str) -> inspection_pb2.BatchRecordInspectionsRequest:
    return inspection_pb2.BatchRecordInspectionsRequest(requests=[record(world, role)])


@sample
def get(world: World, role: str) -> inspection_pb2.GetInspectionRequest:
    return inspection_pb2.GetInspectionRequest(inspection_id=world.inspection_id)


@sample
def listed(world: World, role: str) -> inspection_pb2.ListInspectionsRequest:
    return inspection_pb2.ListInspectionsRequest(area=HOME, page_size=5)


@sample
def upload(world: World, role: str) -> inspection_pb2.UploadInspectionPhotoRequest:
    return inspection_pb2.UploadInspectionPhotoRequest(
        request_id=new_id(), inspection_id=world.inspection_id, data=world.photo
    )


@sample
def photo(world: World, role: str) -> inspection_pb2.GetInspectionPhotoRequest:
    name = sha256(world.stored_photo).hexdigest()
    return inspection_pb2.GetInspectionPhotoRequest(inspection_id=world.inspection_id, sha256=name)

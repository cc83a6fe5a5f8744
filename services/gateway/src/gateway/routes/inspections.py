"""Inspections by two, their checklists and their photos."""

from chassis.access import NOWHERE, RESOURCE
from lilitong.venue.v1 import inspection_pb2

from gateway.operations import Batch, Contract, Operation, people

_INSPECTIONS = Contract(inspection_pb2, "InspectionService")
_STAFF = {"inspector", "enforcement_lead", "venue_officer", "command", "auditor"}
_READERS = _STAFF | {"venue_operator"}
_EXAMPLE = {
    "subject": "venue",
    "subject_id": "6f0c2b3e-8f5a-4c60-9a58-0f6d5b0f2a11",
    "subject_name": "",
    "area": "",
    "drill_id": "",
    "reinspects": "",
    "first_inspector": "inspector-1",
    "second_inspector": "inspector-2",
}

OPERATIONS = (
    Operation(
        verb="GET",
        path="/v1/checklists",
        rpc=_INSPECTIONS["GetChecklist"],
        rule=people(_READERS | {"grid_worker"}, NOWHERE),
        tag="inspections",
        summary="Read a checklist",
        description="The one in force for a kind of subject (and, of venues, a category), or a former version.",
        etag=True,
    ),
    Operation(
        verb="POST",
        path="/v1/inspections",
        rpc=_INSPECTIONS["RecordInspection"],
        rule=people({"inspector"}, RESOURCE),
        tag="inspections",
        summary="Record an inspection",
        description="By one of its two inspectors, with a finding for each item of the checklist. One made offline keeps its "
        "time and its id. A failed inspection of a venue is answered with its step of the ladder and the papers issued.",
        status=201,
        location="/v1/inspections/{inspection_id}",
        example=_EXAMPLE,
    ),
    Operation(
        verb="POST",
        path="/v1/inspection-batches",
        rpc=_INSPECTIONS["BatchRecordInspections"],
        rule=people({"inspector"}, RESOURCE),
        tag="inspections",
        summary="Upload up to 100 inspections made offline",
        description="Each is stored or refused on its own, in the order sent; sending the batch again changes nothing.",
        status=207,
        batch=Batch(item_key="request_id", identity="inspection_id"),
        seconds=30.0,
    ),
    Operation(
        verb="GET",
        path="/v1/inspections",
        rpc=_INSPECTIONS["ListInspections"],
        rule=people(_STAFF, "area"),
        tag="inspections",
        summary="List inspections of an area",
        description="The newest first, without findings. Pages are followed by `next_page_token`, empty on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/inspections/{inspection_id}",
        rpc=_INSPECTIONS["GetInspection"],
        rule=people(_READERS, RESOURCE),
        tag="inspections",
        summary="Read an inspection",
        description="With its findings, and the photos that have not come yet.",
        etag=True,
    ),
    Operation(
        verb="POST",
        path="/v1/inspections/{inspection_id}/photos",
        rpc=_INSPECTIONS["UploadInspectionPhoto"],
        rule=people({"inspector"}, RESOURCE),
        tag="inspections",
        summary="Upload a photo of an inspection",
        description="JPEG, PNG or WebP of at most 720,000 bytes, whose SHA-256 the inspection names.",
        status=201,
        seconds=15.0,
    ),
    Operation(
        verb="GET",
        path="/v1/inspections/{inspection_id}/photos/{sha256}",
        rpc=_INSPECTIONS["GetInspectionPhoto"],
        rule=people(_READERS, RESOURCE),
        tag="inspections",
        summary="Read a photo",
        description="As it was put in, or not at all.",
        seconds=15.0,
    ),
)

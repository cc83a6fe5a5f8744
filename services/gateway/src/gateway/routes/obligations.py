"""Letters of responsibility and notices of requirements: templates, issuing in bulk, service, acknowledgement, coverage."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import obligation_pb2

from gateway.operations import Batch, Contract, Operation, people

_OBLIGATIONS = Contract(obligation_pb2, "ObligationService")
_OFFICERS = {"venue_officer"}
_SERVERS = {"venue_officer", "grid_worker", "inspector"}
_READERS = _SERVERS | {"enforcement_lead", "command", "auditor"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/obligation-templates",
        rpc=_OBLIGATIONS["DraftObligationTemplate"],
        rule=people(_OFFICERS, "area"),
        tag="obligations",
        summary="Draft a letter or notice",
        description="Without effect until somebody else has approved it.",
        status=201,
        location="/v1/obligation-templates/{template_id}",
        example={"area": "141102001"},
    ),
    Operation(
        verb="POST",
        path="/v1/obligation-templates/{template_id}/approvals",
        rpc=_OBLIGATIONS["ApproveObligationTemplate"],
        rule=people(_OFFICERS, RESOURCE),
        tag="obligations",
        summary="Approve a letter or notice",
        description="By a second person. It gets its version and takes the place of the former one.",
    ),
    Operation(
        verb="GET",
        path="/v1/obligation-templates",
        rpc=_OBLIGATIONS["ListObligationTemplates"],
        rule=people(_READERS, "area"),
        tag="obligations",
        summary="List letters and notices",
        description="Those of the area and what lies below it, at most 500, the newest first.",
    ),
    Operation(
        verb="GET",
        path="/v1/obligation-templates/{template_id}",
        rpc=_OBLIGATIONS["GetObligationTemplate"],
        rule=people(_READERS, RESOURCE),
        tag="obligations",
        summary="Read a letter or notice",
        description="Its words, its version and who wrote and approved it.",
        etag=True,
    ),
    Operation(
        verb="POST",
        path="/v1/obligation-issues",
        rpc=_OBLIGATIONS["IssueObligations"],
        rule=people(_OFFICERS, "area"),
        tag="obligations",
        summary="Issue to the next venues that lack one",
        description="Call it until `remaining` is 0. Whoever begins anew after an interruption goes on where it ended.",
        seconds=30.0,
        example={"area": "141102001", "drill_id": ""},
    ),
    Operation(
        verb="POST",
        path="/v1/venues/{venue_id}/obligation-services",
        rpc=_OBLIGATIONS["ServeObligations"],
        rule=people(_SERVERS, RESOURCE),
        tag="obligations",
        summary="Record that papers were served",
        description="Letter, notice or both at one venue: in person and refused with a photo, by post with its number.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/obligation-service-batches",
        rpc=_OBLIGATIONS["BatchServeObligations"],
        rule=people(_SERVERS, RESOURCE),
        tag="obligations",
        summary="Record that papers were served at up to 100 venues",
        description="As a round from door to door, kept offline, or a posting brings it. Each venue is recorded or refused on "
        "its own, in the order sent; sending the batch again changes nothing.",
        status=207,
        batch=Batch(item_key="request_id", identity="venue_id"),
        seconds=30.0,
    ),
    Operation(
        verb="POST",
        path="/v1/obligations/{obligation_id}/acknowledgement",
        rpc=_OBLIGATIONS["AcknowledgeObligation"],
        rule=people({"venue_operator"}, RESOURCE),
        tag="obligations",
        summary="Acknowledge a letter or notice",
        description="By an account of the venue, once it was served.",
    ),
    Operation(
        verb="GET",
        path="/v1/venues/{venue_id}/obligations",
        rpc=_OBLIGATIONS["ListObligations"],
        rule=people(_READERS | {"venue_operator"}, RESOURCE),
        tag="obligations",
        summary="List a venue's letters and notices",
        description="The newest first, at most 100, with proof of service and acknowledgement.",
    ),
    Operation(
        verb="GET",
        path="/v1/obligation-coverage",
        rpc=_OBLIGATIONS["GetObligationCoverage"],
        rule=people(_READERS, "area"),
        tag="obligations",
        summary="How many venues have what is in force for them",
        description="Per area of `area_digits`, category and kind: all venues, issued, served, acknowledged.",
        seconds=15.0,
    ),
    Operation(
        verb="GET",
        path="/v1/missing-obligations",
        rpc=_OBLIGATIONS["ListMissingObligations"],
        rule=people(_READERS, "area"),
        tag="obligations",
        summary="Which venues are still missing",
        description="Those that have not reached `stage`. Pages are followed by `next_page_token`, empty on the last one.",
        seconds=15.0,
    ),
)

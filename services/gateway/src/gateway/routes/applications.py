"""Applications of venues."""

from chassis.access import RESOURCE
from lilitong.venue.v1 import application_pb2

from gateway.operations import Contract, Operation, people

_APPLICATIONS = Contract(application_pb2, "ApplicationService")
_READERS = {"venue_officer", "venue_operator", "auditor"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/venue-applications",
        rpc=_APPLICATIONS["SubmitApplication"],
        rule=people({"venue_operator"}, "content.area"),
        tag="applications",
        summary="Apply for a venue to be registered",
        description="By the venue's own account. What was returned is submitted again under the same `application_id`.",
        status=201,
        location="/v1/venue-applications/{application_id}",
    ),
    Operation(
        verb="GET",
        path="/v1/venue-applications",
        rpc=_APPLICATIONS["ListApplications"],
        rule=people(_READERS, "area"),
        tag="applications",
        summary="List applications of an area",
        description="The oldest first, of one `state` if given; applicants see their own. Pages are followed by "
        "`next_page_token`, empty on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/venue-applications/{application_id}",
        rpc=_APPLICATIONS["GetApplication"],
        rule=people(_READERS, RESOURCE),
        tag="applications",
        summary="Read an application",
        description="Its last submission, and what was decided about that.",
        etag=True,
    ),
    Operation(
        verb="POST",
        path="/v1/venue-applications/{application_id}/approvals",
        rpc=_APPLICATIONS["ApproveApplication"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="applications",
        summary="Approve an application",
        description="Registers the venue under the application's id; the applicant becomes its account. `submission` is the "
        "one that was read.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/venue-applications/{application_id}/returns",
        rpc=_APPLICATIONS["ReturnApplication"],
        rule=people({"venue_officer"}, RESOURCE),
        tag="applications",
        summary="Return an application with reasons",
        description="The applicant may amend it and submit it again.",
        status=201,
    ),
)

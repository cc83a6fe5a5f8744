"""Limits on people: proposed and approved by two, lifted by two, explained to whom they bind."""

from chassis.access import RESOURCE
from lilitong.quarantine.v1 import restriction_pb2

from gateway.operations import Contract, Operation, people

_RESTRICTIONS = Contract(restriction_pb2, "RestrictionService")

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/restrictions",
        rpc=_RESTRICTIONS["ProposeRestriction"],
        rule=people({"tracer"}, RESOURCE),
        tag="restrictions",
        summary="Propose a restriction",
        description="On an interview's evidence; without effect until two people have approved it.",
        status=201,
        location="/v1/restrictions/{restriction_id}",
    ),
    Operation(
        verb="POST",
        path="/v1/restrictions/{restriction_id}/approvals",
        rpc=_RESTRICTIONS["ApproveRestriction"],
        rule=people({"approver"}, RESOURCE),
        tag="restrictions",
        summary="Approve a restriction",
        description="The second approval, by another person, puts it in force.",
    ),
    Operation(
        verb="POST",
        path="/v1/restrictions/{restriction_id}/lift-proposals",
        rpc=_RESTRICTIONS["ProposeLift"],
        rule=people({"tracer", "approver"}, RESOURCE),
        tag="restrictions",
        summary="Propose to lift a restriction early",
        description="With the grounds for it.",
        example={"grounds": "Two negative results, 24 hours apart."},
    ),
    Operation(
        verb="POST",
        path="/v1/restrictions/{restriction_id}/lift-approvals",
        rpc=_RESTRICTIONS["ApproveLift"],
        rule=people({"approver"}, RESOURCE),
        tag="restrictions",
        summary="Approve an early lift",
        description="By another person than the one who proposed it.",
    ),
    Operation(
        verb="GET",
        path="/v1/restrictions/{restriction_id}",
        rpc=_RESTRICTIONS["GetRestriction"],
        rule=people({"tracer", "approver"}, RESOURCE, purpose=True),
        tag="restrictions",
        summary="Read a restriction",
        description="A purpose-bound read.",
    ),
    Operation(
        verb="POST",
        path="/v1/restriction-explanations",
        rpc=_RESTRICTIONS["ExplainRestriction"],
        rule=people({"app_backend", "grid_worker", "checkpoint_lead"}, RESOURCE),
        tag="restrictions",
        summary="Explain a restriction to whom it binds",
        description="By the reference that a scanner showed on a day, or by the resident: reason, evidence type, "
        "approving roles, end date and proof; day and half-day only, never another person. A POST although it is a "
        "read: neither belongs in an address.",
        keyed=False,
        example={"resident_id": None},
    ),
)

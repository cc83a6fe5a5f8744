"""Measures as versioned data, approved by two people."""

from chassis.access import NOWHERE
from lilitong.quarantine.v1 import policy_pb2

from gateway.operations import Contract, Operation, people

_POLICIES = Contract(policy_pb2, "PolicyService")
_READERS = {"policy_editor", "approver", "tracer", "command", "auditor"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/policies",
        rpc=_POLICIES["DraftPolicy"],
        rule=people({"policy_editor"}, NOWHERE),
        tag="policies",
        summary="Draft a policy",
        description="Without effect until two people have approved it.",
        status=201,
        location="/v1/policies/{policy_id}",
    ),
    Operation(
        verb="POST",
        path="/v1/policies/{policy_id}/approvals",
        rpc=_POLICIES["ApprovePolicy"],
        rule=people({"approver"}, NOWHERE),
        tag="policies",
        summary="Approve a policy",
        description="The second approval, by another person, gives it a version and its effective date.",
    ),
    # Before the one with the parameter: the first that matches serves.
    Operation(
        verb="GET",
        path="/v1/policies/active",
        rpc=_POLICIES["GetActivePolicy"],
        rule=people(_READERS, NOWHERE),
        tag="policies",
        summary="Read the policy in force",
        description="The approved policy whose effective date came last.",
        etag=True,
    ),
    Operation(
        verb="GET",
        path="/v1/policies/{policy_id}",
        rpc=_POLICIES["GetPolicy"],
        rule=people(_READERS, NOWHERE),
        tag="policies",
        summary="Read a policy",
        description="A draft or an approved one.",
        etag=True,
    ),
)

"""Cases, from suspicion to confirmation by laboratory evidence and two people."""

from chassis.access import RESOURCE
from lilitong.quarantine.v1 import case_pb2, contact_pb2

from gateway.operations import Contract, Operation, people

_CASES = Contract(case_pb2, "CaseService")
_CONTACTS = Contract(contact_pb2, "ContactService")
_READERS = {"tracer", "approver", "command"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/cases",
        rpc=_CASES["OpenCase"],
        rule=people({"tracer"}, RESOURCE),
        tag="cases",
        summary="Open a case",
        description="A suspicion: nobody is restricted by it.",
        status=201,
        location="/v1/cases/{case_id}",
    ),
    Operation(
        verb="GET",
        path="/v1/cases",
        rpc=_CASES["ListCases"],
        rule=people(_READERS, "area"),
        tag="cases",
        summary="List cases of an area",
        description="Pages are followed by `next_page_token`, which is empty on the last one.",
    ),
    Operation(
        verb="GET",
        path="/v1/cases/{case_id}",
        rpc=_CASES["GetCase"],
        rule=people(_READERS, RESOURCE),
        tag="cases",
        summary="Read a case",
        description="Its state, approvals and infectious window; never a name.",
    ),
    Operation(
        verb="POST",
        path="/v1/lab-results",
        rpc=_CASES["RecordLabResult"],
        rule=people({"laboratory"}, RESOURCE),
        tag="cases",
        summary="Enter a laboratory result",
        description="The evidence that a confirmation refers to; whoever enters it cannot approve the case.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/cases/{case_id}/approvals",
        rpc=_CASES["ApproveCase"],
        rule=people({"approver"}, RESOURCE),
        tag="cases",
        summary="Approve a case",
        description="The first approval starts the searches. The second, by another person, confirms the case and "
        "restricts its contacts, unless so many are touched that the policy asks for a third.",
        seconds=30.0,
    ),
    Operation(
        verb="GET",
        path="/v1/cases/{case_id}/impact",
        rpc=_CASES["GetCaseImpact"],
        rule=people({"approver", "command"}, RESOURCE),
        tag="cases",
        summary="Preview whom a confirmation would touch",
        description="Complete when `searches_answered` equals `searches`.",
    ),
    Operation(
        verb="POST",
        path="/v1/cases/{case_id}/closure",
        rpc=_CASES["CloseCase"],
        rule=people({"approver"}, RESOURCE),
        tag="cases",
        summary="Close a case",
        description="Restrictions keep their own end dates.",
    ),
    Operation(
        verb="GET",
        path="/v1/cases/{case_id}/contacts",
        rpc=_CONTACTS["ListContacts"],
        rule=people({"tracer"}, RESOURCE, purpose=True),
        tag="cases",
        summary="List the contacts of a case",
        description="A purpose-bound read.",
    ),
)

"""The questions that tracers still have to ask."""

from chassis.access import RESOURCE
from lilitong.quarantine.v1 import contact_pb2

from gateway.operations import Contract, Operation, people

_CONTACTS = Contract(contact_pb2, "ContactService")

OPERATIONS = (
    Operation(
        verb="GET",
        path="/v1/interview-tasks",
        rpc=_CONTACTS["ListInterviewTasks"],
        rule=people({"tracer"}, "area"),
        tag="interviews",
        summary="List interview tasks of an area",
        description="Those of one case with `case_id`, those without an outcome with `open_only`.",
    ),
    Operation(
        verb="POST",
        path="/v1/interview-tasks/{task_id}/outcome",
        rpc=_CONTACTS["CompleteInterviewTask"],
        rule=people({"tracer"}, RESOURCE),
        tag="interviews",
        summary="Record what an interview found",
        description="A close contact found this way gives `evidence_id`, on which a restriction may be proposed.",
    ),
)

"""Passes for phones, paper cards for people without one."""

from chassis.access import RESOURCE
from lilitong.quarantine.v1 import pass_pb2

from gateway.operations import Batch, Contract, Operation, people

_PASSES = Contract(pass_pb2, "PassService")
_FIELD_STAFF = {"grid_worker", "volunteer", "registrar"}

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/residents/{resident_id}/passes",
        rpc=_PASSES["IssuePasses"],
        rule=people({"app_backend"}, RESOURCE),
        tag="passes",
        summary="Issue a resident's passes",
        description="One pass per day, each bound to a phone key made for that day; phones prefetch seven days.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/pass-batches",
        rpc=_PASSES["BatchIssuePasses"],
        rule=people({"app_backend"}, RESOURCE),
        tag="passes",
        summary="Issue passes of up to 200 residents",
        description="Each resident is answered on their own.",
        status=207,
        batch=Batch(item_key="request_id", identity="resident_id"),
        seconds=30.0,
    ),
    Operation(
        verb="POST",
        path="/v1/paper-cards",
        rpc=_PASSES["IssuePaperCard"],
        rule=people(_FIELD_STAFF, RESOURCE),
        tag="passes",
        summary="Issue a paper card",
        description="The text of its QR code is in the answer and nowhere else: it is derived, never stored.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/paper-cards/{card_id}/revocation",
        rpc=_PASSES["RevokePaperCard"],
        rule=people(_FIELD_STAFF, RESOURCE),
        tag="passes",
        summary="Revoke a paper card",
        description="Lost, or no longer needed. A revoked card stays revoked.",
    ),
)

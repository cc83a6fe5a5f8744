"""Check-in and check-out: authorised by what is presented, not by an account of the visitor."""

from chassis.access import NOWHERE
from lilitong.venue.v1 import visit_pb2

from gateway.operations import Batch, Contract, Operation, people

_VISITS = Contract(visit_pb2, "VisitService")
_DOORS = {"app_backend", "venue_operator"}

CHECK_IN = Operation(
    verb="POST",
    path="/v1/check-ins",
    rpc=_VISITS["CheckIn"],
    rule=people(_DOORS, NOWHERE),
    tag="check-ins",
    summary="Check a visitor in",
    description="The visitor's app scanned the venue's code, or staff scanned the visitor. `admitted`, `refused` (a "
    "proven restriction) or `refer` (staff decide), with reasons in Chinese and English. An answer means that the visit "
    "is stored; the same Idempotency-Key gives the first answer again.",
    hot=True,
)
CHECK_IN_BATCH = Operation(
    verb="POST",
    path="/v1/check-in-batches",
    rpc=_VISITS["BatchCheckIn"],
    rule=people(_DOORS, NOWHERE),
    tag="check-ins",
    summary="Check up to 500 visitors in",
    description="For uploads after an outage. Each item carries its own `idempotency_key` and is answered on its own.",
    status=207,
    batch=Batch(item_key="idempotency_key", identity="idempotency_key"),
    seconds=30.0,
)

OPERATIONS = (
    CHECK_IN,
    CHECK_IN_BATCH,
    Operation(
        verb="POST",
        path="/v1/check-outs",
        rpc=_VISITS["CheckOut"],
        rule=people(_DOORS, NOWHERE),
        tag="check-ins",
        summary="Check a visitor out",
        description="Now, or at `left_at`; never before the check-in.",
    ),
)

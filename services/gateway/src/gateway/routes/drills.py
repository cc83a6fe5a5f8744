"""Drills: the same loop with synthetic people."""

from chassis.access import RESOURCE
from lilitong.quarantine.v1 import drill_pb2

from gateway.operations import Contract, Operation, people

_DRILLS = Contract(drill_pb2, "DrillService")

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/drills",
        rpc=_DRILLS["StartDrill"],
        rule=people({"command"}, "area"),
        tag="drills",
        summary="Start a drill",
        description="Everything made with its `drill_id` is marked and touches nobody real.",
        status=201,
    ),
    Operation(
        verb="POST",
        path="/v1/drills/{drill_id}/end",
        rpc=_DRILLS["EndDrill"],
        rule=people({"command"}, RESOURCE),
        tag="drills",
        summary="End a drill",
        description="Ends every restriction of the drill.",
        seconds=30.0,
    ),
)

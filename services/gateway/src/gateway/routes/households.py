"""Households and residents."""

from chassis.access import RESOURCE
from lilitong.quarantine.v1 import register_pb2

from gateway.operations import Batch, Contract, Operation, people

_REGISTER = Contract(register_pb2, "RegisterService")

OPERATIONS = (
    Operation(
        verb="POST",
        path="/v1/households",
        rpc=_REGISTER["RegisterHousehold"],
        rule=people({"app_backend", "grid_worker", "volunteer", "registrar"}, "area"),
        tag="households",
        summary="Register a household",
        description="All its residents at once. Somebody who registers for others (`proxy`) proves their consent.",
        status=201,
        location="/v1/households/{household_id}",
    ),
    Operation(
        verb="POST",
        path="/v1/household-batches",
        rpc=_REGISTER["BatchRegisterHouseholds"],
        rule=people({"registrar", "app_backend"}, "requests.area"),
        tag="households",
        summary="Register up to 200 households",
        description="Each household is stored or refused on its own; sending the batch again changes nothing.",
        status=207,
        batch=Batch(item_key="request_id", identity="household_id"),
        seconds=30.0,
    ),
    Operation(
        verb="GET",
        path="/v1/households/{household_id}",
        rpc=_REGISTER["GetHousehold"],
        rule=people({"grid_worker", "tracer", "app_backend"}, RESOURCE, purpose=True),
        tag="households",
        summary="Read a household",
        description="A purpose-bound read: every resident can see who read this and why.",
    ),
    Operation(
        verb="POST",
        path="/v1/resident-searches",
        rpc=_REGISTER["FindResident"],
        rule=people({"tracer", "laboratory"}, RESOURCE, purpose=True),
        tag="households",
        summary="Find a resident by national ID",
        description="A POST although it is a read: a national ID must not stand in an address, which gets logged.",
        keyed=False,
    ),
)

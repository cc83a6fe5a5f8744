"""The service as a whole, over gRPC, with tokens."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from chassis.access import AreaFrom, rules_of
from chassis.errors import DomainError, Kind
from daysets.trust import from_messages
from lilitong.quarantine.v1 import (
    case_pb2_grpc,
    contact_pb2_grpc,
    day_set_pb2,
    day_set_pb2_grpc,
    drill_pb2,
    drill_pb2_grpc,
    keys_pb2,
    keys_pb2_grpc,
    pass_pb2,
    pass_pb2_grpc,
    policy_pb2_grpc,
    register_pb2,
    register_pb2_grpc,
    restriction_pb2_grpc,
)
from passes.days import day_number, local_day

pytestmark = [pytest.mark.connected, pytest.mark.feature("X2")]
AREA = "141102001001"
PEOPLE = {"app_backend", "grid_worker", "volunteer", "registrar", "tracer", "approver", "laboratory", "policy_editor", "command",
          "venue_officer", "venue_operator", "inspector", "checkpoint_lead", "auditor"}  # fmt: skip
SYNTHETIC = "11010519491231002X"  # the standard's own example


def household(**changed: Any) -> register_pb2.RegisterHouseholdRequest:
    resident = register_pb2.Resident(resident_id=str(uuid4()), name="李伟", id_number=SYNTHETIC)
    values = {
        "request_id": str(uuid4()),
        "household_id": str(uuid4()),
        "area": AREA,
        "address": "滨河路1号",
        "residents": [resident],
        "channel": register_pb2.REGISTRATION_CHANNEL_IMPORT,
    }
    return register_pb2.RegisterHouseholdRequest(**(values | changed))


async def refused(call: Any) -> DomainError:
    with pytest.raises(DomainError) as caught:
        await call
    return caught.value


async def test_it_starts_without_a_bus_and_says_that_it_is_ready(running):
    assert running.service.ready


async def test_from_registration_to_a_pass_and_the_list_that_verifiers_start_from(running):
    register = register_pb2_grpc.RegisterServiceStub(running.channel)
    request = household()
    await register.RegisterHousehold(request, metadata=running.metadata("registrar"))
    found = await register.FindResident(
        register_pb2.FindResidentRequest(id_number=SYNTHETIC), metadata=running.metadata("laboratory")
    )
    assert found.household_id == request.household_id

    key = bytes.fromhex("036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")  # the curve's base point
    wanted = pass_pb2.IssuePassesRequest(
        request_id=str(uuid4()),
        resident_id=found.resident_id,
        keys=[pass_pb2.DayPhoneKey(day=day_number(local_day(running.clock.now())), phone_key=key)],
    )
    answer = await pass_pb2_grpc.PassServiceStub(running.channel).IssuePasses(
        wanted, metadata=running.metadata("app_backend")
    )
    assert len(answer.passes) == 1

    keys = await keys_pb2_grpc.KeyServiceStub(running.channel).ListVerificationKeys(
        keys_pb2.ListVerificationKeysRequest(), metadata=running.metadata("workload:venue")
    )
    assert any(one.kid in getattr(answer.passes[0], "pass") for one in from_messages(keys.keys))

    stream = day_set_pb2_grpc.DaySetServiceStub(running.channel).ListDaySetSegments(
        day_set_pb2.ListDaySetSegmentsRequest(), timeout=5, metadata=running.metadata("workload:checkpoint")
    )
    days = {one.segment.day async for one in stream}
    today = day_number(local_day(running.clock.now()))
    assert days <= {today, today + 1, today + 2}


async def test_a_request_that_breaks_its_contract_stores_nothing(running):
    register = register_pb2_grpc.RegisterServiceStub(running.channel)
    for broken in (
        household(area="1411"),
        household(residents=[]),
        household(channel=0),
        household(channel=register_pb2.REGISTRATION_CHANNEL_PROXY),
        household(request_id="x"),
        household(drill_id="Ä"),
    ):
        error = await refused(register.RegisterHousehold(broken, metadata=running.metadata("registrar")))
        assert error.kind is Kind.INVALID
    ask = register_pb2.FindResidentRequest(id_number=SYNTHETIC)
    error = await refused(register.FindResident(ask, metadata=running.metadata("tracer")))
    assert error.kind is Kind.NOT_FOUND


@pytest.mark.feature("X4")
async def test_personal_data_is_not_read_without_a_purpose(running):
    register = register_pb2_grpc.RegisterServiceStub(running.channel)
    ask = register_pb2.FindResidentRequest(id_number=SYNTHETIC)
    error = await refused(register.FindResident(ask, metadata=running.metadata("tracer", purpose="")))
    assert error.reason == "PURPOSE_REQUIRED"


async def test_an_item_outside_the_area_stops_its_batch(running):
    register = register_pb2_grpc.RegisterServiceStub(running.channel)
    batch = register_pb2.BatchRegisterHouseholdsRequest(requests=[household(), household(area="141103001001")])
    error = await refused(register.BatchRegisterHouseholds(batch, metadata=running.metadata("registrar")))
    assert error.reason == "OUT_OF_AREA"


@pytest.mark.feature("X10")
async def test_a_drill_runs_from_its_start_to_its_end(running):
    drills, register = (
        drill_pb2_grpc.DrillServiceStub(running.channel),
        register_pb2_grpc.RegisterServiceStub(running.channel),
    )
    command = running.metadata("command")
    start = drill_pb2.StartDrillRequest(request_id=str(uuid4()), drill_id="spring", title="春季演练", area="141102")
    await drills.StartDrill(start, metadata=command)
    await register.RegisterHousehold(household(drill_id="spring"), metadata=running.metadata("registrar"))
    await drills.EndDrill(drill_pb2.EndDrillRequest(request_id=str(uuid4()), drill_id="spring"), metadata=command)
    error = await refused(
        register.RegisterHousehold(household(drill_id="spring"), metadata=running.metadata("registrar"))
    )
    assert error.reason == "DRILL_ENDED"


RULES: dict[str, tuple[set[str], set[str], bool]] = {
    # method: (people, workloads, purpose)
    "RegisterHousehold": ({"app_backend", "grid_worker", "volunteer", "registrar"}, set(), False),
    "BatchRegisterHouseholds": ({"registrar", "app_backend"}, set(), False),
    "GetHousehold": ({"grid_worker", "tracer", "app_backend"}, set(), True),
    "FindResident": ({"tracer", "laboratory"}, set(), True),
    "IssuePasses": ({"app_backend"}, set(), False),
    "BatchIssuePasses": ({"app_backend"}, set(), False),
    "IssuePaperCard": ({"grid_worker", "volunteer", "registrar"}, set(), False),
    "RevokePaperCard": ({"grid_worker", "volunteer", "registrar"}, set(), False),
    "ListVerificationKeys": ({"app_backend"}, {"venue", "checkpoint"}, False),
}
STUBS = (
    register_pb2_grpc.RegisterServiceStub,
    pass_pb2_grpc.PassServiceStub,
    keys_pb2_grpc.KeyServiceStub,
    policy_pb2_grpc.PolicyServiceStub,
    case_pb2_grpc.CaseServiceStub,
    contact_pb2_grpc.ContactServiceStub,
    restriction_pb2_grpc.RestrictionServiceStub,
    day_set_pb2_grpc.DaySetServiceStub,
    drill_pb2_grpc.DrillServiceStub,
)


def test_the_rules_of_this_side_are_as_agreed():
    from quarantine.issuing.rpc import PassRpc
    from quarantine.keys.rpc import KeyRpc
    from quarantine.register.rpc import RegisterRpc

    found = rules_of(RegisterRpc) | rules_of(PassRpc) | rules_of(KeyRpc)
    assert {name: (set(rule.roles), set(rule.workloads), rule.purpose) for name, rule in found.items()} == RULES
    assert {name for name, rule in found.items() if rule.area is AreaFrom.NOWHERE} == {"ListVerificationKeys"}


async def test_every_rpc_refuses_strangers_wrong_roles_and_other_services(running):
    """Each method of each service is called, empty, by everybody it does not admit."""
    server = running.service._servers[0]
    methods = dict(server.methods)
    stubs = {
        name: getattr(stub(running.channel), name)
        for stub in STUBS
        for name in dir(stub(running.channel))
        if name[0].isupper()
    }
    assert {path.rsplit("/", 1)[1] for path in methods} == set(stubs)
    for path, rule in methods.items():
        name = path.rsplit("/", 1)[1]
        if name == "ListDaySetSegments":
            continue  # a stream; below
        request = _empty(path)
        for role in sorted(PEOPLE - rule.roles):
            error = await refused(stubs[name](request, metadata=running.metadata(role)))
            assert error.kind is Kind.DENIED, f"{name} by {role}"
        for workload in {"venue", "checkpoint", "gateway"} - rule.workloads:
            error = await refused(stubs[name](request, metadata=running.metadata(f"workload:{workload}")))
            assert error.kind is Kind.DENIED, f"{name} by {workload}"
        assert (await refused(stubs[name](request))).kind is Kind.UNAUTHENTICATED
    for caller in ("tracer", "workload:gateway"):
        stream = stubs["ListDaySetSegments"](day_set_pb2.ListDaySetSegmentsRequest(), metadata=running.metadata(caller))
        assert (await refused(anext(stream))).kind is Kind.DENIED


def _empty(path: str) -> Any:
    from google.protobuf import descriptor_pool, message_factory

    service, method = path.strip("/").split("/")
    found = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
    return message_factory.GetMessageClass(found.input_type)()


async def test_a_token_that_has_expired_opens_nothing(running):
    stale = running.metadata("app_backend")
    running.clock.advance(timedelta(days=2))
    keys = keys_pb2_grpc.KeyServiceStub(running.channel)
    error = await refused(keys.ListVerificationKeys(keys_pb2.ListVerificationKeysRequest(), metadata=stale))
    assert error.kind is Kind.UNAUTHENTICATED

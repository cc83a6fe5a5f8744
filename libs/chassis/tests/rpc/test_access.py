# ruff: noqa: N802 - servicer methods are named by the contract
import grpc
import pytest
from chassis.access import NOWHERE, RESOURCE, AccessError, allow, calling, matrix, require_area, rules_of
from chassis.auth import Caller
from chassis.errors import DomainError, Kind
from chassis.rpc.server import Server
from chassis.rpc.status import from_rpc_error


async def answer(call, request, **options):
    try:
        return (await call(request, timeout=5, **options)).text
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error).reason


@pytest.mark.feature("X2")
async def test_a_person_is_judged_by_role_and_area_prefix(serve, world, issuer):
    say = (await serve()).stub.Say
    ask = world.Ask
    assert await answer(say, ask(area="141102001"), metadata=issuer.auth()) == "acct-1"
    assert await answer(say, ask(area="141103"), metadata=issuer.auth()) == "OUT_OF_AREA"
    assert await answer(say, ask(area="1411"), metadata=issuer.auth()) == "OUT_OF_AREA"
    assert await answer(say, ask(), metadata=issuer.auth()) == "OUT_OF_AREA"
    assert await answer(say, ask(area="141102"), metadata=issuer.auth(roles=["visitor"])) == "NOT_ALLOWED"
    assert await answer(say, ask(area="141102"), metadata=issuer.auth(areas=[])) == "OUT_OF_AREA"
    assert await answer(say, ask(area="141102")) == "CREDENTIALS_REQUIRED"
    assert await answer(say, ask(area="141102"), metadata=(("authorization", "Basic eDp5"),)) == "TOKEN_REFUSED"


async def test_every_element_of_a_list_must_lie_within_the_callers_areas(serve, world, issuer):
    say = (await serve()).stub.SayMany
    near, far = world.Ask(area="141102003"), world.Ask(area="140101")
    assert await answer(say, world.Ask(items=[near, near]), metadata=issuer.auth()) == "ok"
    assert await answer(say, world.Ask(items=[near, far]), metadata=issuer.auth()) == "OUT_OF_AREA"
    assert await answer(say, world.Ask(), metadata=issuer.auth()) == "OUT_OF_AREA"


async def test_a_handler_that_forgets_its_area_check_answers_nothing(serve, world, issuer):
    find = (await serve()).stub.Find
    assert await answer(find, world.Ask(area="141102"), metadata=issuer.auth()) == "found"
    assert await answer(find, world.Ask(area="140101"), metadata=issuer.auth()) == "OUT_OF_AREA"
    assert await answer(find, world.Ask(area="141102", text="forget"), metadata=issuer.auth()) == "INTERNAL"


async def test_a_workload_passes_only_where_it_is_listed_and_never_by_a_role(serve, world, issuer):
    stub = (await serve()).stub
    venue = issuer.auth(sub="workload:venue", workload=True, areas=[])
    other = issuer.auth(sub="workload:gateway", workload=True)
    assert await answer(stub.Snapshot, world.Ask(), metadata=venue) == "workload:venue"
    assert await answer(stub.Find, world.Ask(area="9"), metadata=venue) == "found"
    assert await answer(stub.Snapshot, world.Ask(), metadata=other) == "NOT_ALLOWED"
    assert await answer(stub.Say, world.Ask(area="141102"), metadata=other) == "NOT_ALLOWED"
    assert await answer(stub.Snapshot, world.Ask(), metadata=issuer.auth()) == "NOT_ALLOWED"


async def test_another_kind_of_credentials_is_pluggable_and_stays_apart(serve, world):
    stub = (await serve()).stub
    device = (("authorization", "Device good"),)
    assert await answer(stub.Scan, world.Ask(), metadata=device) == "device"
    assert await answer(stub.Say, world.Ask(area="141102"), metadata=device) == "NOT_ALLOWED"
    assert await answer(stub.Scan, world.Ask(), metadata=(("authorization", "Device bad"),)) == "TOKEN_REFUSED"
    assert await answer(stub.Open, world.Ask(), metadata=(("authorization", "Device bad"),)) == "TOKEN_REFUSED"


@pytest.mark.feature("X4")
async def test_a_purpose_bound_call_needs_purpose_and_reference(serve, world, issuer):
    why = (await serve()).stub.Why
    given = (*issuer.auth(), ("x-purpose", "tracing"), ("x-purpose-ref", "case-7"))
    assert await answer(why, world.Ask(), metadata=given) == "tracing case-7"
    assert await answer(why, world.Ask(), metadata=issuer.auth()) == "PURPOSE_REQUIRED"
    assert await answer(why, world.Ask(), metadata=given[:2]) == "PURPOSE_MALFORMED"
    twice = (*given, ("x-purpose", "other"))
    assert await answer(why, world.Ask(), metadata=twice) == "AMBIGUOUS_METADATA"


async def test_the_same_credentials_header_twice_is_refused(serve, world, issuer):
    say = (await serve()).stub.Say
    twice = issuer.auth() + issuer.auth(sub="acct-2")
    assert await answer(say, world.Ask(area="141102"), metadata=twice) == "AMBIGUOUS_METADATA"


def test_a_method_without_a_rule_keeps_the_server_from_starting(world):
    class Forgetful(world.Room):
        async def Say(self, request, context):
            return None

    with pytest.raises(AccessError, match=r"RoomService/Say has no access rule"):
        Server("127.0.0.1:0").add(Forgetful(), world.add_room)


def test_a_rule_that_cannot_work_is_refused_when_written(world):
    with pytest.raises(AccessError, match="admit somebody"):
        allow(area=NOWHERE)
    with pytest.raises(AccessError, match="anonymous"):
        allow(anonymous=True, area="area")
    with pytest.raises(AccessError, match="collections"):
        allow(roles="clerk", area=NOWHERE)

    class Streamer(world.Room):
        @allow(roles={"clerk"}, area="area")
        async def Collect(self, requests, context):
            return None

    with pytest.raises(AccessError, match="takes a stream"):
        Server("127.0.0.1:0").add(Streamer(), world.add_room)


def test_a_service_registered_under_another_name_is_noticed(world):
    with pytest.raises(AccessError, match="not other"):
        Server("127.0.0.1:0").add(world.Room(), world.add_room, "other")


def test_the_matrix_lists_every_method_with_its_rule(world):
    server = Server("127.0.0.1:0")
    server.add(world.Room(), world.add_room, world.SERVICE)
    listed = matrix(server)
    assert [f"/{world.SERVICE}/{name}" for name in sorted(world.METHODS)] == [name for name, _ in listed]
    assert {rule for _, rule in listed} == set(rules_of(world.Room).values())
    assert rules_of(world.Room)["Find"].area is RESOURCE


def test_outside_a_call_there_is_nobody_to_cover_an_area():
    with pytest.raises(DomainError) as caught:
        require_area("141102")
    assert caught.value.kind is Kind.UNAUTHENTICATED


def test_an_empty_area_is_covered_by_nobody():
    assert not Caller("x", areas=("141102", "")).covers("")
    with calling(Caller("x", areas=("",))), pytest.raises(DomainError):
        require_area("141102")

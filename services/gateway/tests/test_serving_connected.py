"""The gateway as a process lives: its own server, real channels, real gRPC servers behind."""

# ruff: noqa: N802 - servicer methods carry the contract's names

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from chassis.access import NOWHERE, RESOURCE, allow, current_caller, require_area
from chassis.auth import TokenVerifier
from chassis.clock import SystemClock
from chassis.errors import DomainError, Kind
from chassis.jwks import KeySource
from chassis.rpc import outgoing
from chassis.rpc.server import ListenError, Server
from chassis.run import Service
from devstack.tokens import AUDIENCE, DISTRICT, ISSUER
from gateway.app import wire
from gateway.lines import Lines
from gateway.server import RestServer
from lilitong.quarantine.v1 import case_pb2, case_pb2_grpc, register_pb2, register_pb2_grpc
from lilitong.venue.v1 import visit_pb2, visit_pb2_grpc
from opentelemetry import trace

pytestmark = pytest.mark.connected
KEY = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
ID = "fefa8f19-29be-5cd4-8c6f-b2a09488bb52"
CASE = {"case_id": ID, "resident_id": ID}
CHECK_IN = {"credential": "LLT1:ABCDEFG", "venue_code": "LLV1:ABCDEFG"}


def parent_of_this_call() -> list[tuple[str, str]]:
    """(trace, span) that the caller named, as the service's own span has it."""
    parent = getattr(trace.get_current_span(), "parent", None)
    return [(f"{parent.trace_id:032x}", f"{parent.span_id:016x}")] if parent is not None else []


class Cases(case_pb2_grpc.CaseServiceServicer):
    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.parents: list[tuple[str, str]] = []
        self.error: DomainError | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    @allow(roles={"tracer"}, area=RESOURCE)
    async def OpenCase(self, request, context):
        require_area("141102001001")
        self.parents += parent_of_this_call()
        self.seen.append((request, current_caller(), outgoing.time_left()))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return case_pb2.OpenCaseResponse(case=case_pb2.Case(case_id=request.case_id, state=1))


class Register(register_pb2_grpc.RegisterServiceServicer):
    @allow(roles={"tracer"}, area=RESOURCE, purpose=True)
    async def FindResident(self, request, context):
        require_area("141102001001")
        caller = current_caller()
        return register_pb2.FindResidentResponse(resident_id=caller.purpose, household_id=caller.purpose_ref)


class Visits(visit_pb2_grpc.VisitServiceServicer):
    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.parents: list[tuple[str, str]] = []

    @allow(roles={"app_backend"}, area=NOWHERE)
    async def BatchCheckIn(self, request, context):
        self.sizes.append(len(request.requests))
        self.parents += parent_of_this_call()
        await asyncio.sleep(0.01)
        return visit_pb2.BatchCheckInResponse(
            results=[{"response": {"outcome": 1, "visit_ids": [each.visit_key.hex()]}} for each in request.requests]
        )


def only(servicer, add, names):
    """Registers only the methods that the stand-in has: every registered one needs a rule."""

    def add_these(instance, server):
        class Filter:
            def add_generic_rpc_handlers(self, handlers): ...

            def add_registered_method_handlers(self, service, handlers):
                server.add_registered_method_handlers(service, {name: handlers[name] for name in names})

        add(instance, Filter())

    return add_these


class World:
    """The services, the gateway and a client."""

    def __init__(self, minter) -> None:
        self.minter = minter
        self.cases, self.visits = Cases(), Visits()
        self.servers: dict[str, Server] = {}
        self.ports: dict[str, int] = {}

    async def start(self, name: str) -> None:
        verifier = TokenVerifier(
            KeySource(str(self.minter.jwks)), issuer=ISSUER, audience=AUDIENCE, clock=SystemClock()
        )
        server = Server(f"127.0.0.1:{self.ports.get(name, 0)}", authenticators=[verifier])
        if name == "quarantine":
            server.add(self.cases, only(self.cases, case_pb2_grpc.add_CaseServiceServicer_to_server, ["OpenCase"]))
            add = register_pb2_grpc.add_RegisterServiceServicer_to_server
            server.add(Register(), only(None, add, ["FindResident"]))
        else:
            add = visit_pb2_grpc.add_VisitServiceServicer_to_server
            server.add(self.visits, only(None, add, ["BatchCheckIn"]))
        self.ports[name] = await server.start()
        await server.serving(True)
        self.servers[name] = server

    async def stop(self, name: str) -> None:
        await self.servers.pop(name).drain(0.1)

    def headers(self, *roles: str) -> dict[str, str]:
        token = self.minter.person("person-1", roles, (DISTRICT,))
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": KEY}


async def until(check, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not await check():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.fixture
async def world(minter, make_settings, tmp_path) -> AsyncIterator[World]:
    world = World(minter)
    for name in ("quarantine", "venue", "checkpoint"):
        await world.start(name)
    spans = tmp_path / "spans.jsonl"
    settings = make_settings(
        quarantine_target=f"127.0.0.1:{world.ports['quarantine']}",
        venue_target=f"dns:///127.0.0.1:{world.ports['venue']}",
        checkpoint_target=f"127.0.0.1:{world.ports['checkpoint']}",
        trace_exporter=f"file:{spans}",
        metrics_listen="127.0.0.1:0",
    )
    world.spans = spans
    service = Service("gateway", drain_seconds=5.0)
    life = asyncio.create_task(service.serve(wire(settings, SystemClock())))
    world.service, world.life = service, life

    async def listening():
        return bool(service.ports) or life.done()

    await until(listening)
    world.client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.ports[0]}", trust_env=False, timeout=20)
    yield world
    await world.client.aclose()
    service.stop()
    assert await life == 0
    for name in list(world.servers):
        await world.stop(name)


@pytest.mark.feature("Q5")
async def test_a_request_reaches_the_service_as_the_person_who_sent_it(world):
    response = await world.client.post("/v1/cases", headers=world.headers("tracer"), json=CASE)
    assert (response.status_code, response.json()["state"]) == (201, "suspected")
    assert response.headers["location"] == f"/v1/cases/{ID}"
    ((request, caller, left),) = world.cases.seen
    assert (request.request_id, request.resident_id) == (KEY, ID)
    assert (caller.subject, caller.roles) == ("person-1", {"tracer"})
    assert 0 < left <= 5.0


@pytest.mark.feature("X4")
async def test_the_purpose_reaches_the_service(world):
    headers = world.headers("tracer") | {"X-Purpose": "tracing", "X-Purpose-Ref": "case-7"}
    body = {"id_number": "11010519491231002X"}
    response = await world.client.post("/v1/resident-searches", headers=headers, json=body)
    assert response.json() == {"resident_id": "tracing", "household_id": "case-7"}


async def test_a_services_refusal_crosses_the_wire_with_kind_reason_and_fields(world):
    world.cases.error = DomainError(Kind.MISMATCH, "IDEMPOTENCY_MISMATCH", "Used.", fields={"resident_id": "other"})
    response = await world.client.post("/v1/cases", headers=world.headers("tracer"), json=CASE)
    assert (response.status_code, response.json()["reason"]) == (422, "IDEMPOTENCY_MISMATCH")
    assert response.json()["errors"] == [{"pointer": "/resident_id", "detail": "other"}]


async def test_one_trace_goes_from_the_request_through_the_gateway_to_the_service(world):
    parent = "0af7651916cd43dd8448eb211c80319c"
    headers = world.headers("tracer") | {"traceparent": f"00-{parent}-b7ad6b7169203331-01"}
    refused = await world.client.post("/v1/cases", headers=headers, json={})
    assert refused.json()["instance"] == f"urn:lilitong:trace:{parent}"
    assert (await world.client.post("/v1/cases", headers=headers, json=CASE)).status_code == 201
    app = world.headers("app_backend") | {"traceparent": headers["traceparent"]}
    assert (await world.client.post("/v1/check-ins", headers=app, json=CHECK_IN)).status_code == 200
    await asyncio.sleep(0.1)
    spans = [json.loads(line) for line in world.spans.read_text().splitlines()]
    mine = {(span["name"], span["kind"]): span for span in spans if span["trace_id"] == parent}
    rest, call = mine["POST /v1/cases", "server"], mine["/lilitong.quarantine.v1.CaseService/OpenCase", "client"]
    assert (rest["parent_id"], call["parent_id"]) == ("b7ad6b7169203331", rest["span_id"])
    hot = mine["POST /v1/check-ins", "server"]
    assert hot["parent_id"] == "b7ad6b7169203331"
    assert world.cases.parents == [(parent, call["span_id"])]
    assert world.visits.parents == [(parent, hot["span_id"])]
    assert ID not in world.spans.read_text()


@pytest.mark.feature("V4")
async def test_concurrent_check_ins_over_sockets_share_calls(world):
    headers = world.headers("app_backend")
    del headers["Idempotency-Key"]
    keys = [f"6f9619ff-8b86-4d01-b42d-{number:012x}" for number in range(200)]
    sent = [
        world.client.post("/v1/check-ins", headers=headers | {"Idempotency-Key": key}, json=CHECK_IN) for key in keys
    ]
    responses = await asyncio.gather(*sent)
    from gateway.visits import visit_key

    assert [each.json()["visit_ids"] for each in responses] == [[visit_key(key).hex()] for key in keys]
    assert sum(world.visits.sizes) == 200
    assert len(world.visits.sizes) < 100


@pytest.mark.feature("X11")
async def test_a_service_that_goes_away_is_named_its_routes_say_503_and_it_is_found_again(world):
    async def status(wanted):
        return (await world.client.get("/readyz")).json()["status"] == wanted

    await until(lambda: status("ready"))
    await world.stop("quarantine")
    await until(lambda: status("degraded"))
    assert (await world.client.get("/readyz")).json()["degraded"] == ["quarantine"]
    response = await world.client.post("/v1/cases", headers=world.headers("tracer"), json=CASE)
    assert (response.status_code, response.json()["reason"]) == (503, "PEER_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
    check_in = await world.client.post("/v1/check-ins", headers=world.headers("app_backend"), json=CHECK_IN)
    assert check_in.status_code == 200
    await world.start("quarantine")
    await until(lambda: status("ready"), seconds=5.0)

    async def works():
        sent = await world.client.post("/v1/cases", headers=world.headers("tracer"), json=CASE)
        return sent.status_code == 201

    await until(works, seconds=5.0)


@pytest.mark.feature("X11")
async def test_a_gateway_that_stops_finishes_what_it_has_begun(world):
    world.cases.gate.clear()
    under_way = asyncio.create_task(world.client.post("/v1/cases", headers=world.headers("tracer"), json=CASE))

    async def begun():
        return bool(world.cases.seen)

    await until(begun)
    world.service.stop()
    await asyncio.sleep(0.2)
    world.cases.gate.set()
    response = await under_way
    assert (response.status_code, response.headers["connection"]) == (201, "close")
    assert await world.life == 0
    with pytest.raises(httpx.TransportError):
        await world.client.get("/healthz")


async def test_two_gateways_cannot_share_a_port(world):
    second = RestServer(f"127.0.0.1:{world.service.ports[0]}", world.client, Lines())  # type: ignore[arg-type]
    with pytest.raises(ListenError, match="another process"):
        await second.start()


async def test_requests_of_another_kind_of_client_get_an_answer_too(world):
    """Raw bytes that are no good HTTP: the server answers or closes, and lives on."""
    port = world.service.ports[0]
    for raw in (
        b"\x16\x03\x01\x02\x00\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/cases HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(raw)
        await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(5):
            await reader.read(4096)
        writer.close()
    assert (await world.client.get("/healthz")).status_code == 200

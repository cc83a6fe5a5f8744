# ruff: noqa: N802 - servicer methods are named by the contract
"""The whole service in one process, over gRPC and a real bus; of quarantine only its events and snapshots are played."""

import asyncio
import os
from datetime import date, timedelta
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import grpc
import nats
import pytest
from chassis.access import matrix
from chassis.clock import ManualClock
from chassis.errors import DomainError
from chassis.events import Event
from chassis.rpc.channel import connect
from chassis.run import Service
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets.trust import Key, Use, to_messages
from daysets.wire import to_message
from devstack.tokens import AUDIENCE, ISSUER, Minter
from google.protobuf.message_factory import GetMessageClass
from lilitong.quarantine.v1 import day_set_pb2, day_set_pb2_grpc, keys_pb2, keys_pb2_grpc
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from lilitong.venue.v1 import (
    application_pb2,
    application_pb2_grpc,
    duplicate_pb2,
    duplicate_pb2_grpc,
    events_pb2,
    import_pb2,
    import_pb2_grpc,
    venue_pb2,
    venue_pb2_grpc,
    visit_pb2,
    visit_pb2_grpc,
)
from nats.js.api import StreamConfig
from passes import cose, venue_code
from passes.days import day_number
from venue.app import wire
from venue.settings import VenueSettings
from venue.visits.model import instant_of

pytestmark = [pytest.mark.connected, pytest.mark.feature("V4")]
TODAY = date(2022, 3, 10)
AREA = "141102001001"
CONTRACTS = Path(venue_pb2.__file__).parent


class Quarantine(day_set_pb2_grpc.DaySetServiceServicer, keys_pb2_grpc.KeyServiceServicer):
    """Only what venue asks of it."""

    def __init__(self, keys, segments):
        self.keys, self.segments, self.callers = keys, segments, []

    async def ListVerificationKeys(self, _, context):
        self.callers.append(dict(context.invocation_metadata())["authorization"])
        return keys_pb2.ListVerificationKeysResponse(keys=to_messages(self.keys))

    async def ListDaySetSegments(self, _, context):
        for segment in self.segments:
            yield day_set_pb2.ListDaySetSegmentsResponse(segment=to_message(segment))


def spki(key):
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def published_keys(people, log):
    until = instant_of(TODAY, 90 * 86_400)
    since = instant_of(TODAY, -86_400)
    made = [
        Key(cose.kid_of(people.real.public_key()), Use.PASS, spki(people.real.public_key()), since, until),
        Key(cose.kid_of(people.drill.public_key()), Use.DRILL_PASS, spki(people.drill.public_key()), since, until),
    ]
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32).public_key()
    return [*made, Key(os.urandom(8), Use.LOG, spki(public), since, until, origin=log.signer.name)]


@pytest.fixture
async def town(make_service_database, fresh_nats, tmp_path, people, log):
    """The service, ready; and what a test needs to talk to it."""
    database = await make_service_database("venue")
    clock = ManualClock(instant_of(TODAY, 12 * 3600))
    minter = Minter(tmp_path / "tokens")
    (tmp_path / "workload").write_text(minter.workload("venue", now=clock.now().timestamp()))
    quarantine = Quarantine(published_keys(people, log), [log.segment(1, [], day=TODAY)])
    server = grpc.aio.server()
    day_set_pb2_grpc.add_DaySetServiceServicer_to_server(quarantine, server)
    keys_pb2_grpc.add_KeyServiceServicer_to_server(quarantine, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    bus = await nats.connect(fresh_nats.url)
    await bus.jetstream().add_stream(StreamConfig(name="QUARANTINE", subjects=["lilitong.quarantine.>"]))
    settings = VenueSettings(
        listen="127.0.0.1:0",
        jwks=str(minter.jwks),
        issuer=ISSUER,
        audience=AUDIENCE,
        database_url=database.url("venue"),
        nats_url=fresh_nats.url,
        event_trace_key=os.urandom(32),
        vault=tmp_path / "vault",
        quarantine_target=f"127.0.0.1:{port}",
        workload_token_file=tmp_path / "workload",
        drain_seconds=2,
    )
    service = Service("venue", drain_seconds=2)
    living = asyncio.create_task(service.serve(wire(settings, clock)))
    async with asyncio.timeout(30):
        while not service.ready:
            await asyncio.sleep(0.05)
            assert not living.done()

    def token(*roles, subject="someone", areas=("141102",)):
        return (("authorization", f"Bearer {minter.person(subject, roles, areas, now=clock.now().timestamp())}"),)

    channel = connect(f"127.0.0.1:{service.ports[0]}", name="test", timeout=10)

    async def publish(message, subject, day, drill_id=""):
        sent = Event.of(message, subject=subject, aggregate=os.urandom(4).hex(), day=day, drill_id=drill_id)
        await bus.jetstream().publish(subject, sent.payload, headers=sent.headers())

    yield SimpleNamespace(
        service=service,
        channel=channel,
        venues=venue_pb2_grpc.VenueServiceStub(channel),
        visits=visit_pb2_grpc.VisitServiceStub(channel),
        token=token,
        publish=publish,
        bus=bus,
        nats=fresh_nats,
        quarantine=quarantine,
        clock=clock,
        database=database,
    )
    await channel.close()
    service.stop()
    assert await living == 0
    await server.stop(0)
    await bus.close()


@pytest.mark.feature("V1")
@pytest.mark.case("happy path", "bad input", of="V1")
async def test_a_file_put_in_over_grpc_is_worked_off_by_itself_and_its_twins_are_proposed(town):
    imports, officer = import_pb2_grpc.ImportServiceStub(town.channel), town.token("venue_officer")
    key = "8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4d9"
    rows = "".join(f"{name},餐饮,{AREA},滨河路1号\n" for name in ("吕梁人家", "吕梁人家饭店")) + "坏,飞船,1,\n"
    await imports.CreateImport(
        import_pb2.CreateImportRequest(request_id=key, import_id=key, area="141102"), metadata=officer
    )
    content = ("名称,类别,区划代码,地址\n" + rows).encode("gb18030")
    part = import_pb2.AppendImportPartRequest(import_id=key, data=content, last=True)
    await imports.AppendImportPart(part, metadata=officer)
    async with asyncio.timeout(20):
        job = None
        while job is None or job.state != import_pb2.IMPORT_STATE_DONE:
            job = (await imports.GetImport(import_pb2.GetImportRequest(import_id=key), metadata=officer)).job
            assert job.rows_read == job.created + job.unchanged + job.rejected
            await asyncio.sleep(0.05)
        assert (job.created, job.rejected) == (2, 1)
        pairs = duplicate_pb2_grpc.DuplicateServiceStub(town.channel)
        asked = duplicate_pb2.ListMergeCandidatesRequest(area="141102")
        found = None
        while found is None or not found.candidates:
            found = await pairs.ListMergeCandidates(asked, metadata=officer)
            await asyncio.sleep(0.05)
    applications = application_pb2_grpc.ApplicationServiceStub(town.channel)
    listed = application_pb2.ListApplicationsRequest(area="141102")
    assert not (await applications.ListApplications(listed, metadata=officer)).applications


async def register(town, **given):
    request = venue_pb2.RegisterVenueRequest(
        **{
            "request_id": "8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4c1",
            "venue_id": "8d7ee6a5-32b6-4ac6-b62b-6cbf21c7d4c2",
            "name": "店",
            "category": 3,
            "area": AREA,
            "address": "滨河路1号",
            "zones": [venue_pb2.NewZone(name="厅", capacity=10)],
            "operators": ["shop-1"],
        }
        | given
    )
    return (await town.venues.RegisterVenue(request, metadata=town.token("venue_officer"))).venue


def scan(town, people, name, code):
    text = people.show(name, town.clock.now(), context=venue_code.parse(code).to_bytes())
    return visit_pb2.CheckInRequest(visit_key=os.urandom(8), credential=text, venue_code=code)


async def until(look, seconds=10.0):
    for _ in range(int(seconds / 0.05)):
        if found := await look():
            return found
        await asyncio.sleep(0.05)
    raise TimeoutError


@pytest.mark.feature("V11")
@pytest.mark.case("happy path")
async def test_from_registration_to_refusal_and_search(town, people, log):
    assert town.quarantine.callers[0].startswith("Bearer ")
    code = (await register(town)).zones[0].code
    app = town.token("app_backend")
    for name in ("case", "contact"):
        answer = await town.visits.CheckIn(scan(town, people, name, code), metadata=app)
        assert (answer.outcome, answer.degraded) == (1, False)
        assert answer.list_age_seconds <= 2

    asked = SearchOpened(search_id=os.urandom(16), day=day_number(TODAY), tag=people.tag("case", TODAY))
    asked.window_start.FromDatetime(instant_of(TODAY, 0))
    asked.window_end.FromDatetime(instant_of(TODAY, 86_400))
    found = await town.bus.jetstream().subscribe("lilitong.venue.exposure.v1.found", stream="VENUE")
    await town.publish(asked, "lilitong.quarantine.search.v1.opened", TODAY)
    message = await found.next_msg(timeout=10)
    told = events_pb2.ExposureFound.FromString(message.data)
    assert (told.search_id, [hit.tag for hit in told.hits]) == (asked.search_id, [people.tag("contact", TODAY)])
    assert message.headers["ce-type"] == "lilitong.venue.v1.ExposureFound"

    from daysets.segment import Entry

    entry = Entry(people.tag("contact", TODAY), 2, os.urandom(8))
    segment = log.segment(2, [entry], day=TODAY)
    await town.publish(to_message(segment), "lilitong.quarantine.restricted.v1.segment", TODAY)

    async def refused():
        town.clock.advance(timedelta(seconds=1))  # the same code shown twice would be a replay
        answer = await town.visits.CheckIn(scan(town, people, "contact", code), metadata=app)
        return answer if answer.outcome == 2 else None

    answer = await until(refused)
    assert ([each.code for each in answer.reasons], answer.reference) == (["RESTRICTED_CLOSE_CONTACT"], entry.ref)
    assert (await town.visits.CheckIn(scan(town, people, "other", code), metadata=app)).outcome == 1

    # A contact's phone that was offline uploads afterwards: the search is still open.
    late = scan(town, people, "offline", code)
    late.late = True
    await town.visits.CheckIn(late, metadata=app)
    more = []
    while people.tag("offline", TODAY) not in more:
        message = await found.next_msg(timeout=10)
        told = events_pb2.ExposureFound.FromString(message.data)
        assert (told.part, told.parts) == (0, 0)
        more += [hit.tag for hit in told.hits]


@pytest.mark.feature("X2")
async def test_every_method_has_a_rule_and_refuses_whoever_it_is_not_for(town):
    rules = dict(matrix(*town.service._servers))
    contracts = [import_module(f"lilitong.venue.v1.{path.stem}") for path in CONTRACTS.glob("*_pb2.py")]
    methods = {
        f"/{service.full_name}/{method.name}": method
        for contract in contracts
        for service in contract.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    }
    served = {method.rpartition("/")[0] for method in rules}
    # That every contract is served is held by tools/access; here it is that nothing is served without a rule.
    assert rules.keys() == {method for method in methods if method.rpartition("/")[0] in served}
    assert {"/lilitong.venue.v1.InspectionService", "/lilitong.venue.v1.EnforcementService"} < served
    roles = {"venue_officer", "venue_operator", "app_backend", "command", "tracer", "auditor", "registrar"}
    for method, rule in rules.items():
        request = GetMessageClass(methods[method].input_type)()
        call = town.channel.unary_unary(
            method,
            request_serializer=type(request).SerializeToString,
            response_deserializer=GetMessageClass(methods[method].output_type).FromString,
        )
        if rule.anonymous:
            continue
        with pytest.raises(DomainError) as refused:
            await call(request)
        assert refused.value.reason == "CREDENTIALS_REQUIRED"
        for role in roles:
            with pytest.raises(DomainError) as refused:
                await call(request, metadata=town.token(role))
            past = "CHECKLIST_UNKNOWN" if method.endswith("/GetChecklist") else "INVALID_REQUEST"  # it asks for nothing
            if rule.purpose:
                past = "PURPOSE_REQUIRED"
            expected = past if role in rule.roles else "NOT_ALLOWED"
            assert (method, role, refused.value.reason) == (method, role, expected)
    with pytest.raises(DomainError) as abroad:
        await town.venues.ListVenues(venue_pb2.ListVenuesRequest(area="141103"), metadata=town.token("venue_officer"))
    assert abroad.value.reason == "OUT_OF_AREA"


@pytest.mark.slow
async def test_with_the_bus_away_check_ins_go_on_and_say_so(town, people):
    code = (await register(town)).zones[0].code
    town.nats.kill()
    app = town.token("app_backend")
    assert (await town.visits.CheckIn(scan(town, people, "wang", code), metadata=app)).outcome == 1

    async def degraded():
        answer = await town.visits.CheckIn(scan(town, people, os.urandom(4).hex(), code), metadata=app)
        assert answer.outcome == 1
        return answer if answer.degraded else None

    answer = await until(degraded, 30)
    assert answer.list_age_seconds >= 10
    assert town.service.ready
    town.nats.start()

    async def recovered():
        found = await town.visits.CheckIn(scan(town, people, os.urandom(4).hex(), code), metadata=app)
        return not found.degraded

    assert await until(recovered, 15)


@pytest.mark.feature("X5")
async def test_days_past_keeping_are_dropped(town, people):
    import asyncpg
    from chassis.partitions import maintain

    code = (await register(town)).zones[0].code
    await town.visits.CheckIn(scan(town, people, "wang", code), metadata=town.token("app_backend"))
    owner = await asyncpg.connect(town.database.owner_url("venue"))
    pool = await asyncpg.create_pool(town.database.url("venue"), min_size=1, max_size=1)
    town.clock.advance(timedelta(days=14))
    await maintain(pool, town.clock)
    assert await owner.fetchval("SELECT count(*) FROM visits") == 1
    town.clock.advance(timedelta(days=1))
    await maintain(pool, town.clock)
    assert await owner.fetchval("SELECT count(*) FROM visits") == 0
    await owner.close()
    await pool.close()

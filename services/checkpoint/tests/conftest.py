# ruff: noqa: ASYNC109 - stub methods are named by the contract; time-outs are gRPC's own
"""The service in the test's own process, on a real Postgres and NATS; only quarantine is a stub."""

import asyncio
import base64
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import nats
import pytest
import pytest_asyncio
from chassis import migrate, urls
from chassis.clock import Clock, ManualClock, local_day
from chassis.events import Event
from chassis.rpc.status import from_rpc_error
from chassis.run import Service
from checkpoint.app import build
from checkpoint.schema import migration_dirs
from checkpoint.settings import CheckpointSettings
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from daysets import wire as daysets_wire
from daysets.segment import Segment
from devstack import nats as nats_server
from joserfc import jwt
from joserfc.jwk import ECKey
from lilitong.checkpoint.v1 import post_pb2, scan_pb2
from lilitong.checkpoint.v1.events_pb2 import PassagesFound
from lilitong.checkpoint.v1.post_pb2_grpc import PostServiceStub
from lilitong.checkpoint.v1.scan_pb2_grpc import ScanServiceStub
from lilitong.quarantine.v1.day_set_pb2_grpc import add_DaySetServiceServicer_to_server
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from lilitong.quarantine.v1.keys_pb2_grpc import add_KeyServiceServicer_to_server
from nats.js.api import StreamConfig
from passes import device
from passes.days import bounds, day_number

sys.path.insert(0, str(Path(__file__).parent))

from checkpoint_peer.quarantine import Quarantine, spki

ROOT = Path(__file__).parents[3]
NOON = datetime(2022, 3, 10, 4, 0, tzinfo=UTC)
AREA = "141102001"
ISSUER, AUDIENCE = "urn:lilitong:test", "lilitong"
WELL = scan_pb2.Observations(
    temperature_decicelsius=366,
    health_code=scan_pb2.CODE_COLOUR_GREEN,
    itinerary_card=scan_pb2.CODE_COLOUR_GREEN,
    mask_worn=True,
)


@dataclass
class Scanner:
    """A device with its key, calling the service as a real one does."""

    world: "World"
    device_id: UUID
    key: EllipticCurvePrivateKey
    post: int

    @property
    def stub(self) -> Any:
        return ScanServiceStub(self.world.channel)

    def metadata(self, key: EllipticCurvePrivateKey | None = None) -> tuple[tuple[str, str], ...]:
        return (("authorization", "Device " + device.mint(self.device_id, key or self.key, self.world.clock.now())),)

    async def scan(
        self,
        credential: str = "",
        *,
        scan_id: bytes | None = None,
        seen: scan_pb2.Observations = WELL,
        matched: bool = False,
        timeout: float = 5,
        metadata: Any = None,
    ) -> scan_pb2.ScanResponse:
        request = scan_pb2.ScanRequest(
            scan_id=scan_id or secrets.token_bytes(8), credential=credential, observations=seen, bearer_matched=matched
        )
        return await call(self.stub.Scan, request, metadata or self.metadata(), timeout)

    async def upload(self, *scans: scan_pb2.OfflineScan, key: Any = None, timeout: float = 10) -> list[Any]:
        batch = scan_pb2.ScanBatch(batch_id=secrets.token_bytes(16), scans=scans).SerializeToString()
        signature = device.sign_batch(key or self.key, sha256(batch).digest())
        request = scan_pb2.RecordScansRequest(batch=batch, signature=signature)
        answer = await call(self.stub.RecordScans, request, self.metadata(), timeout)
        return [
            (scan_pb2.RecordOutcome.Name(r.outcome).removeprefix("RECORD_OUTCOME_"), r.reason) for r in answer.results
        ]

    def sync(self, token: bytes = b"") -> Any:
        return self.stub.Sync(scan_pb2.SyncRequest(resume_token=token), metadata=self.metadata())


def offline(
    at: datetime, *tags: bytes, scan_id: bytes | None = None, day: date | None = None, **more: Any
) -> scan_pb2.OfflineScan:
    item = scan_pb2.OfflineScan(
        scan_id=scan_id or secrets.token_bytes(8),
        day=day_number(day or local_day(at)),
        tags=tags,
        verdict=scan_pb2.VERDICT_ALLOW,
        observations=WELL,
        **more,
    )
    item.scanned_at.FromDatetime(at)
    return item


async def call(method: Any, request: Any, metadata: Any, timeout: float = 5) -> Any:
    """A failed call as the domain error that the client would see."""
    try:
        return await method(request, metadata=metadata, timeout=timeout)
    except grpc.aio.AioRpcError as error:
        raise from_rpc_error(error) from None


async def until(check: Callable[[], Any], seconds: float = 10) -> Any:
    """Waits for a condition, plain or async, and returns what it gave."""
    async with asyncio.timeout(seconds):
        while True:
            found = check()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


@dataclass
class World:
    """One running checkpoint service and everything around it."""

    clock: Any
    quarantine: Quarantine
    settings: CheckpointSettings
    signing: ECKey
    bus: Any
    sql: asyncpg.Connection
    services: list[tuple[Service, asyncio.Task[int]]] = field(default_factory=list)
    channel: Any = None

    # Test modules cannot import a conftest: what they need of it hangs here.
    call = staticmethod(call)
    until = staticmethod(until)
    offline = staticmethod(offline)

    async def start(self, clock: Clock | None = None) -> int:
        service = Service("checkpoint", drain_seconds=2)
        task = asyncio.create_task(service.serve(build(self.settings, clock or self.clock)))
        self.services.append((service, task))
        await until(lambda: service.ready or task.done())
        assert not task.done()
        return service.ports[0]

    async def reset(self) -> None:
        self.clock.set(NOON)
        for table in (
            "search_leads",
            "search_passages",
            "searches",
            "passages",
            "anonymous_passages",
            "outbox",
            "requests",
        ):
            await self.sql.execute(f"DELETE FROM {table}")
        await self.sql.execute("DELETE FROM devices")
        await self.sql.execute("DELETE FROM posts")
        if await self.sql.execute("DELETE FROM scan_policies WHERE version > 1") != "DELETE 0":
            await self.sql.execute("UPDATE reference_version SET version = version + 1")
            await asyncio.sleep(1.2)

    async def stop(self) -> None:
        for service, task in self.services:
            service.stop()
            assert await task == 0
        self.services.clear()

    def person(self, role: str, *areas: str, subject: str = "lead-1") -> tuple[tuple[str, str], ...]:
        now = int(self.clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + 3600,
            "roles": [role],
            "areas": list(areas or (AREA[:6],)),
        }
        token = jwt.encode({"alg": "ES256", "kid": self.signing.kid}, claims, self.signing)
        return (("authorization", f"Bearer {token}"),)

    @property
    def posts(self) -> Any:
        return PostServiceStub(self.channel)

    async def post(self, area: str = AREA) -> post_pb2.Post:
        request = post_pb2.RegisterPostRequest(
            request_id=str(uuid4()), post_id=str(uuid4()), name="南关卡口", level=post_pb2.POST_LEVEL_ROAD, area=area
        )
        return (await call(self.posts.RegisterPost, request, self.person("checkpoint_lead"))).post

    async def scanner(self, post: post_pb2.Post | None = None) -> Scanner:
        post = post or await self.post()
        scanner = Scanner(self, uuid4(), generate_private_key(SECP256R1()), post.post)
        request = post_pb2.EnrollDeviceRequest(
            request_id=str(uuid4()),
            device_id=str(scanner.device_id),
            post_id=post.post_id,
            public_key=spki(scanner.key.public_key()),
            label="north lane",
        )
        await call(self.posts.EnrollDevice, request, self.person("checkpoint_lead"))
        await asyncio.sleep(0.1)  # the directory was woken by the commit
        return scanner

    async def tell(self, message: Any, subject: str, *, day: date, aggregate: str = "a", drill_id: str = "") -> Event:
        """Publishes an event of quarantine's on the bus."""
        event = Event.of(message, subject=subject, aggregate=aggregate, day=day, drill_id=drill_id)
        await self.bus.jetstream().publish(subject, event.payload, headers=event.headers())
        return event

    async def tell_segment(self, segment: Segment) -> None:
        await self.tell(
            daysets_wire.to_message(segment),
            "lilitong.quarantine.restricted.v1.segment",
            day=segment.day,
            drill_id=segment.drill_id,
        )

    async def search(
        self,
        tag: bytes,
        day: date,
        *,
        minutes: int = 5,
        drill_id: str = "",
        window: tuple[datetime, datetime] | None = None,
    ) -> bytes:
        search_id = secrets.token_bytes(16)
        message = SearchOpened(
            search_id=search_id, day=day_number(day), tag=tag, drill_id=drill_id, passage_minutes=minutes
        )
        start, end = window or bounds(day)
        message.window_start.FromDatetime(start)
        message.window_end.FromDatetime(end)
        await self.tell(
            message, "lilitong.quarantine.search.v1.opened", day=day, aggregate=search_id.hex(), drill_id=drill_id
        )
        return search_id

    async def found(self, search_id: bytes) -> list[PassagesFound]:
        """What was published for a search so far, in order."""
        rows = await self.sql.fetch(
            "SELECT payload FROM outbox WHERE type = 'lilitong.checkpoint.v1.PassagesFound' AND aggregate = $1 ORDER BY seq",
            search_id.hex(),
        )
        return [PassagesFound.FromString(row["payload"]) for row in rows]

    async def answered(self, search_id: bytes) -> list[PassagesFound]:
        return await until(lambda: self.found(search_id))


@dataclass
class Surroundings:
    """Where a world gets its servers from, and what it has to end."""

    postgres: Any
    nats_url: str
    folder: Path
    stack: AsyncExitStack

    async def open(self, clock: Any, *, database: str | None = None, ready: bool = True) -> World:
        """A service with its surroundings; `ready=False` leaves starting it to the test. `database`: a migrated one."""
        quarantine = Quarantine()
        today = local_day(clock.now())
        for day in (today - timedelta(days=1), today, today + timedelta(days=1)):
            quarantine.base(day)
        server = grpc.aio.server()
        add_DaySetServiceServicer_to_server(quarantine, server)
        add_KeyServiceServicer_to_server(quarantine, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        self.stack.push_async_callback(server.stop, None)
        url, admin = await self._database(database)
        bus = await nats.connect(self.nats_url)
        self.stack.push_async_callback(bus.close)
        await bus.jetstream().add_stream(StreamConfig(name="QUARANTINE", subjects=["lilitong.quarantine.>"]))
        signing = ECKey.generate_key("P-256", {"kid": "test-key", "alg": "ES256", "use": "sig"})
        jwks, token = self.folder / "jwks.json", self.folder / "workload"
        jwks.write_text(json.dumps({"keys": [signing.as_dict(private=False)]}))
        token.write_text("workload-token")
        settings = CheckpointSettings(
            listen="127.0.0.1:0",
            jwks=str(jwks),
            issuer=ISSUER,
            audience=AUDIENCE,
            database_url=url,
            nats_url=self.nats_url,
            event_trace_key=base64.b64encode(b"k" * 32).decode(),
            quarantine_target=f"127.0.0.1:{port}",
            workload_token_file=token,
        )
        sql = await asyncpg.connect(admin, server_settings={"search_path": "checkpoint"})
        self.stack.push_async_callback(sql.close, timeout=2)
        world = World(clock, quarantine, settings, signing, bus, sql)
        self.stack.push_async_callback(world.stop)
        if ready:
            world.channel = grpc.aio.insecure_channel(f"127.0.0.1:{await world.start()}")
            self.stack.push_async_callback(world.channel.close)
        return world

    async def _database(self, name: str | None) -> tuple[str, str]:
        """(as the service, as a superuser)"""
        admin = self.postgres.admin_url
        owner = "checkpoint_owner"
        if name is None:
            name = f"test_{uuid4().hex[:12]}"
            await migrate.prepare(admin, name, {"checkpoint": "test"})
            url = urls.with_user(urls.with_database(admin, name), owner, "test")
            await asyncio.to_thread(migrate.migrate, url, "checkpoint", migration_dirs(ROOT))
            self.stack.push_async_callback(self._drop, name)
        whole = urls.with_database(admin, name)
        return urls.with_user(whole, "checkpoint", "test"), whole

    async def _drop(self, name: str) -> None:
        admin = await asyncpg.connect(self.postgres.admin_url)
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.close()


@pytest.fixture
async def surroundings(postgres_server: Any, fresh_nats: Any, tmp_path: Path) -> AsyncIterator[Surroundings]:
    async with AsyncExitStack() as stack:
        yield Surroundings(postgres_server, fresh_nats.url, tmp_path, stack)


@pytest.fixture
async def own_world(surroundings: Surroundings, make_service_database: Any, clock: Any) -> World:
    """A service of this test's own, for what changes more than rows."""
    return await surroundings.open(clock, database=(await make_service_database("checkpoint")).name)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_world(
    postgres_server: Any, state_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    server = nats_server.start(state_dir / f"nats-{uuid4().hex[:8]}")
    try:
        async with AsyncExitStack() as stack:
            around = Surroundings(postgres_server, server.url, tmp_path_factory.mktemp("checkpoint"), stack)
            yield await around.open(ManualClock(NOON))
    finally:
        server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def world(shared_world: World) -> World:
    """One service for the whole module, with empty tables and the clock at noon for each test."""
    await shared_world.reset()
    return shared_world

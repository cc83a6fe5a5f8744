"""The register's desk: people to register, passes to issue, on a real Postgres; and the whole service over gRPC."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import structlog
from chassis.access import calling
from chassis.auth import Caller
from chassis.rpc.channel import Channel, connect
from chassis.run import Service
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from devstack.tokens import AUDIENCE, ISSUER, Minter
from lilitong.quarantine.v1 import pass_pb2, register_pb2
from passes.days import day_number, local_day
from quarantine.app import wire
from quarantine.issuing.issue import Issuing
from quarantine.issuing.rpc import PassRpc
from quarantine.issuing.signing import PassMaker
from quarantine.keys import changing
from quarantine.keys.ring import KeyRing
from quarantine.people.details import PersonKeys
from quarantine.register.model import check_character
from quarantine.register.rpc import RegisterRpc
from quarantine.settings import QuarantineSettings

from .replicas import Replica

AREA = "141102001001"
NOWHERE_BUS = "nats://127.0.0.1:9"  # nothing listens there: the service has to do without


def id_number(number: int, born: date = date(1950, 1, 1)) -> str:
    """A valid citizen identification number; a different one for each number."""
    day = born + timedelta(days=number // 1000)
    body = f"141102{day:%Y%m%d}{number % 1000:03d}"
    return body + check_character(body)


def phone_key() -> bytes:
    """A phone's key of one day, compressed."""
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    return public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


@dataclass
class Desk:
    """The servicers of register, passes and keys, called as somebody with a role."""

    world: Any
    register: RegisterRpc
    passes: PassRpc
    ring: KeyRing
    keys: PersonKeys
    numbers: itertools.count = field(default_factory=itertools.count)

    async def call(
        self, method: str, request: Any, role: str, areas: Sequence[str] = ("141102",), who: str = ""
    ) -> Any:
        servicer = self.register if hasattr(RegisterRpc, method) and method in vars(RegisterRpc) else self.passes
        caller = Caller(who or f"{role}-1", frozenset({role}), tuple(areas), purpose="tracing", purpose_ref="case-7")
        with calling(caller):
            return await getattr(servicer, method)(request, None)

    def resident(self, **changed: Any) -> register_pb2.Resident:
        values = {
            "resident_id": str(uuid4()),
            "name": "王芳",
            "id_number": id_number(next(self.numbers)),
            "phone": "+8613800138000",
        }
        return register_pb2.Resident(**(values | changed))

    def household(self, size: int = 1, **changed: Any) -> register_pb2.RegisterHouseholdRequest:
        values: dict[str, Any] = {
            "request_id": str(uuid4()),
            "household_id": str(uuid4()),
            "area": AREA,
            "address": "滨河路1号",
            "residents": [self.resident() for _ in range(size)],
            "channel": register_pb2.REGISTRATION_CHANNEL_IMPORT,
        }
        return register_pb2.RegisterHouseholdRequest(**(values | changed))

    async def registered(self, size: int = 1, **changed: Any) -> list[UUID]:
        request = self.household(size, **changed)
        await self.call("RegisterHousehold", request, "registrar")
        return [UUID(one.resident_id) for one in request.residents]

    async def batch(self, requests: Sequence[Any], role: str = "registrar") -> list[str]:
        """The reasons of refusal in order, "" for what is stored."""
        answer = await self.call(
            "BatchRegisterHouseholds", register_pb2.BatchRegisterHouseholdsRequest(requests=requests), role
        )
        return [reason_of(result) for result in answer.results]

    def wanted(self, holder: UUID, *, days: Sequence[int] = (0,), **changed: Any) -> pass_pb2.IssuePassesRequest:
        today = day_number(local_day(self.world.clock.now()))
        values: dict[str, Any] = {
            "request_id": str(uuid4()),
            "resident_id": str(holder),
            "keys": [pass_pb2.DayPhoneKey(day=today + offset, phone_key=phone_key()) for offset in days],
        }
        return pass_pb2.IssuePassesRequest(**(values | changed))

    async def drill(self, drill_id: str = "drill-1", *, ended: bool = False) -> str:
        await self.world.pool.execute(
            "INSERT INTO drills (drill_id, title, area, started_by, started_at, ended_by, ended_at) "
            "VALUES ($1, '演练', '141102', 'command', now(), $2, $3)",
            drill_id,
            "command" if ended else None,
            self.world.clock.now() if ended else None,
        )
        return drill_id

    async def count(self, table: str) -> int:
        return await self.world.pool.fetchval(f"SELECT count(*) FROM {table}")


def reason_of(result: Any) -> str:
    from chassis.rpc.status import from_proto

    if not result.HasField("error"):
        return ""
    error = from_proto(result.error)
    assert error is not None
    return error.reason


@pytest.fixture
async def desk(world: Any) -> Desk:
    """A desk that is open: keys are there, nobody is registered."""
    ring = KeyRing(world.vault)
    async with world.pool.acquire() as conn, conn.transaction():
        await changing.ensure(conn, world.vault, "lilitong.example/quarantine", world.clock.now(), lambda: b"")
        await ring.load(conn)
    keys = PersonKeys.of(world.vault)
    issuing = Issuing(world.pool, world.clock, PassMaker(world.vault, ring))
    passes = PassRpc(world.pool, world.clock, issuing, world.loop.issuer, _number)
    return Desk(world, RegisterRpc(world.pool, world.clock, keys), passes, ring, keys)


def _number(card_id: UUID) -> bytes:
    from hashlib import sha256

    return sha256(b"card" + card_id.bytes).digest()[:16]  # as the world's lists have it


@dataclass
class Running:
    """The whole service in this process, listening on a free port."""

    service: Service
    channel: Channel
    minter: Minter
    clock: Any
    settings: QuarantineSettings

    def metadata(
        self, role: str, *, areas: Sequence[str] = ("141102",), subject: str = "", purpose: str = "tracing"
    ) -> list[tuple[str, str]]:
        now = self.clock.now().timestamp()
        if role.startswith("workload:"):
            token = self.minter.workload(role.removeprefix("workload:"), now=now)
        else:
            token = self.minter.person(subject or f"{role}-1", [role], areas, now=now)
        pairs = [("authorization", f"Bearer {token}")]
        return [*pairs, ("x-purpose", purpose), ("x-purpose-ref", "case-7")] if purpose else pairs


@pytest.fixture
async def running(make_service_database: Any, clock: Any, tmp_path: Path) -> AsyncIterator[Running]:
    """Started as `python -m quarantine` starts it, without a bus."""
    database = await make_service_database("quarantine")
    minter = Minter(tmp_path / "tokens")
    settings = QuarantineSettings(
        listen="127.0.0.1:0",
        jwks=str(minter.jwks),
        issuer=ISSUER,
        audience=AUDIENCE,
        database_url=database.url("quarantine"),
        nats_url=NOWHERE_BUS,
        event_trace_key=base64.b64encode(bytes(32)).decode(),
        vault=tmp_path / "vault",
        drain_seconds=2,
    )
    service = Service("quarantine", drain_seconds=2)
    life = asyncio.create_task(service.serve(wire(settings, clock)))
    async with AsyncExitStack() as stack:
        stack.callback(structlog.reset_defaults)  # or later tests log to this one's standard error, which is closed
        stack.push_async_callback(_ended, service, life)
        await _until(lambda: bool(service.ports) or life.done())
        assert not life.done(), "the service did not start"
        channel = connect(f"127.0.0.1:{service.ports[0]}", name="test", timeout=10)
        stack.push_async_callback(channel.close)
        made = Running(service, channel, minter, clock, settings)
        await _until(lambda: service.ready)
        yield made


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("waited for 20 s in vain")


async def _ended(service: Service, life: asyncio.Task[int]) -> None:
    service.stop()
    assert await life == 0


@pytest.fixture
async def replica(world: Any) -> Replica:
    """One that has started."""
    return await Replica(world).start()


@pytest.fixture
async def owner(world: Any) -> AsyncIterator[asyncpg.Connection]:
    """As the role that migrates."""
    conn = await asyncpg.connect(world.url.replace("//quarantine:", "//quarantine_owner:"))
    yield conn
    await conn.close()

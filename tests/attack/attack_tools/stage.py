"""What attackers have before them: running services, a world in them, and what a thief could have got hold of."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import access_table
import asyncpg
import grpc
from access_matrix.callers import PURPOSE, Callers, Headers
from access_matrix.doors import Rpcs
from access_matrix.making import Maker, Phone
from access_matrix.samples import people, places
from access_matrix.tables import RESTLESS
from access_matrix.world import World, new_id, new_key, now, point, public_key
from chassis.rpc.status import from_proto
from chassis.urls import with_database
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from devstack.stack import Stack
from google.protobuf.message import DecodeError
from google.rpc import status_pb2
from lilitong.quarantine.v1 import pass_pb2
from passes import cose
from passes.days import day_number, local_day
from passes.vault import DirectoryVault

SECONDS = 5.0
BATCH = 8
# What the services write by themselves, whether anybody calls or not.
OWN_WORK = (
    "outbox%", "inbox%", "consumer%", "day_set%", "ledger%", "day_reindexed", "dead_letters%", "schema_migrations",
    "duplicate_%", "merge_candidates", "spot_check_publications", *RESTLESS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. `reason`: ErrorInfo's, "" without one. `said`: all bytes that came back with a refusal."""

    code: str
    reason: str = ""
    text: str = ""
    said: bytes = field(default=b"", repr=False)
    answer: bytes | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.code} {self.reason} {self.text}".strip()


@dataclass(slots=True)
class Stage:
    """`family`: a phone whose pass shows three people; `card`: a paper card in force, `dead_card` a revoked one."""

    stack: Stack
    callers: Callers
    maker: Maker
    world: World
    channels: Mapping[str, grpc.aio.Channel]
    database: asyncpg.Connection
    vault: DirectoryVault
    venue_vault: DirectoryVault
    family: Phone
    restricted: Phone
    card: str
    dead_card: str
    other_device: tuple[str, EllipticCurvePrivateKey]
    dead_device: tuple[str, EllipticCurvePrivateKey]
    drill_id: str
    endpoints: Mapping[str, access_table.Endpoint]
    _counts: dict[str, int] = field(default_factory=dict)

    async def send(self, path: str, data: bytes, headers: Headers | tuple[tuple[str, Any], ...] = ()) -> Outcome:
        """One call with these very bytes; of a stream the first answer."""
        endpoint = self.endpoints[path]
        channel = self.channels[endpoint.service]
        metadata = tuple(headers.items()) if isinstance(headers, dict) else headers
        try:
            if endpoint.method.server_streaming:
                call = channel.unary_stream(path)(data, timeout=SECONDS, metadata=metadata)
                first = await call.read()
                call.cancel()
                return Outcome("OK", answer=b"" if first is grpc.aio.EOF else first)
            answer = await channel.unary_unary(path)(data, timeout=SECONDS, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            return refusal(error)
        return Outcome("OK", answer=answer)

    def device(self, which: tuple[str, EllipticCurvePrivateKey] | None = None) -> Headers:
        return self.callers.device(*(which or (self.world.device_id, self.world.device_key)))

    def issuer(self, *, drill: bool = False) -> tuple[EllipticCurvePrivateKey, bytes]:
        """The key that signs passes, and its kid: for what even a genuine signature must not make acceptable."""
        key = self.vault.signing_key("drill-pass-1" if drill else "pass-1")
        return key, cose.kid_of(key.public_key())

    @property
    def today(self) -> int:
        return day_number(local_day(now()))

    async def grown(self, *allowed: str) -> dict[str, int]:
        """Tables, but for `allowed`, that hold more rows than when this was last asked."""
        before, self._counts = self._counts, await self._count()
        return {
            name: rows - before[name]
            for name, rows in self._counts.items()
            if name in before and rows > before[name] and name not in allowed
        }

    async def at_rest(self) -> None:
        """Returns when nothing was written for a second: what good calls set off has come to its end."""
        end = now() + timedelta(seconds=30)
        await self.grown()
        while now() < end:
            await asyncio.sleep(1)
            if not await self.grown():
                return
        raise AssertionError("the tables never come to rest")

    async def _count(self) -> dict[str, int]:
        rows = await self.database.fetch(
            "SELECT n.nspname || '.' || c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
            " WHERE n.nspname = ANY($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND NOT c.relname LIKE ANY($2)",
            list(access_table.SERVICES),
            list(OWN_WORK),
        )
        counted = " UNION ALL ".join(
            f"SELECT '{row['name']}' AS name, count(*) AS rows FROM {row['name']}" for row in rows
        )
        return {row["name"]: row["rows"] for row in await self.database.fetch(counted)}


def refusal(error: grpc.aio.AioRpcError) -> Outcome:
    metadata: dict[str, Any] = dict(error.trailing_metadata() or ())
    encoded = metadata.get("grpc-status-details-bin", b"")
    said = (error.details() or "").encode() + b"\0" + (encoded if isinstance(encoded, bytes) else b"")
    try:
        ours = from_proto(status_pb2.Status.FromString(encoded)) if isinstance(encoded, bytes) and encoded else None
    except DecodeError:
        ours = None
    return Outcome(error.code().name, ours.reason if ours else "", error.details() or "", said)


def quoted(sent: bytes, said: bytes, size: int = 8) -> bytes | None:
    """A piece of what was sent that stands in the refusal; None when nothing does. Runs of few letters do not count."""
    pieces = {said[at : at + size] for at in range(len(said) - size + 1)}
    for at in range(len(sent) - size + 1):
        piece = sent[at : at + size]
        if piece in pieces and len(set(piece)) > 3:
            return piece
    return None


@asynccontextmanager
async def staged(stack: Stack, endpoints: Mapping[str, access_table.Endpoint]) -> Any:
    """Makes the world through the public API."""
    channels = {name: grpc.aio.insecure_channel(stack.address(name)) for name in access_table.SERVICES}
    admin_url = os.environ.get("DATABASE_URL") or stack.database.admin_url
    database = await asyncpg.connect(with_database(admin_url, stack.database_name))
    callers = Callers(stack.minter)
    maker = Maker(Rpcs(channels), callers, endpoints)
    world = await maker.world()
    home = await family(maker)
    card, dead = people.issue_card(world, ""), people.issue_card(world, "")
    texts = [(await maker.say("registrar", one)).card for one in (card, dead)]
    await maker.say("registrar", pass_pb2.RevokePaperCardRequest(request_id=new_id(), card_id=dead.card_id))
    devices = []
    for _ in range(2):
        enrolment, key = places.enroll_device(world, ""), new_key()
        enrolment.public_key = public_key(key)
        await maker.say("checkpoint_lead", enrolment)
        devices.append((enrolment.device_id, key))
    revoke = places.revoke_device(World(revoking_device_id=devices[1][0]), "")
    await maker.say("checkpoint_lead", revoke)
    stage = Stage(
        stack, callers, maker, world, channels, database, DirectoryVault(stack.folder / "vault/quarantine"),
        DirectoryVault(stack.folder / "vault/venue"), home, await maker._phone(world.restricted_id),
        texts[0], texts[1], devices[0], devices[1], world.drill_id, endpoints,
    )  # fmt: skip
    await stage.at_rest()
    try:
        yield stage
    finally:
        await database.close()
        for channel in channels.values():
            await channel.close()


async def family(maker: Maker) -> Phone:
    """A new household of three on one pass, for today and two days more."""
    home = await maker._household(3)
    holder, *others = [one.resident_id for one in home.residents]
    today = day_number(local_day(now()))
    phone = Phone(holder, {day: new_key() for day in range(today, today + 3)})
    keys = [pass_pb2.DayPhoneKey(day=day, phone_key=point(key)) for day, key in phone.keys.items()]
    request = pass_pb2.IssuePassesRequest(request_id=new_id(), resident_id=holder, companion_ids=others, keys=keys)
    answer = await maker.say("app_backend", request)
    phone.passes = {one.day: getattr(one, "pass") for one in answer.passes}
    return phone


def purpose(headers: Headers) -> Headers:
    return headers | PURPOSE

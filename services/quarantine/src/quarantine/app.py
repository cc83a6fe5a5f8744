"""The wiring of the quarantine service, to be read from top to bottom. Nothing else knows all of its parts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import asyncpg
import structlog
from chassis import idempotency, logs, telemetry
from chassis import pool as pools
from chassis.auth import TokenVerifier
from chassis.clock import Clock, OffsetFileClock, SystemClock, local_day
from chassis.events import Bus, Consumer, Relay, StreamSpec, connect, resuming, sealing
from chassis.jwks import KeySource
from chassis.partitions import maintain
from chassis.rpc.server import Server, ServerTls
from chassis.run import Service
from chassis.sweep import Sweep
from ledger.note import Signer
from lilitong.quarantine.v1 import (
    case_pb2_grpc,
    contact_pb2_grpc,
    day_set_pb2_grpc,
    drill_pb2_grpc,
    keys_pb2_grpc,
    pass_pb2_grpc,
    policy_pb2_grpc,
    register_pb2_grpc,
    restriction_pb2_grpc,
)
from passes.vault import DirectoryVault, KeyVault, roll

from quarantine.cases.approving import Approving
from quarantine.cases.contact_rpc import ContactRpc
from quarantine.cases.events import Exposures
from quarantine.cases.rpc import CaseRpc
from quarantine.daysets.issue import Issuer
from quarantine.daysets.keeping import TICK_SECONDS, Keeper
from quarantine.daysets.rpc import DaySetRpc
from quarantine.drills.rpc import DrillRpc
from quarantine.issuing.issue import Issuing
from quarantine.issuing.rpc import PassRpc
from quarantine.issuing.signing import PassMaker
from quarantine.keys import changing
from quarantine.keys.ring import KeyRing
from quarantine.keys.rpc import KeyRpc
from quarantine.people import cards
from quarantine.people.details import KEK, PersonKeys
from quarantine.policy.rpc import PolicyRpc
from quarantine.register.rpc import RegisterRpc
from quarantine.restrictions.deciding import Deciding
from quarantine.restrictions.impose import Imposer
from quarantine.restrictions.rpc import RestrictionRpc
from quarantine.restrictions.sealing import Sealer
from quarantine.settings import QuarantineSettings

_log = structlog.get_logger("quarantine.app")
STREAM = StreamSpec("QUARANTINE", ("lilitong.quarantine.>",))
MINUTE = 60.0
HOUR = 3600.0


def wire(settings: QuarantineSettings, clock: Clock | None = None) -> Callable[[Service], Awaitable[None]]:
    """What `chassis.run` needs to live as the quarantine service; `clock` is for tests."""
    return partial(build, settings, clock or clock_of(settings))


async def build(settings: QuarantineSettings, clock: Clock, service: Service) -> None:
    """Put the service together. Waits for Postgres, up to a limit; NATS may come later."""
    logs.setup("quarantine", level=settings.log_level)
    traces = telemetry.setup(
        "quarantine",
        exporter=settings.trace_exporter,
        ratio=settings.trace_ratio,
        metrics_listen=settings.metrics_listen,
    )
    await traces.start()
    service.closer("telemetry", traces.close)
    seal = sealing(settings.event_trace_key)

    # Keys of days, people and cards.
    vault = DirectoryVault(settings.vault)
    people = PersonKeys.of(vault)
    sealer = Sealer(vault.secret(KEK), vault.secret("approver-names"))
    card_secret = vault.secret(cards.SECRET)

    # Store and bus.
    pool = await _connected(settings)
    service.closer("pool", lambda: pools.close(pool), limit=8)
    await maintain(pool, clock)
    bus = connect(settings.nats_url, "quarantine")
    bus.start()
    service.closer("bus", bus.close)
    relay = Relay(pool, bus, [STREAM])
    service.task("relay", relay.run)

    # Keys that sign.
    await _roll(vault, clock)
    ring = KeyRing(vault)
    signer = await _signing_keys(settings, clock, pool, vault, ring, seal)

    # The lists of each day, and who gets on them.
    issuer = Issuer(
        vault,
        signer,
        partial(cards.number, card_secret),
        seal=seal,
        hold_back=timedelta(seconds=settings.future_flush_seconds),
    )
    keeper = Keeper(pool, issuer, clock, published=relay.wake)
    imposer = Imposer(pool, sealer, issuer, clock, published=relay.wake)
    service.task("imposer", imposer.run)

    # What venue and checkpoint find.
    exposures = Exposures(vault, sealer, found=imposer.wake)
    _consume(settings, clock, service, pool, bus, exposures)

    # What time brings about.
    sweep = Sweep()
    sweep.register("day sets", TICK_SECONDS, keeper.tick)
    sweep.register("signing keys", 5.0, partial(_load, pool, ring))
    sweep.register("day keys", MINUTE, partial(_roll, vault, clock))
    sweep.register("partitions", 10 * MINUTE, partial(maintain, pool, clock))
    sweep.register("waiting lists", HOUR, keeper.forget)
    sweep.register("answers", HOUR, partial(_forget_answers, pool, clock))
    service.task("sweep", sweep.run)

    # The door.
    verifier = TokenVerifier(KeySource(settings.jwks), issuer=settings.issuer, audience=settings.audience, clock=clock)
    server = Server(settings.listen, authenticators=[verifier], tls=_tls(settings))
    parts = Parts(settings, clock, pool, vault, ring, signer, people, sealer, issuer, imposer, relay, card_secret)
    _serve(server, parts, seal)
    service.server(server)
    service.check("store", lambda: _answers(pool))
    service.check("day keys", lambda: bool(vault.day_key(local_day(clock.now()))))
    service.check("signing keys", lambda: ring.complete)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the servicers are made of."""

    settings: QuarantineSettings
    clock: Clock
    pool: asyncpg.Pool
    vault: KeyVault
    ring: KeyRing
    signer: Signer
    people: PersonKeys
    sealer: Sealer
    issuer: Issuer
    imposer: Imposer
    relay: Relay
    card_secret: bytes


def _serve(server: Server, parts: Parts, seal: Callable[[], bytes]) -> None:
    """Every service of the contract, each with what it needs."""
    pool, clock, told = parts.pool, parts.clock, parts.relay.wake
    issuing = Issuing(pool, clock, PassMaker(parts.vault, parts.ring))
    approving = Approving(parts.vault, parts.sealer, seal)
    deciding = Deciding(parts.sealer, parts.issuer)
    server.add(RegisterRpc(pool, clock, parts.people), register_pb2_grpc.add_RegisterServiceServicer_to_server)
    server.add(
        PassRpc(pool, clock, issuing, parts.issuer, parts.card_secret), pass_pb2_grpc.add_PassServiceServicer_to_server
    )
    server.add(KeyRpc(parts.ring, clock), keys_pb2_grpc.add_KeyServiceServicer_to_server)
    server.add(PolicyRpc(pool, clock), policy_pb2_grpc.add_PolicyServiceServicer_to_server)
    server.add(
        CaseRpc(pool, clock, approving, published=told, confirmed=parts.imposer.wake),
        case_pb2_grpc.add_CaseServiceServicer_to_server,
    )
    server.add(ContactRpc(pool, clock, parts.sealer), contact_pb2_grpc.add_ContactServiceServicer_to_server)
    server.add(
        RestrictionRpc(pool, clock, deciding, parts.sealer, parts.signer, published=told),
        restriction_pb2_grpc.add_RestrictionServiceServicer_to_server,
    )
    server.add(DaySetRpc(pool, clock), day_set_pb2_grpc.add_DaySetServiceServicer_to_server)
    server.add(DrillRpc(pool, clock, parts.issuer, told), drill_pb2_grpc.add_DrillServiceServicer_to_server)


def _consume(
    settings: QuarantineSettings, clock: Clock, service: Service, pool: asyncpg.Pool, bus: Bus, exposures: Exposures
) -> None:
    around = resuming(settings.event_trace_key, "quarantine-exposures")
    for subscription in exposures.subscriptions(around=around):
        consumer = Consumer(pool, bus, subscription, clock)
        service.task(subscription.durable, consumer.run)


async def _connected(settings: QuarantineSettings) -> asyncpg.Pool:
    """The pool, as soon as Postgres answers: a database that starts beside us is no reason to fail."""
    limit = time.monotonic() + settings.start_seconds
    while True:
        try:
            return await pools.create(settings.database_url, application_name="quarantine", max_size=settings.pool_size)
        except (OSError, asyncpg.CannotConnectNowError, asyncpg.TooManyConnectionsError):
            if time.monotonic() > limit:
                raise
            _log.warning("waiting_for_postgres")
            await asyncio.sleep(0.5)


async def _signing_keys(
    settings: QuarantineSettings,
    clock: Clock,
    pool: asyncpg.Pool,
    vault: KeyVault,
    ring: KeyRing,
    seal: Callable[[], bytes],
) -> Signer:
    """Make the first keys if there are none, take over the list; who signs the log."""
    async with pool.acquire() as conn, conn.transaction():
        await changing.ensure(conn, vault, settings.log_origin, clock.now(), seal)
    await _load(pool, ring)
    return ring.log_signer(clock.now())


async def _load(pool: asyncpg.Pool, ring: KeyRing) -> None:
    async with pool.acquire() as conn:
        await ring.load(conn)


async def _roll(vault: KeyVault, clock: Clock) -> None:
    """Day keys eight days ahead, none older than 14 full days. In a thread: destruction waits for the disk."""
    await asyncio.to_thread(roll, vault, local_day(clock.now()))


async def _forget_answers(pool: asyncpg.Pool, clock: Clock) -> None:
    async with pool.acquire() as conn:
        await idempotency.purge(conn, local_day(clock.now()) - timedelta(days=idempotency.KEEP_DAYS))


async def _answers(pool: asyncpg.Pool) -> bool:
    return bool(await pool.fetchval("SELECT true", timeout=1.0))


def clock_of(settings: QuarantineSettings) -> Clock:
    """The machine's clock, or in devstack one that can be moved."""
    return SystemClock() if settings.clock_file is None else OffsetFileClock(settings.clock_file)


def _tls(settings: QuarantineSettings) -> ServerTls | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return ServerTls(settings.tls_certificate, settings.tls_key, settings.tls_authority)

"""The wiring of the quarantine service, to be read from top to bottom. Nothing else knows all of its parts."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import asyncpg
from chassis import idempotency, key_versions, logs
from chassis import pool as pools
from chassis.clock import Clock, local_day
from chassis.events import Consumer, Relay, resuming, sealing
from chassis.joining import bus_of, store_of
from chassis.key_versions import KeyVersionError, Versions
from chassis.partitions import maintain
from chassis.rpc.server import Server
from chassis.run import Service
from chassis.starting import clock_of, observe, server_tls, told, verifier_of
from chassis.sweep import Sweep
from lilitong.quarantine.v1 import keys_pb2_grpc, pass_pb2_grpc, register_pb2_grpc
from passes.errors import VaultError
from passes.vault import DirectoryVault, KeyVault, roll

from quarantine import loop
from quarantine.bus import STREAM
from quarantine.issuing.issue import Issuing
from quarantine.issuing.rpc import PassRpc
from quarantine.issuing.signing import PassMaker
from quarantine.keys import changing, watch
from quarantine.keys.ring import KeyRing
from quarantine.keys.rpc import KeyRpc
from quarantine.people import cards, rewrapping
from quarantine.people.details import PersonKeys
from quarantine.people.wrapping import Wrapping, keks_of
from quarantine.register.rpc import RegisterRpc
from quarantine.settings import QuarantineSettings

MINUTE = 60.0
HOUR = 3600.0


def wire(settings: QuarantineSettings, clock: Clock | None = None) -> Callable[[Service], Awaitable[None]]:
    """What `chassis.run` needs to live as the quarantine service; `clock` is for tests."""
    return partial(build, settings, clock or clock_of(settings))


async def build(settings: QuarantineSettings, clock: Clock, service: Service) -> None:
    """Put the service together. Waits for Postgres, up to a limit; NATS may come later."""
    logs.setup("quarantine", level=settings.log_level)
    await observe(service, settings, {"vault": settings.vault})
    seal = sealing(settings.event_trace_key)

    # Store, bus and vault.
    with told(settings.variable("vault"), VaultError):
        vault = DirectoryVault(settings.vault, provided=settings.vault_provided)
    pool = await store_of(
        settings, wait=settings.start_seconds, application_name="quarantine", max_size=settings.pool_size
    )
    service.closer("pool", lambda: pools.close(pool), limit=8)
    await maintain(pool, clock)
    bus = bus_of(service, settings)
    relay = Relay(pool, bus, [STREAM])
    service.task("relay", relay.run)

    # Keys that sign.
    await _roll(vault, clock)
    ring = KeyRing(vault)
    await _first_keys(settings, clock, pool, vault, seal)
    keks = keks_of(vault)
    with told(settings.variable("vault"), VaultError, KeyVersionError):
        await _known_keks(clock, pool, keks)
    wrapping = Wrapping(keks)
    await _load(pool, clock, ring, keks)

    # The closed loop: what venue and checkpoint find, who is restricted, the lists of each day.
    with told(settings.variable("vault"), VaultError):
        card_number = partial(cards.number, vault.secret(cards.SECRET))
    log_name, log_key = ring.log(clock.now())
    parts = loop.build(
        pool,
        clock,
        vault,
        log_name=log_name,
        log_key=log_key,
        card_number=card_number,
        published=relay.wake,
        seal=seal,
        hold_back=timedelta(seconds=settings.future_flush_seconds),
        wrapping=wrapping,
    )
    service.task("imposer", parts.imposer.run)
    for subscription in parts.subscriptions(around=resuming(settings.event_trace_key, "quarantine-exposures")):
        service.task(subscription.durable, Consumer(pool, bus, subscription, clock).run)

    # What time brings about.
    sweep = Sweep()
    parts.register(sweep)
    sweep.register("signing keys", 5.0, partial(_load, pool, clock, ring, keks))
    sweep.register("day keys", MINUTE, partial(_roll, vault, clock))
    sweep.register("key ages", MINUTE, partial(watch.signing_keys, pool))
    sweep.register("partitions", 10 * MINUTE, partial(maintain, pool, clock))
    sweep.register("answers", HOUR, partial(_forget_answers, pool, clock))
    service.task("sweep", sweep.run)

    # The door.
    server = Server(
        settings.listen,
        authenticators=[verifier_of(settings, clock)],
        tls=server_tls(settings),
        health_listen=settings.health_listen,
    )
    people = PersonKeys.of(vault, wrapping)
    issuing = Issuing(pool, clock, PassMaker(vault, ring))
    server.add(RegisterRpc(pool, clock, people), register_pb2_grpc.add_RegisterServiceServicer_to_server)
    server.add(
        PassRpc(pool, clock, issuing, parts.issuer, card_number), pass_pb2_grpc.add_PassServiceServicer_to_server
    )
    server.add(KeyRpc(pool, ring, clock), keys_pb2_grpc.add_KeyServiceServicer_to_server)
    for servicer, add in parts.servicers:
        server.add(servicer, add)
    service.server(server)
    service.check("store", lambda: _answers(pool))
    service.check("day keys", lambda: bool(vault.day_key(local_day(clock.now()))))
    service.check("signing keys", lambda: ring.complete)


async def _first_keys(
    settings: QuarantineSettings, clock: Clock, pool: asyncpg.Pool, vault: KeyVault, seal: Callable[[], bytes]
) -> None:
    async with pool.acquire() as conn, conn.transaction():
        await changing.ensure(conn, vault, settings.log_origin, clock.now(), seal)


async def _known_keks(clock: Clock, pool: asyncpg.Pool, keks: Versions[bytes]) -> None:
    """Not one person's record may be out of reach because a KEK is missing, or was changed for another under its name."""
    async with pool.acquire() as conn, conn.transaction():
        await rewrapping.not_without_first(conn, keks)
        await key_versions.ensure(conn, [keks], clock.now())


async def _load(pool: asyncpg.Pool, clock: Clock, ring: KeyRing, keks: Versions[bytes]) -> None:
    async with pool.acquire() as conn:
        await ring.load(conn)
        await key_versions.load(conn, [keks], clock.now())


async def _roll(vault: KeyVault, clock: Clock) -> None:
    """Day keys eight days ahead, none older than 14 full days. In a thread: destruction waits for the disk."""
    today = local_day(clock.now())
    await asyncio.to_thread(roll, vault, today)
    await asyncio.to_thread(watch.day_keys, vault, today)


async def _forget_answers(pool: asyncpg.Pool, clock: Clock) -> None:
    async with pool.acquire() as conn:
        await idempotency.purge(conn, local_day(clock.now()) - timedelta(days=idempotency.KEEP_DAYS))


async def _answers(pool: asyncpg.Pool) -> bool:
    return bool(await pool.fetchval("SELECT true", timeout=1.0))

"""The only wiring of the checkpoint service: read it from top to bottom."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import asyncpg
from chassis import idempotency, partitions, pool
from chassis.clock import Clock, local_day
from chassis.events import Broadcast, Consumer, Durable, Handler, Relay, Subscription, resuming, sealing
from chassis.joining import bus_of, store_of
from chassis.rpc import channel
from chassis.rpc.server import Server
from chassis.run import Service
from chassis.starting import channel_tls, clock_of, observe, server_tls, token_of, verifier_of
from chassis.sweep import Sweep
from daysets import projection
from daysets.follower import Follower
from daysets.index import DaySetIndex
from daysets.trust_store import TrustStore
from lilitong.checkpoint.v1.post_pb2_grpc import add_PostServiceServicer_to_server
from lilitong.checkpoint.v1.scan_pb2_grpc import add_ScanServiceServicer_to_server

from checkpoint.bus import DIRECTORY_BELL, KEYS, LIST_BELL, SEARCHES, SEGMENTS, STREAM
from checkpoint.posts.authentication import DeviceAuthenticator
from checkpoint.posts.directory import Directory
from checkpoint.posts.rpc import PostRpc
from checkpoint.scanning.lists import Lists
from checkpoint.scanning.recorder import CONNECTIONS, Recorder
from checkpoint.scanning.rpc import ScanRpc
from checkpoint.scanning.snapshot import IDEMPOTENT, Snapshots
from checkpoint.searches.events import search_handler
from checkpoint.settings import CheckpointSettings
from checkpoint.sync.seen import SECONDS, Seen
from checkpoint.sync.stream import SyncStreams

NAME = "checkpoint"
HOT: tuple[str, ...] = (
    "/lilitong.checkpoint.v1.ScanService/Scan",
    "/lilitong.checkpoint.v1.ScanService/RecordScans",
)


def build(settings: CheckpointSettings, clock: Clock | None = None) -> Callable[[Service], Awaitable[None]]:
    """What `chassis.run` needs to bring the service up; a test gives its own clock."""
    return partial(wire, settings=settings, clock=clock or clock_of(settings))


async def wire(service: Service, *, settings: CheckpointSettings, clock: Clock) -> None:
    """Registers everything that the service is made of."""
    await observe(service, settings)

    # Scans have connections of their own: a slow search or a burst of events never keeps them waiting.
    db = await store_of(settings, application_name=NAME, max_size=settings.pool_size)
    service.closer("pool", lambda: pool.close(db), limit=8)
    hot = await store_of(
        settings,
        application_name=f"{NAME}-scans",
        min_size=CONNECTIONS,
        max_size=2 * CONNECTIONS,
        statement_seconds=5.0,
        lock_seconds=2.0,
    )
    service.closer("scans_pool", lambda: pool.close(hot), limit=8)
    await partitions.maintain(db, clock)

    bus = bus_of(service, settings)
    seal = sealing(settings.event_trace_key)
    relay = Relay(db, bus, [STREAM])
    service.task("relay", relay.run)

    quarantine = channel.connect(
        settings.quarantine_target,
        name=NAME,
        tls=channel_tls(settings),
        retry=IDEMPOTENT,
        token=token_of(NAME, settings, clock),
    )
    service.closer("quarantine", quarantine.close)
    snapshots = Snapshots(quarantine)

    trust = TrustStore(db, clock, fetch=snapshots.keys)
    index = DaySetIndex(lambda: trust.keys.logs)
    list_bell = Broadcast(bus, LIST_BELL)
    service.closer("list_bell", list_bell.close)
    follower = Follower(db, index, clock, fetch_snapshot=snapshots.segments, bell=list_bell)

    directory_bell = Broadcast(bus, DIRECTORY_BELL)
    service.closer("directory_bell", directory_bell.close)
    directory = Directory(db, clock, directory_bell)

    def consumer(durable: Durable, handler: Handler) -> Consumer:
        around = resuming(settings.event_trace_key, durable.name)
        made = Consumer(db, bus, Subscription(NAME, durable, handler, around=around), clock)
        service.task(durable.name, made.run)
        return made

    segments = consumer(SEGMENTS, projection.segment_handler(lambda: trust.keys, follower.announce))
    consumer(KEYS, projection.keys_handler(trust.wake))
    consumer(SEARCHES, search_handler(clock, seal, relay.wake))

    lists = Lists(index, follower, trust, segments, bus, clock)
    streams = SyncStreams(clock, directory, lists)
    recorder = Recorder(hot, clock, relay, seal)
    service.closer("recorder", recorder.drain)
    service.task("trust", trust.run)
    service.task("follower", follower.run)
    service.task("directory", directory.run)

    sweep = Sweep()
    sweep.register("partitions", 600, lambda: partitions.maintain(db, clock))
    sweep.register("requests", 3600, lambda: _purge(db, clock))
    sweep.register("devices", SECONDS, Seen(db, clock, streams.devices).note)
    service.task("sweep", sweep.run)

    server = _server(settings, DeviceAuthenticator(directory, clock), clock)
    server.add(PostRpc(db, clock, directory, relay, seal), add_PostServiceServicer_to_server)
    server.add(ScanRpc(clock, directory, lists, recorder, streams), add_ScanServiceServicer_to_server)
    service.server(server)

    _ready(service, follower, trust, directory)


def _ready(service: Service, follower: Follower, trust: TrustStore, directory: Directory) -> None:
    """Once it was complete the list serves on with its age shown, so losing Postgres later takes no replica away."""
    complete = False

    def listed() -> bool:
        nonlocal complete
        complete = complete or follower.current
        return complete

    service.check("list", listed)
    service.check("keys", lambda: trust.ready)
    service.check("directory", lambda: directory.loaded)


def _server(settings: CheckpointSettings, devices: DeviceAuthenticator, clock: Clock) -> Server:
    return Server(
        settings.listen,
        authenticators=(devices, verifier_of(settings, clock)),
        tls=server_tls(settings),
        health_listen=settings.health_listen,
        hot=HOT,
        hot_ratio=settings.hot_trace_ratio,
    )


async def _purge(db: asyncpg.Pool, clock: Clock) -> None:
    async with db.acquire() as connection, connection.transaction():
        await idempotency.purge(connection, local_day(clock.now()) - timedelta(days=idempotency.KEEP_DAYS))

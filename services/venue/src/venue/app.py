"""The wiring of the venue service, to be read from top to bottom. Nothing else knows all of its parts."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

import asyncpg
from chassis import idempotency, key_versions, logs
from chassis import pool as pools
from chassis.clock import Clock, local_day
from chassis.events import (
    Broadcast,
    Bus,
    Consumer,
    Durable,
    Handler,
    Relay,
    Subscription,
    resuming,
    sealing,
)
from chassis.joining import bus_of, store_of
from chassis.key_versions import KeyVersionError
from chassis.partitions import maintain, reindex_closed
from chassis.rpc.server import Server
from chassis.run import Service
from chassis.starting import channel_tls, clock_of, observe, server_tls, token_of, told, verifier_of
from chassis.sweep import Sweep
from daysets import projection
from daysets.follower import Follower
from daysets.index import DaySetIndex
from daysets.segment import Segment
from daysets.trust_store import TrustStore
from ledger.note import Signer
from lilitong.venue.v1 import (
    application_pb2_grpc,
    code_task_pb2_grpc,
    cold_chain_pb2_grpc,
    document_pb2_grpc,
    duplicate_pb2_grpc,
    enforcement_pb2_grpc,
    export_pb2_grpc,
    import_pb2_grpc,
    inspection_pb2_grpc,
    obligation_pb2_grpc,
    occupancy_pb2_grpc,
    spot_check_pb2_grpc,
    summary_pb2_grpc,
    venue_pb2_grpc,
    visit_pb2_grpc,
)
from obstore.exceptions import BaseError
from passes.errors import VaultError
from passes.replay import ReplayGuard
from passes.vault import DirectoryVault

from venue.bus import KEYS, LIST_BELL, SEARCHES, SEGMENTS, STREAM, ZONE_BELL
from venue.clients import quarantine
from venue.coldchain.rpc import ColdChainServicer
from venue.documents.rendering import Renderer
from venue.documents.rpc import DocumentServicer
from venue.documents.standing import StandingOf
from venue.enforcement import room as enforcement
from venue.enforcement.inspections.photos import open_store
from venue.enforcement.papers_standing import papers_standing
from venue.exports.rpc import ExportServicer
from venue.issuers import Issuers
from venue.key_versions import VenueKeys
from venue.obligations.rpc import ObligationServicer
from venue.register import room as register
from venue.register.codes import VenueCodes
from venue.register.duplicates import finding as duplicates
from venue.register.rpc import VenueServicer
from venue.register.zones import ZoneCache
from venue.searches.again import SearchAgain
from venue.searches.events import Teller, opened_handler
from venue.searches.search import Searching
from venue.settings import VenueSettings
from venue.spotcheck import room as spotcheck
from venue.summary.rpc import FOLD_SECONDS, SummaryServicer
from venue.visits.admission import Admission
from venue.visits.check_out import CheckOuts
from venue.visits.credentials import Credentials
from venue.visits.freshness import ListState
from venue.visits.recording import Recorder
from venue.visits.rpc import VisitServicer
from venue.watch.fold import TICK_SECONDS, Fold
from venue.watch.rpc import CodeTaskServicer, OccupancyServicer

HOT = {"/lilitong.venue.v1.VisitService/CheckIn", "/lilitong.venue.v1.VisitService/BatchCheckIn"}


def wire(settings: VenueSettings, clock: Clock | None = None) -> Callable[[Service], Awaitable[None]]:
    """What `chassis.run` needs to live as the venue service; `clock` is for tests."""
    return partial(build, settings, clock or clock_of(settings))


async def build(settings: VenueSettings, clock: Clock, service: Service) -> None:
    """Put the service together. Postgres must be migrated, and is waited for; NATS and quarantine may come later."""
    logs.setup("venue", level=settings.log_level)
    await observe(service, settings, {"vault": settings.vault})
    seal = sealing(settings.event_trace_key)

    # Store and bus.
    pool = await store_of(settings, application_name="venue", max_size=settings.pool_size)
    service.closer("pool", lambda: pools.close(pool), limit=8)
    await maintain(pool, clock)
    bus = bus_of(service, settings)
    relay = Relay(pool, bus, [STREAM])
    service.task("relay", relay.run)

    lists = await _restricted_list(settings, clock, service, pool, bus)

    # The register.
    with told(settings.variable("vault"), VaultError, KeyVersionError):
        keys = await _known_keys(settings, clock, pool)
        codes = VenueCodes(keys)
        # One process signs with one key; nobody but auditors verifies it, so that the newest need not wait for other replicas.
        log = Signer(settings.log_origin, next(iter(keys.log.believed.values())))
    zone_bell = Broadcast(bus, ZONE_BELL)
    service.closer("zone bell", zone_bell.close)
    zones = ZoneCache(pool, zone_bell)
    await zones.look()
    service.task("zones", zones.run)

    # Visits, and the searches that they are held against.
    searching = Searching(Teller(seal))
    again = SearchAgain(pool, searching, relay.wake)
    service.task("search again", again.run)
    opened = Consumer(pool, bus, _subscription(settings, SEARCHES, opened_handler(searching.open, relay.wake)), clock)
    service.task("search events", opened.run)
    recorder = Recorder(pool, searching, told=relay.wake, pending=again.wake, connections=settings.commit_connections)
    service.closer("check-ins", recorder.drain)
    credentials = Credentials(lists.issuers.current, lists.index, lambda: sorted(lists.drills - {""}), ReplayGuard())
    admission = Admission(codes, zones.find, credentials, lists.index, lists.state.too_old)
    check_outs = CheckOuts(pool, clock, zones, searching, recorder.tell)

    # Inspections and the ladder; suspensions stand in the service's own log.
    with told(settings.variable("photo_store"), OSError, ValueError, BaseError):
        photos = open_store(settings.photo_store, settings.vault.parent / "venue-photos")
    enforcing = enforcement.build(
        pool,
        clock,
        log,
        photos,
        seal=seal,
        told=relay.wake,
        zones_changed=zones.announce,
    )

    # What time brings about.
    sweep = Sweep()
    await _upkeep(settings, clock, service, sweep, pool)
    service.task("sweep", sweep.run)
    # What people wait for is not held up by upkeep, which may take minutes.
    prompt = Sweep()
    prompt.register("key versions", 5.0, partial(_load_keys, pool, clock, keys, codes))
    service.task("prompt sweep", prompt.run)

    # The door.
    server = Server(
        settings.listen,
        authenticators=[verifier_of(settings, clock)],
        tls=server_tls(settings),
        health_listen=settings.health_listen,
        hot=HOT,
        hot_ratio=settings.hot_trace_ratio,
    )
    _register(clock, service, server, sweep, VenueServicer(pool, clock, codes, zones, seal, relay.wake))
    server.add(
        VisitServicer(pool, clock, admission, recorder, check_outs, lists.state.look),
        visit_pb2_grpc.add_VisitServiceServicer_to_server,
    )
    # A memory of shown codes of its own: who checks in at work and then takes up a lot may show one code for both.
    at_work = replace(credentials, replays=ReplayGuard())
    _supervision(server, prompt, enforcing, ColdChainServicer(pool, clock, log, at_work, seal=seal, told=relay.wake))
    _documents(settings, clock, service, server, pool, seal, relay)
    _figures(clock, server, sweep, prompt, pool, seal, relay)
    _spot_checks(
        server,
        sweep,
        spotcheck.build(pool, clock, log, keys.draws, seal=seal, told=relay.wake),
    )
    service.server(server)
    service.check("zones", lambda: zones.loaded)


async def _upkeep(settings: VenueSettings, clock: Clock, service: Service, sweep: Sweep, pool: asyncpg.Pool) -> None:
    """One partition a turn, on a connection whose statements may last: it hinders nobody."""
    patient = await store_of(settings, application_name="venue upkeep", min_size=0, max_size=1, statement_seconds=110)
    service.closer("upkeep pool", lambda: pools.close(patient), limit=8)
    sweep.register("partitions", 600, lambda: maintain(pool, clock))
    sweep.register("answers", 3600, partial(_forget_answers, pool, clock))
    sweep.register("closed partitions", 600, lambda: reindex_closed(patient, clock))


def _register(clock: Clock, service: Service, server: Server, sweep: Sweep, venues: VenueServicer) -> None:
    """The register, and what leads into it and tidies it up: applications, imports, likely duplicates."""
    rooms = register.build(
        venues.pool, clock, venues.codes, seal=venues.seal, told=venues.wake, zones_changed=venues.zones.announce
    )
    service.task("imports", rooms.importing.run)
    sweep.register("duplicates", duplicates.SECONDS, rooms.finding.tick)
    sweep.register("abandoned imports", 3600, rooms.importing.forget_abandoned)
    server.add(venues, venue_pb2_grpc.add_VenueServiceServicer_to_server)
    server.add(rooms.applications, application_pb2_grpc.add_ApplicationServiceServicer_to_server)
    server.add(rooms.imports, import_pb2_grpc.add_ImportServiceServicer_to_server)
    server.add(rooms.duplicates, duplicate_pb2_grpc.add_DuplicateServiceServicer_to_server)


def _supervision(server: Server, prompt: Sweep, enforcing: enforcement.Room, cold_chain: ColdChainServicer) -> None:
    prompt.register("ladder", enforcement.TICK_SECONDS, enforcing.clocks.tick)
    server.add(enforcing.inspections, inspection_pb2_grpc.add_InspectionServiceServicer_to_server)
    server.add(enforcing.enforcement, enforcement_pb2_grpc.add_EnforcementServiceServicer_to_server)
    server.add(cold_chain, cold_chain_pb2_grpc.add_ColdChainServiceServicer_to_server)


def _spot_checks(server: Server, sweep: Sweep, checks: spotcheck.Room) -> None:
    sweep.register("spot checks", spotcheck.TICK_SECONDS, checks.clocks.tick)
    server.add(checks.servicer, spot_check_pb2_grpc.add_SpotCheckServiceServicer_to_server)


def _documents(
    settings: VenueSettings,
    clock: Clock,
    service: Service,
    server: Server,
    pool: asyncpg.Pool,
    seal: Callable[[], bytes],
    relay: Relay,
) -> None:
    """Documents are kept as content and made into sheets when asked for; letters and notices are documents that are served."""
    renderer = Renderer(settings.verification_url)
    service.closer("renderer", renderer.close)
    standing = StandingOf(papers_standing)
    server.add(
        DocumentServicer(pool, clock, renderer, standing, settings.poster_body, seal, relay.wake),
        document_pb2_grpc.add_DocumentServiceServicer_to_server,
    )
    server.add(
        ObligationServicer(pool, clock, seal, relay.wake), obligation_pb2_grpc.add_ObligationServiceServicer_to_server
    )


def _figures(
    clock: Clock,
    server: Server,
    sweep: Sweep,
    prompt: Sweep,
    pool: asyncpg.Pool,
    seal: Callable[[], bytes],
    relay: Relay,
) -> None:
    """What is counted of an area: its summary, crowds, suspicious codes; and tables as files."""
    exports = ExportServicer(pool, clock)
    sweep.register("exports", 3600, exports.forget)
    server.add(exports, export_pb2_grpc.add_ExportServiceServicer_to_server)
    summary = SummaryServicer(pool, clock)
    sweep.register("summary", FOLD_SECONDS, summary.fold)
    server.add(summary, summary_pb2_grpc.add_SummaryServiceServicer_to_server)
    prompt.register("watch", TICK_SECONDS, Fold(pool, clock, seal, relay.wake).tick)
    server.add(OccupancyServicer(pool), occupancy_pb2_grpc.add_OccupancyServiceServicer_to_server)
    tasks = CodeTaskServicer(pool, clock, seal, relay.wake)
    server.add(tasks, code_task_pb2_grpc.add_CodeTaskServiceServicer_to_server)


@dataclass(frozen=True, slots=True)
class RestrictedList:
    """The list in memory, who may issue passes, the drills that have a list, and how fresh all that is."""

    index: DaySetIndex
    issuers: Issuers
    drills: set[str]
    state: ListState


async def _restricted_list(
    settings: VenueSettings, clock: Clock, service: Service, pool: asyncpg.Pool, bus: Bus
) -> RestrictedList:
    """Verdicts need nothing but this memory; it follows quarantine's events, from a snapshot on."""
    peer = quarantine(settings.quarantine_target, token_of("venue", settings, clock), channel_tls(settings))
    service.closer("quarantine", peer.close)
    trust = TrustStore(pool, clock, fetch=peer.keys)
    issuers = Issuers(trust)
    index = DaySetIndex(lambda: trust.keys.logs)
    list_bell = Broadcast(bus, LIST_BELL)
    service.closer("list bell", list_bell.close)
    follower = Follower(pool, index, clock, fetch_snapshot=peer.segments, bell=list_bell)
    trust.on_change(follower.recheck)
    drills: set[str] = set()
    follower.on_change(partial(_note_drills, drills))
    await trust.reload()
    service.task("keys", trust.run)
    service.task("day sets", follower.run)
    subscribe = partial(_subscription, settings)
    segments = Consumer(
        pool,
        bus,
        subscribe(SEGMENTS, projection.segment_handler(lambda: trust.keys, follower.announce)),
        clock,
    )
    service.task("day set events", segments.run)
    keys_changed = Consumer(pool, bus, subscribe(KEYS, projection.keys_handler(trust.wake)), clock)
    service.task("key events", keys_changed.run)
    state = ListState(index, follower, segments, clock)
    # Ready once, ready for good: with Postgres or the bus away verdicts go on from memory and say that they are degraded.
    service.check("keys", lambda: trust.ready)
    service.check("day sets", _once(lambda: follower.current))
    return RestrictedList(index, issuers, drills, state)


def _subscription(settings: VenueSettings, durable: Durable, handler: Handler) -> Subscription:
    return Subscription("venue", durable, handler, around=resuming(settings.event_trace_key, durable.name))


def _note_drills(drills: set[str], segments: Sequence[Segment]) -> None:
    drills.update(segment.drill_id for segment in segments)


def _once(check: Callable[[], bool]) -> Callable[[], bool]:
    """True from the first time that `check` is."""
    held = False

    def holds() -> bool:
        nonlocal held
        held = held or check()
        return held

    return holds


async def _known_keys(settings: VenueSettings, clock: Clock, pool: asyncpg.Pool) -> VenueKeys:
    """One that is missing, or that is another than it was, is told now and not at the first draw."""
    vault = DirectoryVault(settings.vault, provided=settings.vault_provided)
    keys = VenueKeys.of(vault, brought=settings.vault_provided is not None)
    async with pool.acquire() as conn, conn.transaction():
        await key_versions.ensure(conn, keys.every, clock.now())
    return keys


async def _load_keys(pool: asyncpg.Pool, clock: Clock, keys: VenueKeys, codes: VenueCodes) -> None:
    async with pool.acquire() as connection:
        await key_versions.load(connection, keys.every, clock.now())
    codes.take_over()


async def _forget_answers(pool: asyncpg.Pool, clock: Clock) -> None:
    async with pool.acquire() as connection:
        await idempotency.purge(connection, local_day(clock.now()) - timedelta(days=idempotency.KEEP_DAYS))

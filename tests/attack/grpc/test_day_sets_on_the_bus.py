"""Day sets that are not what the log holds, put on the bus as if quarantine had said so.

By whoever gets hold of a connection to NATS, without the log's key. Nobody may be denied anything on them.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import cbor2
import nats
import pytest
import pytest_asyncio
from access_matrix.callers import bearer
from access_matrix.world import now
from attack_tools.day_sets import REF, Log
from attack_tools.hand import Hand
from attack_tools.stage import family
from chassis.events import Event
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets import wire
from daysets.segment import Entry, Segment
from devstack.stack import Stack
from google.protobuf.message import Message
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.quarantine.v1 import keys_pb2
from lilitong.venue.v1 import visit_pb2
from passes import venue_code
from passes.days import local_day

pytestmark = [pytest.mark.slow, pytest.mark.feature("S2"), pytest.mark.feature("C4"), pytest.mark.feature("R9")]
SUBJECT = "lilitong.quarantine.restricted.v1.segment"


@pytest_asyncio.fixture(loop_scope="session", scope="module", name="bus")
async def _bus(stage):
    client = await nats.connect(bus_url(stage.stack))
    yield client
    await client.close()


def bus_url(stack: Stack) -> str:
    return os.environ.get("NATS_URL") or (stack.bus.url if stack.bus else "")


@pytest_asyncio.fixture(loop_scope="session", scope="module", name="victim")
async def _victim(stage):
    """A phone at a gate whose holder is free to pass, until forged events name them; of no use to other tests then."""
    return Hand(stage, b"", await family(stage.maker))


def tag_of(victim: Hand) -> bytes:
    tag: bytes = cbor2.loads(victim.parts()[2])[-65537][0]
    return tag


def event(message: Message, day: object, *, subject: str = SUBJECT, drill_id: str = "", **odd: object) -> Event:
    made = Event.of(message, subject=subject, aggregate=secrets.token_hex(8), day=day, drill_id=drill_id)
    return replace(made, **odd)


INJECTED: dict[str, Callable[[bytes, Log], Event]] = {
    "proven by another log": lambda tag, log: _told(log.segment(900, [Entry(tag, 1, REF)], day=_today())),
    "of a new generation": lambda tag, log: _told(log.segment(1, [Entry(tag, 1, REF)], day=_today(), generation=10_000)),
    "without a proof": lambda tag, log: _told(replace(log.segment(901, [Entry(tag, 1, REF)], day=_today()), proof=(), checkpoint=b"")),
    "for a drill that nobody started": lambda tag, log: _told(log.segment(1, [Entry(tag, 1, REF)], day=_today(), drill_id="evil"), drill_id="evil"),
    "a card that stands for nobody": lambda tag, log: _told(log.segment(902, [], day=_today(), cards=[(b"\x01" * 8, tag)])),
    "of another day than its envelope": lambda tag, log: event(wire.to_message(log.segment(903, [Entry(tag, 1, REF)], day=_today())), _today() + timedelta(days=1)),
    "of another drill than its envelope": lambda tag, log: _told(log.segment(904, [Entry(tag, 1, REF)], day=_today()), drill_id="x"),
    "of another type": lambda tag, log: replace(_told(log.segment(905, [Entry(tag, 1, REF)], day=_today())), type="lilitong.quarantine.v1.SearchOpened"),
    "with a body that is none": lambda tag, log: replace(_told(log.segment(906, [Entry(tag, 1, REF)], day=_today())), payload=b"\xff" * 40 + tag),
    "with records cut short": lambda tag, log: _told(replace(log.segment(907, [Entry(tag, 1, REF)], day=_today()), entries=tag)),
    "of a day that is none": lambda tag, log: replace(_told(log.segment(908, [Entry(tag, 1, REF)], day=_today())), payload=b"\x08\xff\xff\xff\xff\x0f"),
}  # fmt: skip


def _today():
    return local_day(now())


def _told(segment: Segment, **options: str) -> Event:
    return event(wire.to_message(segment), segment.day, **options)


async def scanned(stage, victim: Hand, seconds: float) -> scan_pb2.ScanResponse:
    request = scan_pb2.ScanRequest(
        scan_id=secrets.token_bytes(8),
        credential=victim.shown(seconds=seconds).to_text(),
        observations=scan_pb2.Observations(
            temperature_decicelsius=366,
            health_code=scan_pb2.CODE_COLOUR_GREEN,
            itinerary_card=scan_pb2.CODE_COLOUR_GREEN,
        ),
    )
    outcome = await stage.send("/lilitong.checkpoint.v1.ScanService/Scan", request.SerializeToString(), stage.device())
    return scan_pb2.ScanResponse.FromString(outcome.answer)


async def checked_in(stage, victim: Hand, seconds: float) -> visit_pb2.CheckInResponse:
    at_door = Hand(stage, venue_code.parse(stage.world.venue_code).to_bytes(), victim.phone)
    request = visit_pb2.CheckInRequest(
        visit_key=secrets.token_bytes(8),
        credential=at_door.shown(seconds=seconds).to_text(),
        venue_code=stage.world.venue_code,
    )
    token = bearer(stage.stack.token("app_backend"))
    outcome = await stage.send("/lilitong.venue.v1.VisitService/CheckIn", request.SerializeToString(), token)
    return visit_pb2.CheckInResponse.FromString(outcome.answer)


async def taken(stage, before: int) -> None:
    """Returns when checkpoint and venue have dealt with one more event each, in whatever way."""
    for _ in range(100):
        if await dealt_with(stage) >= before + 2:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the event was never dealt with")


async def dealt_with(stage) -> int:
    total = 0
    for schema in ("checkpoint", "venue"):
        for table in ("inbox", "dead_letters"):
            total += await stage.database.fetchval(f"SELECT count(*) FROM {schema}.{table}")
    return total


@pytest.mark.parametrize("name", INJECTED)
async def test_a_forged_event_on_the_bus_denies_nobody(name, bus, stage, victim, request):
    index = request.node.callspec.indices["name"]
    before = await dealt_with(stage)
    forged = INJECTED[name](tag_of(victim), Log(seed=40 + index))
    await bus.jetstream().publish(forged.subject, forged.payload, headers=dict(forged.headers()))
    await taken(stage, before)
    await asyncio.sleep(0.3)  # the replica's list follows what is stored
    answer = await scanned(stage, victim, -4 * index)
    assert answer.verdict in {scan_pb2.VERDICT_REFER, scan_pb2.VERDICT_ALLOW}
    assert not answer.denials
    reasons = {one.reason for one in answer.reasons}
    assert reasons <= {scan_pb2.SCAN_REASON_UNPROVEN_DENIAL}
    assert (await checked_in(stage, victim, -4 * index)).outcome != visit_pb2.CHECK_IN_OUTCOME_REFUSED


async def test_a_forged_lift_on_the_bus_frees_nobody(bus, stage):
    before, victim = await dealt_with(stage), Hand(stage, b"")
    token = stage.restricted.passes[stage.today]
    tag = cbor2.loads(cbor2.loads(token).value[2])[-65537][0]
    forged = _told(Log(seed=90).segment(950, [Entry(tag, 1, REF, lift=True)], day=_today()))
    await bus.jetstream().publish(forged.subject, forged.payload, headers=dict(forged.headers()))
    await taken(stage, before)
    await asyncio.sleep(0.3)
    answer = await scanned_token(stage, victim, token, stage.restricted.keys[stage.today], -40)
    assert answer.verdict == scan_pb2.VERDICT_DENY


async def test_a_log_and_an_issuer_named_on_the_bus_are_not_believed(bus, stage, victim):
    """Keys of one's own in quarantine's name, and at once a well proven list under them."""
    evil, before = Log(seed=91), await dealt_with(stage)
    log_key = Ed25519PrivateKey.from_private_bytes(bytes([91]) * 32).public_key()
    der = log_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = keys_pb2.VerificationKey(kid=b"forged..", use=keys_pb2.KEY_USE_LOG, public_key=der, origin=evil.signer.name)
    told = event(keys_pb2.VerificationKeysChanged(keys=[key]), _today(), subject="lilitong.quarantine.key.v1.changed")
    await bus.jetstream().publish(told.subject, told.payload, headers=dict(told.headers()))
    await taken(stage, before)
    forged = _told(evil.segment(951, [Entry(tag_of(victim), 1, REF)], day=_today()))
    await bus.jetstream().publish(forged.subject, forged.payload, headers=dict(forged.headers()))
    await taken(stage, before + 2)
    await asyncio.sleep(0.5)
    answer = await scanned(stage, victim, -50)
    assert answer.verdict in {scan_pb2.VERDICT_REFER, scan_pb2.VERDICT_ALLOW}
    kids = await stage.database.fetch(
        "SELECT kid FROM checkpoint.verification_keys UNION SELECT kid FROM venue.verification_keys"
    )
    assert kids
    assert b"forged.." not in {row["kid"] for row in kids}


async def test_after_all_of_it_proven_denials_still_hold(stage):
    day = stage.today
    victim = Hand(stage, b"")
    answer = await scanned_token(stage, victim, stage.restricted.passes[day], stage.restricted.keys[day], -15)
    assert answer.verdict == scan_pb2.VERDICT_DENY


async def scanned_token(stage, hand: Hand, token: bytes, key: object, seconds: float) -> scan_pb2.ScanResponse:
    request = scan_pb2.ScanRequest(
        scan_id=secrets.token_bytes(8), credential=hand.shown(token, key, seconds=seconds).to_text()
    )
    outcome = await stage.send("/lilitong.checkpoint.v1.ScanService/Scan", request.SerializeToString(), stage.device())
    return scan_pb2.ScanResponse.FromString(outcome.answer)

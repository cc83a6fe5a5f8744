"""Day sets that are not what the log holds: given to a scanner's library, and put on the bus as if quarantine had said so.

Nobody may be denied anything on them. The most that a forgery can do is to make staff look at somebody.
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
from attack_tools.hand import Hand
from attack_tools.stage import family
from chassis.events import Event
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets import wire
from daysets.index import DaySetIndex, Outcome
from daysets.segment import Entry, Segment, SegmentError
from daysets.testing import MemoryLog
from devstack.stack import Stack
from google.protobuf.message import Message
from ledger import note
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.quarantine.v1 import keys_pb2
from lilitong.venue.v1 import visit_pb2
from passes import venue_code
from passes.days import local_day
from scanner.held import Held
from verdicts.credential import Shown
from verdicts.model import Observations, Policy, Verdict
from verdicts.verdict import decide

pytestmark = [pytest.mark.slow, pytest.mark.feature("S2"), pytest.mark.feature("C4"), pytest.mark.feature("R9")]
TAG = b"\x0b" * 16
REF = b"\x0c" * 8
SUBJECT = "lilitong.quarantine.restricted.v1.segment"


class Log(MemoryLog):
    """A log with a base of the day (nobody in it), a change that denies TAG, and another that denies somebody else."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__(seed)
        day = local_day(now())
        self.base = self.segment(1, [Entry(b"\x01" * 16, 2, REF)], day=day)
        self.change = self.segment(2, [Entry(TAG, 2, REF)], day=day)
        self.other = self.segment(3, [Entry(b"\x02" * 16, 2, REF)], day=day)
        self.lift = self.segment(4, [Entry(TAG, 2, REF, lift=True)], day=day)
        self.drill = self.segment(1, [Entry(TAG, 2, REF)], day=day, drill_id="drill")


def signed_by(segment: Segment, signer: note.Signer, **changes: object) -> bytes:
    checkpoint, _ = note.parse(segment.checkpoint)
    return note.sign(replace(checkpoint, **changes), signer)


def alter(**changes: object) -> Callable[[Log], Segment]:
    return lambda log: replace(log.change, **{k: v(log.change) if callable(v) else v for k, v in changes.items()})


def flip(data: bytes, at: int) -> bytes:
    at %= len(data)
    return data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]


def stranger(name: str = "example.org/log") -> note.Signer:
    return note.Signer(name, Ed25519PrivateKey.generate())


def entries(*records: Entry) -> bytes:
    return b"".join(record.pack() for record in records)


FORGED: dict[str, Callable[[Log], Segment]] = {
    "entry: another person": alter(entries=entries(Entry(b"\x0d" * 16, 2, REF))),
    "entry: reason": alter(entries=entries(Entry(TAG, 1, REF))),
    "entry: reference": alter(entries=entries(Entry(TAG, 2, REF[:-1] + b"x"))),
    "entry: end": alter(entries=entries(Entry(TAG, 2, REF, 1440))),
    "entry: end taken away": alter(entries=entries(Entry(TAG, 2, REF, None)), salt=b"s" * 16),
    "entry: one more": alter(entries=lambda s: s.entries + entries(Entry(b"\xff" * 16, 2, REF))),
    "entry: cut short": alter(entries=lambda s: s.entries[:-1]),
    "entry: twice": alter(entries=lambda s: s.entries * 2),
    "entry: out of order": alter(entries=lambda s: entries(Entry(b"\xff" * 16, 2, REF)) + s.entries),
    "entry: a minute that is none": alter(entries=lambda s: s.entries[:-2] + b"\x7f\xff"),
    "entry: a bit off": alter(entries=lambda s: flip(s.entries, 0)),
    "entry: of a lift": lambda log: replace(log.lift, entries=entries(Entry(TAG, 2, REF))),
    "card slipped in": alter(cards=b"\x01" * 8 + TAG),
    "card cut short": alter(cards=b"\x01" * 9),
    "another day": alter(day=lambda s: s.day + timedelta(days=1)),
    "a former day": alter(day=lambda s: s.day - timedelta(days=1)),
    "another generation": alter(generation=2),
    "generation 0": alter(generation=0),
    "another number": alter(number=5),
    "number 0": alter(number=0),
    "made a base": alter(base_parts=9),
    "no base": alter(base_parts=0),
    "a drill's, made real": lambda log: replace(log.drill, drill_id="", number=7),
    "real, made a drill's": alter(drill_id="another"),
    "a drill's name too long": alter(drill_id="d" * 65),
    "another salt": alter(salt=b"s" * 16),
    "no salt": alter(salt=b""),
    "leaf 0": alter(leaf_index=0),
    "the next leaf": alter(leaf_index=lambda s: s.leaf_index + 1),
    "a leaf beyond the tree": alter(leaf_index=10**9),
    "a leaf beyond 64 bits": alter(leaf_index=2**64 - 1),
    "another size": alter(tree_size=lambda s: s.tree_size + 1),
    "size 0": alter(tree_size=0),
    "no proof": alter(proof=()),
    "proof cut short": alter(proof=lambda s: s.proof[:-1]),
    "proof with more": alter(proof=lambda s: (*s.proof, bytes(32))),
    "proof reordered": lambda log: replace(log.lift, entries=log.change.entries, number=6, proof=log.lift.proof[::-1]),
    "proof a bit off": alter(proof=lambda s: (flip(s.proof[0], 0), *s.proof[1:])),
    "proof of short hashes": alter(proof=lambda s: tuple(one[:31] for one in s.proof)),
    "proof of zeros": alter(proof=lambda s: (bytes(32),) * len(s.proof)),
    "proof of another leaf": lambda log: replace(log.change, proof=log.other.proof, leaf_index=log.other.leaf_index),
    "proof too long": alter(proof=(bytes(32),) * 100),
    "no checkpoint": alter(checkpoint=b""),
    "checkpoint not text": alter(checkpoint=b"\xff\xfe"),
    "checkpoint cut short": alter(checkpoint=lambda s: s.checkpoint[:-2]),
    "checkpoint with a line more": alter(checkpoint=lambda s: s.checkpoint + b"x\n"),
    "checkpoint unsigned": alter(checkpoint=lambda s: s.checkpoint.split(b"\n\n")[0] + b"\n\n"),
    "checkpoint of another root": lambda log: replace(log.change, checkpoint=signed_by(log.change, stranger(), root=bytes(32))),
    "checkpoint by a stranger": lambda log: replace(log.change, checkpoint=signed_by(log.change, stranger())),
    "checkpoint by a stranger of another name": lambda log: replace(
        log.change, checkpoint=signed_by(log.change, stranger("evil.example/log"), origin="evil.example/log")
    ),
    "checkpoint's size altered": alter(checkpoint=lambda s: s.checkpoint.replace(b"\n%d\n" % s.tree_size, b"\n999\n")),
    "checkpoint's root altered": alter(checkpoint=lambda s: _other_root(s.checkpoint)),
    "checkpoint's signature of another": lambda log: replace(
        log.change, checkpoint=log.change.checkpoint.split(b"\n\n")[0] + b"\n\n" + log.other.checkpoint.split(b"\n\n")[1]
    ),
    "checkpoint stale": lambda log: replace(log.change, checkpoint=log.base.checkpoint),
    "checkpoint stale, size told": lambda log: replace(
        log.change, checkpoint=log.base.checkpoint, tree_size=log.base.tree_size
    ),
    "checkpoint's spelling": alter(checkpoint=lambda s: s.checkpoint.replace(b"\n", b"\r\n")),
    "another log, well proven": lambda _: Log(9).change,
    "another log under our key's name": lambda log: replace(
        Log(9).change, checkpoint=signed_by(Log(9).change, stranger(log.signer.name))
    ),
}  # fmt: skip


def _other_root(checkpoint: bytes) -> bytes:
    lines = checkpoint.split(b"\n")
    lines[2] = lines[2][:-2] + (b"A=" if lines[2][-2:] != b"A=" else b"E=")
    return b"\n".join(lines)


HEALTHY = Observations(temperature_decicelsius=366)
LENIENT = Policy(temperature_required=False, codes_required=False, registration_required=False)


def verdicts(index: DaySetIndex) -> set[Verdict]:
    """On everybody whom some forgery names, today and on the days beside it, for real and in drills."""
    found = set()
    for tag in (TAG, b"\x0d" * 16, b"\xff" * 16, b"\x0a" + TAG[1:]):
        for drill_id in ("", "drill", "another"):
            for step in (-1, 0, 1):
                at = now() + timedelta(days=step)
                shown = Shown(local_day(at), (tag,), (0,), at, drill_id=drill_id)
                found.add(
                    decide(
                        shown,
                        observations=HEALTHY,
                        bearer_matched=True,
                        policy=LENIENT,
                        lists=index,
                        list_age_seconds=0,
                        at=at,
                    ).verdict
                )
    return found


@pytest.fixture
def log():
    return Log()


def test_the_genuine_change_denies(log):
    """Without this, nothing below would tell anything."""
    held = Held(log.keys)
    assert [held.take_segment(one) for one in (log.base, log.change)] == [Outcome.APPLIED] * 2
    assert Verdict.DENY in verdicts(held.index)
    held.take_segment(log.lift)
    assert verdicts(held.index) == {Verdict.ALLOW}


@pytest.mark.parametrize("after", ["alone", "after the base"])
@pytest.mark.parametrize("name", FORGED)
def test_a_scanner_denies_nobody_on_a_forged_set(name, after, log):
    held = Held(log.keys)
    if after == "after the base":
        held.take_segment(log.base)
    assert held.take_segment(FORGED[name](log)) in {Outcome.REFUSED, Outcome.OUTDATED}
    assert verdicts(held.index) <= {Verdict.ALLOW, Verdict.REFER}


@pytest.mark.parametrize("name", FORGED)
def test_a_forgery_neither_undoes_nor_blocks_what_is_proven(name, log):
    held = Held(log.keys)
    held.take_segment(log.base)
    held.take_segment(FORGED[name](log))
    assert held.take_segment(log.change) is Outcome.APPLIED
    assert Verdict.DENY in verdicts(held.index)
    held.take_segment(FORGED[name](log))
    held.take_segment(log.lift)
    found = held.index.lookup(local_day(now()), "", TAG, now())
    assert found is None


@pytest.mark.parametrize("cut", [0, 1, 5, 20, -20, -1])
def test_a_set_cut_short_on_the_wire_is_none(cut, log):
    data = wire.encode(log.change)[: cut or None]
    data = data if cut else b"\xff" + data
    held = Held(log.keys)
    try:
        outcome = held.take_segment(wire.decode(data))
    except SegmentError:
        return
    assert outcome is Outcome.REFUSED
    assert Verdict.DENY not in verdicts(held.index)


def test_a_log_key_from_the_server_is_not_believed(log):
    """Log keys are those of the enrolment; a server in the wrong hands cannot bring its own."""
    evil = Log(9)
    held = Held(log.keys)
    key = Ed25519PrivateKey.from_private_bytes(bytes([9]) * 32).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    listed = keys_pb2.VerificationKey(kid=b"k" * 8, use=keys_pb2.KEY_USE_LOG, public_key=der, origin=evil.signer.name)
    held.take_keys(scan_pb2.Keys(keys=[listed]), now())
    assert held.take_segment(evil.change) is Outcome.REFUSED
    assert Verdict.DENY not in verdicts(held.index)


# On the bus, in the name of quarantine: whoever gets hold of a connection to NATS, without the log's key.


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

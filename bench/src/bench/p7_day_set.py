"""P7: the bytes that a scanner is sent for each restricted person, and how long its own verdict takes, with 100,000 of them.

The lists are the issuing code's own (`p7_lists`), with their log proofs. The scanner is the reference scanner's library: its
list (`scanner.held`), and its judgement off line from the scanned text to the verdict: base45, both signatures (the issuer's
and the phone's), freshness, replay, list and policy.
"""

import gc
import logging
import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from secrets import token_bytes
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets import wire
from daysets.index import Outcome
from daysets.segment import ENTRY_SIZE
from ledger.note import Verifier
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.quarantine.v1 import keys_pb2
from passes import cose, presentation
from passes.days import local_day
from passes.pass_token import Pass, issue
from passes.tags import tags_of
from scanner.held import Held
from verdicts.model import Verdict

from bench.figure import AtMost, Measured
from bench.p4_watch import Gate
from bench.p7_lists import Quarantine, open_quarantine
from bench.run import Bench

PEOPLE: Final = 100_000
SCANS: Final = 1_000
FRAME_BYTES: Final = 5
"""What gRPC puts before each message."""


@dataclass(frozen=True, slots=True)
class List:
    """A day's list as Sync sends it to a scanner that has nothing: one message a segment."""

    messages: tuple[bytes, ...]
    records: int

    @property
    def size(self) -> int:
        return sum(len(message) + FRAME_BYTES for message in self.messages)


def as_sent(segments: Sequence[bytes]) -> List:
    """Segments, as the table holds them, as the messages that carry them."""
    messages = []
    records = 0
    for data in segments:
        segment = wire.decode(data)
        records += len(segment.entries) // ENTRY_SIZE
        messages.append(scan_pb2.SyncResponse(segment=wire.to_message(segment)).SerializeToString())
    return List(tuple(messages), records)


def held_by(log: Verifier, issuer: EllipticCurvePrivateKey, lists: Sequence[List]) -> Held:
    """A scanner that was sent these lists. RuntimeError when it does not take all of them in."""
    held = Held([log])
    now = datetime.now(UTC)
    public = issuer.public_key()
    key = keys_pb2.VerificationKey(
        kid=cose.kid_of(public),
        use=keys_pb2.KEY_USE_PASS,
        public_key=public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    )
    held.take_keys(scan_pb2.Keys(keys=[key]), now)
    for message in (message for each in lists for message in each.messages):
        segment = wire.from_message(scan_pb2.SyncResponse.FromString(message).segment)
        if held.take_segment(segment) is not Outcome.APPLIED:
            raise RuntimeError("a genuine segment was not taken in")
    beat = scan_pb2.Heartbeat(current=True)
    beat.server_time.FromDatetime(now)
    held.take_heartbeat(beat, now)
    return held


def texts(tags: Sequence[bytes], issuer: EllipticCurvePrivateKey, at: datetime) -> list[str]:
    """What each of them shows at that moment, on a phone of their own."""
    shown = []
    kid = cose.kid_of(issuer.public_key())
    for tag in tags:
        phone = generate_private_key(SECP256R1())
        token = issue(Pass(local_day(at), (tag,), cose.point_of(phone.public_key())), issuer, kid)
        shown.append(presentation.present(token, phone, at).to_text())
    return shown


@dataclass(frozen=True, slots=True)
class Timed:
    """Milliseconds of a scan's verdict: half, and all but one in a hundred; and of CPU on average."""

    median: float
    p99: float
    cpu: float


def verdicts(held: Held, shown: Sequence[tuple[str, Verdict]]) -> Timed:
    """Each text is judged once. RuntimeError when a verdict is not the one that is due."""
    gate, taken = Gate(held, lambda: datetime.now(UTC)), []
    gc.collect()
    gc.freeze()
    began = time.thread_time()
    for text, due in shown:
        start = time.perf_counter()
        now = gate.now()
        said = gate.verdict(gate.read(text, now), now).verdict
        taken.append((time.perf_counter() - start) * 1000)
        if said is not due:
            raise RuntimeError(f"{said.name} where {due.name} was due")
    cpu = (time.thread_time() - began) * 1000 / len(shown)
    gc.unfreeze()
    return Timed(statistics.median(taken), statistics.quantiles(taken, n=100)[98], cpu)


def one_run(quarantine: Quarantine, issuer: EllipticCurvePrivateKey, lists: Sequence[List]) -> Timed:
    """A thousand people, half of them restricted, at a scanner that holds the lists."""
    held = held_by(quarantine.loop.signer.verifier, issuer, lists)
    at = datetime.now(UTC)
    step = max(1, len(quarantine.people) * 2 // SCANS)
    restricted = [one.bytes for one in quarantine.people[::step]]
    free = [token_bytes(16) for _ in restricted]
    tags = tags_of(quarantine.vault.day_key(local_day(at)), [*restricted, *free])
    due = [Verdict.DENY] * len(restricted) + [Verdict.ALLOW] * len(free)
    both = list(zip(texts(tags, issuer, at), due, strict=True))
    return verdicts(held, both[::2] + both[1::2])


def memory(build: Callable[[], Held]) -> tuple[float, float]:
    """(bytes that Python holds for it, milliseconds to take it in). Traced apart from timed: tracing is slow."""
    began = time.perf_counter()
    build()
    took = (time.perf_counter() - began) * 1000
    gc.collect()
    tracemalloc.start()
    held = build()
    gc.collect()
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del held
    return float(used), took


async def measure(bench: Bench) -> list[Measured]:
    """Builds the lists once; the verdict is timed `bench.runs` times."""
    people = PEOPLE if bench.scale == 1 else max(5_000, int(PEOPLE * bench.scale))
    folder = bench.folder / "p7"
    folder.mkdir()
    folder.chmod(0o755)
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    async with AsyncExitStack() as stack:
        stack.callback(lambda: structlog.configure(**before))
        quarantine = await open_quarantine(folder, stack)
        await quarantine.restrict(people, bench.say)
        today = local_day(quarantine.clock.now())
        days = [today + timedelta(days=offset) for offset in range(3)]
        bases, additions = zip(*[await _lists(quarantine, day) for day in days], strict=True)
    issuer = generate_private_key(SECP256R1())
    timed = [one_run(quarantine, issuer, bases) for _ in range(bench.runs)]
    used, took = memory(lambda: held_by(quarantine.loop.signer.verifier, issuer, bases[:1]))
    note = f"{people:,} restricted, {len(bases[0].messages)} segments, {bases[0].records:,} entries with padding"
    memory_note = f"{used / 1e6:.1f} MB in all"
    scans = f"{SCANS:,} scans a run, half of them of restricted people"
    apart = "with whatever else ran on the machine"
    grown = f"the same people as {len(additions[0].messages)} additions, as a scanner gets them that was connected all along"
    return [
        Measured(
            "P7",
            "day set per restricted person, proofs included",
            "B",
            [b.size / people for b in bases],
            AtMost(64),
            note,
        ),
        Measured("P7", "… in additions of 500", "B", [additions[0].size / people], AtMost(64), grown),
        Measured(
            "P7",
            "scanner's verdict off line, both signatures",
            "ms",
            [t.median for t in timed],
            AtMost(1),
            scans,
        ),
        Measured("P7", "… p99", "ms", [t.p99 for t in timed], note=apart),
        Measured("P7", "… CPU", "ms", [t.cpu for t in timed]),
        Measured(
            "P7",
            "scanner's memory per restricted person, one day",
            "B",
            [used / people],
            note=memory_note,
        ),
        Measured("P7", "one day's list taken in, every proof verified", "ms", [took]),
    ]


async def _lists(quarantine: Quarantine, day: date) -> tuple[List, List]:
    """The list of the newest generation, and what the generation before it grew by."""
    found = await quarantine.published(day)
    newest = max(generation for generation, _, _ in found)
    base = as_sent([data for generation, _, data in found if generation == newest])
    return base, as_sent([data for generation, number, data in found if generation < newest and number > 1])

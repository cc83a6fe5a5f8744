# ruff: noqa: N802 - methods are named by the contract
"""A checkpoint as far as a scanner sees it: ScanService over real gRPC, with truly signed passes and proven segments."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from daysets import wire as daysets_wire
from daysets.index import DaySetIndex
from daysets.segment import Entry, Segment
from daysets.testing import MemoryLog
from daysets.trust import Key, Use, to_messages
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.checkpoint.v1.scan_pb2_grpc import ScanServiceServicer, add_ScanServiceServicer_to_server
from passes import cose, device, presentation
from passes.days import day_number, local_day
from passes.errors import PassError
from passes.pass_token import IssuerKey, Pass, issue
from passes.replay import ReplayGuard
from scanner.client import Scanner
from verdicts import texts
from verdicts.credential import Shown as ShownCredential
from verdicts.credential import read
from verdicts.model import Colour, Observations, Policy
from verdicts.verdict import decide

NOON = datetime(2022, 3, 10, 4, 0, tzinfo=UTC)
ALWAYS = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
WELL = Observations(366, Colour.GREEN, Colour.GREEN, mask_worn=True)


class HandClock:
    """Stands still until moved."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def advance(self, **step: float) -> None:
        self.at += timedelta(**step)


def spki(key: Any) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def new_tag() -> bytes:
    return secrets.token_bytes(16)


def stamp(at: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(at)
    return found


@dataclass
class Checkpoint(ScanServiceServicer):
    """Judges as the service does, from its own list; the test decides what goes wrong."""

    clock: Any
    device_id: UUID = field(default_factory=uuid4)
    device_key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))
    log: MemoryLog = field(default_factory=MemoryLog)
    list_age: int = 0
    recorded: bool = True
    revoked: bool = False
    delay: float = 0.0
    late: float = 0.0
    lose_answers: int = 0
    forgets_tokens: bool = False
    log_key_revoked: bool = False
    kept_back: list[Segment] = field(default_factory=list)
    judge: Callable[[scan_pb2.ScanRequest, scan_pb2.ScanResponse], None] | None = None

    def __post_init__(self) -> None:
        self.issuer, self.drill_issuer = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
        self.phone = generate_private_key(SECP256R1())
        self.index = DaySetIndex(lambda: self.log.keys)
        self.policy = Policy()
        self.stored: dict[bytes, list[scan_pb2.OfflineScan]] = {}
        self.requests: list[scan_pb2.ScanRequest] = []
        self.tokens: list[bytes] = []
        self.batches = 0
        self.refuse: dict[bytes, str] = {}
        self.feeds: set[asyncio.Queue[Any]] = set()
        self._replays = ReplayGuard()
        self.server: Any = None
        self.port = 0
        for day in range(-1, 3):
            self.index.apply(self.base(local_day(self.clock.now()) + timedelta(days=day)))

    # -- what it believes

    def keys(self) -> scan_pb2.Keys:
        log_key = Ed25519PublicKey.from_public_bytes(self.log.signer.verifier.public_key)
        keys = [
            Key(b"real-key", Use.PASS, spki(self.issuer.public_key()), *ALWAYS),
            Key(b"drillkey", Use.DRILL_PASS, spki(self.drill_issuer.public_key()), *ALWAYS),
            Key(
                b"log--key", Use.LOG, spki(log_key), *ALWAYS, origin=self.log.signer.name, revoked=self.log_key_revoked
            ),
        ]
        return scan_pb2.Keys(keys=to_messages(keys))

    def base(self, day: date, *, generation: int = 1) -> Segment:
        return self.log.segment(1, [Entry(new_tag(), 2, secrets.token_bytes(8))], day=day, generation=generation)

    def show(self, *tags: bytes, at: datetime | None = None, presence: int = 1, drill_id: str = "") -> str:
        at = at or self.clock.now()
        key, kid = (self.drill_issuer, b"drillkey") if drill_id else (self.issuer, b"real-key")
        token = issue(Pass(local_day(at), tags, cose.point_of(self.phone.public_key()), drill_id), key, kid)
        return presentation.present(token, self.phone, at, presence=presence).to_text()

    def restrict(
        self, *tags: bytes, number: int = 2, push: bool = True, day: date | None = None, **more: Any
    ) -> Segment:
        """A change of the list; with push=False only the server knows it, until somebody syncs anew."""
        end, drill_id, lift = more.pop("end_minute", None), more.pop("drill_id", ""), more.pop("lift", False)
        entries = [Entry(tag, more.get("reason", 2), secrets.token_bytes(8), end, lift) for tag in tags]
        segment = self.log.segment(
            number,
            entries,
            day=day or local_day(self.clock.now()),
            drill_id=drill_id,
            cards=more.get("cards", ()),
            base_parts=more.get("base_parts", 1),
        )
        self.index.apply(segment)
        if push:
            self.push(scan_pb2.SyncResponse(segment=daysets_wire.to_message(segment)))
            self.beat()
        return segment

    def push(self, message: scan_pb2.SyncResponse) -> None:
        for feed in self.feeds:
            feed.put_nowait(message)

    def beat(self) -> None:
        self.push(scan_pb2.SyncResponse(heartbeat=self.heartbeat()))

    def heartbeat(self) -> scan_pb2.Heartbeat:
        return scan_pb2.Heartbeat(
            server_time=stamp(self.clock.now()),
            list_age_seconds=self.list_age,
            resume_token=self.index.token(),
            current=True,
        )

    # -- the contract

    async def _admit(self, context: Any) -> None:
        token = dict(context.invocation_metadata()).get("authorization", "").removeprefix("Device ")
        try:
            if not self.revoked:
                device.verify(token, {self.device_id: self.device_key.public_key()}.get, self.clock.now())
                return
        except PassError:
            pass
        info = error_details_pb2.ErrorInfo(reason="TOKEN_REFUSED", domain="lilitong")
        info.metadata["server_time"] = str(self.clock.now().timestamp())
        status = status_pb2.Status(code=16, message="Valid credentials are required.")
        status.details.add().Pack(info)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "Valid credentials are required.")

    async def Scan(self, request: scan_pb2.ScanRequest, context: Any) -> scan_pb2.ScanResponse:
        await self._admit(context)
        self.requests.append(request)
        if self.delay:
            await asyncio.sleep(self.delay)
        now = self.clock.now()
        keys = {
            b"real-key": IssuerKey(self.issuer.public_key()),
            b"drillkey": IssuerKey(self.drill_issuer.public_key(), drill=True),
        }
        drills = sorted({segment.drill_id for segment in self.index.segments()} - {""})
        shown = read(
            request.credential, keys=keys, lists=self.index, drills=drills, replays=self._replays,
            use=request.scan_id, now=now,
        )  # fmt: skip
        seen = request.observations
        decision = decide(
            shown,
            observations=Observations(
                seen.temperature_decicelsius, Colour(seen.health_code), Colour(seen.itinerary_card), seen.mask_worn
            ),
            bearer_matched=request.bearer_matched,
            policy=self.policy,
            lists=self.index,
            list_age_seconds=self.list_age,
            at=now,
        )
        answer = scan_pb2.ScanResponse(
            verdict=int(decision.verdict),
            reasons=[
                scan_pb2.ReasonText(
                    reason=int(reason), text_zh=texts.REASONS[reason].zh, text_en=texts.REASONS[reason].en
                )
                for reason in decision.reasons
            ],
            denials=[
                scan_pb2.DenialProof(
                    day=day_number(d.day),
                    generation=d.generation,
                    number=d.number,
                    reference=d.reference,
                    person=d.person,
                )
                for d in decision.denials
            ],
            recorded=self.recorded,
            list_age_seconds=self.list_age,
            server_time=stamp(now),
            drill_id=decision.drill_id,
        )
        if self.recorded:
            tags = shown.tags if isinstance(shown, ShownCredential) else ()
            item = scan_pb2.OfflineScan(scan_id=request.scan_id, tags=tags, verdict=int(decision.verdict))
            self.stored.setdefault(request.scan_id, [item])  # the same scan again is the same row
        if self.judge:
            self.judge(request, answer)
        await asyncio.sleep(self.late)
        return answer

    async def RecordScans(self, request: scan_pb2.RecordScansRequest, context: Any) -> scan_pb2.RecordScansResponse:
        await self._admit(context)
        self.batches += 1
        device.verify_batch(self.device_key.public_key(), sha256(request.batch).digest(), request.signature)
        answer = scan_pb2.RecordScansResponse()
        for item in scan_pb2.ScanBatch.FromString(request.batch).scans:
            if item.scan_id in self.refuse and self.refuse[item.scan_id] == "POISON":
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "breaks its contract")
        for item in scan_pb2.ScanBatch.FromString(request.batch).scans:
            result = answer.results.add(scan_id=item.scan_id, outcome=scan_pb2.RECORD_OUTCOME_RECORDED)
            if item.scan_id in self.refuse:
                result.outcome, result.reason = scan_pb2.RECORD_OUTCOME_REJECTED, self.refuse[item.scan_id]
            elif item.scan_id in self.stored:
                result.outcome = scan_pb2.RECORD_OUTCOME_DUPLICATE
            else:
                self.stored[item.scan_id] = [item]
        if self.lose_answers:
            self.lose_answers -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost")
        return answer

    async def Sync(self, request: scan_pb2.SyncRequest, context: Any) -> AsyncIterator[scan_pb2.SyncResponse]:
        await self._admit(context)
        self.tokens.append(request.resume_token)
        if request.resume_token and self.forgets_tokens:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not one of ours")
        feed: asyncio.Queue[Any] = asyncio.Queue()
        lacking = [
            segment for segment in self.index.segments_after(request.resume_token) if segment not in self.kept_back
        ]
        self.feeds.add(feed)
        try:
            yield scan_pb2.SyncResponse(keys=self.keys())
            yield scan_pb2.SyncResponse(policy=policy_message(self.policy))
            for segment in lacking:
                yield scan_pb2.SyncResponse(segment=daysets_wire.to_message(segment))
            yield scan_pb2.SyncResponse(heartbeat=self.heartbeat())
            while (message := await feed.get()) is not None:
                yield message
        finally:
            self.feeds.discard(feed)

    # -- its life

    async def start(self) -> "Checkpoint":
        self.server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        add_ScanServiceServicer_to_server(self, self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()
        return self

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(None)
            self.server = None

    @staticmethod
    async def until(check: Callable[[], Any], seconds: float = 10) -> Any:
        async with asyncio.timeout(seconds):
            while not (found := check()):  # noqa: ASYNC110 - what is waited for tells nobody
                await asyncio.sleep(0.01)
        return found

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def scanner(self, folder: Path, **more: Any) -> Scanner:
        return Scanner(
            folder,
            self.target,
            self.device_id,
            self.device_key,
            log_keys=self.log.keys,
            clock=more.pop("clock", self.clock),
            **more,
        )


def policy_message(policy: Policy) -> scan_pb2.ScanPolicy:
    return scan_pb2.ScanPolicy(**{name: getattr(policy, name) for name in Policy.__slots__})


@pytest.fixture
def hand_clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def checkpoint(hand_clock: HandClock) -> AsyncIterator[Checkpoint]:
    served = await Checkpoint(hand_clock).start()
    yield served
    await served.stop()


@pytest.fixture
async def scanner(checkpoint: Checkpoint, tmp_path: Path) -> AsyncIterator[Scanner]:
    """Connected and current."""
    async with checkpoint.scanner(tmp_path / "state") as opened:
        assert await opened.wait_current(10)
        yield opened


class RealClock:
    """For tests with a process of their own."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@pytest.fixture
async def live_checkpoint() -> AsyncIterator[Checkpoint]:
    """As `checkpoint`, at the true time."""
    served = await Checkpoint(RealClock()).start()
    yield served
    await served.stop()

# ruff: noqa: ARG002 - methods are named and called as the contract has it
"""ScanService: what scanners call."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from chassis.access import NOWHERE, allow
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from google.protobuf.timestamp_pb2 import Timestamp
from lilitong.checkpoint.v1 import scan_pb2
from lilitong.checkpoint.v1.scan_pb2_grpc import ScanServiceServicer
from passes.device import verify_batch
from passes.errors import PassError
from passes.replay import ReplayGuard
from prometheus_client import Counter
from verdicts.credential import Credential, Shown, read
from verdicts.model import Decision, Verdict, from_mask
from verdicts.verdict import decide

from checkpoint.posts.authentication import calling_device
from checkpoint.posts.directory import Directory
from checkpoint.scanning import uploads, wire
from checkpoint.scanning.lists import Lists
from checkpoint.scanning.model import Scan, of_live
from checkpoint.scanning.recorder import Recorder
from checkpoint.sync.stream import SyncStreams

SCANS: Final = Counter("lilitong_scans_total", "Scans judged, by verdict.", ["verdict"])
UPLOADS: Final = Counter("lilitong_scan_uploads_total", "Scans uploaded by devices, by outcome.", ["outcome"])
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)
_COUNTS: Final = {verdict: SCANS.labels(verdict.name) for verdict in Verdict}
_RECORDED, _DUPLICATE, _REJECTED = (
    scan_pb2.RECORD_OUTCOME_RECORDED,
    scan_pb2.RECORD_OUTCOME_DUPLICATE,
    scan_pb2.RECORD_OUTCOME_REJECTED,
)
_UPLOADED: Final = {
    outcome: UPLOADS.labels(scan_pb2.RecordOutcome.Name(outcome)) for outcome in (_RECORDED, _DUPLICATE, _REJECTED)
}


class ScanRpc(ScanServiceServicer):
    """Verdicts in memory, scans into the store, the list to scanners.

    All three have no area: a device acts for the post it is bound to, and only that post's number is ever written.
    """

    def __init__(
        self, clock: Clock, directory: Directory, lists: Lists, recorder: Recorder, streams: SyncStreams
    ) -> None:
        self._clock, self._directory, self._lists = clock, directory, lists
        self._recorder, self._streams = recorder, streams
        self._replays = ReplayGuard()

    @allow(devices=True, area=NOWHERE)
    async def Scan(self, request: scan_pb2.ScanRequest, context: Any) -> scan_pb2.ScanResponse:
        device, now, lists = calling_device(self._directory), self._clock.now(), self._lists
        credential = read(
            request.credential,
            keys=lists.keys,
            lists=lists.index,
            drills=lists.drills,
            replays=self._replays,
            use=request.scan_id,
            now=now,
        )
        decision = decide(
            credential,
            observations=wire.observations(request.observations),
            bearer_matched=request.bearer_matched,
            policy=self._directory.policy(now),
            lists=lists.index,
            list_age_seconds=_age(lists, credential, now),
            at=now,
        )
        _COUNTS[decision.verdict].inc()
        scan = of_live(request.scan_id, device.post, credential, decision, matched=request.bearer_matched, now=now)
        stored = await self._recorder.record(scan)
        if stored is not None and not stored.fresh:
            decision = _first_answer(decision, stored.verdict, stored.reasons)
        age = lists.age(now)
        seconds, fraction = divmod(now - _EPOCH, _SECOND)
        return scan_pb2.ScanResponse(
            verdict=scan_pb2.Verdict.ValueType(decision.verdict),
            reasons=map(wire.reason_text, decision.reasons),
            recorded=stored is not None,
            degraded=stored is None or lists.degraded(age),
            list_age_seconds=int(age or 0),
            denials=map(wire.denial, decision.denials),
            server_time=Timestamp(seconds=seconds, nanos=fraction.microseconds * 1000),
            drill_id=decision.drill_id,
        )

    @allow(devices=True, area=NOWHERE)
    async def RecordScans(self, request: scan_pb2.RecordScansRequest, context: Any) -> scan_pb2.RecordScansResponse:
        device, now = calling_device(self._directory), self._clock.now()
        try:
            verify_batch(device.key, sha256(request.batch).digest(), request.signature)
        except PassError:
            raise DomainError(
                Kind.INVALID, "BATCH_SIGNATURE", "The batch is not signed by the device that sends it."
            ) from None
        items, read = uploads.decode(request.batch, device.post, now)
        taken = [scan for scan in read if isinstance(scan, Scan)]
        fresh = iter(await self._recorder.record_all(taken) if taken else ())
        answer = scan_pb2.RecordScansResponse()
        add = answer.results.add
        recorded = duplicate = 0
        for item, scan in zip(items, read, strict=True):
            if not isinstance(scan, Scan):
                add(scan_id=item.scan_id, outcome=_REJECTED, reason=scan)
            elif next(fresh):
                recorded += 1
                add(scan_id=scan.scan_id, outcome=_RECORDED)
            else:
                duplicate += 1
                add(scan_id=scan.scan_id, outcome=_DUPLICATE)
        _UPLOADED[_RECORDED].inc(recorded)
        _UPLOADED[_DUPLICATE].inc(duplicate)
        _UPLOADED[_REJECTED].inc(len(read) - len(taken))
        return answer

    @allow(devices=True, area=NOWHERE)
    async def Sync(  # type: ignore[override]  # it writes to the context, so that a write can have a time-out
        self, request: scan_pb2.SyncRequest, context: Any
    ) -> None:
        await self._streams.serve(calling_device(self._directory), request.resume_token, context)


def _first_answer(now_said: Decision, verdict: int, reasons: int) -> Decision:
    """What was said when this scan first came. Denials point to what is in the list now, if it still is."""
    first = Verdict(verdict)
    denials = now_said.denials if first is Verdict.DENY else ()
    return Decision(first, from_mask(reasons), denials, now_said.drill_id)


def _age(lists: Lists, credential: Credential, now: datetime) -> float | None:
    if isinstance(credential, Shown):
        return lists.age_for(credential.day, credential.drill_id, now)
    return lists.age(now)

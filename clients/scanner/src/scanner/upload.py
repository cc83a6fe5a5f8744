"""Upload of the journal: signed batches, again and again until the server's word on each scan is known."""

import asyncio
import random
import secrets
from datetime import timedelta
from hashlib import sha256
from typing import Final

import grpc
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from lilitong.checkpoint.v1 import scan_pb2
from passes.device import sign_batch

from scanner.backlog import Backlog
from scanner.clock import CorrectedClock, boot
from scanner.link import CallError, Failure, Link

OLDEST: Final = timedelta(hours=72)
BATCH: Final = 200
_SECONDS: Final = 10.0
_WAITS: Final = (0.5, 10.0)
_TAKEN: Final = (scan_pb2.RECORD_OUTCOME_RECORDED, scan_pb2.RECORD_OUTCOME_DUPLICATE)


class Uploading:
    """Exactly once: a scan leaves the journal only at the server's word, and its id makes a second upload a duplicate."""

    def __init__(self, link: Link, backlog: Backlog, key: EllipticCurvePrivateKey, clock: CorrectedClock) -> None:
        self._link, self._backlog, self._key, self._clock = link, backlog, key, clock
        self._more = asyncio.Event()
        self._sending = asyncio.Lock()

    def wake(self) -> None:
        """Something was queued, or the server is there again."""
        self._more.set()

    async def run(self) -> None:
        """Until cancelled; waits longer after every failure."""
        wait = _WAITS[0]
        while True:
            await self._more.wait()
            self._more.clear()
            if not self._link.online:
                continue  # the next heartbeat wakes us
            try:
                await self.flush()
            except CallError:
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads uploads, hides nothing
                wait = min(wait * 2, _WAITS[1])
                self._more.set()
            else:
                wait = _WAITS[0]

    async def flush(self) -> int:
        """Uploads what is queued now; how many scans the server now has. CallError when it cannot be asked."""
        taken = 0
        async with self._sending:
            self._mend_times_and_put_aside_what_is_too_old()
            while scans := self._backlog.oldest(BATCH):
                taken += await self._send(scans)
        return taken

    async def _send(self, scans: list[scan_pb2.OfflineScan]) -> int:
        batch = scan_pb2.ScanBatch(batch_id=secrets.token_bytes(16), scans=scans).SerializeToString()
        try:
            answer = await self._link.record(batch, sign_batch(self._key, sha256(batch).digest()), _SECONDS)
        except CallError as error:
            if error.failure.code is not grpc.StatusCode.INVALID_ARGUMENT or error.failure.reason == "BATCH_SIGNATURE":
                raise
            return await self._split(scans, error.failure.reason)
        done, refused = [], []
        for result in answer.results:
            if result.outcome in _TAKEN:
                done.append(result.scan_id)
            elif result.outcome == scan_pb2.RECORD_OUTCOME_REJECTED:
                refused.append((result.scan_id, result.reason))
        self._backlog.settle(done, refused)
        if not done and not refused:
            # An answer that says nothing of what was asked: without this the same batch would be sent for ever.
            raise CallError(Failure(grpc.StatusCode.INTERNAL, "NO_RESULTS"))
        return len(done)

    async def _split(self, scans: list[scan_pb2.OfflineScan], reason: str) -> int:
        """One scan that breaks the contract must not hold up the others: find it and put it aside."""
        if len(scans) == 1:
            self._backlog.settle((), [(scans[0].scan_id, reason or "INVALID")])
            return 0
        middle = len(scans) // 2
        return await self._send(scans[:middle]) + await self._send(scans[middle:])

    def _mend_times_and_put_aside_what_is_too_old(self) -> None:
        """Only by a clock that the server has confirmed in this run: a dead battery must not age the whole queue."""
        if self._clock.synced:
            self._backlog.mend(boot(), self._clock.now(), self._clock.steady())
            old = self._backlog.older_than(self._clock.now() - OLDEST)
            self._backlog.settle((), [(scan_id, "TOO_OLD") for scan_id in old])

"""From a verdict to a committed row, without a verdict ever waiting for a store that does not answer."""

import asyncio
import time
from collections.abc import Callable, Sequence
from itertools import compress, islice
from typing import Any, Final

import asyncpg
import structlog
from chassis.clock import Clock
from chassis.events import Relay
from chassis.group_commit import GroupCommit, Linger
from prometheus_client import Counter

from checkpoint.scanning import store
from checkpoint.scanning.model import Scan, Stored
from checkpoint.searches.events import any_open, meet_searches

WAIT_S: Final = 0.3
# While nothing gets through, the next ones only have a moment: each is tried, none is made to stand in the rain.
STALLED_AFTER_S: Final = 1.0
STALLED_WAIT_S: Final = 0.03
MAX_WAITING: Final = 4096
CONNECTIONS: Final = 2
UPLOADS_AT_ONCE: Final = 8
"""That share a transaction: more would make each wait for all, and what a transaction costs is spread by then."""

_UNREACHABLE: Final = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError, TimeoutError)

UNRECORDED: Final = Counter("lilitong_scans_unrecorded_total", "Scans answered without an acknowledged row.")

_log = structlog.get_logger("checkpoint.recorder")


class Recorder:
    """Group commit of scans. `record` waits for the commit at most `WAIT_S` seconds.

    What was not committed in time may still be written later; the scanner sends it again, and the scan's id makes it
    one. At most `MAX_WAITING` scans queue for a store that is away; further ones are answered at once.
    """

    def __init__(self, pool: asyncpg.Pool, clock: Clock, relay: Relay, seal: Callable[[], bytes]) -> None:
        """`pool` has `CONNECTIONS` connections for scans, as many for uploads, and no other user: nothing keeps scans waiting."""
        self._pool, self._clock, self._relay, self._seal = pool, clock, relay, seal
        self._commit = GroupCommit(pool, self.write, connections=CONNECTIONS, acquire_seconds=2.0, linger=Linger())
        self._uploads = GroupCommit(pool, self._write_uploads, connections=CONNECTIONS, max_batch=UPLOADS_AT_ONCE)
        self._stalled = False
        self._succeeded = time.monotonic()

    async def record(self, scan: Scan) -> Stored | None:
        """The store's word on the scan; None when it could not be had in time."""
        if self._commit.waiting >= MAX_WAITING:
            UNRECORDED.inc()
            return None
        future = self._commit.submit(scan)
        if not await _settled(future, STALLED_WAIT_S if self._stalled else WAIT_S):
            future.add_done_callback(self._later)
            self._missed("timeout")
        elif (error := future.exception()) is None:
            self._recovered()
            stored = future.result()
            if stored.told:
                self._relay.wake()
            return stored
        else:
            if not isinstance(error, _UNREACHABLE):
                _log.error("scan_not_recorded", error=type(error).__name__)
            self._missed(type(error).__name__)
        UNRECORDED.inc()
        return None

    async def record_all(self, scans: Sequence[Scan]) -> Sequence[bool]:
        """An upload, in one transaction with others that came meanwhile; for each scan whether it was new.

        Raises what the database raises.
        """
        fresh, told = await self._uploads.submit(scans)
        if told:
            self._relay.wake()
        return fresh

    async def write(self, conn: Any, scans: Sequence[Scan]) -> list[Stored]:
        """Rows and what they mean for open searches, in the caller's transaction."""
        await store.lock_days(conn, {scan.day for scan in scans}, searching=False)
        stored = await store.insert(conn, scans)
        if await self._searched(conn, [scan for scan, word in zip(scans, stored, strict=True) if word.fresh]):
            return [word._replace(told=True) for word in stored]
        return stored

    async def _write_uploads(self, conn: Any, uploads: Sequence[Sequence[Scan]]) -> list[tuple[Sequence[bool], bool]]:
        scans = [scan for upload in uploads for scan in upload]
        await store.lock_days(conn, {scan.day for scan in scans}, searching=False)
        fresh: Sequence[bool] = [True] * len(scans)
        if not await self._all_new(conn, scans):
            fresh = [word.fresh for word in await store.insert(conn, scans)]
        told = await self._searched(conn, list(compress(scans, fresh)))
        words = iter(fresh)
        return [(list(islice(words, len(upload))), told) for upload in uploads]

    @staticmethod
    async def _all_new(conn: Any, scans: Sequence[Scan]) -> bool:
        """Writes them if none is there, as nearly always; else nothing."""
        if not all(scan.tags for scan in scans):
            return False
        try:
            async with conn.transaction():
                await store.insert_new(conn, scans)
        except asyncpg.UniqueViolationError:
            return False
        return True

    async def _searched(self, conn: Any, fresh: Sequence[Scan]) -> bool:
        """Whether what was just written left events for open searches."""
        days = {scan.day for scan in fresh if scan.tags}
        if not days or not await any_open(conn, days, self._clock):
            return False
        rows = [row for scan in fresh for row in store.passages(scan)]
        return await meet_searches(conn, rows, self._clock, self._seal)

    async def drain(self) -> None:
        await self._commit.drain()
        await self._uploads.drain()

    def _later(self, future: asyncio.Future[Stored]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._recovered()
            if future.result().told:
                self._relay.wake()

    def _recovered(self) -> None:
        self._succeeded = time.monotonic()
        if self._stalled:
            self._stalled = False
            _log.info("recording_again")

    def _missed(self, cause: str) -> None:
        if not self._stalled and time.monotonic() - self._succeeded > STALLED_AFTER_S:
            self._stalled = True
            _log.warning("recording_stalled", cause=cause)


async def _settled(future: asyncio.Future[Stored], seconds: float) -> bool:
    """Waits without cancelling what it waits for; leaner than `asyncio.wait`, since every scan comes through here."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def wake(_: object = None) -> None:
        if not done.done():
            done.set_result(None)

    future.add_done_callback(wake)
    timer = loop.call_later(seconds, wake)
    try:
        await done
    finally:
        timer.cancel()
        future.remove_done_callback(wake)
    return future.done()

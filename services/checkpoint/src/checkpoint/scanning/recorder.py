"""From a verdict to a committed row, without a verdict ever waiting for a store that does not answer."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import asyncpg
import structlog
from chassis.clock import Clock
from chassis.events import Relay
from chassis.group_commit import GroupCommit
from prometheus_client import Counter

from checkpoint.scanning import store
from checkpoint.scanning.model import Scan, Stored
from checkpoint.searches.events import meet_searches

WAIT_S: Final = 0.3
# While nothing gets through, the next ones only have a moment: each is tried, none is made to stand in the rain.
STALLED_AFTER_S: Final = 1.0
STALLED_WAIT_S: Final = 0.03
MAX_WAITING: Final = 4096
CONNECTIONS: Final = 2

_UNREACHABLE: Final = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError, TimeoutError)

UNRECORDED: Final = Counter("lilitong_scans_unrecorded_total", "Scans answered without an acknowledged row.")

_log = structlog.get_logger("checkpoint.recorder")


class Recorder:
    """Group commit of scans. `record` waits for the commit at most `WAIT_S` seconds.

    What was not committed in time may still be written later; the scanner sends it again, and the scan's id makes it
    one. At most `MAX_WAITING` scans queue for a store that is away; further ones are answered at once.
    """

    def __init__(self, pool: asyncpg.Pool, clock: Clock, relay: Relay, seal: Callable[[], bytes]) -> None:
        """`pool` has `CONNECTIONS` connections and no other user, so that nothing else keeps scans waiting."""
        self._pool, self._clock, self._relay, self._seal = pool, clock, relay, seal
        self._commit = GroupCommit(pool, self.write, connections=CONNECTIONS, acquire_seconds=2.0)
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
            return future.result()
        else:
            if not isinstance(error, _UNREACHABLE):
                _log.error("scan_not_recorded", error=type(error).__name__)
            self._missed(type(error).__name__)
        UNRECORDED.inc()
        return None

    async def record_all(self, scans: Sequence[Scan]) -> list[Stored]:
        """Uploads: one transaction of their own; raises what the database raises."""
        async with self._pool.acquire(timeout=5.0) as conn, conn.transaction():
            stored = await self.write(conn, scans)
        self._relay.wake()
        return stored

    async def write(self, conn: Any, scans: Sequence[Scan]) -> list[Stored]:
        """Rows and what they mean for open searches, in the caller's transaction."""
        await store.lock_days(conn, (scan.day for scan in scans), searching=False)
        stored = await store.insert(conn, scans)
        fresh = [row for scan, word in zip(scans, stored, strict=True) if word.fresh for row in store.passages(scan)]
        if await meet_searches(conn, fresh, self._clock, self._seal):
            self._relay.wake()
        return stored

    async def drain(self) -> None:
        await self._commit.drain()

    def _later(self, future: asyncio.Future[Stored]) -> None:
        if not future.cancelled() and future.exception() is None:
            self._recovered()

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

"""From a verdict to a committed row, without a verdict ever waiting for a store that does not answer."""

import asyncio
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
STALLED_WAIT_S: Final = 0.02
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

    async def record(self, scan: Scan) -> Stored | None:
        """The store's word on the scan; None when it could not be had in time."""
        if self._commit.waiting >= MAX_WAITING:
            UNRECORDED.inc()
            return None
        future = self._commit.submit(scan)
        await asyncio.wait((future,), timeout=STALLED_WAIT_S if self._stalled else WAIT_S)
        if future.done():
            error = future.exception()
            if error is None:
                self._recovered()
                return future.result()
            if not isinstance(error, _UNREACHABLE):
                _log.error("scan_not_recorded", error=type(error).__name__)
        elif not self._stalled:
            _log.warning("recording_stalled")
        self._stalled = True
        future.add_done_callback(self._later)
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
        if self._stalled:
            self._stalled = False
            _log.info("recording_again")

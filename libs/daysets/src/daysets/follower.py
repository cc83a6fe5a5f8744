"""Keeps one replica's list in memory equal to the one in its service's Postgres."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date, timedelta
from typing import Protocol

import asyncpg
import structlog
from chassis.clock import Clock, local_day
from chassis.tasks import rest

from daysets import projection
from daysets.index import DaySetIndex, Outcome
from daysets.segment import Segment

FetchSnapshot = Callable[[bytes], AsyncIterator[Segment]]
"""Given a resume token, what its holder lacks (or more): quarantine's snapshot RPC."""

Listener = Callable[[Sequence[Segment]], None]

_STORED_AT_ONCE = 50
_KEPT_DAYS = timedelta(days=1)  # verdicts late at night may still be asked about the day that has just ended
_SNAPSHOT_PAUSES = (0.5, 1.0, 2.0, 5.0)
_UNREACHABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_log = structlog.get_logger("daysets.follower")


class Bell(Protocol):
    """`chassis.events.broadcast.Broadcast`."""

    async def ring(self, payload: bytes = b"") -> None: ...

    def listen(self, callback: Callable[[bytes], object]) -> None: ...


class Follower:
    """Follows by a bell over the bus and by a poll, for a bell can be missed.

    With Postgres away the list stays as it was, and `age` tells for how long. With quarantine away a list that was
    complete once is good to start from; one that never was is not, and `current` stays False until the snapshot has
    come.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        index: DaySetIndex,
        clock: Clock,
        *,
        fetch_snapshot: FetchSnapshot,
        bell: Bell | None = None,
        poll: float = 1.0,
        max_age: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """poll, max_age: seconds between looks at Postgres, and since the last good one while still `current`."""
        self._pool, self._index, self._clock = pool, index, clock
        self._fetch_snapshot, self._bell, self._poll, self._max_age = fetch_snapshot, bell, poll, max_age
        self._monotonic = monotonic
        self._version = 0
        self._seeded = False
        self._checked: float | None = None
        self._woken = asyncio.Event()
        self._checking = asyncio.Lock()
        self._listeners: list[Listener] = []

    @property
    def age(self) -> float | None:
        """Seconds since the list was last known to equal the one in Postgres; None if never."""
        return None if self._checked is None else self._monotonic() - self._checked

    @property
    def current(self) -> bool:
        """For readiness: complete once, and compared with Postgres a moment ago."""
        age = self.age
        return self._seeded and age is not None and age <= self._max_age

    def on_change(self, listener: Listener) -> None:
        """`listener(segments)` is called with each batch newly in force, in order of arrival; it must not block."""
        self._listeners.append(listener)

    def wake(self, _: bytes = b"") -> None:
        """Look now instead of at the next poll."""
        self._woken.set()

    async def announce(self) -> None:
        """After a commit that stored segments: this replica looks at once, the others when they hear the bell."""
        self.wake()
        if self._bell is not None:
            await self._bell.ring()

    async def run(self) -> None:
        """Until cancelled. Takes the snapshot in while it follows, since events go on meanwhile."""
        if self._bell is not None:
            self._bell.listen(self.wake)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._seed())

    async def check(self) -> None:
        """One look: what is new in Postgres takes effect, days gone by are dropped. Raises what the database raises."""
        async with self._checking:
            first_day = self._first_day()
            async with self._pool.acquire(timeout=self._max_age) as conn:
                if not self._seeded:
                    self._seeded = await projection.seeded(conn)
                version, segments = await projection.load_since(conn, self._version, first_day)
            applied = []
            for segment in segments:
                if self._index.apply(segment) is Outcome.APPLIED:
                    applied.append(segment)
                await asyncio.sleep(0)  # a full base takes tens of milliseconds: let scans through between its parts
            self._index.drop_before(first_day)
            self._version, self._checked = version, self._monotonic()
            self._tell(applied)

    def recheck(self) -> None:
        """New log keys are known: what could not be verified so far gets another chance."""
        self._tell(self._index.recheck())

    async def _follow(self) -> None:
        failing = False
        while True:
            try:
                await self.check()
                failing = False
            except _UNREACHABLE as error:
                if not failing:
                    _log.warning("day_sets_not_followed", error=type(error).__name__)
                failing = True
            await rest(self._woken, self._poll)

    async def _seed(self) -> None:
        attempt = 0
        while True:
            try:
                await self._take_snapshot()
            except Exception as error:  # noqa: BLE001 - a peer can fail in any way; all that helps is to try again
                pause = _SNAPSHOT_PAUSES[min(attempt, len(_SNAPSHOT_PAUSES) - 1)]
                attempt += 1
                _log.warning("snapshot_failed", error=type(error).__name__, again_in=pause)
                await asyncio.sleep(pause)
            else:
                return

    async def _take_snapshot(self) -> None:
        await self.check()
        first_day = self._first_day()
        received = [s async for s in self._fetch_snapshot(self._index.token()) if s.day >= first_day]
        for begin in range(0, len(received), _STORED_AT_ONCE):
            batch = received[begin : begin + _STORED_AT_ONCE]
            async with self._pool.acquire(timeout=self._max_age) as conn, conn.transaction():
                for segment in batch:
                    await projection.apply(conn, segment, proven=self._index.proves(segment))
        async with self._pool.acquire(timeout=self._max_age) as conn:
            await projection.mark_seeded(conn)
        await self.check()
        if received:
            await self.announce()

    def _first_day(self) -> date:
        return local_day(self._clock.now()) - _KEPT_DAYS

    def _tell(self, segments: Sequence[Segment]) -> None:
        if not segments:
            return
        for listener in self._listeners:
            try:
                listener(segments)
            except Exception:  # noqa: BLE001 - one listener's failure is not the others', nor the list's
                _log.exception("day_set_listener_failed")

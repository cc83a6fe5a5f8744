"""The worker that searches anew for those index persons who got a visit after their search was answered."""

import asyncio
from collections.abc import Callable
from typing import Final

import asyncpg
import structlog
from chassis.tasks import rest

from venue.searches import store
from venue.searches.search import Searching

POLL_S: Final = 2.0
_UNREACHABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_log = structlog.get_logger("venue.searches")


class SearchAgain:
    """What waits is a row, so nothing is lost with the process; `wake` only shortens the wait.

    Replicas may all try: the row is deleted by the one that searches, under the lock of its days.
    """

    def __init__(self, pool: asyncpg.Pool, searching: Searching, told: Callable[[], None]) -> None:
        """`told` is called after a commit that published something (`Relay.wake`)."""
        self._pool = pool
        self._searching = searching
        self._told = told
        self._wanted = asyncio.Event()

    def wake(self) -> None:
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.work()
            except _UNREACHABLE as error:
                _log.warning("search_again_waits", error=type(error).__name__)
            await rest(self._wanted, POLL_S)

    async def work(self) -> int:
        """Search all that waits, each in a transaction of its own; returns how many were tried."""
        async with self._pool.acquire() as connection:
            waiting = await store.pending(connection)
            for key in waiting:
                async with connection.transaction():
                    told = await self._searching.again(connection, key)
                if told:
                    self._told()
        return len(waiting)

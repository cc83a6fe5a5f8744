"""What a process left undone when it ended, and what time has published: made known by the sweep."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from chassis.clock import Clock

from venue.spotcheck import store
from venue.spotcheck.acting import Drawing
from venue.spotcheck.events import Teller

_ROUND: Final = 20
_log = structlog.get_logger("venue.spotcheck")


class Clocks:
    """A job of the sweep; several replicas may run it. `told` is the relay's `wake`."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, drawing: Drawing, tell: Teller, told: Callable[[], None]
    ) -> None:
        self._pool, self._clock, self._drawing, self._tell, self._told = pool, clock, drawing, tell, told

    async def tick(self) -> None:
        """Finish draws that were opened, then tell which may be drawn again by anybody. Nobody can put off either."""
        async with self._pool.acquire() as conn:
            unfinished = await store.unfinished(conn, _ROUND)
        done = [await self._finish(draw_id) for draw_id in unfinished]
        if await self._publish() or any(done):
            self._told()

    async def _finish(self, draw_id: UUID) -> bool:
        """One that cannot be drawn puts off no other."""
        try:
            return await self._drawing.finish(draw_id)
        except Exception as error:  # noqa: BLE001 - it is tried again at every turn
            _log.exception("draw_unfinished", draw=str(draw_id), error=type(error).__name__)
            return False

    async def _publish(self) -> int:
        now, told = self._clock.now(), 0
        async with self._pool.acquire() as conn:
            due = await store.untold(conn, now, _ROUND)
        for draw_id in due:
            async with self._pool.acquire() as conn, conn.transaction():
                # Of two replicas the second waits here for the first one's row, and finds that it was told.
                if not await store.note_told(conn, draw_id, now):
                    continue
                check = await store.get(conn, draw_id)
                if check is None:
                    raise RuntimeError("a draw is never deleted")
                await self._tell.changed(conn, check, "published", now)
                told += 1
        return told

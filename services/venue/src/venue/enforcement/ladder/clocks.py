"""What only time brings about, made known when it has come. Whether it is so is asked of the facts, never of the clock's row."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from chassis.clock import Clock
from chassis.pool import Connection
from chassis.sweep import lapses

from venue.enforcement.ladder import clock_store, model
from venue.enforcement.ladder.book import Book, open_book
from venue.enforcement.ladder.clock_store import Due, Ring
from venue.enforcement.ladder.events import Teller
from venue.enforcement.ladder.standing import AppealState, Measure, Standing
from venue.register import store as register_store

RETRY: Final = timedelta(minutes=1)
_log = structlog.get_logger("venue.ladder")

# A sweep that comes late still tells both.
_UNDECIDED = {
    Ring.APPEAL_ESCALATES: (AppealState.ESCALATED, AppealState.LAPSED),
    Ring.APPEAL_LAPSES: (AppealState.LAPSED,),
}


class ClocksFailedError(RuntimeError):
    """Some clocks could not ring; the log names them."""


class Clocks:
    """A job of the sweep; several replicas pass over each other's rows. `told` is the relay's `wake`."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, tell: Teller, told: Callable[[], None]) -> None:
        self._pool, self._clock, self._tell, self._told = pool, clock, tell, told

    async def tick(self) -> None:
        """Tell what has lapsed by now.

        Raises `ClocksFailedError`, after all others have rung, while one waits for another try: the job has not ended well, which
        is what the alert on the sweep looks at.
        """
        if await lapses(self._pool, self._take, limit=50):
            self._told()
        async with self._pool.acquire() as conn:
            failed = await clock_store.count_put_off(conn)
        if failed:
            raise ClocksFailedError(f"{failed} clocks could not ring")

    async def _take(self, conn: Connection, limit: int) -> int:
        taken = await clock_store.take(conn, self._clock.now(), limit)
        rung, failed = list[Due](), list[Due]()
        # In one order of venues, so that two replicas do not wait for each other crosswise.
        for due in sorted(taken, key=lambda each: (each.venue_id, each.due_at, each.ring)):
            (rung if await self._rings(conn, due) else failed).append(due)
        await clock_store.stop(conn, rung)
        await clock_store.put_off(conn, failed, self._clock.now() + RETRY)
        return len(taken)

    async def _rings(self, conn: Connection, due: Due) -> bool:
        """One that cannot ring undoes what it began and holds up no other; False if so."""
        try:
            async with conn.transaction():
                venue = (await register_store.venues(conn, [due.venue_id]))[due.venue_id]
                book = await open_book(conn, venue, self._clock)
                await self._ring(conn, book, due)
                await book.close(conn)
        except Exception as error:
            if conn.is_closed():
                raise
            _log.exception("clock_failed", fact=str(due.fact_id), ring=due.ring.name, error=type(error).__name__)
            return False
        return True

    async def _ring(self, conn: Connection, book: Book, due: Due) -> None:
        due_at = due.due_at
        if due.ring is Ring.SUSPENSION_ENDS:
            then = model.standing(book.facts, book.policies, book.venue.area, due_at)
            ended = [
                each
                for measure in then.measures
                for each in measure.suspensions
                if each.decision.fact_id == due.fact_id and each.effective_until == due_at
            ]
            await self._tell.ended(conn, book.venue, ended, due_at, book.now)
            return
        measure = _appealed(book.standing(), due.fact_id)
        if measure is None or measure.appeal is None or measure.appeal.state not in _UNDECIDED[due.ring]:
            return
        what, ended = "escalated", []
        if due.ring is Ring.APPEAL_LAPSES:
            what = "lapsed"
            ended = [each for each in measure.suspensions if each.effective_until == due_at < each.decision.ends_at]
        await self._tell.appeal(conn, book.venue, measure.appeal, what, book.now, ended)


def _appealed(standing: Standing, appeal_id: UUID) -> Measure | None:
    return next(
        (each for each in standing.measures if each.appeal is not None and each.appeal.appeal_id == appeal_id), None
    )

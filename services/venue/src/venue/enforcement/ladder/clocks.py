"""What only time brings about, made known when it has come. Whether it is so is asked of the facts, never of the clock's row."""

from collections.abc import Callable, Mapping
from datetime import datetime
from enum import IntEnum
from uuid import UUID

import asyncpg
from chassis.clock import Clock
from chassis.pool import Connection
from chassis.sweep import lapses

from venue.enforcement.ladder import model
from venue.enforcement.ladder.book import Book, open_book
from venue.enforcement.ladder.events import Teller
from venue.enforcement.ladder.standing import AppealState, Measure, Standing
from venue.register import store as register_store


class Ring(IntEnum):
    """What a clock rings for; numbers as in the table."""

    APPEAL_ESCALATES = 1
    APPEAL_LAPSES = 2
    SUSPENSION_ENDS = 3


# A sweep that comes late still tells both.
_UNDECIDED = {
    Ring.APPEAL_ESCALATES: (AppealState.ESCALATED, AppealState.LAPSED),
    Ring.APPEAL_LAPSES: (AppealState.LAPSED,),
}


async def wind(conn: Connection, venue_id: UUID, fact_id: UUID, rings: Mapping[Ring, datetime]) -> None:
    await conn.executemany(
        "INSERT INTO ladder_clocks (fact_id, kind, venue_id, due_at) VALUES ($1, $2, $3, $4)",
        [(fact_id, int(ring), venue_id, due_at) for ring, due_at in rings.items()],
    )


class Clocks:
    """A job of the sweep; several replicas pass over each other's rows. `told` is the relay's `wake`."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, tell: Teller, told: Callable[[], None]) -> None:
        self._pool, self._clock, self._tell, self._told = pool, clock, tell, told

    async def tick(self) -> None:
        """Tell what has lapsed by now."""
        if await lapses(self._pool, self._take, limit=50):
            self._told()

    async def _take(self, conn: Connection, limit: int) -> int:
        rows = await conn.fetch(
            """
            SELECT fact_id, kind, venue_id, due_at FROM ladder_clocks WHERE due_at <= $1
            ORDER BY due_at, venue_id LIMIT $2 FOR UPDATE SKIP LOCKED
            """,
            self._clock.now(),
            limit,
        )
        # In one order of venues, so that two replicas do not wait for each other crosswise.
        for row in sorted(rows, key=lambda each: (each["venue_id"], each["due_at"], each["kind"])):
            venue = (await register_store.venues(conn, [row["venue_id"]]))[row["venue_id"]]
            book = await open_book(conn, venue, self._clock)
            await self._ring(conn, book, Ring(row["kind"]), row["fact_id"], row["due_at"])
            await book.close(conn)
        await conn.executemany(
            "DELETE FROM ladder_clocks WHERE fact_id = $1 AND kind = $2",
            [(row["fact_id"], row["kind"]) for row in rows],
        )
        return len(rows)

    async def _ring(self, conn: Connection, book: Book, ring: Ring, fact_id: UUID, due_at: datetime) -> None:
        if ring is Ring.SUSPENSION_ENDS:
            then = model.standing(book.facts, book.policies, book.venue.area, due_at)
            ended = [
                each
                for measure in then.measures
                for each in measure.suspensions
                if each.decision.fact_id == fact_id and each.effective_until == due_at
            ]
            await self._tell.ended(conn, book.venue, ended, due_at, book.now)
            return
        measure = _appealed(book.standing(), fact_id)
        if measure is None or measure.appeal is None or measure.appeal.state not in _UNDECIDED[ring]:
            return
        what, ended = "escalated", []
        if ring is Ring.APPEAL_LAPSES:
            what = "lapsed"
            ended = [each for each in measure.suspensions if each.effective_until == due_at < each.decision.ends_at]
        await self._tell.appeal(conn, book.venue, measure.appeal, what, book.now, ended)


def _appealed(standing: Standing, appeal_id: UUID) -> Measure | None:
    return next(
        (each for each in standing.measures if each.appeal is not None and each.appeal.appeal_id == appeal_id), None
    )

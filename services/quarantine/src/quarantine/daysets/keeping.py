"""What the sweep does for the lists: bases for the live days, changes that waited long enough, nothing for days that are over."""

from collections.abc import Callable
from typing import Final

import asyncpg
from chassis.clock import Clock
from passes.days import local_day
from prometheus_client import Gauge

from quarantine.daysets import store
from quarantine.daysets.issue import Issuer
from quarantine.daysets.model import live_days

TICK_SECONDS = 1.0
"""How soon after local midnight, at the latest, what waited for the new day goes out."""


PUBLISHED: Final = Gauge(
    "lilitong_day_sets_published",
    "Days, from today on and without a gap, whose restricted list is published; 3 when all is well.",
)


class Keeper:
    """One `tick` may run in several replicas at once: each list is worked on under its head's lock, and the second
    one finds nothing left to do. `published` is called after each commit that put something into the outbox.
    """

    def __init__(self, pool: asyncpg.Pool, issuer: Issuer, clock: Clock, *, published: Callable[[], None]) -> None:
        self._pool = pool
        self._issuer = issuer
        self._clock = clock
        self._published = published

    async def tick(self) -> None:
        now = self._clock.now()
        today = local_day(now)
        days = live_days(today)
        async with self._pool.acquire() as conn:
            drills = await store.open_drills(conn)
            heads = {(head.day, head.drill_id): head for head in await store.heads(conn, days[0], days[-1])}
            due = await store.due(conn, today, now)
        wanting = [(day, drill) for day in days for drill in drills if (day, drill) not in heads]
        worn = [key for key, head in heads.items() if head.worn]
        listed = [(day, "") in heads for day in days]
        PUBLISHED.set([*listed, False].index(False))
        for day, drill_id in [*wanting, *worn]:
            async with self._pool.acquire() as conn, conn.transaction():
                await self._issuer.ensure_base(conn, day, drill_id)
            self._published()
        for day, drill_id in due:
            async with self._pool.acquire() as conn, conn.transaction():
                await self._issuer.flush(conn, day, drill_id)
            self._published()

    async def forget(self) -> None:
        """Drop what still waits for days that are over."""
        async with self._pool.acquire() as conn, conn.transaction():
            await store.drop_pending(conn, local_day(self._clock.now()))

"""Finding likely duplicates: a job of the sweep that holds new venues against those that share a key with them."""

import asyncio
from datetime import timedelta
from typing import Final

import asyncpg
from chassis.clock import Clock
from chassis.pool import Connection
from chassis.sweep import lapses, only_one

from venue.register.duplicates import store
from venue.register.duplicates.likeness import LIKELY, keys, likeness

SECONDS: Final = 0.5
_AT_ONCE: Final = 200
_COMPARED_AT_ONCE: Final = 20
STANDS_BACK: Final = timedelta(minutes=10)
"""For that long after it began an import goes first: whoever sent the file waits for it, nobody for a proposal."""


class Finding:
    """One replica at a time: two that work side by side would not see each other's newest venues, and miss their pairs."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool, self._clock = pool, clock

    async def tick(self) -> None:
        """Work off the queue, some thousand venues at most; the next turn goes on."""
        async with self._pool.acquire() as conn:
            if not await store.due(conn, self._clock.now() - STANDS_BACK):
                return
        await lapses(self._pool, self._take, limit=_AT_ONCE, rounds=20)

    async def _take(self, conn: Connection, limit: int) -> int:
        if not await only_one(conn, "duplicates"):
            return 0
        taken = await store.take(conn, limit)
        entries = await store.entries(conn, taken)
        made = [(key, entry.venue_id) for entry in entries.values() for key in sorted(keys(entry))]
        await store.add_keys(conn, made)
        pairs = await store.sharing(conn, made)
        others = {each for pair in pairs for each in pair} - entries.keys()
        entries |= await store.entries(conn, list(others))
        found = []
        for number, (first, second) in enumerate(sorted(pairs), 1):
            if first in entries and second in entries:
                like = likeness(entries[first], entries[second])
                if like.score >= LIKELY:
                    found.append((entries[first], entries[second], like))
            if number % _COMPARED_AT_ONCE == 0:
                await asyncio.sleep(0)  # let check-ins through meanwhile
        await store.propose(conn, found, self._clock.now())
        return limit if taken else 0

"""Since when each enrolled scanner has not followed the list: what command staff and operators watch."""

from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

import asyncpg
from chassis.clock import Clock
from prometheus_client import Gauge

from checkpoint.sync import store

SECONDS: Final = 30.0
NEVER: Final = "never"
AGES: Final = (("2m", timedelta(minutes=2)), ("1h", timedelta(hours=1)), ("12h", timedelta(hours=12)))
"""Twice a minute it is written down, so two minutes are "now"; after twelve hours a list decides nothing any more (C4)."""
OLDER: Final = "older"

DEVICES: Final = Gauge(
    "lilitong_devices",
    "Enrolled scanners by the time since they last followed the list; every replica counts all of them.",
    ["synced_within"],
)


class Seen:
    """`connected` names the devices that follow the list through this replica."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, connected: Callable[[], Collection[UUID]]) -> None:
        self._pool, self._clock, self._connected = pool, clock, connected

    async def note(self) -> None:
        """Writes down who is connected and counts all devices."""
        now = self._clock.now()
        async with self._pool.acquire() as conn, conn.transaction():
            # In one order, so that replicas never wait for each other crosswise.
            await store.note_syncs(conn, sorted(self._connected()), now)
            counts = await store.sync_counts(conn, [now - limit for _, limit in reversed(AGES)])
        names = dict(enumerate([OLDER] + [name for name, _ in reversed(AGES)])) | {None: NEVER}
        for bucket, name in names.items():
            DEVICES.labels(name).set(counts.get(bucket, 0))

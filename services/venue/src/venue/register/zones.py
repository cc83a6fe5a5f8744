"""Each replica's memory of the zones, so that a check-in asks the database nothing before it writes."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import asyncpg
import structlog
from chassis.events import Broadcast
from chassis.tasks import rest

from venue.register import store
from venue.register.model import ZoneFacts

POLL_S: Final = 1.0
_UNREACHABLE = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_log = structlog.get_logger("venue.register")


class ZoneCache:
    """Follows the register by a bell over the bus and by a poll, for a bell can be missed.

    With Postgres away the zones stay as they were: a code that is revoked meanwhile is revoked nowhere.
    """

    def __init__(self, pool: asyncpg.Pool, bell: Broadcast | None = None) -> None:
        self._pool = pool
        self._bell = bell
        self._zones: dict[int, ZoneFacts] = {}
        self._version = -1
        self._looking = asyncio.Lock()
        self._woken = asyncio.Event()
        self._looked: float | None = None

    @property
    def loaded(self) -> bool:
        """Whether the register was read once."""
        return self._version >= 0

    @property
    def age(self) -> float:
        """Seconds since the zones were last known to be as registered; infinite if never."""
        return float("inf") if self._looked is None else time.monotonic() - self._looked

    def find(self, zone: int) -> ZoneFacts | None:
        return self._zones.get(zone)

    def learn(self, zones: Iterable[ZoneFacts]) -> None:
        """Take zones over; what `look` reads from the register."""
        self._zones.update((facts.zone, facts) for facts in zones)

    def wake(self, _: bytes = b"") -> None:
        """Look now instead of at the next poll."""
        self._woken.set()

    async def announce(self) -> None:
        """After a commit that changed zones: this replica looks now, the others when they hear the bell."""
        with suppress(*_UNREACHABLE):
            await self.look()
        if self._bell is not None:
            await self._bell.ring()

    async def look(self) -> None:
        """Read what changed since the last look. Raises what the database raises."""
        async with self._looking, self._pool.acquire(timeout=5) as connection:
            version = await store.version(connection)
            if version != self._version:
                # Changes commit in the order of their versions, so those up to `version` are all visible; a later one that is
                # already visible as well is simply read twice.
                self.learn(await store.zones_changed_after(connection, self._version))
                self._version = version
            self._looked = time.monotonic()

    async def run(self) -> None:
        """Until cancelled."""
        if self._bell is not None:
            self._bell.listen(self.wake)
        while True:
            try:
                await self.look()
            except _UNREACHABLE as error:
                _log.warning("zones_not_followed", error=type(error).__name__)
            await rest(self._woken, POLL_S)

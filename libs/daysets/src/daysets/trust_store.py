"""The trusted keys of one replica, read from its service's Postgres, so that it starts without quarantine."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg
import structlog
from chassis.clock import Clock
from chassis.tasks import rest

from daysets import projection
from daysets.trust import Key, TrustedKeys

FetchKeys = Callable[[], Awaitable[Sequence[Key]]]

_log = structlog.get_logger("daysets.trust")


class TrustStore:
    """`keys` is at hand whatever is down. A key revoked at quarantine is dropped within `poll` + `refetch` seconds."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        *,
        fetch: FetchKeys,
        poll: float = 5.0,
        refetch: float = 30.0,
    ) -> None:
        """fetch: quarantine's list of keys. poll: seconds between looks at Postgres; refetch: between calls of
        `fetch`.
        """
        self._pool, self._clock, self._fetch = pool, clock, fetch
        self._poll, self._refetch = poll, refetch
        self._listed: Sequence[Key] = []
        self._keys = TrustedKeys()
        self._listeners: list[Callable[[], None]] = []
        self._woken = asyncio.Event()

    @property
    def keys(self) -> TrustedKeys:
        return self._keys

    @property
    def listed(self) -> Sequence[Key]:
        """All keys as published, revoked ones included: what scanners are told."""
        return self._listed

    @property
    def ready(self) -> bool:
        """Whether anything can be verified: passes and the log's checkpoints."""
        return bool(self._keys.passes and self._keys.logs)

    def on_change(self, listener: Callable[[], None]) -> None:
        """`listener()` is called when other keys are trusted than before: `Follower.recheck`, pushes to scanners."""
        self._listeners.append(listener)

    async def reload(self) -> None:
        """Reads the list in Postgres and the clock; raises what the database raises."""
        async with self._pool.acquire(timeout=self._poll) as conn:
            listed = await projection.load_keys(conn)
        keys = TrustedKeys.of(listed, self._clock.now())
        changed = (keys, listed) != (self._keys, self._listed)
        self._listed, self._keys = listed, keys
        if changed:
            for listener in self._listeners:
                listener()

    async def refresh(self) -> None:
        """Fetches quarantine's list, stores it and takes it over; raises what either side raises."""
        fetched = await self._fetch()
        async with self._pool.acquire(timeout=self._poll) as conn, conn.transaction():
            await projection.replace_keys(conn, fetched)
        await self.reload()

    def wake(self) -> None:
        """Ask quarantine now instead of at the next turn, and again each second until it answers."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled: asks Postgres and, less often, quarantine. With either away the keys stay as they are."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self.reload, self._poll, asyncio.Event()))
            tasks.create_task(self._repeat(self.refresh, self._refetch, self._woken))

    async def _repeat(self, work: Callable[[], Awaitable[None]], pause: float, woken: asyncio.Event) -> None:
        while True:
            try:
                await work()
                wait = pause
            except Exception as error:  # noqa: BLE001 - keys stay as they are whatever failed; the loop must not end
                _log.warning("keys_not_refreshed", step=work.__name__, error=type(error).__name__)
                wait = min(pause, 1.0)
            await rest(woken, wait)

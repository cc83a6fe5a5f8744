"""Posts' devices and the scan policy in memory: what authentication and verdicts ask, whatever state Postgres is in."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from chassis.clock import Clock
from chassis.events import Broadcast
from chassis.tasks import rest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from verdicts.model import Policy

from checkpoint.posts import store
from checkpoint.posts.model import TimedPolicy, read_key

POLL_S: Final = 1.0
_UNREACHABLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

_log = structlog.get_logger("checkpoint.directory")


@dataclass(frozen=True, slots=True)
class Active:
    """A device that may call: its post's number and area, and the key it signs with."""

    device_id: UUID
    post: int
    area: str
    key: EllipticCurvePublicKey


class Directory:
    """Follows Postgres by a bell over the bus and a poll of one version row, for a bell can be missed.

    With Postgres away it stays as it was. A revoked device is gone from here within about a second of the commit.
    """

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, bell: Broadcast | None = None, *, poll: float = POLL_S
    ) -> None:
        self._pool, self._clock, self._bell, self._poll = pool, clock, bell, poll
        self._version = 0
        self._devices: Mapping[UUID, Active] = MappingProxyType({})
        self._by_name: Mapping[str, Active] = MappingProxyType({})
        self._policies: tuple[TimedPolicy, ...] = ()
        self._woken = asyncio.Event()
        self._listeners: list[Callable[[], None]] = []

    @property
    def loaded(self) -> bool:
        """Whether it was read once; for readiness."""
        return self._version > 0

    def device(self, device_id: UUID) -> Active | None:
        """None when it is unknown or revoked."""
        return self._devices.get(device_id)

    def named(self, device_id: str) -> Active | None:
        """As `device`, by the id as callers have it: every call asks, and reading an id takes longer than finding it."""
        return self._by_name.get(device_id)

    def key_of(self, device_id: UUID) -> EllipticCurvePublicKey | None:
        found = self._devices.get(device_id)
        return None if found is None else found.key

    def policy(self, at: datetime) -> Policy:
        """What posts check at that moment; the strictest defaults until the first version was read."""
        for timed in reversed(self._policies):
            if timed.effective_from <= at:
                return timed.policy
        return Policy()

    def on_change(self, listener: Callable[[], None]) -> None:
        """`listener()` after each change; it must not block."""
        self._listeners.append(listener)

    def wake(self, _: bytes = b"") -> None:
        self._woken.set()

    async def announce(self) -> None:
        """After a commit that bumped the version: this replica knows when it returns, the others are rung for.

        The effect is committed: a look that fails now is made up for by the poll.
        """
        self.wake()
        with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
            await self.check()
        if self._bell is not None:
            await self._bell.ring()

    async def check(self) -> None:
        """One look; raises what the database raises."""
        async with self._pool.acquire(timeout=5.0) as conn:
            version = await store.version(conn)
            if version == self._version:
                return
            # The version was read first: a change that commits in between is read twice, never missed.
            devices, policies = await store.all_devices(conn), await store.policies(conn)
        known = self._devices
        found = {}
        for device, area in devices:
            before = known.get(device.device_id)
            key = before.key if before else read_key(device.public_key)
            if key is not None:
                found[device.device_id] = Active(device.device_id, device.post, area, key)
        self._devices, self._policies, self._version = MappingProxyType(found), tuple(policies), version
        self._by_name = MappingProxyType({str(device_id): active for device_id, active in found.items()})
        for listener in self._listeners:
            listener()

    async def run(self) -> None:
        """Until cancelled."""
        if self._bell is not None:
            self._bell.listen(self.wake)
        failing = False
        while True:
            try:
                await self.check()
                failing = False
            except _UNREACHABLE as error:
                if not failing:
                    _log.warning("directory_not_followed", error=type(error).__name__)
                failing = True
            await rest(self._woken, self._poll)

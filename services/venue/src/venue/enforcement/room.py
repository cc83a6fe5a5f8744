"""The room put together: inspections, the ladder, and what time brings about in it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import asyncpg
from chassis.clock import Clock
from ledger.note import Signer

from venue.enforcement.inspections.photos import PhotoStore
from venue.enforcement.inspections.recording import Recording
from venue.enforcement.inspections.rpc import InspectionServicer
from venue.enforcement.ladder.acting import Acting
from venue.enforcement.ladder.clocks import Clocks
from venue.enforcement.ladder.events import Teller
from venue.enforcement.ladder.rpc import EnforcementServicer

TICK_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Room:
    inspections: InspectionServicer
    enforcement: EnforcementServicer
    clocks: Clocks


def build(
    pool: asyncpg.Pool,
    clock: Clock,
    log: Signer,
    photos: PhotoStore,
    *,
    seal: Callable[[], bytes],
    told: Callable[[], None],
    zones_changed: Callable[[], Awaitable[None]],
) -> Room:
    """`seal`: the encrypted trace context of an event; `told`: the relay's `wake`; `zones_changed`: `ZoneCache.announce`."""
    tell = Teller(seal)

    async def changed() -> None:
        told()
        await zones_changed()

    return Room(
        InspectionServicer(pool, clock, Recording(clock, tell), photos, told),
        EnforcementServicer(pool, clock, Acting(clock, tell), log, changed),
        Clocks(pool, clock, tell, told),
    )

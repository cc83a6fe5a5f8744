"""The rooms of the register that live beside the register itself, wired: applications, imports, likely duplicates."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
from chassis.clock import Clock

from venue.register.applications.rpc import ApplicationServicer
from venue.register.codes import VenueCodes
from venue.register.duplicates.finding import Finding
from venue.register.duplicates.rpc import DuplicateServicer
from venue.register.imports.job import Importing
from venue.register.imports.rpc import ImportServicer


@dataclass(frozen=True, slots=True)
class Room:
    """`importing` is a task of the service, `finding` a job of its sweep."""

    applications: ApplicationServicer
    imports: ImportServicer
    duplicates: DuplicateServicer
    importing: Importing
    finding: Finding


def build(
    pool: asyncpg.Pool,
    clock: Clock,
    codes: VenueCodes,
    *,
    seal: Callable[[], bytes],
    told: Callable[[], None],
    zones_changed: Callable[[], Awaitable[None]],
) -> Room:
    """`seal`: the encrypted trace context of an event; `told`: the relay's `wake`; `zones_changed`: `ZoneCache.announce`."""

    async def changed() -> None:
        told()
        await zones_changed()

    importing = Importing(pool, clock, codes, seal, changed)
    return Room(
        ApplicationServicer(pool, clock, codes, seal, told, changed),
        ImportServicer(pool, clock, importing.wake),
        DuplicateServicer(pool, clock, seal, changed),
        importing,
        Finding(pool, clock),
    )

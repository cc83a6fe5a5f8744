"""Registering venues: one transaction for a batch, a fate for each."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.clock import local_day

from venue.register import store
from venue.register.codes import VenueCodes
from venue.register.events import publish_registered
from venue.register.model import Fate, NewVenue, NewZone, Venue, Zone, fates

_SIGNED_AT_ONCE = 20


async def register(
    connection: Any,
    venues: Sequence[NewVenue],
    codes: VenueCodes,
    now: datetime,
    seal: Callable[[], bytes],
    *,
    recorded_by: str,
) -> list[tuple[Fate, Venue | None]]:
    """Store those that are new; the fate of each in order, with the venue as it is registered unless it was refused.

    Runs in the caller's transaction. Registrations wait for each other, so what is looked up here holds until the commit.
    """
    await store.lock_register(connection)
    found = fates(venues, await store.known(connection, venues))
    new = [venue for venue, fate in zip(venues, found, strict=True) if fate is Fate.NEW]
    stored: dict[UUID, Venue] = {}
    if new:
        zones = await sign_zones(
            [(venue.venue_id, 0, venue.zones) for venue in new],
            await store.new_zone_ids(connection, sum(len(each.zones) for each in new)),
            codes,
        )
        await store.insert_venues(connection, new)
        await store.insert_particulars(connection, new, now, recorded_by)
        await store.compare_later(connection, [venue.venue_id for venue in new])
        await store.insert_zones(connection, zones, await store.raise_version(connection))
        stored = await store.venues(connection, [venue.venue_id for venue in new])
        await publish_registered(connection, [stored[venue.venue_id] for venue in new], local_day(now), seal)
    repeated = [venue.venue_id for venue, fate in zip(venues, found, strict=True) if fate is Fate.REPEATED]
    if repeated:
        stored |= await store.venues(connection, repeated)
    return [
        (fate, stored[venue.venue_id] if fate in (Fate.NEW, Fate.REPEATED) else None)
        for venue, fate in zip(venues, found, strict=True)
    ]


async def sign_zones(
    wanted: Sequence[tuple[UUID, int, Sequence[NewZone]]], ids: Sequence[int], codes: VenueCodes
) -> list[tuple[UUID, int, Zone]]:
    """Zones with their first codes, as (venue, position in it, zone). `wanted`: venue, first position, zones."""
    numbers = iter(ids)
    made: list[tuple[UUID, int, Zone]] = []
    for venue_id, first, zones in wanted:
        for ordinal, zone in enumerate(zones, first):
            number = next(numbers)
            made.append((venue_id, ordinal, Zone(number, zone.name, zone.capacity, 1, codes.poster(number, 1))))
            if len(made) % _SIGNED_AT_ONCE == 0:
                await asyncio.sleep(0)  # a batch takes tens of milliseconds: let check-ins through meanwhile
    return made

"""Registering venues: one transaction for a batch, a fate for each."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from venue.register import store
from venue.register.codes import VenueCodes
from venue.register.events import publish_registered
from venue.register.model import Fate, NewVenue, Venue, Zone, fates

_SIGNED_AT_ONCE = 20


async def register(
    connection: Any, venues: Sequence[NewVenue], codes: VenueCodes, today: date, seal: Callable[[], bytes]
) -> list[tuple[Fate, Venue | None]]:
    """Store those that are new; the fate of each in order, with the venue as it is registered unless it was refused.

    Runs in the caller's transaction. Registrations wait for each other, so what is looked up here holds until the commit.
    """
    await store.lock_register(connection)
    found = fates(venues, await store.known(connection, venues))
    new = [venue for venue, fate in zip(venues, found, strict=True) if fate is Fate.NEW]
    stored: dict[UUID, Venue] = {}
    if new:
        zones = await _zones(new, await store.new_zone_ids(connection, sum(len(each.zones) for each in new)), codes)
        await store.insert_venues(connection, new)
        await store.insert_zones(connection, zones, await store.raise_version(connection))
        stored = await store.venues(connection, [venue.venue_id for venue in new])
        await publish_registered(connection, [stored[venue.venue_id] for venue in new], today, seal)
    repeated = [venue.venue_id for venue, fate in zip(venues, found, strict=True) if fate is Fate.REPEATED]
    if repeated:
        stored |= await store.venues(connection, repeated)
    return [
        (fate, stored[venue.venue_id] if fate in (Fate.NEW, Fate.REPEATED) else None)
        for venue, fate in zip(venues, found, strict=True)
    ]


async def _zones(venues: Sequence[NewVenue], ids: Sequence[int], codes: VenueCodes) -> list[tuple[UUID, int, Zone]]:
    numbers = iter(ids)
    made: list[tuple[UUID, int, Zone]] = []
    for venue in venues:
        for ordinal, zone in enumerate(venue.zones):
            number = next(numbers)
            made.append((venue.venue_id, ordinal, Zone(number, zone.name, zone.capacity, 1, codes.poster(number, 1))))
            if len(made) % _SIGNED_AT_ONCE == 0:
                await asyncio.sleep(0)  # a batch takes tens of milliseconds: let check-ins through meanwhile
    return made

"""What becomes of a registered venue. Each change runs in the caller's transaction and holds the register's lock to its end."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.clock import local_day
from chassis.errors import DomainError, Kind

from venue.register import change_store, store
from venue.register.codes import VenueCodes
from venue.register.events import publish_changed, publish_code
from venue.register.model import NewZone, Owned, Venue
from venue.register.permission import require_open
from venue.register.registration import sign_zones

MOST_ZONES: Final = 50
Seal = Callable[[], bytes]


async def locked(connection: Any, venue_id: UUID) -> Venue | None:
    """The venue as it is once no other change of the register is under way and nobody holds it; None if there is none."""
    await store.lock_register(connection)
    return (await store.freeze(connection, [venue_id])).get(venue_id)


async def add_zones(
    connection: Any, venue: Venue, zones: Sequence[NewZone], codes: VenueCodes, now: datetime, seal: Seal
) -> Venue:
    """Raises PRECONDITION / VENUE_CLOSED or TOO_MANY_ZONES, EXISTS / ZONE_EXISTS for a name that the venue has already."""
    require_open(venue)
    if len(venue.zones) + len(zones) > MOST_ZONES:
        raise DomainError(Kind.PRECONDITION, "TOO_MANY_ZONES", f"A venue has at most {MOST_ZONES} zones.")
    names = [zone.name for zone in venue.zones] + [zone.name for zone in zones]
    if len(set(names)) < len(names):
        raise DomainError(Kind.EXISTS, "ZONE_EXISTS", "The venue has a zone of that name.")
    ids = await store.new_zone_ids(connection, len(zones))
    made = await sign_zones([(venue.venue_id, len(venue.zones), zones)], ids, codes)
    await store.insert_zones(connection, made, await store.raise_version(connection))
    return await _told(connection, venue.venue_id, "zones_added", now, seal)


async def change_owner(connection: Any, venue: Venue, owned: Owned, seal: Seal) -> Venue:
    """Raises PRECONDITION / VENUE_CLOSED."""
    require_open(venue)
    await change_store.change_owner(connection, venue.venue_id, owned, await store.raise_version(connection))
    await store.compare_later(connection, [venue.venue_id])
    return await _told(connection, venue.venue_id, "owner_changed", owned.since, seal)


async def close(
    connection: Any, venue: Venue, reason: str, now: datetime, by: str, seal: Seal, *, merged_into: UUID | None = None
) -> Venue:
    """Raises PRECONDITION / VENUE_CLOSED."""
    require_open(venue)
    changed = await store.raise_version(connection)
    await change_store.close(connection, venue.venue_id, now, by, reason, merged_into, changed)
    for zone in venue.zones:
        await publish_code(
            connection, venue, zone.zone, zone.code_version, revoked=True, today=local_day(now), seal=seal
        )
    return await _told(connection, venue.venue_id, "merged" if merged_into else "closed", now, seal)


async def _told(connection: Any, venue_id: UUID, what: str, now: datetime, seal: Seal) -> Venue:
    venue = (await store.venues(connection, [venue_id]))[venue_id]
    await publish_changed(connection, venue, what, local_day(now), seal)
    return venue

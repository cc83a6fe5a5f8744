"""What the register publishes; venues are the aggregates."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any, Final

from chassis.events import Event, publish
from chassis.rpc.times import stamp
from lilitong.venue.v1 import events_pb2, venue_pb2

from venue.register.model import Venue

REGISTERED: Final = "lilitong.venue.venue.v1.registered"
CHANGED: Final = "lilitong.venue.venue.v1"
CODE_CHANGED: Final = "lilitong.venue.code.v1.changed"


def encode_venue(venue: Venue) -> venue_pb2.Venue:
    """The venue as contracts say it."""
    return venue_pb2.Venue(
        venue_id=str(venue.venue_id),
        name=venue.name,
        category=venue.category,  # type: ignore[arg-type]  # numbers are the contract's
        area=venue.area,
        address=venue.address,
        zones=[
            venue_pb2.Zone(
                zone=zone.zone,
                name=zone.name,
                capacity=zone.capacity,
                code_version=zone.code_version,
                code=zone.code or "",
            )
            for zone in venue.zones
        ],
        operators=venue.operators,
        drill_id=venue.drill_id,
        closed_at=stamp(venue.closed_at),
        merged_into="" if venue.merged_into is None else str(venue.merged_into),
    )


async def publish_changed(connection: Any, venue: Venue, what: str, today: date, seal: Callable[[], bytes]) -> None:
    """`what`: zones_added, owner_changed, closed or merged."""
    event = Event.of(
        events_pb2.VenueChanged(venue=encode_venue(venue)),
        subject=f"{CHANGED}.{what}",
        aggregate=str(venue.venue_id),
        day=today,
        drill_id=venue.drill_id,
    )
    await publish(connection, [event], seal=seal)


async def publish_registered(connection: Any, venues: Sequence[Venue], today: date, seal: Callable[[], bytes]) -> None:
    await publish(
        connection,
        [
            Event.of(
                events_pb2.VenueRegistered(venue=encode_venue(venue)),
                subject=REGISTERED,
                aggregate=str(venue.venue_id),
                day=today,
                drill_id=venue.drill_id,
            )
            for venue in venues
        ],
        seal=seal,
    )


async def publish_code(
    connection: Any, venue: Venue, zone: int, version: int, *, revoked: bool, today: date, seal: Callable[[], bytes]
) -> None:
    message = events_pb2.VenueCodeChanged(zone=zone, code_version=version, revoked=revoked)
    event = Event.of(message, subject=CODE_CHANGED, aggregate=str(venue.venue_id), day=today, drill_id=venue.drill_id)
    await publish(connection, [event], seal=seal)

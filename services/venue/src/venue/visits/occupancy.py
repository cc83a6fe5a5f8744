"""How many people are inside now, counted when asked."""

from datetime import datetime, timedelta
from typing import Any

from passes.days import local_day

from venue.register.model import Venue
from venue.visits import store
from venue.visits.model import MAX_STAY, second_of


async def occupancy(connection: Any, venue: Venue, now: datetime) -> dict[int, int]:
    """People inside by zone; those of a drill count only where the venue itself belongs to it."""
    today = local_day(now)
    # Whoever came in before midnight is stored under yesterday.
    moments = [(day, second_of(day, now)) for day in (today - timedelta(days=1), today)]
    return await store.inside(connection, [zone.zone for zone in venue.zones], venue.drill_id, moments, MAX_STAY)

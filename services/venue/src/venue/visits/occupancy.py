"""How many people are inside now, each counted once: read from the index of the visits, of a few zones at a time.

For whole areas `venue.watch` counts along with the check-ins.
"""

from datetime import date, datetime, timedelta
from typing import Any

from passes.days import local_day

from venue.register.model import Venue
from venue.visits import store
from venue.visits.model import MAX_STAY, second_of


async def occupancy(connection: Any, venue: Venue, now: datetime) -> dict[int, int]:
    """People inside by zone; those of a drill count only where the venue itself belongs to it."""
    return await store.inside(connection, [zone.zone for zone in venue.zones], venue.drill_id, _moments(now), MAX_STAY)


async def inside_zone(connection: Any, zone: int, drill_id: str, now: datetime) -> int:
    """People inside one zone; `drill_id` is its venue's."""
    return (await store.inside(connection, [zone], drill_id, _moments(now), MAX_STAY)).get(zone, 0)


def _moments(now: datetime) -> list[tuple[date, int]]:
    # Whoever came in before midnight is stored under yesterday.
    today = local_day(now)
    return [(day, second_of(day, now)) for day in (today - timedelta(days=1), today)]

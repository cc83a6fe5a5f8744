"""The end of a visit: told once, in one transaction with what it means for open searches."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import asyncpg
from chassis.clock import Clock
from chassis.errors import DomainError, Kind

from venue.register.zones import ZoneCache
from venue.searches.search import Noted, Searching
from venue.searches.store import Change
from venue.visits import store
from venue.visits.model import MAX_STAY, CheckOutError, VisitRef, check_out, instant_of, second_of


class CheckOuts:
    """`tell` is called with what the commit led to in open searches (`Recorder.tell`)."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, zones: ZoneCache, searching: Searching, tell: Callable[[Noted], None]
    ) -> None:
        self._pool, self._clock, self._zones, self._searching, self._tell = pool, clock, zones, searching, tell

    async def check_out(self, ref: VisitRef, left_at: datetime | None) -> datetime:
        """The end of the visit as it is stored; without `left_at` it is now.

        A repeat gets the first answer. Raises NOT_FOUND / VISIT_UNKNOWN, INVALID with the reasons of `CheckOutError`, MISMATCH
        / VISIT_ENDED for a second check-out at another time.
        """
        now = second_of(ref.day, self._clock.now())
        left = None if left_at is None else second_of(ref.day, left_at)
        async with self._pool.acquire() as connection, connection.transaction():
            found = await store.lock_for_check_out(connection, ref)
            if found is None:
                raise DomainError(Kind.NOT_FOUND, "VISIT_UNKNOWN", "No such visit is known.")
            visit = found.visit
            if found.checked_out:
                if left is not None and left != visit.left:
                    raise DomainError(Kind.MISMATCH, "VISIT_ENDED", "The visit has ended at another time already.")
                return instant_of(ref.day, visit.left)
            zone = self._zones.find(visit.zone)
            limit = MAX_STAY if zone is None else zone.stay_limit
            try:
                stay = check_out(visit.stay, visit.entered, left, now, limit)
            except CheckOutError as error:
                raise DomainError(Kind.INVALID, error.reason, str(error), fields={"left_at": str(error)}) from None
            # Not knowing the zone's dwell, a visit counts as overstayed, which only makes a search look at it once more.
            overstay = stay > (0 if zone is None else zone.dwell)
            await store.set_stay(connection, ref, stay, overstay=overstay)
            changed = replace(visit, stay=stay, overstay=overstay)
            await store.note_end(connection, visit, changed.left)
            noted = await self._searching.note(connection, [Change(changed, visit.left)])
        self._tell(noted)
        return instant_of(ref.day, changed.left)

"""The search itself: the first answer, and what visits written later add to it.

Three transactions take part, and `venue.searches.locks` keeps them from overlooking each other:

- `Searching.open` reads the day's visits and stores the search (alone with the days it reads);
- a writer of visits reads the open searches (`note`, beside other writers). It tells at once of visits that share time
  with a known stay of an index person. A visit of the index person itself it only marks: two writers side by side, one
  with such a visit and one with a contact's, would not see each other;
- `Searching.again` therefore searches marked ones anew, alone with the days again.

A search stays open as long as late items can come: they are taken up to 72 h old, and so concern no day before that. A
check-out after the answer adds what it lengthens; it takes nothing back.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from passes.days import day_number, start_unix

from venue.searches import store
from venue.searches.events import Teller
from venue.searches.locks import lock_days
from venue.searches.model import Hit, Interval, Place, Search, Seen, clip, hit_of, probes, visitors
from venue.searches.store import Change
from venue.visits.model import Visit

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Noted:
    """What a written visit led to: something was published; a search waits to be searched again."""

    told: bool = False
    pending: bool = False


NOTHING = Noted()


class Searching:
    """See the module. Methods run in the caller's transaction."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    async def open(self, connection: Any, search: Search) -> None:
        """Search and publish the first answer; a search that is open already is left as it is."""
        await _be_alone(connection, search)
        if not await store.insert(connection, search):
            return
        found = [
            interval for visit in await store.visits_of(connection, search) if (interval := interval_of(search, visit))
        ]
        await store.put_intervals(connection, search, found)
        places = await store.places(connection, (each.zone for each in found))
        await self._teller.answer(connection, search, await _others(connection, search, found, places), places)

    async def again(self, connection: Any, search_key: tuple[Any, Any]) -> bool:
        """Search for what new and longer stays of the index person add; whether anything was published."""
        day, search_id = search_key
        await lock_days(connection, day - _DAY, day + _DAY)
        search = await store.take_pending(connection, day, search_id)
        if search is None:  # another replica was faster
            return False
        known = {each.visit_key: each for each in await store.intervals(connection, search)}
        changed, grown = [], []
        for visit in await store.visits_of(connection, search):
            before = known.get(visit.visit_key)
            after = interval_of(search, visit) or (replace(before, ends=before.starts) if before else None)
            if after is None or after == before:
                continue
            changed.append(after)
            if before is None or after.ends > before.ends:
                grown.append(after)
        await store.put_intervals(connection, search, changed)
        places = await store.places(connection, (each.zone for each in grown))
        hits = [
            hit
            for stay in grown
            for hit in await _others(connection, search, [stay], places)
            if (before := known.get(stay.visit_key)) is None or hit.overlap_end > _absolute(search, before.ends)
        ]
        counts = await _counts(connection, search, {hit.zone for hit in hits}, places)
        await self._teller.tell_more(connection, search, hits, counts, places)
        return bool(hits)

    async def note(self, connection: Any, changes: Sequence[Change]) -> Noted:
        """Hold written visits against the open searches. Call it in a statement after the one that took the days' locks."""
        if not changes or not await store.near(connection, {change.visit.day for change in changes}):
            return NOTHING
        pending = await store.mark_pending(connection, changes)
        longer = [change for change in changes if change.visit.left > change.known_until]
        met: dict[Search, list[Hit]] = {}
        for position, search, interval in await store.met(connection, longer) if longer else ():
            visit = longer[position].visit
            hit = _hit(search, interval, visit)
            if hit is not None:
                met.setdefault(search, []).append(hit)
        # By the search's id, so that two writers who tell about the same searches do it in one order.
        for search, hits in sorted(met.items(), key=lambda item: item[0].search_id):
            places = await store.places(connection, (hit.zone for hit in hits))
            counts = await _counts(connection, search, places, places)
            await self._teller.tell_more(connection, search, hits, counts, places)
        return Noted(told=bool(met), pending=pending)


def interval_of(search: Search, visit: Visit) -> Interval | None:
    """The index person's visit as far as it lies in the window."""
    part = clip(search, visit.entered, visit.stay)
    return None if part is None else Interval(visit.visit_key, visit.zone, *part, visit.grade, visit.late)


async def _be_alone(connection: Any, search: Search) -> None:
    # A visit that overlaps one of this day began on it, on the day before or, past midnight, on the day after.
    await lock_days(connection, search.day - _DAY, search.day + _DAY)


async def _others(connection: Any, search: Search, stays: Sequence[Interval], places: dict[int, Place]) -> list[Hit]:
    asked = [
        probe for source, stay in enumerate(stays) for probe in probes(source, search.day, stay, places[stay.zone])
    ]
    seen = await store.seen(connection, search.drill_id, asked)
    return [hit for each in seen if (hit := hit_of(search, stays[each.source], each)) is not None]


async def _counts(connection: Any, search: Search, zones: Iterable[int], places: dict[int, Place]) -> dict[int, int]:
    """Visitors of the zones during all of the index person's stays there."""
    hits: list[Hit] = []
    for zone in sorted(zones):
        stays = await store.intervals(connection, search, zone)
        hits += await _others(connection, search, [each for each in stays if each.starts < each.ends], places)
    return visitors(hits)


def _hit(search: Search, interval: Interval, visit: Visit) -> Hit | None:
    return hit_of(search, interval, Seen(0, visit.day, visit.tag, visit.entered, visit.stay, visit.grade, visit.late))


def _absolute(search: Search, second: int) -> int:
    return start_unix(day_number(search.day)) + second

"""Searches come in from quarantine; leads go out. The one place where a passage meets an open search."""

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, timedelta
from typing import Any, Final

from chassis.clock import Clock
from chassis.events import AfterCommit, Event, PoisonError, Received, publish
from chassis.events.handling import Handler
from lilitong.checkpoint.v1.events_pb2 import PassageHit, PassagesFound
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from passes.days import date_of, day_number

from checkpoint.scanning.model import Passage
from checkpoint.scanning.store import lock_days
from checkpoint.searches import store
from checkpoint.searches.model import Hit, Search, days_read, first_open_day, parts

OPENED: Final = "lilitong.quarantine.search.v1.opened"
FOUND: Final = "lilitong.checkpoint.exposure.v1.found"
_ID_BYTES, _LONGEST_MINUTES = 16, 240
_LONGEST_WINDOW = timedelta(days=2)
_NO_WINDOW = "search: the identifiers, window or minutes are out of bounds"


def search_handler(clock: Clock, seal: Callable[[], bytes], after_commit: AfterCommit) -> Handler:
    """The consumer's handler of `search.v1.opened`: answers it, and keeps it open for what is uploaded later."""

    async def handle(conn: Any, event: Received) -> AfterCommit:
        search = read(event)
        await lock_days(conn, days_read(search.day), searching=True)
        own = await store.find_own(conn, search)
        near = await store.find_near(conn, search, own) if own else []
        hits = (await store.new_leads(conn, {search: near})).get(search, []) if near else []
        if search.day >= first_open_day(clock.now()):
            await store.keep_open(conn, search)
            await store.add_own(conn, search, own)
        chunks = list(parts(hits))
        messages = [_message(search, chunk, number + 1, len(chunks)) for number, chunk in enumerate(chunks)]
        await _publish(conn, search, messages, seal)
        return after_commit

    return handle


async def any_open(conn: Any, days: Collection[date], clock: Clock) -> bool:
    """Whether passages of these days may concern a search; asked before they are laid out for `meet_searches`."""
    # A search reads the days beside its own, so the passages of a day concern the searches of the days beside it.
    first, last = days_read(min(days))[0], days_read(max(days))[-1]
    return await store.any_open(conn, max(first, first_open_day(clock.now())), last)


async def meet_searches(conn: Any, fresh: Sequence[Passage], clock: Clock, seal: Callable[[], bytes]) -> bool:
    """For the transaction that has just written these passages: leads for open searches; whether there were any."""
    if not fresh:
        return False
    near = await store.match(conn, fresh, first_open_day(clock.now()))
    found = await store.new_leads(conn, near) if near else near
    for search, hits in found.items():
        await _publish(conn, search, [_message(search, chunk, 0, 0) for chunk in parts(hits)], seal)
    return bool(found)


def read(event: Received) -> Search:
    """The search in an event; PoisonError when it cannot be one."""
    message = event.parse(SearchOpened)
    try:
        search = Search(
            search_id=message.search_id,
            day=date_of(message.day),
            tag=message.tag,
            start=message.window_start.ToDatetime(UTC),
            end=message.window_end.ToDatetime(UTC),
            minutes=message.passage_minutes,
            drill_id=message.drill_id,
        )
    except (ValueError, OverflowError):
        raise PoisonError(_NO_WINDOW) from None
    if (search.day, search.drill_id) != (event.day, event.drill_id):
        raise PoisonError("search: the envelope is of another day or drill")
    sizes = len(search.search_id) == len(search.tag) == _ID_BYTES and search.minutes <= _LONGEST_MINUTES
    if not sizes or not search.start < search.end <= search.start + _LONGEST_WINDOW:
        raise PoisonError(_NO_WINDOW)
    return search


def _message(search: Search, hits: Sequence[Hit], part: int, of: int) -> PassagesFound:
    message = PassagesFound(search_id=search.search_id, part=part, parts=of, drill_id=search.drill_id)
    for hit in hits:
        found = PassageHit(day=day_number(hit.day), tag=hit.tag, post=hit.post, late=hit.late)
        found.passed_at.FromDatetime(hit.passed_at)
        message.hits.append(found)
    return message


async def _publish(conn: Any, search: Search, messages: Sequence[PassagesFound], seal: Callable[[], bytes]) -> None:
    events = [
        Event.of(message, subject=FOUND, aggregate=search.search_id.hex(), day=search.day, drill_id=search.drill_id)
        for message in messages
    ]
    await publish(conn, events, seal=seal)

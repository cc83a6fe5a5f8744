"""What searches consume and publish: `search.v1.opened` in, `exposure.v1.found` out."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from typing import Any, Final
from uuid import UUID

from chassis.errors import DomainError
from chassis.events import AfterCommit, Event, Handler, PoisonError, Received, publish
from chassis.rpc.validation import validate
from google.protobuf.timestamp_pb2 import Timestamp
from lilitong.quarantine.v1.events_pb2 import SearchOpened
from lilitong.venue.v1 import events_pb2
from passes.days import DAY_SECONDS, date_of, day_number

from venue.searches.model import Hit, Place, Search, parts, visitors
from venue.visits.model import second_of

FOUND: Final = "lilitong.venue.exposure.v1.found"
OPENED: Final = "lilitong.quarantine.search.v1.opened"


class Teller:
    """Publishes what searches find. `seal` gives the encrypted trace context of an event."""

    def __init__(self, seal: Callable[[], bytes]) -> None:
        self._seal = seal

    async def answer(self, connection: Any, search: Search, hits: Sequence[Hit], places: dict[int, Place]) -> None:
        """The first answer, in parts 1…n; also when nobody was found, so that the case knows it was looked."""
        pieces = parts(hits)
        counts = visitors(hits)
        await self._publish(
            connection,
            search,
            [_found(search, k, len(pieces), piece, counts, places) for k, piece in enumerate(pieces, start=1)],
        )

    async def tell_more(
        self, connection: Any, search: Search, hits: Sequence[Hit], counts: dict[int, int], places: dict[int, Place]
    ) -> None:
        """What came in after the answer, as parts 0 of 0. `counts`: visitors by zone, the index person included."""
        await self._publish(
            connection, search, [_found(search, 0, 0, piece, counts, places) for piece in parts(hits) if piece]
        )

    async def _publish(self, connection: Any, search: Search, found: Iterable[events_pb2.ExposureFound]) -> None:
        await publish(
            connection,
            [
                Event.of(each, subject=FOUND, aggregate=search.aggregate, day=search.day, drill_id=search.drill_id)
                for each in found
            ],
            seal=self._seal,
        )


def opened_handler(open_search: Callable[[Any, Search], Any], after_commit: AfterCommit) -> Handler:
    """The consumer's handler: `open_search(connection, search)` searches and publishes the answer."""

    async def handle(connection: Any, event: Received) -> AfterCommit | None:
        search = _search(event)
        await open_search(connection, search)
        return after_commit

    return handle


def _search(event: Received) -> Search:
    message = event.parse(SearchOpened)
    try:
        validate(message)
        day = date_of(message.day)
        starts = second_of(day, message.window_start.ToDatetime(UTC))
        ends = second_of(day, message.window_end.ToDatetime(UTC))
    except (DomainError, ValueError, OverflowError):
        raise PoisonError("search: breaks its contract") from None
    if (day, message.drill_id) != (event.day, event.drill_id):
        raise PoisonError("search: the envelope is of another day or drill")
    if not _reasonable(starts, ends):
        raise PoisonError("search: the window does not lie in the day")
    return Search(day, UUID(bytes=message.search_id), message.tag, starts, ends, message.drill_id)


def _reasonable(starts: int, ends: int) -> bool:
    return 0 <= starts < ends <= 2 * DAY_SECONDS


def _found(
    search: Search, part: int, count: int, hits: Sequence[Hit], counts: dict[int, int], places: dict[int, Place]
) -> events_pb2.ExposureFound:
    return events_pb2.ExposureFound(
        search_id=search.search_id.bytes,
        part=part,
        parts=count,
        hits=[_hit(hit) for hit in hits],
        zones=[_zone(places[zone], counts[zone]) for zone in sorted({hit.zone for hit in hits})],
        drill_id=search.drill_id,
    )


def _hit(hit: Hit) -> events_pb2.ExposureHit:
    return events_pb2.ExposureHit(
        day=day_number(hit.day),
        tag=hit.tag,
        zone=hit.zone,
        overlap_start=_timestamp(hit.overlap_start),
        overlap_end=_timestamp(hit.overlap_end),
        grade=hit.grade,  # type: ignore[arg-type]  # numbers are the contract's
        index_grade=hit.index_grade,  # type: ignore[arg-type]
        late=hit.late,
    )


def _zone(place: Place, count: int) -> events_pb2.ZoneContext:
    return events_pb2.ZoneContext(
        zone=place.zone,
        venue_name=place.venue_name,
        category=place.category,  # type: ignore[arg-type]  # numbers are the contract's
        area=place.area,
        visitors=count,
    )


def _timestamp(second: int) -> Timestamp:
    return Timestamp(seconds=second)

"""VenueService: the register of venues."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.rpc.status import to_proto
from chassis.writes import Writes
from lilitong.venue.v1 import venue_pb2, venue_pb2_grpc

from venue.register import change_rpc, code_rpc, store
from venue.register.codes import VenueCodes
from venue.register.events import encode_venue
from venue.register.model import Cursor, Fate, NewVenue, NewZone, Particulars, Venue
from venue.register.permission import only_operator, permitted
from venue.register.registration import register
from venue.register.zones import ZoneCache

_PAGE = 100


class VenueServicer(code_rpc.CodeMethods, change_rpc.ChangeMethods, venue_pb2_grpc.VenueServiceServicer):
    """`wake` is called after a commit that published something (`Relay.wake`)."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        codes: VenueCodes,
        zones: ZoneCache,
        seal: Callable[[], bytes],
        wake: Callable[[], None],
    ) -> None:
        self.pool, self.clock, self.codes, self.zones, self.seal, self.wake = pool, clock, codes, zones, seal, wake
        self.writes = Writes(pool, clock)

    @allow(roles={"venue_officer"}, area="area")
    async def RegisterVenue(self, request: venue_pb2.RegisterVenueRequest, _: Any) -> venue_pb2.RegisterVenueResponse:
        ((fate, venue),) = await self._register([decode(request)])
        if venue is None:
            raise refusal(fate)
        return venue_pb2.RegisterVenueResponse(venue=encode_venue(venue))

    @allow(roles={"venue_officer"}, area="requests.area")
    async def BatchRegisterVenues(
        self, request: venue_pb2.BatchRegisterVenuesRequest, _: Any
    ) -> venue_pb2.BatchRegisterVenuesResponse:
        found = await self._register([decode(each) for each in request.requests])
        answer = venue_pb2.BatchRegisterVenuesResponse()
        for each, (fate, venue) in zip(request.requests, found, strict=True):
            result = answer.results.add(venue_id=each.venue_id)
            if venue is None:
                result.error.CopyFrom(to_proto(refusal(fate)))
            else:
                result.venue.CopyFrom(encode_venue(venue))
        return answer

    @allow(roles={"venue_officer", "venue_operator", "app_backend", "command"}, area=RESOURCE)
    async def GetVenue(self, request: venue_pb2.GetVenueRequest, _: Any) -> venue_pb2.GetVenueResponse:
        venue_id = UUID(request.venue_id)
        async with self.pool.acquire() as connection:
            venue = (await store.venues(connection, [venue_id])).get(venue_id)
        return venue_pb2.GetVenueResponse(venue=encode_venue(permitted(venue)))

    @allow(roles={"venue_officer", "venue_operator", "app_backend", "command"}, area="area")
    async def ListVenues(self, request: venue_pb2.ListVenuesRequest, _: Any) -> venue_pb2.ListVenuesResponse:
        after = pages.after(Cursor, request.page_token)
        operator = current_caller().subject if only_operator() else None
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            page = await store.page(
                connection,
                request.area,
                request.category or None,
                operator,
                after,
                request.page_size or _PAGE,
                query=request.query,
                open_only=request.open_only,
            )
        return venue_pb2.ListVenuesResponse(
            venues=[encode_venue(venue) for venue in page.venues],
            next_page_token=page.next.encode() if page.next else "",
            total=page.total,
        )

    async def _register(self, venues: Sequence[NewVenue]) -> list[tuple[Fate, Venue | None]]:
        async with self.pool.acquire() as connection, connection.transaction():
            found = await register(
                connection, venues, self.codes, self.clock.now(), self.seal, recorded_by=current_caller().subject
            )
        if any(fate is Fate.NEW for fate, _ in found):
            self.wake()
            await self.zones.announce()
        return found


def decode(request: venue_pb2.RegisterVenueRequest) -> NewVenue:
    """The registration; its digest covers all but the request's id."""
    content = venue_pb2.RegisterVenueRequest()
    content.CopyFrom(request)
    content.ClearField("request_id")
    return NewVenue(
        request_id=UUID(request.request_id),
        venue_id=UUID(request.venue_id),
        name=request.name,
        category=request.category,
        area=request.area,
        address=request.address,
        zones=tuple(NewZone(zone.name, zone.capacity) for zone in request.zones),
        operators=tuple(request.operators),
        drill_id=request.drill_id,
        digest=sha256(content.SerializeToString(deterministic=True)).digest(),
        particulars=decode_particulars(request.particulars),
    )


def decode_particulars(given: venue_pb2.Particulars) -> Particulars:
    return Particulars(given.owner, given.responsible_person, given.licence)


def refusal(fate: Fate) -> DomainError:
    """What the caller of a refused registration is told."""
    if fate is Fate.REQUEST_REUSED:
        return DomainError(Kind.MISMATCH, "IDEMPOTENCY_MISMATCH", "This request id was used before with other content.")
    return DomainError(Kind.EXISTS, "VENUE_EXISTS", "Another venue is registered under this id.")

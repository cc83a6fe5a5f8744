"""VenueService: what becomes of a registered venue."""

# ruff: noqa: N802 - methods are named by the contract

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from chassis.access import RESOURCE, allow, current_caller
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pool import Connection
from chassis.rpc.times import stamp
from chassis.writes import Writes
from google.protobuf.message import Message
from lilitong.venue.v1 import venue_pb2

from venue.register import change_store, changes, store
from venue.register.codes import VenueCodes
from venue.register.events import encode_venue
from venue.register.model import NewZone, Owned, Particulars, Venue
from venue.register.permission import permitted
from venue.register.zones import ZoneCache

_Answer = TypeVar("_Answer", bound=Message)


class ChangeMethods:
    """A part of `VenueServicer`; its attributes are set there."""

    pool: asyncpg.Pool
    clock: Clock
    codes: VenueCodes
    zones: ZoneCache
    seal: Callable[[], bytes]
    wake: Callable[[], None]
    writes: Writes

    @allow(roles={"venue_officer"}, area=RESOURCE)
    async def AddZones(self, request: venue_pb2.AddZonesRequest, _: Any) -> venue_pb2.AddZonesResponse:
        zones = [NewZone(zone.name, zone.capacity) for zone in request.zones]

        async def act(conn: Connection, venue: Venue) -> venue_pb2.AddZonesResponse:
            changed = await changes.add_zones(conn, venue, zones, self.codes, self.clock.now(), self.seal)
            return venue_pb2.AddZonesResponse(venue=encode_venue(changed))

        return await self._once("AddZones", request, venue_pb2.AddZonesResponse, act)

    @allow(roles={"venue_officer"}, area=RESOURCE)
    async def ChangeOwner(self, request: venue_pb2.ChangeOwnerRequest, _: Any) -> venue_pb2.ChangeOwnerResponse:
        given = request.particulars
        owned = Owned(
            Particulars(given.owner, given.responsible_person, given.licence),
            tuple(request.operators),
            self.clock.now(),
            current_caller().subject,
        )

        async def act(conn: Connection, venue: Venue) -> venue_pb2.ChangeOwnerResponse:
            return venue_pb2.ChangeOwnerResponse(
                venue=encode_venue(await changes.change_owner(conn, venue, owned, self.seal))
            )

        return await self._once("ChangeOwner", request, venue_pb2.ChangeOwnerResponse, act)

    @allow(roles={"venue_officer"}, area=RESOURCE)
    async def CloseVenue(self, request: venue_pb2.CloseVenueRequest, _: Any) -> venue_pb2.CloseVenueResponse:
        by = current_caller().subject

        async def act(conn: Connection, venue: Venue) -> venue_pb2.CloseVenueResponse:
            closed = await changes.close(conn, venue, request.reason, self.clock.now(), by, self.seal)
            return venue_pb2.CloseVenueResponse(venue=encode_venue(closed))

        return await self._once("CloseVenue", request, venue_pb2.CloseVenueResponse, act)

    @allow(roles={"venue_officer", "venue_operator"}, area=RESOURCE)
    async def GetParticulars(
        self, request: venue_pb2.GetParticularsRequest, _: Any
    ) -> venue_pb2.GetParticularsResponse:
        venue_id = UUID(request.venue_id)
        async with self.pool.acquire() as conn:
            venue = permitted((await store.venues(conn, [venue_id])).get(venue_id))
            owners = await change_store.owners(conn, venue_id)
        caller = current_caller()
        if caller.roles.isdisjoint({"venue_officer"}):
            if caller.subject not in venue.operators:
                raise DomainError(Kind.DENIED, "NOT_AN_OPERATOR", "Only the venue's own accounts may do this.")
            owners = owners[:1]  # who owned it before is no business of the present owner's
        return venue_pb2.GetParticularsResponse(entries=[_encode(each) for each in owners])

    async def _once(
        self,
        method: str,
        request: Any,
        answer: type[_Answer],
        act: Callable[[Connection, Venue], Awaitable[_Answer]],
    ) -> _Answer:
        """A write about one venue; all zones' memories learn of it after the commit."""

        async def authorise(conn: Connection) -> None:
            venue_id = UUID(request.venue_id)
            permitted((await store.venues(conn, [venue_id])).get(venue_id))

        async def acting(conn: Connection) -> _Answer:
            return await act(conn, permitted(await changes.locked(conn, UUID(request.venue_id))))

        done = await self.writes.once(method, request, answer, acting, authorise=authorise)
        self.wake()
        await self.zones.announce()
        return done


def _encode(owned: Owned) -> venue_pb2.GetParticularsResponse.Entry:
    given = owned.particulars
    return venue_pb2.GetParticularsResponse.Entry(
        particulars=venue_pb2.Particulars(
            owner=given.owner, responsible_person=given.responsible_person, licence=given.licence
        ),
        operators=owned.operators,
        since=stamp(owned.since),
        recorded_by=owned.recorded_by,
    )

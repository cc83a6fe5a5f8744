"""The RPCs that read lots: one, those of an area, those at a venue."""
# ruff: noqa: N802 - methods carry the names of the contract

from typing import Any
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow
from chassis.pages import TimeCursor
from lilitong.venue.v1 import cold_chain_pb2 as pb

from venue.coldchain import finding, recall_store, refusals, store, trail
from venue.coldchain.encoding import (
    encode_disinfection,
    encode_lot,
    encode_recall,
    encode_release,
    encode_sample,
)
from venue.coldchain.model import State

_STAFF = {"venue_officer", "inspector", "enforcement_lead", "command", "auditor", "laboratory"}
_READERS = _STAFF | {"venue_operator"}
_PAGE = 100


class ReadingMethods:
    """A part of `ColdChainServicer`."""

    pool: asyncpg.Pool

    @allow(roles=_READERS, area=RESOURCE)
    async def GetLot(self, request: pb.GetLotRequest, _: Any) -> pb.GetLotResponse:
        lot_id = UUID(request.lot_id)
        async with self.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            await finding.premises_of(conn, lot_id, _STAFF)
            head = await store.head(conn, lot_id)
            if head is None:
                raise refusals.unknown_lot()
            release = await store.release(conn, lot_id)
            return pb.GetLotResponse(
                lot=encode_lot(head),
                samples=[encode_sample(each) for each in await store.samples(conn, lot_id)],
                disinfections=[encode_disinfection(each) for each in await store.disinfections(conn, lot_id)],
                release=None if release is None else encode_release(release),
                recalls=[encode_recall(each) for each in await recall_store.proposals(conn, lot_id)],
            )

    @allow(roles=_STAFF, area="area")
    async def ListLots(self, request: pb.ListLotsRequest, _: Any) -> pb.ListLotsResponse:
        after = pages.after(TimeCursor, request.page_token)
        async with self.pool.acquire() as conn:
            found, more = await trail.page(
                conn,
                request.area,
                request.drill_id,
                State(request.state) if request.state else None,
                after,
                request.page_size or _PAGE,
                proposed_only=request.recall_proposed,
            )
        return pb.ListLotsResponse(
            lots=[encode_lot(each) for each in found], next_page_token=more.encode() if more else ""
        )

    @allow(roles=_READERS, area=RESOURCE)
    async def ListLotsAtVenue(self, request: pb.ListLotsAtVenueRequest, _: Any) -> pb.ListLotsAtVenueResponse:
        venue_id = UUID(request.venue_id)
        async with self.pool.acquire() as conn:
            await finding.venue_of(conn, venue_id, _STAFF)
            found = await trail.at_venue(conn, venue_id)
        return pb.ListLotsAtVenueResponse(
            lots=[pb.LotAtVenue(lot=encode_lot(head), there=there) for head, there in found]
        )

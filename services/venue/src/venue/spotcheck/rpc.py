"""SpotCheckService: committing, opening and drawing, reading, and what is published; doors and teams are beside it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import NOWHERE, RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.pages import TimeCursor
from chassis.pool import Connection
from chassis.writes import Writes
from lilitong.venue.v1 import spot_check_pb2 as pb
from lilitong.venue.v1.spot_check_pb2_grpc import SpotCheckServiceServicer

from venue.spotcheck import assignment_store, store
from venue.spotcheck.acting import Drawing, Plan
from venue.spotcheck.door_rpc import DoorMethods
from venue.spotcheck.encoding import encode_check, encode_coverage
from venue.spotcheck.events import Teller
from venue.spotcheck.model import SpotCheck
from venue.spotcheck.records import Records
from venue.spotcheck.refusals import spot_check_unknown
from venue.spotcheck.team_rpc import TeamMethods

_PAGE, _PUBLIC_PAGE = 100, 50
_OFFICIALS = {"venue_officer", "enforcement_lead", "command", "auditor"}


class SpotCheckServicer(TeamMethods, DoorMethods, SpotCheckServiceServicer):
    """`told` is called after a commit that published something (`Relay.wake`)."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, drawing: Drawing, tell: Teller, told: Callable[[], None]
    ) -> None:
        self.pool, self.clock, self.writes = pool, clock, Writes(pool, clock)
        self.tell, self.told, self._drawing = tell, told, drawing
        self._records = Records(pool, clock)

    @allow(roles={"venue_officer"}, area="area")
    async def CommitSpotCheck(self, request: pb.CommitSpotCheckRequest, _: Any) -> pb.CommitSpotCheckResponse:
        plan = Plan(
            draw_id=UUID(request.draw_id),
            area=request.area,
            title=request.title,
            area_digits=request.area_digits,
            per_mille=request.per_mille,
            categories=tuple(request.categories),
            teams=tuple(UUID(each) for each in request.team_ids),
            ends_at=request.ends_at.ToDatetime(UTC),
            drill_id=request.drill_id,
        )

        async def act(conn: Connection) -> pb.CommitSpotCheckResponse:
            made = await self._drawing.commit(conn, plan, current_caller().subject)
            strata = await store.strata(conn, made.draw_id)
            return pb.CommitSpotCheckResponse(spot_check=encode_check(made, self.clock.now(), strata))

        answer = await self.writes.once("CommitSpotCheck", request, pb.CommitSpotCheckResponse, act)
        self.told()
        return answer

    @allow(roles={"enforcement_lead"}, area=RESOURCE)
    async def DrawSpotCheck(self, request: pb.DrawSpotCheckRequest, _: Any) -> pb.DrawSpotCheckResponse:
        draw_id = UUID(request.draw_id)

        async def authorise(conn: Connection) -> None:
            await _known(conn, draw_id)

        async def act(conn: Connection) -> pb.DrawSpotCheckResponse:
            opened = await self._drawing.open(conn, draw_id, current_caller().subject, request.contribution)
            return pb.DrawSpotCheckResponse(spot_check=encode_check(opened, self.clock.now()))

        await self.writes.once("DrawSpotCheck", request, pb.DrawSpotCheckResponse, act, authorise=authorise)
        # The number is in the log for good. If this process ends here, the sweep or a repeat draws: the outcome is fixed.
        await self._drawing.finish(draw_id)
        self.told()
        return pb.DrawSpotCheckResponse(spot_check=await self._read(draw_id))

    @allow(roles=_OFFICIALS | {"inspector"}, area=RESOURCE)
    async def GetSpotCheck(self, request: pb.GetSpotCheckRequest, _: Any) -> pb.GetSpotCheckResponse:
        return pb.GetSpotCheckResponse(spot_check=await self._read(UUID(request.draw_id)))

    async def _read(self, draw_id: UUID) -> pb.SpotCheck:
        async with self.pool.acquire() as conn:
            found = await _known(conn, draw_id)
            strata = await store.strata(conn, draw_id)
        return encode_check(found, self.clock.now(), strata)

    @allow(roles=_OFFICIALS | {"inspector"}, area="area")
    async def ListSpotChecks(self, request: pb.ListSpotChecksRequest, _: Any) -> pb.ListSpotChecksResponse:
        after = pages.after(TimeCursor, request.page_token)
        async with self.pool.acquire() as conn:
            found, more = await store.page(conn, request.area, after, request.page_size or _PAGE)
        now = self.clock.now()
        return pb.ListSpotChecksResponse(
            spot_checks=[encode_check(each, now) for each in found], next_page_token=more.encode() if more else ""
        )

    @allow(roles=_OFFICIALS, area="area")
    async def GetSpotCheckCoverage(
        self, request: pb.GetSpotCheckCoverageRequest, _: Any
    ) -> pb.GetSpotCheckCoverageResponse:
        draw_id = UUID(request.draw_id) if request.draw_id else None
        async with self.pool.acquire() as conn:
            found = await assignment_store.coverage(conn, request.area, draw_id, request.drill_id, self.clock.now())
        return pb.GetSpotCheckCoverageResponse(teams=[encode_coverage(each) for each in found])

    # What is published is for everybody, or "anybody can draw again" would be a matter of who is given a token. Before that
    # it is for nobody.
    @allow(anonymous=True, area=NOWHERE)
    async def GetSpotCheckRecord(self, request: pb.GetSpotCheckRecordRequest, _: Any) -> pb.GetSpotCheckRecordResponse:
        return pb.GetSpotCheckRecordResponse(record=await self._records.get(UUID(request.draw_id)))

    # Nobody draws again what they cannot find; and one that was committed to and never drawn is seen here too.
    @allow(anonymous=True, area=NOWHERE)
    async def ListPublishedSpotChecks(
        self, request: pb.ListPublishedSpotChecksRequest, _: Any
    ) -> pb.ListPublishedSpotChecksResponse:
        after, now = pages.after(TimeCursor, request.page_token), self.clock.now()
        async with self.pool.acquire() as conn:
            found, more = await store.over(
                conn, request.area, request.drill_id, now, after, request.page_size or _PUBLIC_PAGE
            )
        listed = [encode_check(replace(each, title=""), now) for each in found]
        return pb.ListPublishedSpotChecksResponse(spot_checks=listed, next_page_token=more.encode() if more else "")


async def _known(conn: Connection, draw_id: UUID) -> SpotCheck:
    """The spot check, if the caller's area covers it. Raises NOT_FOUND / SPOT_CHECK_UNKNOWN and DENIED / OUT_OF_AREA."""
    found = await store.get(conn, draw_id)
    if found is None:
        raise spot_check_unknown()
    require_area(found.area)
    return found

"""SpotCheckService, at the door: who goes where, the beginning, the inspection that came of it, and what the venue may know."""

# ruff: noqa: N802 - methods are named by the contract

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.pages import Cursor
from chassis.pool import Connection
from chassis.rpc.times import stamp
from chassis.writes import Writes
from lilitong.venue.v1 import spot_check_pb2 as pb

from venue.enforcement.inspections import store as inspection_store
from venue.enforcement.inspections.model import Position
from venue.enforcement.permission import permitted
from venue.register import store as register_store
from venue.register.permission import require_open
from venue.spotcheck import assignment_store, store
from venue.spotcheck.encoding import encode_assignment
from venue.spotcheck.events import Teller
from venue.spotcheck.model import Assignment, Beginning
from venue.spotcheck.refusals import invalid, spot_check_unknown

_PAGE = 200
_VENUES_PAGE = 100
_OVERSEERS = {"enforcement_lead", "command", "auditor"}
_STAFF = {"inspector", "venue_officer", *_OVERSEERS}


class DoorMethods:
    """Part of the servicer, which gives it these."""

    pool: asyncpg.Pool
    clock: Clock
    writes: Writes
    tell: Teller
    told: Callable[[], None]

    @allow(roles=_OVERSEERS | {"inspector"}, area=RESOURCE)
    async def ListSpotCheckAssignments(
        self, request: pb.ListSpotCheckAssignmentsRequest, _: Any
    ) -> pb.ListSpotCheckAssignmentsResponse:
        after = pages.after(Cursor, request.page_token)
        draw_id, caller = UUID(request.draw_id), current_caller()
        own = caller.subject if caller.roles.isdisjoint(_OVERSEERS) else None
        async with self.pool.acquire() as conn:
            check = await store.get(conn, draw_id)
            if check is None:
                raise spot_check_unknown()
            found, more = await assignment_store.page(conn, draw_id, own, after, request.page_size or _PAGE)
        # An inspector's area may be a part of the draw's: where the pair goes is what counts.
        if own is None or not found:
            require_area(check.area)
        for each in found:
            require_area(each.area)
        now = self.clock.now()
        return pb.ListSpotCheckAssignmentsResponse(
            assignments=[encode_assignment(each, now) for each in found],
            next_page_token=more.encode() if more else "",
        )

    @allow(roles={"inspector"}, area=RESOURCE)
    async def BeginSpotCheck(self, request: pb.BeginSpotCheckRequest, _: Any) -> pb.BeginSpotCheckResponse:
        draw_id, venue_id, begun_at = UUID(request.draw_id), UUID(request.venue_id), request.begun_at.ToDatetime(UTC)
        said = request.position
        position = (
            Position(said.latitude_e7, said.longitude_e7, said.accuracy_metres)
            if request.HasField("position")
            else None
        )

        async def authorise(conn: Connection) -> None:
            await _own(conn, draw_id, venue_id)

        async def act(conn: Connection) -> pb.BeginSpotCheckResponse:
            await store.lock(conn, venue_id)
            assignment = await _own(conn, draw_id, venue_id)
            now = self.clock.now()
            # Both of the pair may press the button; the first counts.
            if assignment.begun_at is None:
                wrong = assignment.time_trouble(begun_at, now)
                if wrong is not None:
                    raise invalid("TIME_INVALID", f"The time of the beginning {wrong}.", "begun_at", wrong)
                require_open(await register_store.hold(conn, venue_id))
                begun = Beginning(current_caller().subject, begun_at, now, position)
                await assignment_store.insert_beginning(conn, assignment, begun)
                assignment = replace(assignment, begun_at=begun_at)
                await self.tell.visited(conn, assignment, "begun", now)
            return pb.BeginSpotCheckResponse(assignment=encode_assignment(assignment, now))

        answer = await self.writes.once("BeginSpotCheck", request, pb.BeginSpotCheckResponse, act, authorise=authorise)
        self.told()
        return answer

    @allow(roles={"inspector"}, area=RESOURCE)
    async def LinkSpotCheckInspection(
        self, request: pb.LinkSpotCheckInspectionRequest, _: Any
    ) -> pb.LinkSpotCheckInspectionResponse:
        draw_id, venue_id = UUID(request.draw_id), UUID(request.venue_id)
        inspection_id = UUID(request.inspection_id)

        async def authorise(conn: Connection) -> None:
            await _own(conn, draw_id, venue_id)

        async def act(conn: Connection) -> pb.LinkSpotCheckInspectionResponse:
            await store.lock(conn, venue_id)
            assignment, now = await _own(conn, draw_id, venue_id), self.clock.now()
            if assignment.inspection_id is None:
                await self._link(conn, assignment, inspection_id)
                assignment = replace(assignment, inspection_id=inspection_id)
                await self.tell.visited(conn, assignment, "inspected", now)
            elif assignment.inspection_id != inspection_id:
                raise DomainError(Kind.EXISTS, "ALREADY_INSPECTED", "Another inspection is known for this spot check.")
            return pb.LinkSpotCheckInspectionResponse(assignment=encode_assignment(assignment, now))

        answer = await self.writes.once(
            "LinkSpotCheckInspection", request, pb.LinkSpotCheckInspectionResponse, act, authorise=authorise
        )
        self.told()
        return answer

    async def _link(self, conn: Connection, assignment: Assignment, inspection_id: UUID) -> None:
        if assignment.begun_at is None:
            raise DomainError(Kind.PRECONDITION, "NOT_BEGUN", "This spot check has not begun.")
        inspection = await inspection_store.get(conn, inspection_id)
        if inspection is None or inspection.subject_id != assignment.venue_id:
            raise DomainError(Kind.NOT_FOUND, "INSPECTION_UNKNOWN", "There is no such inspection of this venue.")
        if inspection.inspected_at < assignment.begun_at:
            raise DomainError(Kind.PRECONDITION, "INSPECTED_BEFORE", "The inspection was made before this began.")
        with constraint_errors(assignment_store.ERRORS):
            await assignment_store.link(conn, assignment, inspection, self.clock.now())

    @allow(roles=_STAFF | {"venue_operator"}, area=RESOURCE)
    async def ListVenueSpotChecks(
        self, request: pb.ListVenueSpotChecksRequest, _: Any
    ) -> pb.ListVenueSpotChecksResponse:
        venue_id = UUID(request.venue_id)
        async with self.pool.acquire() as conn:
            permitted((await register_store.venues(conn, [venue_id])).get(venue_id))
            # The same answer for everybody: what has not begun is not here, whoever asks.
            begun = await assignment_store.begun_at_venue(conn, venue_id, _VENUES_PAGE)
        return pb.ListVenueSpotChecksResponse(
            spot_checks=[
                pb.VenueSpotCheck(
                    draw_id=str(draw_id), title=title, begun_at=stamp(at), inspection_id=str(inspection_id or "")
                )
                for draw_id, title, at, inspection_id in begun
            ]
        )


async def _own(conn: Connection, draw_id: UUID, venue_id: UUID) -> Assignment:
    """The assignment, if it is the caller's pair's. Anybody else hears the same as when the venue was not drawn at all.

    Raises NOT_FOUND / ASSIGNMENT_UNKNOWN and DENIED / OUT_OF_AREA.
    """
    found = await assignment_store.get(conn, draw_id, venue_id)
    if found is None or current_caller().subject not in found.inspectors:
        raise DomainError(Kind.NOT_FOUND, "ASSIGNMENT_UNKNOWN", "You have no such assignment.")
    require_area(found.area)
    return found

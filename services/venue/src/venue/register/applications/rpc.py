"""ApplicationService: a venue applies, an officer approves or returns it."""

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock, local_day
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.events import Event, publish
from chassis.pages import TimeCursor
from chassis.pool import Connection
from chassis.rpc.times import stamp
from chassis.writes import Writes
from lilitong.venue.v1 import application_pb2 as pb
from lilitong.venue.v1 import events_pb2
from lilitong.venue.v1.application_pb2_grpc import ApplicationServiceServicer

from venue.register.applications import store
from venue.register.applications.store import Application, State
from venue.register.codes import VenueCodes
from venue.register.events import encode_venue
from venue.register.model import NewVenue, NewZone, Particulars, Venue
from venue.register.registration import register

_PAGE: Final = 100
_OFFICER: Final = "venue_officer"
_READERS: Final = {_OFFICER, "venue_operator", "auditor"}


class ApplicationServicer(ApplicationServiceServicer):
    """`told` is called after a commit that published something, `changed` after one that registered a venue."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        codes: VenueCodes,
        seal: Callable[[], bytes],
        told: Callable[[], None],
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._pool, self._clock, self._codes, self._seal = pool, clock, codes, seal
        self._told, self._changed, self._writes = told, changed, Writes(pool, clock)

    @allow(roles={"venue_operator"}, area="content.area")
    async def SubmitApplication(self, request: pb.SubmitApplicationRequest, _: Any) -> pb.SubmitApplicationResponse:
        application_id, by = UUID(request.application_id), current_caller().subject

        async def authorise(conn: Connection) -> None:
            # Before the answer is looked up: whoever sends another's request again does not read what that one was told.
            former = await store.find(conn, application_id)
            if former is not None:
                _own(former)

        async def act(conn: Connection) -> pb.SubmitApplicationResponse:
            await store.lock(conn, application_id)
            former = await store.find(conn, application_id)
            if former is not None:
                _own(former)
                if former.state is not State.RETURNED:
                    raise DomainError(
                        Kind.PRECONDITION, "APPLICATION_NOT_RETURNED", "Only what was returned is submitted again."
                    )
            number = 1 if former is None else former.submission + 1
            content = request.content.SerializeToString(deterministic=True)
            with constraint_errors({"application_submissions_number_check": _too_often}):
                await store.submit(conn, application_id, number, request.content.area, content, by, self._clock.now())
            return pb.SubmitApplicationResponse(application=encode(await self._tell(conn, application_id, "submitted")))

        answer = await self._writes.once(
            "SubmitApplication", request, pb.SubmitApplicationResponse, act, authorise=authorise
        )
        self._told()
        return answer

    @allow(roles={_OFFICER}, area=RESOURCE)
    async def ApproveApplication(self, request: pb.ApproveApplicationRequest, _: Any) -> pb.ApproveApplicationResponse:
        async def act(conn: Connection) -> pb.ApproveApplicationResponse:
            found = await self._open(conn, request.application_id, request.submission)
            venue = await self._register(conn, found, UUID(request.request_id))
            with constraint_errors({"application_decisions_second_person_check": _same_person}):
                await store.decide(conn, found, current_caller().subject, self._clock.now(), [], venue.venue_id)
            done = await self._tell(conn, found.application_id, "approved")
            return pb.ApproveApplicationResponse(application=encode(done), venue=encode_venue(venue))

        answer = await self._writes.once(
            "ApproveApplication",
            request,
            pb.ApproveApplicationResponse,
            act,
            authorise=lambda conn: _permitted(conn, request.application_id),
        )
        self._told()
        await self._changed()
        return answer

    @allow(roles={_OFFICER}, area=RESOURCE)
    async def ReturnApplication(self, request: pb.ReturnApplicationRequest, _: Any) -> pb.ReturnApplicationResponse:
        async def act(conn: Connection) -> pb.ReturnApplicationResponse:
            found = await self._open(conn, request.application_id, request.submission)
            by, now = current_caller().subject, self._clock.now()
            with constraint_errors({"application_decisions_second_person_check": _same_person}):
                await store.decide(conn, found, by, now, list(request.reasons), None)
            done = await self._tell(conn, found.application_id, "returned")
            return pb.ReturnApplicationResponse(application=encode(done))

        answer = await self._writes.once(
            "ReturnApplication",
            request,
            pb.ReturnApplicationResponse,
            act,
            authorise=lambda conn: _permitted(conn, request.application_id),
        )
        self._told()
        return answer

    @allow(roles=_READERS, area=RESOURCE)
    async def GetApplication(self, request: pb.GetApplicationRequest, _: Any) -> pb.GetApplicationResponse:
        async with self._pool.acquire() as conn:
            return pb.GetApplicationResponse(application=encode(await _permitted(conn, request.application_id)))

    @allow(roles=_READERS, area="area")
    async def ListApplications(self, request: pb.ListApplicationsRequest, _: Any) -> pb.ListApplicationsResponse:
        after = pages.after(TimeCursor, request.page_token)
        caller = current_caller()
        own = caller.subject if caller.roles.isdisjoint(_READERS - {"venue_operator"}) else None
        state = State(request.state) if request.state else None
        async with self._pool.acquire() as conn:
            found, more = await store.page(conn, request.area, state, own, after, request.page_size or _PAGE)
        return pb.ListApplicationsResponse(
            applications=[encode(each) for each in found], next_page_token=more.encode() if more else ""
        )

    async def _open(self, conn: Connection, application_id: str, submission: int) -> Application:
        await store.lock(conn, UUID(application_id))
        found = await _permitted(conn, application_id)
        if found.state is not State.SUBMITTED:
            raise DomainError(
                Kind.PRECONDITION, "APPLICATION_DECIDED", "This application does not wait for a decision."
            )
        if found.submission != submission:
            raise DomainError(Kind.PRECONDITION, "SUBMISSION_OUTDATED", "There is another submission; read that first.")
        return found

    async def _register(self, conn: Connection, found: Application, request_id: UUID) -> Venue:
        new = _venue(found, request_id)
        ((_, venue),) = await register(
            conn, [new], self._codes, self._clock.now(), self._seal, recorded_by=current_caller().subject
        )
        if venue is None:
            raise DomainError(Kind.EXISTS, "VENUE_EXISTS", "Another venue is registered under this id.")
        return venue

    async def _tell(self, conn: Connection, application_id: UUID, what: str) -> Application:
        found = await store.find(conn, application_id)
        assert found is not None  # noqa: S101 - it was just written
        message = events_pb2.ApplicationChanged(
            application_id=str(found.application_id),
            state=int(found.state),  # type: ignore[arg-type]  # numbers are the contract's
            area=found.area,
            submission=found.submission,
        )
        event = Event.of(
            message,
            subject=f"lilitong.venue.application.v1.{what}",
            aggregate=str(application_id),
            day=local_day(self._clock.now()),
        )
        await publish(conn, [event], seal=self._seal)
        return found


def encode(found: Application) -> pb.Application:
    """The application as the contract says it."""
    return pb.Application(
        application_id=str(found.application_id),
        state=int(found.state),  # type: ignore[arg-type]  # numbers are the contract's
        content=pb.ApplicationContent.FromString(found.content),
        applicant=found.applicant,
        submission=found.submission,
        submitted_at=stamp(found.submitted_at),
        decided_by=found.decided_by or "",
        decided_at=stamp(found.decided_at),
        reasons=found.reasons,
        venue_id="" if found.venue_id is None else str(found.venue_id),
    )


def _venue(found: Application, request_id: UUID) -> NewVenue:
    content = pb.ApplicationContent.FromString(found.content)
    given = content.particulars
    return NewVenue(
        request_id=request_id,
        venue_id=found.application_id,
        name=content.name,
        category=content.category,
        area=content.area,
        address=content.address,
        zones=tuple(NewZone(zone.name, zone.capacity) for zone in content.zones),
        operators=(found.applicant,),
        drill_id="",
        digest=sha256(found.content).digest(),
        particulars=Particulars(given.owner, given.responsible_person, given.licence),
    )


def _own(found: Application) -> None:
    require_area(found.area)
    if current_caller().subject != found.applicant:
        raise DomainError(Kind.DENIED, "NOT_AN_OPERATOR", "Only the applicant's own account may do this.")


async def _permitted(conn: Any, application_id: str) -> Application:
    found = await store.find(conn, UUID(application_id))
    if found is None:
        raise DomainError(Kind.NOT_FOUND, "APPLICATION_UNKNOWN", "There is no such application.")
    if current_caller().roles.isdisjoint(_READERS - {"venue_operator"}):
        _own(found)
    else:
        require_area(found.area)
    return found


def _same_person() -> DomainError:
    return DomainError(Kind.DENIED, "SECOND_PERSON_REQUIRED", "Who applied cannot decide.")


def _too_often() -> DomainError:
    return DomainError(
        Kind.EXHAUSTED, "SUBMITTED_TOO_OFTEN", "This application was submitted too often; begin a new one."
    )

"""EnforcementService: standing, rectification, suspension, lift and appeal; policies are in `policies/rpc.py`."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pool import Connection
from chassis.rpc.times import stamp
from chassis.writes import Writes
from google.protobuf.message import Message
from ledger import store as log
from ledger.note import Signer
from lilitong.venue.v1 import enforcement_pb2 as pb
from lilitong.venue.v1.enforcement_pb2_grpc import EnforcementServiceServicer

from venue.enforcement.ladder import store
from venue.enforcement.ladder.acting import Act, Acting
from venue.enforcement.ladder.book import read_standing
from venue.enforcement.ladder.encoding import (
    encode_appeal,
    encode_measure,
    encode_papers,
    encode_standing,
    encode_suspension,
)
from venue.enforcement.ladder.facts import Appealed, ExtensionProposed, Fact, Inspected, LiftProposed
from venue.enforcement.ladder.listing import DueCursor, Wanted
from venue.enforcement.ladder.listing_store import open_measures
from venue.enforcement.ladder.standing import Level
from venue.enforcement.permission import STAFF, permitted
from venue.enforcement.policies.rpc import PolicyMethods
from venue.register import store as register_store
from venue.register.model import Venue
from venue.writing import once_about

_PAGE = 100
_READERS = {"enforcement_lead", "inspector", "venue_officer", "venue_operator", "grid_worker", "command", "auditor"}
_Answer = TypeVar("_Answer", bound=Message)


@dataclass(frozen=True, slots=True)
class About:
    """What an act is about: a measure itself, or a proposal or an appeal of one."""

    kind: type[Fact]
    fact_id: UUID


class EnforcementServicer(PolicyMethods, EnforcementServiceServicer):
    """`changed` is called after each commit: it wakes the relay and makes check-ins look at the zones again."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, acting: Acting, signer: Signer, changed: Callable[[], Awaitable[None]]
    ) -> None:
        self.pool, self.clock, self.writes = pool, clock, Writes(pool, clock)
        self._acting, self._signer, self._changed = acting, signer, changed

    @allow(roles=_READERS, area=RESOURCE)
    async def GetStanding(self, request: pb.GetStandingRequest, _: Any) -> pb.GetStandingResponse:
        venue_id = UUID(request.venue_id)
        at = request.at.ToDatetime(UTC) if request.HasField("at") else self.clock.now()
        async with self.pool.acquire() as conn:
            venue = permitted((await register_store.venues(conn, [venue_id])).get(venue_id))
            standing = await read_standing(conn, venue, at)
        return pb.GetStandingResponse(standing=encode_standing(venue, standing))

    @allow(roles={"enforcement_lead", "inspector", "venue_officer", "grid_worker", "command", "auditor"}, area="area")
    async def ListOpenMeasures(self, request: pb.ListOpenMeasuresRequest, _: Any) -> pb.ListOpenMeasuresResponse:
        after = pages.after(DueCursor, request.page_token)
        now = self.clock.now()
        level = Level(max(request.level, Level.GRID_WORKER if request.late_only else Level.NONE))
        async with self.pool.acquire() as conn:
            wanted = Wanted(request.area, int(request.state), level, request.drill_id)
            found, more = await open_measures(conn, wanted, now, after, request.page_size or _PAGE)
        return pb.ListOpenMeasuresResponse(
            measures=[
                pb.OpenMeasure(
                    venue_id=str(each.venue_id),
                    venue_name=each.venue_name,
                    area=each.area,
                    measure_id=str(each.measure_id),
                    step=each.step,
                    state=int(each.state),  # type: ignore[arg-type]  # numbers are the contract's
                    due_at=stamp(each.due_at),
                    level=int(each.level(now)),  # type: ignore[arg-type]
                    climbs_at=stamp(each.climbs_at(now)),
                    suspension_pending=each.suspension_pending,
                    drill_id=each.drill_id,
                )
                for each in found
            ],
            next_page_token=more.encode() if more else "",
        )

    @allow(roles={"venue_operator", "venue_officer"}, area=RESOURCE)
    async def SubmitRectification(
        self, request: pb.SubmitRectificationRequest, _: Any
    ) -> pb.SubmitRectificationResponse:
        async def act(conn: Connection, venue: Venue, measure_id: UUID) -> pb.SubmitRectificationResponse:
            what = self._act(request.rectification_id, measure_id, request.statement)
            measure = await self._acting.rectify(conn, venue, what, tuple(request.evidence))
            return pb.SubmitRectificationResponse(measure=encode_measure(measure))

        about = About(Inspected, UUID(request.measure_id))
        return await self._once(request, pb.SubmitRectificationResponse, about, act, {"venue_officer"})

    @allow(roles={"enforcement_lead"}, area=RESOURCE)
    async def ApproveSuspension(self, request: pb.ApproveSuspensionRequest, _: Any) -> pb.ApproveSuspensionResponse:
        async def act(conn: Connection, venue: Venue, measure_id: UUID) -> pb.ApproveSuspensionResponse:
            what = self._act(request.suspension_id, measure_id)
            suspension, papers = await self._acting.suspend(conn, venue, what)
            return pb.ApproveSuspensionResponse(suspension=encode_suspension(suspension), papers=encode_papers(papers))

        about = About(Inspected, UUID(request.measure_id))
        return await self._once(request, pb.ApproveSuspensionResponse, about, act)

    @allow(roles={"inspector", "enforcement_lead"}, area=RESOURCE)
    async def ProposeSuspensionExtension(
        self, request: pb.ProposeSuspensionExtensionRequest, _: Any
    ) -> pb.ProposeSuspensionExtensionResponse:
        async def act(conn: Connection, venue: Venue, measure_id: UUID) -> pb.ProposeSuspensionExtensionResponse:
            what = self._act(request.extension_id, measure_id, request.grounds)
            measure = await self._acting.propose_extension(conn, venue, what, request.days)
            return pb.ProposeSuspensionExtensionResponse(measure=encode_measure(measure))

        about = About(Inspected, UUID(request.measure_id))
        return await self._once(request, pb.ProposeSuspensionExtensionResponse, about, act)

    @allow(roles={"enforcement_lead"}, area=RESOURCE)
    async def ApproveSuspensionExtension(
        self, request: pb.ApproveSuspensionExtensionRequest, _: Any
    ) -> pb.ApproveSuspensionExtensionResponse:
        extension_id = UUID(request.extension_id)

        async def act(conn: Connection, venue: Venue, measure_id: UUID) -> pb.ApproveSuspensionExtensionResponse:
            what = self._act(request.suspension_id, measure_id)
            suspension, papers = await self._acting.extend(conn, venue, what, extension_id)
            return pb.ApproveSuspensionExtensionResponse(
                suspension=encode_suspension(suspension), papers=encode_papers(papers)
            )

        about = About(ExtensionProposed, extension_id)
        return await self._once(request, pb.ApproveSuspensionExtensionResponse, about, act)

    @allow(roles={"inspector", "enforcement_lead"}, area=RESOURCE)
    async def ProposeMeasureLift(self, request: pb.ProposeMeasureLiftRequest, _: Any) -> pb.ProposeMeasureLiftResponse:
        async def act(conn: Connection, venue: Venue, measure_id: UUID) -> pb.ProposeMeasureLiftResponse:
            what = self._act(request.lift_id, measure_id, request.grounds)
            measure = await self._acting.propose_lift(conn, venue, what)
            return pb.ProposeMeasureLiftResponse(measure=encode_measure(measure))

        about = About(Inspected, UUID(request.measure_id))
        return await self._once(request, pb.ProposeMeasureLiftResponse, about, act)

    @allow(roles={"enforcement_lead"}, area=RESOURCE)
    async def ApproveMeasureLift(self, request: pb.ApproveMeasureLiftRequest, _: Any) -> pb.ApproveMeasureLiftResponse:
        lift_id = UUID(request.lift_id)

        async def act(conn: Connection, venue: Venue, measure_id: UUID) -> pb.ApproveMeasureLiftResponse:
            # The approval has no id of its own: a proposal has one answer, so the request's does.
            what = self._act(request.request_id, measure_id)
            standing = await self._acting.lift(conn, venue, what, lift_id)
            return pb.ApproveMeasureLiftResponse(standing=encode_standing(venue, standing))

        return await self._once(request, pb.ApproveMeasureLiftResponse, About(LiftProposed, lift_id), act)

    @allow(roles={"venue_operator"}, area=RESOURCE)
    async def FileAppeal(self, request: pb.FileAppealRequest, _: Any) -> pb.FileAppealResponse:
        async def act(conn: Connection, venue: Venue, measure_id: UUID) -> pb.FileAppealResponse:
            what = self._act(request.appeal_id, measure_id, request.grounds)
            return pb.FileAppealResponse(appeal=encode_appeal(await self._acting.appeal(conn, venue, what)))

        about = About(Inspected, UUID(request.measure_id))
        return await self._once(request, pb.FileAppealResponse, about, act, ())

    @allow(roles={"enforcement_lead"}, area=RESOURCE)
    async def DecideAppeal(self, request: pb.DecideAppealRequest, _: Any) -> pb.DecideAppealResponse:
        appeal_id, upheld = UUID(request.appeal_id), request.decision == pb.APPEAL_DECISION_UPHELD

        async def act(conn: Connection, venue: Venue, measure_id: UUID) -> pb.DecideAppealResponse:
            what = self._act(request.request_id, measure_id, request.grounds)
            appeal = await self._acting.decide(conn, venue, what, appeal_id, upheld=upheld)
            return pb.DecideAppealResponse(appeal=encode_appeal(appeal))

        return await self._once(request, pb.DecideAppealResponse, About(Appealed, appeal_id), act)

    @allow(roles=_READERS, area=RESOURCE)
    async def GetSuspensionProof(self, request: pb.GetSuspensionProofRequest, _: Any) -> pb.GetSuspensionProofResponse:
        async with self.pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            found = await store.leaf_of(conn, UUID(request.suspension_id))
            if found is None:
                raise DomainError(Kind.NOT_FOUND, "SUSPENSION_UNKNOWN", "There is no such suspension.")
            venue_id, index, leaf = found
            permitted((await register_store.venues(conn, [venue_id])).get(venue_id))
            edge = await log.frontier(conn)
            return pb.GetSuspensionProofResponse(
                content=leaf.content,
                salt=leaf.salt,
                leaf_index=index,
                tree_size=edge.size,
                path=await log.inclusion_proof(conn, index, edge.size),
                checkpoint=await log.checkpoint(conn, self._signer),
            )

    @staticmethod
    def _act(fact_id: str, measure_id: UUID, note: str = "") -> Act:
        return Act(UUID(fact_id), measure_id, current_caller().subject, note)

    async def _once(
        self,
        request: Any,
        answer: type[_Answer],
        about: About,
        act: Callable[[Connection, Venue, UUID], Awaitable[_Answer]],
        staff: Collection[str] = STAFF,
    ) -> _Answer:
        """Find the venue, check that the caller may, then act once."""

        async def find(conn: Connection) -> tuple[Venue, UUID]:
            place = await store.venue_of(conn, about.fact_id, about.kind)
            if place is None:
                raise DomainError(Kind.NOT_FOUND, _UNKNOWN[about.kind], "There is nothing with this id.")
            venue_id, measure_id = place
            return permitted((await register_store.venues(conn, [venue_id])).get(venue_id), staff), measure_id

        async def run(conn: Connection, found: tuple[Venue, UUID]) -> _Answer:
            return await act(conn, *found)

        result = await once_about(self.writes, request, answer, find, run)
        await self._changed()
        return result


_UNKNOWN = {
    Inspected: "MEASURE_UNKNOWN",
    ExtensionProposed: "EXTENSION_UNKNOWN",
    LiftProposed: "LIFT_UNKNOWN",
    Appealed: "APPEAL_UNKNOWN",
}

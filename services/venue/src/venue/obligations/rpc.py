"""ObligationService: templates by two people, letters and notices in bulk, service, acknowledgement, coverage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock, local_day
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.events import Event, publish
from chassis.pool import Connection
from chassis.writes import Writes
from lilitong.venue.v1 import events_pb2
from lilitong.venue.v1 import obligation_pb2 as pb
from lilitong.venue.v1.obligation_pb2_grpc import ObligationServiceServicer

from venue.documents.events import publish_issued
from venue.documents.issue import issue_many
from venue.documents.model import NewDocument
from venue.enforcement.permission import permitted
from venue.obligations import store
from venue.obligations.encoding import encode_coverage, encode_missing, encode_obligation, encode_template
from venue.obligations.model import (
    DOCUMENTS,
    Due,
    Method,
    MissingCursor,
    Obligation,
    ObligationKind,
    Proof,
    Stage,
    Template,
)
from venue.register import store as register_store
from venue.register.model import Venue
from venue.register.permission import require_open
from venue.writing import each_alone, once_about

_BATCH = 200
_PAGE = 100
_OFFICERS = {"venue_officer"}
_SERVERS = {"venue_officer", "grid_worker", "inspector"}
_READERS = {"venue_officer", "grid_worker", "inspector", "enforcement_lead", "command", "auditor"}
_SUBJECT = "lilitong.venue.obligation.v1."


@dataclass(frozen=True)
class ObligationServicer(ObligationServiceServicer):
    """`seal`: the encrypted trace context of an event; `told` is called after a commit that published (`Relay.wake`).

    Without slots: a class with slots is made twice, and the table of access takes both for servers of the contract.
    """

    pool: asyncpg.Pool
    clock: Clock
    seal: Callable[[], bytes]
    told: Callable[[], None]

    @allow(roles=_OFFICERS, area="area")
    async def DraftObligationTemplate(
        self, request: pb.DraftObligationTemplateRequest, _: Any
    ) -> pb.DraftObligationTemplateResponse:
        template = Template(
            template_id=UUID(request.template_id),
            kind=ObligationKind(request.kind),
            area=request.area,
            category=request.category,
            title=request.title,
            body=request.body,
            requirements=tuple(request.requirements),
            issuing_body=request.issuing_body,
            drafted_by=current_caller().subject,
            drafted_at=self.clock.now(),
        )

        async def act(conn: Connection) -> pb.DraftObligationTemplateResponse:
            with constraint_errors(store.ERRORS):
                await store.insert_template(conn, template)
            return pb.DraftObligationTemplateResponse(template=encode_template(template))

        return await self._writes.once("DraftObligationTemplate", request, pb.DraftObligationTemplateResponse, act)

    @allow(roles=_OFFICERS, area=RESOURCE)
    async def ApproveObligationTemplate(
        self, request: pb.ApproveObligationTemplateRequest, _: Any
    ) -> pb.ApproveObligationTemplateResponse:
        template_id = UUID(request.template_id)

        async def find(conn: Connection) -> Template:
            return await _template(conn, template_id)

        async def act(conn: Connection, template: Template) -> pb.ApproveObligationTemplateResponse:
            with constraint_errors(store.ERRORS):
                await store.lock(conn, "templates")
                await store.approve(conn, template, current_caller().subject, self.clock.now())
            approved = await _template(conn, template_id)
            return pb.ApproveObligationTemplateResponse(template=encode_template(approved))

        return await once_about(self._writes, request, pb.ApproveObligationTemplateResponse, find, act)

    @allow(roles=_READERS, area=RESOURCE)
    async def GetObligationTemplate(
        self, request: pb.GetObligationTemplateRequest, _: Any
    ) -> pb.GetObligationTemplateResponse:
        async with self.pool.acquire() as conn:
            found = await _template(conn, UUID(request.template_id))
        return pb.GetObligationTemplateResponse(template=encode_template(found))

    @allow(roles=_READERS, area="area")
    async def ListObligationTemplates(
        self, request: pb.ListObligationTemplatesRequest, _: Any
    ) -> pb.ListObligationTemplatesResponse:
        async with self.pool.acquire() as conn:
            found = await store.templates(conn, request.area, drafts_only=request.drafts_only)
        return pb.ListObligationTemplatesResponse(templates=[encode_template(each) for each in found])

    @allow(roles=_OFFICERS, area="area")
    async def IssueObligations(self, request: pb.IssueObligationsRequest, _: Any) -> pb.IssueObligationsResponse:
        async def act(conn: Connection) -> pb.IssueObligationsResponse:
            # Two who issue at once follow each other: the second sees what the first has left.
            await store.lock(conn, "issue")
            lacking, total = await store.due(
                conn,
                request.area,
                request.category or None,
                request.kind or None,
                request.drill_id,
                request.limit or _BATCH,
            )
            await self._issue(conn, lacking)
            return pb.IssueObligationsResponse(issued=len(lacking), remaining=total - len(lacking))

        answer = await self._writes.once("IssueObligations", request, pb.IssueObligationsResponse, act)
        self.told()
        return answer

    async def _issue(self, conn: Connection, lacking: Sequence[Due]) -> None:
        templates = {each: await _known(conn, each) for each in {due.template_id for due in lacking}}
        documents = await issue_many(conn, [self._document(due, templates[due.template_id]) for due in lacking])
        pairs = zip(documents, lacking, strict=True)
        await store.insert(conn, [(each.document_id, due.venue_id, due.template_id) for each, due in pairs])
        if documents:
            await publish_issued(conn, documents, self.seal)

    def _document(self, due: Due, template: Template) -> NewDocument:
        return NewDocument(
            kind=DOCUMENTS[due.kind],
            venue_id=due.venue_id,
            issuing_body=template.issuing_body,
            content={
                "venue": {"name": due.name, "address": due.address, "category": due.category},
                "title": template.title,
                "body": template.body,
                "requirements": list(template.requirements),
                "version": template.version,
            },
            issued_at=self.clock.now(),
            source_id=template.template_id,
            drill_id=due.drill_id,
        )

    @allow(roles=_SERVERS, area=RESOURCE)
    async def ServeObligations(self, request: pb.ServeObligationsRequest, _: Any) -> pb.ServeObligationsResponse:
        answer = await self._serve(request)
        self.told()
        return answer

    @allow(roles=_SERVERS, area=RESOURCE)
    async def BatchServeObligations(
        self, request: pb.BatchServeObligationsRequest, _: Any
    ) -> pb.BatchServeObligationsResponse:
        answer = pb.BatchServeObligationsResponse()
        await each_alone(request.requests, self._serve, answer.results, "venue_id")
        self.told()
        return answer

    async def _serve(self, request: pb.ServeObligationsRequest) -> pb.ServeObligationsResponse:
        venue_id, wanted = UUID(request.venue_id), [UUID(each) for each in request.obligation_ids]

        async def find(conn: Connection) -> Venue:
            return permitted((await register_store.venues(conn, [venue_id])).get(venue_id), _SERVERS)

        async def act(conn: Connection, venue: Venue) -> pb.ServeObligationsResponse:
            proof = Proof(
                method=Method(request.method),
                served_by=current_caller().subject,
                witness=request.witness,
                served_at=request.served_at.ToDatetime(UTC),
                recorded_at=self.clock.now(),
                photo_sha256=request.photo_sha256,
                tracking_number=request.tracking_number,
            )
            lacks = proof.lacks()
            if lacks:
                raise DomainError(Kind.INVALID, "PROOF_INCOMPLETE", "The proof of service is incomplete.", fields=lacks)
            await store.lock(conn, str(venue_id))
            require_open(await register_store.hold(conn, venue_id), proof.served_at)
            own = {each.obligation_id for each in await store.of_venue(conn, venue_id)}
            if not own.issuperset(wanted):
                raise DomainError(Kind.NOT_FOUND, "OBLIGATION_UNKNOWN", "This venue has no such letter or notice.")
            with constraint_errors(store.ERRORS):
                for each in sorted(wanted):
                    await store.serve(conn, each, proof)
            served = [each for each in await store.of_venue(conn, venue_id) if each.obligation_id in wanted]
            await self._tell(conn, venue, "served", served)
            return pb.ServeObligationsResponse(obligations=[encode_obligation(each) for each in served])

        return await once_about(self._writes, request, pb.ServeObligationsResponse, find, act)

    @allow(roles={"venue_operator"}, area=RESOURCE)
    async def AcknowledgeObligation(
        self, request: pb.AcknowledgeObligationRequest, _: Any
    ) -> pb.AcknowledgeObligationResponse:
        obligation_id = UUID(request.obligation_id)

        async def find(conn: Connection) -> Venue:
            venue_id = await store.venue_of(conn, obligation_id)
            if venue_id is None:
                raise DomainError(Kind.NOT_FOUND, "OBLIGATION_UNKNOWN", "There is no such letter or notice.")
            return permitted((await register_store.venues(conn, [venue_id])).get(venue_id), ())

        async def act(conn: Connection, venue: Venue) -> pb.AcknowledgeObligationResponse:
            require_open(await register_store.hold(conn, venue.venue_id))
            with constraint_errors(store.ERRORS):
                await store.acknowledge(conn, obligation_id, current_caller().subject, self.clock.now())
            done = [each for each in await store.of_venue(conn, venue.venue_id) if each.obligation_id == obligation_id]
            await self._tell(conn, venue, "acknowledged", done)
            return pb.AcknowledgeObligationResponse(obligation=encode_obligation(done[0]))

        answer = await once_about(self._writes, request, pb.AcknowledgeObligationResponse, find, act)
        self.told()
        return answer

    @allow(roles=_READERS | {"venue_operator"}, area=RESOURCE)
    async def ListObligations(self, request: pb.ListObligationsRequest, _: Any) -> pb.ListObligationsResponse:
        venue_id = UUID(request.venue_id)
        async with self.pool.acquire() as conn:
            permitted((await register_store.venues(conn, [venue_id])).get(venue_id), _READERS)
            found = await store.of_venue(conn, venue_id)
        return pb.ListObligationsResponse(obligations=[encode_obligation(each) for each in found])

    @allow(roles=_READERS, area="area")
    async def GetObligationCoverage(
        self, request: pb.GetObligationCoverageRequest, _: Any
    ) -> pb.GetObligationCoverageResponse:
        async with self.pool.acquire() as conn:
            rows = await store.coverage(
                conn, request.area, request.category or None, request.drill_id, request.area_digits or 9
            )
        return pb.GetObligationCoverageResponse(rows=[encode_coverage(each) for each in rows])

    @allow(roles=_READERS, area="area")
    async def ListMissingObligations(
        self, request: pb.ListMissingObligationsRequest, _: Any
    ) -> pb.ListMissingObligationsResponse:
        after = pages.after(MissingCursor, request.page_token)
        async with self.pool.acquire() as conn:
            found, more = await store.missing(
                conn,
                request.area,
                request.category or None,
                request.kind or None,
                request.drill_id,
                Stage(request.stage or Stage.SERVED),
                after,
                request.page_size or _PAGE,
            )
        return pb.ListMissingObligationsResponse(
            missing=[encode_missing(each) for each in found], next_page_token=more.encode() if more else ""
        )

    @property
    def _writes(self) -> Writes:
        return Writes(self.pool, self.clock)

    async def _tell(self, conn: Connection, venue: Venue, what: str, changed: Sequence[Obligation]) -> None:
        await publish(
            conn,
            [
                Event.of(
                    events_pb2.ObligationChanged(venue_id=str(venue.venue_id), obligation=encode_obligation(each)),
                    subject=_SUBJECT + what,
                    aggregate=str(venue.venue_id),
                    day=local_day(self.clock.now()),
                    drill_id=venue.drill_id,
                )
                for each in changed
            ],
            seal=self.seal,
        )


async def _known(conn: Connection, template_id: UUID) -> Template:
    found = await store.template(conn, template_id)
    if found is None:
        raise DomainError(Kind.NOT_FOUND, "TEMPLATE_UNKNOWN", "There is no such template.")
    return found


async def _template(conn: Connection, template_id: UUID) -> Template:
    """If the caller's area covers it."""
    found = await _known(conn, template_id)
    require_area(found.area)
    return found

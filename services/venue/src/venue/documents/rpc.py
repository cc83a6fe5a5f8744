"""DocumentService: posters, documents read, listed, rendered and verified."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import NOWHERE, RESOURCE, allow
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pages import TimeCursor
from chassis.pool import Connection
from chassis.writes import Writes
from lilitong.venue.v1 import document_pb2 as pb
from lilitong.venue.v1.document_pb2_grpc import DocumentServiceServicer

from venue.documents import store
from venue.documents.encoding import encode_document, encode_verification
from venue.documents.events import publish_issued
from venue.documents.issue import issue
from venue.documents.model import Document, DocumentFormat, DocumentKind, NewDocument
from venue.documents.rendering import MEDIA_TYPES, Renderer
from venue.documents.standing import StandingOf
from venue.documents.store import Scope
from venue.enforcement.permission import permitted
from venue.register import store as register_store
from venue.register.model import Venue
from venue.writing import once_about

_PAGE = 100
_STAFF = {"venue_officer", "inspector", "enforcement_lead", "command", "auditor"}
_READERS = _STAFF | {"venue_operator"}


class DocumentServicer(DocumentServiceServicer):
    """`poster_body`: who issues posters; `told` is called after a commit that published something (`Relay.wake`)."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        renderer: Renderer,
        standing: StandingOf,
        poster_body: str,
        seal: Callable[[], bytes],
        told: Callable[[], None],
    ) -> None:
        self._pool, self._clock, self._writes = pool, clock, Writes(pool, clock)
        self._renderer, self._standing, self._poster_body = renderer, standing, poster_body
        self._seal, self._told = seal, told

    @allow(roles={"venue_officer", "venue_operator"}, area=RESOURCE)
    async def IssuePoster(self, request: pb.IssuePosterRequest, _: Any) -> pb.IssuePosterResponse:
        async def find(conn: Connection) -> Venue:
            return permitted(await register_store.venue_of_zone(conn, request.zone), {"venue_officer"})

        async def act(conn: Connection, venue: Venue) -> pb.IssuePosterResponse:
            document = await self._poster(conn, venue, request.zone)
            standings = await self._standing(conn, [document], self._clock.now())
            return pb.IssuePosterResponse(document=encode_document(document, standings[document.document_id]))

        answer = await once_about(self._writes, request, pb.IssuePosterResponse, find, act)
        self._told()
        return answer

    async def _poster(self, conn: Connection, venue: Venue, number: int) -> Document:
        await store.lock_poster(conn, number)
        zone = next(each for each in venue.zones if each.zone == number)
        if zone.code is None:
            raise DomainError(Kind.PRECONDITION, "VENUE_CODE_REVOKED", "This zone has no valid code.")
        known = await store.poster_of(conn, number, zone.code_version)
        if known is not None:
            return known
        document = await issue(
            conn,
            NewDocument(
                kind=DocumentKind.POSTER,
                venue_id=venue.venue_id,
                issuing_body=self._poster_body,
                content={
                    "venue": {"name": venue.name, "address": venue.address, "category": venue.category},
                    "zone_name": zone.name,
                    "code": zone.code,
                },
                issued_at=self._clock.now(),
                drill_id=venue.drill_id,
                zone=number,
                code_version=zone.code_version,
            ),
        )
        await publish_issued(conn, [document], self._seal)
        return document

    @allow(roles=_READERS, area=RESOURCE)
    async def GetDocument(self, request: pb.GetDocumentRequest, _: Any) -> pb.GetDocumentResponse:
        async with self._pool.acquire() as conn:
            document = await _readable(conn, UUID(request.document_id))
            return pb.GetDocumentResponse(document=(await self._encoded(conn, [document]))[0])

    @allow(roles=_STAFF, area="area")
    async def ListDocuments(self, request: pb.ListDocumentsRequest, _: Any) -> pb.ListDocumentsResponse:
        after = pages.after(TimeCursor, request.page_token)
        async with self._pool.acquire() as conn:
            scope = Scope(request.area, kind=request.kind or None, drill_id=request.drill_id)
            found = await store.page(conn, scope, after, request.page_size or _PAGE)
            documents = await self._encoded(conn, found.documents)
        return pb.ListDocumentsResponse(
            documents=documents, next_page_token=found.next.encode() if found.next else "", total=found.total
        )

    @allow(roles=_READERS, area=RESOURCE)
    async def ListVenueDocuments(self, request: pb.ListVenueDocumentsRequest, _: Any) -> pb.ListVenueDocumentsResponse:
        after, venue_id = pages.after(TimeCursor, request.page_token), UUID(request.venue_id)
        async with self._pool.acquire() as conn:
            venue = permitted((await register_store.venues(conn, [venue_id])).get(venue_id), _STAFF)
            scope = Scope(venue.area, venue_id=venue_id, drill_id=venue.drill_id)
            found = await store.page(conn, scope, after, request.page_size or _PAGE)
            documents = await self._encoded(conn, found.documents)
        return pb.ListVenueDocumentsResponse(
            documents=documents, next_page_token=found.next.encode() if found.next else ""
        )

    @allow(roles=_READERS, area=RESOURCE)
    async def RenderDocument(self, request: pb.RenderDocumentRequest, _: Any) -> pb.RenderDocumentResponse:
        form = DocumentFormat(request.format or DocumentFormat.PDF)
        async with self._pool.acquire() as conn:
            document = await _readable(conn, UUID(request.document_id))
        if form is not DocumentFormat.PDF and document.new.kind is not DocumentKind.POSTER:
            raise DomainError(
                Kind.INVALID, "FORMAT_NOT_OFFERED", "Only posters come as pictures.", fields={"format": "use pdf"}
            )
        return pb.RenderDocumentResponse(data=await self._renderer.render(document, form), media_type=MEDIA_TYPES[form])

    # Anybody may ask: whoever stands before a door must be able to check what hangs there.
    @allow(anonymous=True, area=NOWHERE)
    async def VerifyDocument(self, request: pb.VerifyDocumentRequest, _: Any) -> pb.VerifyDocumentResponse:
        now = self._clock.now()
        async with self._pool.acquire() as conn:
            document = await store.verified(conn, request.verification_id)
            standings = {} if document is None else await self._standing(conn, [document], now)
        standing = None if document is None else standings[document.document_id]
        return pb.VerifyDocumentResponse(verification=encode_verification(document, standing, now))

    async def _encoded(self, conn: Connection, documents: Sequence[Document]) -> list[pb.Document]:
        standings = await self._standing(conn, documents, self._clock.now())
        return [encode_document(each, standings[each.document_id]) for each in documents]


async def _readable(conn: Connection, document_id: UUID) -> Document:
    document = await store.get(conn, document_id)
    if document is None:
        raise DomainError(Kind.NOT_FOUND, "DOCUMENT_UNKNOWN", "There is no such document.")
    venues = await register_store.venues(conn, [document.new.venue_id])
    permitted(venues.get(document.new.venue_id), _STAFF)
    return document

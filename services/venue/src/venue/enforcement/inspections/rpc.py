"""InspectionService: checklists, inspections (one, many, read, listed) and their photos."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import NOWHERE, RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pages import TimeCursor
from chassis.pool import Connection
from chassis.writes import Writes
from lilitong.venue.v1 import inspection_pb2 as pb
from lilitong.venue.v1.inspection_pb2_grpc import InspectionServiceServicer

from venue.enforcement.inspections import store
from venue.enforcement.inspections.decoding import decode
from venue.enforcement.inspections.encoding import encode_checklist, encode_inspection
from venue.enforcement.inspections.model import Inspection, Subject
from venue.enforcement.inspections.photos import DamagedPhotoError, PhotoStore, media_type, photo_digest
from venue.enforcement.inspections.recording import Place, Recording
from venue.enforcement.permission import STAFF, permitted
from venue.register import store as register_store
from venue.writing import each_alone, once_about

_PAGE = 100
_READERS = {"inspector", "enforcement_lead", "venue_officer", "venue_operator", "command", "auditor"}
_OTHERS = _READERS - {"venue_operator"}


class InspectionServicer(InspectionServiceServicer):
    """`told` is called after a commit that published something (`Relay.wake`)."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Clock, recording: Recording, photos: PhotoStore, told: Callable[[], None]
    ) -> None:
        self._pool, self._clock, self._writes = pool, clock, Writes(pool, clock)
        self._recording, self._photos, self._told = recording, photos, told

    # No area: a checklist is reference data.
    @allow(roles=_READERS | {"grid_worker"}, area=NOWHERE)
    async def GetChecklist(self, request: pb.GetChecklistRequest, _: Any) -> pb.GetChecklistResponse:
        async with self._pool.acquire() as conn:
            found = await store.checklist(
                conn,
                Subject(request.subject or Subject.VENUE),
                request.category,
                request.version or None,
                self._clock.now(),
            )
        if found is None:
            raise DomainError(Kind.NOT_FOUND, "CHECKLIST_UNKNOWN", "There is no such checklist.")
        return pb.GetChecklistResponse(checklist=encode_checklist(found))

    @allow(roles={"inspector"}, area=RESOURCE)
    async def RecordInspection(self, request: pb.RecordInspectionRequest, _: Any) -> pb.RecordInspectionResponse:
        answer = await self._record(request)
        self._told()
        return answer

    @allow(roles={"inspector"}, area=RESOURCE)
    async def BatchRecordInspections(
        self, request: pb.BatchRecordInspectionsRequest, _: Any
    ) -> pb.BatchRecordInspectionsResponse:
        answer = pb.BatchRecordInspectionsResponse()
        await each_alone(request.requests, self._record, answer.results, "inspection_id")
        self._told()
        return answer

    async def _record(self, request: pb.RecordInspectionRequest) -> pb.RecordInspectionResponse:
        draft = decode(request, current_caller().subject)

        async def find(conn: Connection) -> Place:
            return await self._recording.place(conn, draft)

        async def act(conn: Connection, place: Place) -> pb.RecordInspectionResponse:
            return await self._recording.record(conn, draft, place)

        return await once_about(self._writes, request, pb.RecordInspectionResponse, find, act)

    @allow(roles=_READERS, area=RESOURCE)
    async def GetInspection(self, request: pb.GetInspectionRequest, _: Any) -> pb.GetInspectionResponse:
        async with self._pool.acquire() as conn:
            inspection = await _readable(conn, UUID(request.inspection_id))
            missing = await store.missing_photos(conn, inspection.inspection_id) if inspection.photos else []
        return pb.GetInspectionResponse(inspection=encode_inspection(inspection, missing))

    @allow(roles=_OTHERS, area="area")
    async def ListInspections(self, request: pb.ListInspectionsRequest, _: Any) -> pb.ListInspectionsResponse:
        after = pages.after(TimeCursor, request.page_token)
        async with self._pool.acquire() as conn:
            found, more = await store.page(
                conn,
                request.area,
                request.drill_id,
                Subject(request.subject) if request.subject else None,
                UUID(request.subject_id) if request.subject_id else None,
                after,
                request.page_size or _PAGE,
                failed_only=request.failed_only,
            )
        return pb.ListInspectionsResponse(
            inspections=[encode_inspection(each, brief=True) for each in found],
            next_page_token=more.encode() if more else "",
        )

    @allow(roles={"inspector"}, area=RESOURCE)
    async def UploadInspectionPhoto(
        self, request: pb.UploadInspectionPhotoRequest, _: Any
    ) -> pb.UploadInspectionPhotoResponse:
        digest, kind = await photo_digest(request.data), media_type(request.data)
        if kind is None:
            raise DomainError(
                Kind.INVALID, "NOT_A_PHOTO", "Only JPEG, PNG and WebP are taken.", fields={"data": "not a photo"}
            )
        inspection_id = UUID(request.inspection_id)

        async def authorise(conn: Connection) -> None:
            inspection = await _readable(conn, inspection_id)
            if digest not in inspection.photos:
                raise DomainError(Kind.PRECONDITION, "PHOTO_NOT_NAMED", "The inspection does not name this photo.")

        async def act(conn: Connection) -> pb.UploadInspectionPhotoResponse:
            await store.note_photo(conn, digest, kind, len(request.data), self._clock.now())
            return pb.UploadInspectionPhotoResponse(
                sha256=digest, missing_photos=await store.missing_photos(conn, inspection_id)
            )

        async with self._pool.acquire() as conn:
            await authorise(conn)
        # Into the store first, and with no transaction open: what is noted is there; one that is not noted is a file too many.
        await self._photos.put(digest, request.data)
        return await self._writes.once(
            "UploadInspectionPhoto", request, pb.UploadInspectionPhotoResponse, act, authorise=authorise
        )

    @allow(roles=_READERS, area=RESOURCE)
    async def GetInspectionPhoto(self, request: pb.GetInspectionPhotoRequest, _: Any) -> pb.GetInspectionPhotoResponse:
        inspection_id, digest = UUID(request.inspection_id), bytes.fromhex(request.sha256)
        async with self._pool.acquire() as conn:
            await _readable(conn, inspection_id)
            kind = await store.photo_type(conn, inspection_id, digest)
        if kind is None:
            raise DomainError(Kind.NOT_FOUND, "PHOTO_UNKNOWN", "This inspection has no such photo yet.")
        try:
            return pb.GetInspectionPhotoResponse(data=await self._photos.get(digest), media_type=kind)
        except (DamagedPhotoError, FileNotFoundError):
            raise DomainError(
                Kind.UNAVAILABLE, "PHOTO_NOT_AVAILABLE", "The store does not give this photo as it was put in."
            ) from None


async def _readable(conn: Connection, inspection_id: UUID) -> Inspection:
    """The inspection, if the caller may read it: staff of its area, and the venue's own accounts."""
    inspection = await store.get(conn, inspection_id)
    if inspection is None:
        raise DomainError(Kind.NOT_FOUND, "INSPECTION_UNKNOWN", "There is no such inspection.")
    if inspection.subject is Subject.VENUE and inspection.subject_id is not None:
        venues = await register_store.venues(conn, [inspection.subject_id])
        permitted(venues.get(inspection.subject_id))
        return inspection
    require_area(inspection.area)
    if current_caller().roles.isdisjoint(STAFF):
        raise DomainError(Kind.DENIED, "NOT_AN_OPERATOR", "Only the venue's own accounts may do this.")
    return inspection

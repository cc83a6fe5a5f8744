"""ImportService: files put in part by part, jobs and their reports."""

from collections.abc import Callable
from hashlib import sha256
from re import ASCII
from re import compile as compile_pattern
from typing import Any, Final
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pages import TimeCursor
from chassis.pool import Connection
from chassis.writes import Writes
from lilitong.venue.v1 import import_pb2 as pb
from lilitong.venue.v1.import_pb2_grpc import ImportServiceServicer

from venue.register.imports import report, store
from venue.register.imports.encoding import encode_import
from venue.register.imports.model import MAX_FILE, MIN_PART, Import, State
from venue.register.imports.store import Part

_PAGE: Final = 100
_FAULTS_AT_ONCE: Final = 2000
_TOKEN = compile_pattern(r"(\d{1,9})\.(\d{1,4})", ASCII)
_OFFICERS = {"venue_officer"}
_READERS = _OFFICERS | {"auditor"}


class ImportServicer(ImportServiceServicer):
    """`queued` is called after a commit that gave the job work (`Importing.wake`)."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, queued: Callable[[], None]) -> None:
        self._pool, self._clock, self._queued, self._writes = pool, clock, queued, Writes(pool, clock)

    @allow(roles=_OFFICERS, area="area")
    async def CreateImport(self, request: pb.CreateImportRequest, _: Any) -> pb.CreateImportResponse:
        import_id, by = UUID(request.import_id), current_caller().subject

        async def act(conn: Connection) -> pb.CreateImportResponse:
            new = await store.insert(
                conn, import_id, request.area, request.drill_id, request.file_name, by, self._clock.now()
            )
            if not new:
                raise DomainError(Kind.EXISTS, "IMPORT_EXISTS", "Another import has this id.")
            return pb.CreateImportResponse(job=encode_import(await _permitted(conn, request.import_id)))

        return await self._writes.once("CreateImport", request, pb.CreateImportResponse, act)

    @allow(roles=_OFFICERS, area=RESOURCE)
    async def AppendImportPart(self, request: pb.AppendImportPartRequest, _: Any) -> pb.AppendImportPartResponse:
        part = Part(request.offset, len(request.data), sha256(request.data).digest(), request.last)
        async with self._pool.acquire() as conn, conn.transaction():
            job = await _permitted(conn, request.import_id, lock=True)
            known = await store.part(conn, job.import_id, part.starts)
            if known is not None and known != part:
                raise DomainError(Kind.MISMATCH, "IMPORT_PART_DIFFERS", "Another part was put in at this place.")
            if known is None:
                _check(job, part)
                await store.append(conn, job.import_id, part, request.data)
                job = await _permitted(conn, request.import_id)
        if part.last:
            self._queued()
        return pb.AppendImportPartResponse(job=encode_import(job))

    @allow(roles=_READERS, area=RESOURCE)
    async def GetImport(self, request: pb.GetImportRequest, _: Any) -> pb.GetImportResponse:
        async with self._pool.acquire() as conn:
            return pb.GetImportResponse(job=encode_import(await _permitted(conn, request.import_id)))

    @allow(roles=_READERS, area="area")
    async def ListImports(self, request: pb.ListImportsRequest, _: Any) -> pb.ListImportsResponse:
        after = pages.after(TimeCursor, request.page_token)
        async with self._pool.acquire() as conn:
            found, more = await store.page(conn, request.area, after, request.page_size or _PAGE)
        return pb.ListImportsResponse(
            jobs=[encode_import(job) for job in found], next_page_token=more.encode() if more else ""
        )

    @allow(roles=_READERS, area=RESOURCE)
    async def GetImportReport(self, request: pb.GetImportReportRequest, _: Any) -> pb.GetImportReportResponse:
        token = _TOKEN.fullmatch(request.page_token or "0.0")
        if token is None:
            raise pages.wrong_token()
        async with self._pool.acquire() as conn:
            job = await _permitted(conn, request.import_id)
            found = await store.faults_after(conn, job.import_id, int(token[1]), int(token[2]), _FAULTS_AT_ONCE)
        following = ""
        if len(found) == _FAULTS_AT_ONCE:
            number, fault = found[-1]
            following = f"{fault.line}.{number}"
        content = report.render((fault for _, fault in found), first=not request.page_token)
        return pb.GetImportReportResponse(data=content, next_page_token=following, media_type="text/csv")


def _check(job: Import, part: Part) -> None:
    if job.state is not State.RECEIVING:
        raise DomainError(Kind.PRECONDITION, "IMPORT_COMPLETE", "The file of this import is complete.")
    if part.starts != job.bytes_received:
        raise DomainError(
            Kind.PRECONDITION,
            "IMPORT_PART_OUT_OF_ORDER",
            "This is not the file's next part.",
            metadata={"bytes_received": str(job.bytes_received)},
        )
    if part.starts + part.size > MAX_FILE:
        raise DomainError(Kind.INVALID, "IMPORT_TOO_LARGE", f"A file has at most {MAX_FILE} bytes.")
    if not part.last and part.size < MIN_PART:
        raise DomainError(Kind.INVALID, "IMPORT_PART_TOO_SMALL", f"Parts but the last have at least {MIN_PART} bytes.")
    if part.starts + part.size == 0:
        raise DomainError(Kind.INVALID, "IMPORT_EMPTY", "The file is empty.")


async def _permitted(conn: Any, import_id: str, *, lock: bool = False) -> Import:
    job = await store.find(conn, UUID(import_id), lock=lock)
    if job is None:
        raise DomainError(Kind.NOT_FOUND, "IMPORT_UNKNOWN", "There is no such import.")
    require_area(job.area)
    return job

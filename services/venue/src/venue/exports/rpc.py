"""ExportService: tables as files, recorded with who took them and what for."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from hashlib import file_digest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from uuid import UUID

import asyncpg
from chassis import pages
from chassis.access import RESOURCE, allow, current_caller, require_area
from chassis.auth import Caller
from chassis.clock import Clock
from chassis.errors import DomainError, Kind, constraint_errors
from chassis.pages import TimeCursor
from chassis.pool import Connection
from chassis.rpc.times import stamp
from chassis.writes import Writes
from lilitong.venue.v1 import export_pb2 as pb
from lilitong.venue.v1.export_pb2_grpc import ExportServiceServicer

from venue.exports import store
from venue.exports.files import open_writer
from venue.exports.model import KEPT, MOST_ROWS, PART_BYTES, Export, Format, Table, Wanted, count_line, file_name, mark
from venue.exports.tables import LAYOUTS

_PAGE: Final = 100
_AT_ONCE: Final = 2


class ExportServicer(ExportServiceServicer):
    """At most two files are made at a time, each beside the event loop."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, *, most_rows: int = MOST_ROWS) -> None:
        self._pool, self._clock, self._most_rows = pool, clock, most_rows
        self._free = asyncio.Semaphore(_AT_ONCE)

    @allow(roles={"venue_officer"}, area="area", purpose=True)
    async def CreateExport(self, request: pb.CreateExportRequest, _: Any) -> pb.CreateExportResponse:
        caller, now = current_caller(), self._clock.now()
        wanted = Wanted(
            UUID(request.export_id),
            Table(request.table),
            Format(request.format),
            request.area,
            request.category,
            request.drill_id,
        )
        async with self._pool.acquire() as conn:
            known = await store.export(conn, wanted.export_id)
        with TemporaryDirectory(prefix="export-") as folder:
            path = Path(folder) / "file"
            made: Export | None = None
            if known is None:
                async with self._free:
                    made = await self._make(path, wanted, caller, now)

            async def act(conn: Connection) -> pb.CreateExportResponse:
                if made is None:
                    raise store.exists()
                with constraint_errors(store.ERRORS):
                    await store.insert(conn, made, _parts(path))
                return pb.CreateExportResponse(export=_encode(made))

            return await Writes(self._pool, self._clock).once("CreateExport", request, pb.CreateExportResponse, act)

    @allow(roles={"venue_officer"}, area=RESOURCE)
    async def ReadExport(self, request: pb.ReadExportRequest, _: Any) -> pb.ReadExportResponse:
        export_id = UUID(request.export_id)
        async with self._pool.acquire() as conn:
            export = await store.export(conn, export_id)
            if export is None:
                raise DomainError(Kind.NOT_FOUND, "EXPORT_UNKNOWN", "There is no such export.")
            require_area(export.wanted.area)
            if export.exported_by != current_caller().subject:
                raise DomainError(Kind.DENIED, "NOT_YOUR_EXPORT", "A file is read by whoever exported it.")
            data = await store.part(conn, export_id, request.offset)
        if data is None:
            raise DomainError(
                Kind.NOT_FOUND, "EXPORT_PART_GONE", "The file is no longer kept, or no part begins there."
            )
        after = request.offset + len(data)
        return pb.ReadExportResponse(
            data=data,
            next_offset=after if after < export.size else 0,
            media_type=export.wanted.format.media_type,
        )

    @allow(roles={"venue_officer", "command", "auditor"}, area="area")
    async def ListExports(self, request: pb.ListExportsRequest, _: Any) -> pb.ListExportsResponse:
        size = request.page_size or _PAGE
        after = pages.after(TimeCursor, request.page_token)
        async with self._pool.acquire() as conn:
            found = await store.page(conn, request.area, after, size + 1)
        return pb.ListExportsResponse(
            exports=[_encode(each) for each in found[:size]],
            next_page_token=pages.token(_cursor(found[size - 1]) if len(found) > size else None),
        )

    async def forget(self) -> None:
        """A job of the sweep: files are kept for a day."""
        async with self._pool.acquire() as conn:
            await store.forget(conn, self._clock.now() - KEPT)

    async def _make(self, path: Path, wanted: Wanted, caller: Caller, now: datetime) -> Export:
        """Write the file from one snapshot. Raises PRECONDITION / EXPORT_TOO_LARGE instead of cutting it off."""
        line = mark(wanted, caller.subject, now, caller.purpose, caller.purpose_ref)
        writer = await asyncio.to_thread(open_writer, path, wanted.format, line, LAYOUTS[wanted.table].head)
        rows = 0
        async with (
            self._pool.acquire() as conn,
            conn.transaction(isolation="repeatable_read", readonly=True),
        ):
            async for batch in store.batches(conn, wanted):
                rows += len(batch)
                if rows > self._most_rows:
                    break
                await asyncio.to_thread(writer.rows, batch)
        await asyncio.to_thread(writer.close, count_line(rows))
        if rows > self._most_rows:
            raise DomainError(
                Kind.PRECONDITION,
                "EXPORT_TOO_LARGE",
                f"These are more than {self._most_rows} rows; export a smaller area or one category.",
            )
        size, digest = await asyncio.to_thread(_measured, path)
        return Export(
            wanted, rows, size, digest, caller.subject, now, caller.purpose, caller.purpose_ref, file_name(wanted, now)
        )


def _measured(path: Path) -> tuple[int, bytes]:
    """(bytes, SHA-256)."""
    with path.open("rb") as file:
        return path.stat().st_size, file_digest(file, "sha256").digest()


async def _parts(path: Path) -> AsyncIterator[tuple[int, bytes]]:
    """(where it begins, content) of each part of the file, read beside the loop."""
    starts = 0
    while content := await asyncio.to_thread(_part, path, starts):
        yield starts, content
        starts += len(content)


def _part(path: Path, starts: int) -> bytes:
    with path.open("rb") as file:
        file.seek(starts)
        return file.read(PART_BYTES)


def _encode(export: Export) -> pb.Export:
    wanted = export.wanted
    return pb.Export(
        export_id=str(wanted.export_id),
        table=int(wanted.table),  # type: ignore[arg-type]  # numbers are the contract's
        format=int(wanted.format),  # type: ignore[arg-type]
        area=wanted.area,
        category=wanted.category,  # type: ignore[arg-type]
        drill_id=wanted.drill_id,
        rows=export.rows,
        bytes=export.size,
        sha256=export.sha256,
        file_name=export.file_name,
        media_type=wanted.format.media_type,
        exported_by=export.exported_by,
        exported_at=stamp(export.exported_at),
        purpose=export.purpose,
        purpose_ref=export.purpose_ref,
    )


def _cursor(export: Export) -> TimeCursor:
    return TimeCursor(export.exported_at, export.wanted.export_id)

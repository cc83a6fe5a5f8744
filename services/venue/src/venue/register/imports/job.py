"""Working off imports: step after step, each a transaction that stores rows, faults, counts and the place where to go on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from chassis.clock import Clock, local_day
from chassis.errors import store_error
from chassis.events import Event, publish
from lilitong.venue.v1 import events_pb2

from venue.register.codes import VenueCodes
from venue.register.imports import store
from venue.register.imports.encoding import encode_import
from venue.register.imports.layout import BOM, EncodingCheck, Layout, LayoutError, delimiter_of, header
from venue.register.imports.model import ABANDONED, MAX_LINES, MAX_ROWS, Import, Step
from venue.register.imports.rows import Reader, Row, RowFault
from venue.register.imports.tokens import MAX_RECORD, Record, Tokenizer
from venue.register.model import Fate
from venue.register.registration import register

ROWS_AT_ONCE: Final = 500
LINES_AT_ONCE: Final = 5000
"""Blank lines are no rows, but they take their time too."""
ENDED: Final = "lilitong.venue.import.v1.ended"
_POLL_S: Final = 1.0
_READ_AT_ONCE: Final = 50
_log = structlog.get_logger("venue.imports")


class Importing:
    """A task of every replica; they pass over each other's imports. `changed` is called after rows were registered."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        codes: VenueCodes,
        seal: Callable[[], bytes],
        changed: Callable[[], Awaitable[None]],
    ) -> None:
        self._pool, self._clock, self._codes, self._seal, self._changed = pool, clock, codes, seal, changed
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look for work now instead of at the next poll."""
        self._woken.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._woken.clear()
            try:
                worked = await self.step()
            except Exception as error:  # noqa: BLE001 - the next turn tries again; one import must not stop the others
                _log.warning("imports_wait", error=type(error).__name__)
                worked = False
            if not worked:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):
                        await self._woken.wait()

    async def step(self) -> bool:
        """One step of the oldest import that nobody is at; whether there was one."""
        job: Import | None = None
        try:
            async with self._pool.acquire() as conn, conn.transaction():
                job = await store.waiting(conn)
                if job is None:
                    return False
                created = await (self._look(conn, job) if job.layout is None else self._rows(conn, job))
        except Exception as error:
            if job is None or store_error(error) is not None:
                raise
            # Not the store's trouble but this file's: what it has done stands, and it must not be tried for ever.
            _log.error("import_failed", import_id=str(job.import_id), error=type(error).__name__)
            await self._give_up(job.import_id)
            return True
        if created:
            await self._changed()
        return True

    async def forget_abandoned(self) -> None:
        """Fail the imports whose file never came in full."""
        now = self._clock.now()
        async with self._pool.acquire() as conn, conn.transaction():
            for job in await store.abandoned(conn, now - ABANDONED):
                await self._end(conn, job.import_id, now, "ABANDONED")

    async def _look(self, conn: Any, job: Import) -> bool:
        """What the file is: every byte is seen once before any row is stored."""
        check, start, lines = EncodingCheck(), b"", 0
        try:
            async for part, last in self._parts(conn, job):
                check.feed(part, last=last)
                lines += part.count(b"\n")
                if lines > MAX_LINES:
                    raise LayoutError("TOO_MANY_LINES")  # noqa: TRY301 - one refusal for all that makes a file no table
                start = start or part[: MAX_RECORD + len(BOM)]
                await asyncio.sleep(0)
            layout, first = _layout(start, check.encoding)
        except LayoutError as error:
            await self._end(conn, job.import_id, self._clock.now(), error.reason, error.line)
            return False
        await store.set_layout(conn, job.import_id, layout, first.ends, first.next_line)
        return False

    async def _rows(self, conn: Any, job: Import) -> bool:
        assert job.layout is not None  # noqa: S101 - a running import has one, by constraint
        reader = Reader(job.layout, job.area, job.drill_id, job.import_id)
        at, line, seen, looked, more = job.bytes_read, job.next_line, 0, 0, True
        rows: list[Row] = []
        faults: list[RowFault] = []
        records = self._records(conn, job)
        while (
            seen < ROWS_AT_ONCE
            and looked < LINES_AT_ONCE
            and (more := (record := await anext(records, None)) is not None)
        ):
            assert record is not None  # noqa: S101 - by the condition above
            at, line = record.ends, record.next_line
            looked += 1
            if looked % _READ_AT_ONCE == 0:
                await asyncio.sleep(0)  # let check-ins through meanwhile
            if record.blank:
                continue
            seen += 1
            found = (
                [RowFault(record.line, "", record.fault.value)]
                if record.fault
                else reader.read(record.fields, record.line, closed=record.closed)
            )
            if isinstance(found, Row):
                rows.append(found)
            else:
                faults += found
        rejected = seen - len(rows)
        now = self._clock.now()
        fates = [
            fate
            for fate, _ in await register(
                conn, [row.venue for row in rows], self._codes, now, self._seal, recorded_by=job.created_by
            )
        ] if rows else []  # fmt: skip
        for row, fate in zip(rows, fates, strict=True):
            if fate not in (Fate.NEW, Fate.REPEATED):
                faults.append(RowFault(row.line, "", "REGISTERED_DIFFERENTLY", row.venue.name[:60]))
                rejected += 1
        created = fates.count(Fate.NEW)
        step = Step(at, line, created, fates.count(Fate.REPEATED), rejected)
        await store.advance(conn, job.import_id, step, sorted(faults, key=lambda fault: fault.line))
        if not more:
            await self._end(conn, job.import_id, now)
        elif job.rows_read + seen >= MAX_ROWS:
            await self._end(conn, job.import_id, now, "TOO_MANY_ROWS", line)
        return created > 0

    async def _records(self, conn: Any, job: Import) -> AsyncIterator[Record]:
        assert job.layout is not None  # noqa: S101 - as above
        tokens = Tokenizer(job.layout.delimiter.encode(), offset=job.bytes_read, line=job.next_line)
        async for part, last in self._parts(conn, job):
            tokens.feed(part)
            if last:
                tokens.end()
            for record in tokens.records():
                yield record

    async def _parts(self, conn: Any, job: Import) -> AsyncIterator[tuple[bytes, bool]]:
        """From where the job is, and whether it is the last."""
        at = job.bytes_read
        while at < job.bytes_received:
            part = await store.content_from(conn, job.import_id, at)
            at += len(part)
            yield part, at >= job.bytes_received

    async def _end(self, conn: Any, import_id: UUID, now: datetime, failure: str = "", line: int = 0) -> None:
        await store.end(conn, import_id, now, failure, line)
        job = await store.find(conn, import_id)
        assert job is not None  # noqa: S101 - it was just written
        told = encode_import(job)
        # What a file is called and who sent it is nobody else's business.
        told.ClearField("file_name")
        told.ClearField("created_by")
        event = Event.of(
            events_pb2.ImportEnded(job=told),
            subject=ENDED,
            aggregate=str(import_id),
            day=local_day(now),
            drill_id=job.drill_id,
        )
        await publish(conn, [event], seal=self._seal)

    async def _give_up(self, import_id: UUID) -> None:
        async with self._pool.acquire() as conn, conn.transaction():
            await self._end(conn, import_id, self._clock.now(), "INTERNAL")


def _layout(start: bytes, encoding: str) -> tuple[Layout, Record]:
    """The file's layout and its title row, from its first bytes. Raises `LayoutError`."""
    begins = len(BOM) if start.startswith(BOM) else 0
    delimiter = delimiter_of(start[begins:])
    tokens = Tokenizer(delimiter, offset=begins)
    tokens.feed(start[begins:])
    tokens.end()
    first = next((each for each in tokens.records() if not each.blank), None)
    if first is None:
        raise LayoutError("EMPTY")
    if first.fault is not None:
        raise LayoutError(first.fault.value, first.line)
    return header(first.fields, encoding, delimiter), first

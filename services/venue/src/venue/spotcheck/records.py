"""Published records, kept in memory for a while: they never change, and whoever asks has no account that could be bounded."""

import asyncio
import json
from collections import OrderedDict
from typing import Final
from uuid import UUID

import asyncpg
from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pool import Connection
from ledger import store as log

from venue.spotcheck import store
from venue.spotcheck.drawing import Frame
from venue.spotcheck.model import SpotCheck, State
from venue.spotcheck.record import Entry, Record
from venue.spotcheck.refusals import spot_check_unknown
from venue.spotcheck.store import Proven

CACHE_CHARACTERS: Final = 8 * 1024 * 1024
"""A record of 20,000 venues has some two million; all of them are ASCII."""


class Records:
    """Holds at most `cache_characters` of records, and makes one at a time: who asks for the same waits for it and finds it."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, cache_characters: int = CACHE_CHARACTERS) -> None:
        self._pool, self._clock, self._most = pool, clock, cache_characters
        self._cache: OrderedDict[UUID, str] = OrderedDict()
        self._held = 0
        self._one = asyncio.Lock()

    async def get(self, draw_id: UUID) -> str:
        """The record, JSON. Raises NOT_FOUND / SPOT_CHECK_UNKNOWN and PRECONDITION / NOT_YET_PUBLISHED."""
        found = self._cached(draw_id)
        if found is not None:
            return found
        check = await self._published(draw_id)
        async with self._one:
            found = self._cached(draw_id)
            if found is None:
                found = await self._make(check)
                self._keep(draw_id, found)
        return found

    def _cached(self, draw_id: UUID) -> str | None:
        found = self._cache.get(draw_id)
        if found is not None:
            self._cache.move_to_end(draw_id)
        return found

    def _keep(self, draw_id: UUID, record: str) -> None:
        if len(record) > self._most:
            return
        self._cache[draw_id] = record
        self._held += len(record)
        while self._held > self._most:
            self._held -= len(self._cache.popitem(last=False)[1])

    async def _published(self, draw_id: UUID) -> SpotCheck:
        async with self._pool.acquire() as conn:
            found = await store.get(conn, draw_id)
        if found is None:
            raise spot_check_unknown()
        if found.state(self._clock.now()) is not State.PUBLISHED:
            raise DomainError(
                Kind.PRECONDITION,
                "NOT_YET_PUBLISHED",
                "A draw is published once all its inspections have begun or its time is over.",
            )
        return found

    async def _make(self, check: SpotCheck) -> str:
        async with self._pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
            parts = await store.proven(conn, check.draw_id)
            proofs = await _proofs(conn, check)
        return await asyncio.to_thread(_record, check, parts, proofs)


async def _proofs(conn: Connection, check: SpotCheck) -> list[list[bytes]]:
    """Of commitment and opening, in the log as it was right after the opening."""
    if check.opening_index is None:
        raise RuntimeError("a draw that is done was opened")
    return await log.inclusion_proofs(conn, [check.commitment_index, check.opening_index], check.opening_index + 1)


def _record(check: SpotCheck, found: Proven, proofs: list[list[bytes]]) -> str:
    """Beside the loop, because a large frame takes longer than a check-in may wait."""
    if check.opening_index is None or check.contribution is None:
        raise RuntimeError("a draw that is done was opened")
    record = Record(
        draw_id=check.draw_id,
        frame=Frame.parse(json.loads(found.frozen)),
        secret=found.secret,
        contribution=check.contribution,
        commitment=Entry(found.commitment, check.commitment_index, proofs[0]),
        opening=Entry(found.opening, check.opening_index, proofs[1]),
        checkpoint=check.checkpoint,
        pairs=found.pairs,
        assignments=found.assignments,
    )
    return json.dumps(record.as_json(), separators=(",", ":"))

"""Wraps people's data keys anew, by the newest KEK, and retires a KEK that wraps nobody's any more.

Nothing that is sealed changes: data keys stay, so do evidence and statements under them. Each batch is a transaction of its own
and says by itself what is left to do, so the command may be stopped, repeated, and run twice at once, while people register.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from chassis import key_versions
from chassis.key_versions import KeyVersionError, Versions
from chassis.pool import Connection
from passes.errors import SealError

from quarantine.people import rewrap_store as store
from quarantine.people.wrapping import Wrapping

BATCH: Final = 1000
ROUNDS: Final = 3
"""A person that another transaction is at is passed over, and taken at the next round."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """done: people wrapped anew now; left: people whom an older KEK still wraps; unreadable: those of them that do not open."""

    done: int
    left: int
    unreadable: int


async def rewrap(
    pool: asyncpg.Pool, wrapping: Wrapping, *, batch: int = BATCH, told: Callable[[int], None] = lambda _: None
) -> Rewrapped:
    """Wrap everybody's data key by the KEK that wraps now; `told` hears after each batch how many it changed.

    Raises `KeyVersionError` before anything is done when people are wrapped by a KEK that is not here.
    """
    newest, _ = wrapping.keks.current
    async with pool.acquire() as conn:
        missing = sorted(version for version in await store.counted(conn) if version not in wrapping.keks.believed)
    if missing:
        files = ", ".join(wrapping.keks.source.file(version) for version in missing)
        raise KeyVersionError(f"people are wrapped by {files}, which is retired or not here")
    done = unreadable = 0
    for _ in range(ROUNDS):
        changed, unreadable = await _round(pool, wrapping, newest, batch, told)
        done += changed
        async with pool.acquire() as conn:
            left = sum(people for version, people in (await store.counted(conn)).items() if version < newest)
        if left == unreadable:
            break
    return Rewrapped(done, left, unreadable)


async def _round(
    pool: asyncpg.Pool, wrapping: Wrapping, newest: int, batch: int, told: Callable[[int], None]
) -> tuple[int, int]:
    """Once through the register: how many were changed, and how many do not open."""
    done = unreadable = 0
    last: UUID | None = store.BEGINNING
    while last is not None:
        async with pool.acquire() as conn, conn.transaction():
            rows, last = await store.older(conn, newest, last, batch)
            anew = []
            for person, wrapped in rows:
                try:
                    anew.append((person, wrapped, wrapping.wrap(wrapping.unwrap(wrapped, person), person)))
                except SealError:
                    unreadable += 1
            # As whoever registers somebody: the version's row is held, so that retiring it counts what is wrapped here.
            if anew and not await key_versions.hold(conn, wrapping.keks.name, [newest]):
                raise KeyVersionError(f"{wrapping.keks.name} {newest} was retired meanwhile: run `rewrap` again")
            changed = await store.replace(conn, anew) if anew else 0
        done += changed
        if changed:
            told(changed)
    return done, unreadable


async def not_without_first(conn: Connection, keks: Versions[bytes]) -> None:
    """Raises `KeyVersionError` where people are wrapped by the first KEK, which is not here and of which no row stands.

    So it is with a database from before versions and a vault that was not restored, or whose first KEK was retired since: a
    first KEK made now would be noted as theirs, and nobody could be read.
    """
    if await key_versions.every(conn, keks.name) or keks.source.find(1) is not None:
        return
    if await store.anybody(conn):
        raise KeyVersionError(
            f"{keks.source.file(1)} is missing, and people are wrapped by it: put it back, for they cannot be read without it"
        )


async def retire(conn: Connection, wrapping: Wrapping, version: int, now: datetime, *, lost: bool = False) -> None:
    """Believe this KEK no more, in the caller's transaction. Raises `KeyVersionError` while it wraps anybody's data key.

    `lost`: even then, since nobody has the key any more and those people cannot be read; else nothing could ever start again.

    The version's row is changed first: whoever registers somebody by it holds that row, so that the count sees them all.
    """
    await key_versions.retire(conn, wrapping.keks, version, now)
    people = (await store.counted(conn)).get(version, 0)
    if people and not lost:
        raise KeyVersionError(
            f"{wrapping.keks.source.file(version)} wraps the data keys of {people} people: run `rewrap` first"
        )

"""Posters that still go by a former key: counted, and signed anew by the newest, so that what is printed from now on outlives it.

A zone's version does not change, so the poster on the wall stays good beside the new one for as long as its key is believed.
"""

from typing import Final

import asyncpg
from chassis.pool import Connection
from passes import venue_code

from venue.register import code_store
from venue.register.codes import VenueCodes

BATCH: Final = 1000
ROUNDS: Final = 3
"""A zone that another transaction is at is passed over, and taken at the next round."""


async def resign(pool: asyncpg.Pool, codes: VenueCodes, *, batch: int = BATCH) -> tuple[int, int]:
    """Sign anew what a key before the newest has signed; how many zones' codes were, and how many are left."""
    done = left = 0
    for _ in range(ROUNDS):
        last: int | None = 0
        while last is not None:
            async with pool.acquire() as conn, conn.transaction():
                rows, last = await code_store.codes_after(conn, last, batch)
                anew = [
                    (zone, code, codes.poster(zone, version))
                    for zone, version, code in rows
                    if venue_code.parse(code).kid != codes.kid
                ]
                done += await code_store.replace_codes(conn, anew) if anew else 0
        async with pool.acquire() as conn:
            left = sum(count for kid, count in (await signed_by(conn)).items() if kid != codes.kid)
        if not left:
            break
    return done, left


async def signed_by(conn: Connection) -> dict[bytes, int]:
    """Key id → how many zones' codes in force it has signed."""
    found: dict[bytes, int] = {}
    last: int | None = 0
    while last is not None:
        rows, last = await code_store.codes_after(conn, last, BATCH)
        for _, _, code in rows:
            kid = venue_code.parse(code).kid
            found[kid] = found.get(kid, 0) + 1
    return found

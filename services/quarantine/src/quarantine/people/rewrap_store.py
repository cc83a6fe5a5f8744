"""All SQL of wrapping people's data keys anew."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from chassis.pool import Connection

BEGINNING: Final = UUID(int=0)


async def older(conn: Connection, newest: int, after: UUID, most: int) -> tuple[list[tuple[UUID, bytes]], UUID | None]:
    """Of the next people after this one, in the order of ids, those whose data key an older KEK than this wrapped.

    Beside them the last person looked at, None at the end. Who was erased has no data key. Looks at `most` people, so that no
    statement lasts however few are left.
    """
    rows = await conn.fetch(
        """
        SELECT resident_id, CASE WHEN kek_version(data_key) < $1 THEN data_key END AS older
        FROM residents WHERE resident_id > $2 ORDER BY resident_id LIMIT $3
        """,
        newest,
        after,
        most,
    )
    found = [(row["resident_id"], row["older"]) for row in rows if row["older"] is not None]
    return found, rows[-1]["resident_id"] if rows else None


async def replace(conn: Connection, rows: Sequence[tuple[UUID, bytes, bytes]]) -> int:
    """(person, data key as it was read, the same under a newer KEK); how many of them still stood so and were free."""
    changed: int = await conn.fetchval(
        "SELECT rewrap_people($1, $2, $3)",
        [person for person, _, _ in rows],
        [former for _, former, _ in rows],
        [wrapped for _, _, wrapped in rows],
    )
    return changed


async def anybody(conn: Connection) -> bool:
    """Whether there is somebody who was not erased."""
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM residents WHERE data_key IS NOT NULL)")
    return found


async def counted(conn: Connection) -> dict[int, int]:
    """Version of the KEK → how many people's data keys it wraps. Reads the whole register."""
    async with conn.transaction():
        await conn.execute("SET LOCAL statement_timeout = '10min'")
        rows = await conn.fetch(
            """
            SELECT kek_version(data_key) AS version, count(*) AS people FROM residents
            WHERE data_key IS NOT NULL GROUP BY 1 ORDER BY 1
            """
        )
    return {row["version"]: row["people"] for row in rows}

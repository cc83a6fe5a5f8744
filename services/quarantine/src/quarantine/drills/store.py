"""All SQL of drills."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from asyncpg import Record
from chassis.errors import DomainError, Kind
from ledger.store import Db

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "drills_pkey": lambda: DomainError(Kind.EXISTS, "DRILL_EXISTS", "A drill with this id exists."),
}


async def insert(conn: Db, drill_id: str, title: str, area: str, started_by: str, now: datetime) -> None:
    await conn.execute(
        "INSERT INTO drills (drill_id, title, area, started_by, started_at) VALUES ($1, $2, $3, $4, $5)",
        drill_id,
        title,
        area,
        started_by,
        now,
    )


async def get(conn: Db, drill_id: str) -> Record | None:
    return await conn.fetchrow("SELECT drill_id, area, ended_at FROM drills WHERE drill_id = $1", drill_id)


async def require_running(conn: Db, drill_id: str) -> None:
    """Refuse what would go on in a drill that has ended; it cannot end before this transaction does.

    Reality never ends, so nothing is locked for it. Raises PRECONDITION / DRILL_ENDED.
    """
    if await has_ended(conn, drill_id):
        raise DomainError(Kind.PRECONDITION, "DRILL_ENDED", "This drill has ended.")


async def has_ended(conn: Db, drill_id: str) -> bool:
    """Of a drill that has ended or never was; it cannot end before this transaction does. Reality never ends."""
    if not drill_id:
        return False
    ended = await conn.fetchval("SELECT ended_at IS NOT NULL FROM drills WHERE drill_id = $1 FOR SHARE", drill_id)
    return ended is not False


async def end(conn: Db, drill_id: str, ended_by: str, now: datetime) -> bool:
    """Mark a drill as ended; False if it was already. Waits for decisions under way in it."""
    answer: str = await conn.execute(
        "UPDATE drills SET ended_by = $2, ended_at = $3 WHERE drill_id = $1 AND ended_at IS NULL",
        drill_id,
        ended_by,
        now,
    )
    return answer.endswith(" 1")


async def close_cases(conn: Db, drill_id: str, closed_by: str, now: datetime) -> None:
    """Close the drill's cases, so that nobody else is restricted because of them."""
    await conn.execute(
        "UPDATE cases SET state = 5, closed_by = $2, closed_at = $3 WHERE drill_id = $1 AND state <> 5",
        drill_id,
        closed_by,
        now,
    )

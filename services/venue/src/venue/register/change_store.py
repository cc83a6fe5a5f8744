"""All SQL of what becomes of a registered venue: owners, further zones, closing."""

from datetime import datetime
from typing import Any
from uuid import UUID

from venue.register.model import Owned, Particulars

_NEXT = "SELECT coalesce(max(ordinal), 0) + 1 FROM venue_particulars WHERE venue_id = $1"


async def owners(connection: Any, venue_id: UUID) -> list[Owned]:
    """The present one first."""
    rows = await connection.fetch(
        """
        SELECT owner, responsible_person, licence, operators, since, recorded_by FROM venue_particulars
        WHERE venue_id = $1 ORDER BY ordinal DESC
        """,
        venue_id,
    )
    return [
        Owned(
            Particulars(row["owner"], row["responsible_person"], row["licence"]),
            tuple(row["operators"]),
            row["since"],
            row["recorded_by"],
        )
        for row in rows
    ]


async def change_owner(connection: Any, venue_id: UUID, owned: Owned, changed: int) -> None:
    """Zones count as changed too: check-ins by staff ask their memory of the zone who the operators are."""
    await connection.execute(
        f"""
        INSERT INTO venue_particulars (venue_id, ordinal, owner, responsible_person, licence, operators, since, recorded_by)
        VALUES ($1, ({_NEXT}), $2, $3, $4, $5, $6, $7)
        """,
        venue_id,
        owned.particulars.owner,
        owned.particulars.responsible_person,
        owned.particulars.licence,
        list(owned.operators),
        owned.since,
        owned.recorded_by,
    )
    await connection.execute("UPDATE venues SET operators = $2 WHERE venue_id = $1", venue_id, list(owned.operators))
    await connection.execute("UPDATE zones SET changed = $2 WHERE venue_id = $1", venue_id, changed)


async def close(
    connection: Any, venue_id: UUID, at: datetime, by: str, reason: str, merged_into: UUID | None, changed: int
) -> None:
    """The venue is closed and none of its codes is valid."""
    await connection.execute(
        "UPDATE venues SET closed_at = $2, closed_by = $3, closing_reason = $4, merged_into = $5 WHERE venue_id = $1",
        venue_id,
        at,
        by,
        reason,
        merged_into,
    )
    await connection.execute(
        "UPDATE zones SET closed = true, code = NULL, changed = $2 WHERE venue_id = $1", venue_id, changed
    )

"""All SQL of who goes where, what began, and what came of it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind
from chassis.pages import Cursor
from chassis.pool import Connection

from venue.enforcement.inspections.model import Inspection
from venue.spotcheck.model import Assignment, Beginning, Coverage

_ASSIGNMENT: Final = """
    SELECT a.draw_id, a.venue_id, v.name AS venue_name, v.address, v.area, v.category, a.drill_id, a.pair, p.team_id,
           p.first_account, p.second_account, d.drawn_at, c.ends_at, b.begun_at, i.inspection_id
    FROM spot_check_assignments a JOIN venues v USING (venue_id) JOIN spot_checks c USING (draw_id)
    JOIN spot_check_draws d USING (draw_id) JOIN spot_check_pairs p ON p.draw_id = a.draw_id AND p.pair = a.pair
    LEFT JOIN spot_check_begins b ON b.draw_id = a.draw_id AND b.venue_id = a.venue_id
    LEFT JOIN spot_check_inspections i ON i.draw_id = a.draw_id AND i.venue_id = a.venue_id
"""

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "spot_check_inspections_inspection_key": lambda: DomainError(
        Kind.EXISTS, "INSPECTION_LINKED", "This inspection came of another spot check."
    ),
    "spot_check_inspections_pair_check": lambda: DomainError(
        Kind.PRECONDITION, "NOT_THIS_PAIRS", "The inspection was not made by the two of this pair."
    ),
}


async def get(conn: Connection, draw_id: UUID, venue_id: UUID) -> Assignment | None:
    row = await conn.fetchrow(f"{_ASSIGNMENT} WHERE a.draw_id = $1 AND a.venue_id = $2", draw_id, venue_id)
    return None if row is None else _assignment(row)


async def page(
    conn: Connection, draw_id: UUID, account: str | None, after: Cursor | None, size: int
) -> tuple[list[Assignment], Cursor | None]:
    """Of one draw by pair and venue; of one account's pair where given."""
    rows = await conn.fetch(
        f"""
        {_ASSIGNMENT}
        WHERE a.draw_id = $1 AND ($2::text IS NULL OR $2 IN (p.first_account, p.second_account))
          AND ($3::bigint IS NULL OR (a.pair, a.venue_id) > ($3, $4::uuid))
        ORDER BY a.pair, a.venue_id LIMIT $5
        """,
        draw_id,
        account,
        after.number if after else None,
        after.id if after else None,
        size + 1,
    )
    found = [_assignment(row) for row in rows[:size]]
    return found, Cursor(found[-1].pair, found[-1].venue_id) if len(rows) > size else None


def _assignment(row: Record) -> Assignment:
    values = dict(row.items())
    inspectors = (values.pop("first_account"), values.pop("second_account"))
    return Assignment(**values, inspectors=inspectors)


async def insert_beginning(conn: Connection, assignment: Assignment, begun: Beginning) -> None:
    at = begun.position
    await conn.execute(
        """
        INSERT INTO spot_check_begins (draw_id, venue_id, pair, first_account, second_account, begun_by, begun_at, recorded_at,
                                       latitude_e7, longitude_e7, accuracy_metres)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        assignment.draw_id,
        assignment.venue_id,
        assignment.pair,
        *assignment.inspectors,
        begun.begun_by,
        begun.begun_at,
        begun.recorded_at,
        at.latitude_e7 if at else None,
        at.longitude_e7 if at else None,
        at.accuracy_metres if at else None,
    )


async def link(conn: Connection, assignment: Assignment, inspection: Inspection, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO spot_check_inspections (draw_id, venue_id, first_account, second_account, inspection_id, passed,
                                            first_inspector, second_inspector, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        assignment.draw_id,
        assignment.venue_id,
        *assignment.inspectors,
        inspection.inspection_id,
        inspection.passed,
        *inspection.inspectors,
        now,
    )


async def begun_at_venue(conn: Connection, venue_id: UUID, limit: int) -> list[tuple[UUID, str, datetime, UUID | None]]:
    """(draw, title, beginning, inspection) of what began there, the newest first. Nothing else of a draw is read here."""
    rows = await conn.fetch(
        """
        SELECT b.draw_id, c.title, b.begun_at, i.inspection_id
        FROM spot_check_begins b JOIN spot_checks c USING (draw_id)
        LEFT JOIN spot_check_inspections i ON i.draw_id = b.draw_id AND i.venue_id = b.venue_id
        WHERE b.venue_id = $1 ORDER BY b.begun_at DESC, b.draw_id LIMIT $2
        """,
        venue_id,
        limit,
    )
    return [(row["draw_id"], row["title"], row["begun_at"], row["inspection_id"]) for row in rows]


async def coverage(conn: Connection, area: str, draw_id: UUID | None, drill_id: str, now: datetime) -> list[Coverage]:
    """Per team, over the draws of the area (or one of them)."""
    chosen = """
        SELECT c.draw_id, c.ends_at FROM spot_checks c
        WHERE c.area >= $1 AND c.area < $1 || ':' AND CASE WHEN $2::uuid IS NULL THEN c.drill_id = $3 ELSE c.draw_id = $2 END
    """
    rows = await conn.fetch(
        f"""
        SELECT p.team_id, t.name AS team_name, count(DISTINCT (p.draw_id, p.pair)) AS pairs, count(a.venue_id) AS assigned,
               count(b.venue_id) AS begun, count(i.inspection_id) AS inspected, count(*) FILTER (WHERE i.passed) AS passed,
               count(*) FILTER (WHERE NOT i.passed) AS failed,
               count(*) FILTER (WHERE a.venue_id IS NOT NULL AND b.venue_id IS NULL AND c.ends_at <= $4) AS missed
        FROM ({chosen}) c JOIN spot_check_pairs p USING (draw_id) JOIN supervision_teams t USING (team_id)
        LEFT JOIN spot_check_assignments a ON a.draw_id = p.draw_id AND a.pair = p.pair
        LEFT JOIN spot_check_begins b ON b.draw_id = a.draw_id AND b.venue_id = a.venue_id
        LEFT JOIN spot_check_inspections i ON i.draw_id = a.draw_id AND i.venue_id = a.venue_id
        GROUP BY p.team_id, t.name ORDER BY t.name, p.team_id
        """,
        area,
        draw_id,
        drill_id,
        now,
    )
    items: dict[UUID, list[tuple[str, int]]] = {}
    for row in await conn.fetch(
        f"""
        SELECT p.team_id, f.item, count(*) AS times
        FROM ({chosen}) c JOIN spot_check_pairs p USING (draw_id)
        JOIN spot_check_assignments a ON a.draw_id = p.draw_id AND a.pair = p.pair
        JOIN spot_check_inspections i ON i.draw_id = a.draw_id AND i.venue_id = a.venue_id
        JOIN inspection_findings f ON f.inspection_id = i.inspection_id AND f.outcome = 2
        GROUP BY p.team_id, f.item ORDER BY times DESC, f.item
        """,
        area,
        draw_id,
        drill_id,
    ):
        items.setdefault(row["team_id"], []).append((row["item"], row["times"]))
    return [Coverage(**dict(row.items()), failed_items=tuple(items.get(row["team_id"], ()))) for row in rows]

"""All SQL of applications. Functions take the connection first and never commit."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from chassis.pages import TimeCursor

_APPLICATION = """
    SELECT a.application_id, a.applicant, a.area, a.state, a.submission, s.content, s.submitted_by, s.submitted_at,
           a.first_submitted_at, d.decided_by, d.decided_at, d.reasons, d.venue_id
    FROM applications a
    JOIN application_submissions s USING (application_id, submission)
    LEFT JOIN application_decisions d USING (application_id, submission)
"""


class State(IntEnum):
    """Numbers as in the contract."""

    SUBMITTED = 1
    RETURNED = 2
    APPROVED = 3


@dataclass(frozen=True, slots=True)
class Application:
    """With its last submission and what was decided about that. `content`: the contract's ApplicationContent."""

    application_id: UUID
    applicant: str
    area: str
    state: State
    submission: int
    content: bytes
    submitted_by: str
    submitted_at: datetime
    first_submitted_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reasons: tuple[str, ...]
    venue_id: UUID | None


async def lock(conn: Any, application_id: UUID) -> None:
    """Wait for other acts about it, whether it exists or not."""
    await conn.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('application.' || $1::text, 13))", str(application_id)
    )


async def find(conn: Any, application_id: UUID) -> Application | None:
    row = await conn.fetchrow(f"{_APPLICATION} WHERE a.application_id = $1", application_id)
    return None if row is None else _application(row)


async def page(
    conn: Any, area: str, state: State | None, applicant: str | None, after: TimeCursor | None, size: int
) -> tuple[list[Application], TimeCursor | None]:
    """Below `area`, the oldest first."""
    rows = await conn.fetch(
        f"""
        {_APPLICATION}
        WHERE a.area >= $1 AND a.area < $1 || ':' AND ($2::smallint IS NULL OR a.state = $2)
          AND ($3::text IS NULL OR a.applicant = $3)
          AND ($4::timestamptz IS NULL OR (a.first_submitted_at, a.application_id) > ($4, $5::uuid))
        ORDER BY a.first_submitted_at, a.application_id LIMIT $6
        """,
        area,
        state,
        applicant,
        None if after is None else after.at,
        None if after is None else after.id,
        size + 1,
    )
    found = [_application(row) for row in rows[:size]]
    return found, TimeCursor(found[-1].first_submitted_at, found[-1].application_id) if len(rows) > size else None


async def submit(
    conn: Any, application_id: UUID, number: int, area: str, content: bytes, by: str, at: datetime
) -> None:
    """The first submission makes the application."""
    if number == 1:
        await conn.execute(
            """
            INSERT INTO applications (application_id, applicant, area, state, submission, first_submitted_at)
            VALUES ($1, $2, $3, 1, 1, $4)
            """,
            application_id,
            by,
            area,
            at,
        )
    await conn.execute(
        """
        INSERT INTO application_submissions (application_id, submission, content, submitted_by, submitted_at)
        VALUES ($1, $2, $3, $4, $5)
        """,
        application_id,
        number,
        content,
        by,
        at,
    )
    if number > 1:
        await conn.execute(
            "UPDATE applications SET state = 1, submission = $2, area = $3 WHERE application_id = $1",
            application_id,
            number,
            area,
        )


async def decide(
    conn: Any, found: Application, by: str, at: datetime, reasons: list[str], venue_id: UUID | None
) -> None:
    await conn.execute(
        """
        INSERT INTO application_decisions (application_id, submission, submitted_by, decided_by, decided_at, reasons, venue_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        found.application_id,
        found.submission,
        found.submitted_by,
        by,
        at,
        reasons,
        venue_id,
    )
    await conn.execute(
        "UPDATE applications SET state = $2 WHERE application_id = $1",
        found.application_id,
        State.RETURNED if venue_id is None else State.APPROVED,
    )


def _application(row: Any) -> Application:
    given = dict(row)
    return Application(
        **given
        | {"state": State(given["state"]), "content": bytes(given["content"]), "reasons": tuple(given["reasons"] or ())}
    )

"""All SQL of obligations. Functions take the connection first and never commit."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.errors import DomainError, Kind
from chassis.pool import Connection

from venue.documents.model import printed
from venue.obligations.model import (
    Coverage,
    Due,
    Method,
    MissingCursor,
    Obligation,
    ObligationKind,
    Proof,
    Stage,
    Template,
)

# Class of the transaction-level advisory locks of this room.
_LOCK: Final = 0x0B11

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "obligation_templates_pkey": lambda: DomainError(Kind.EXISTS, "TEMPLATE_EXISTS", "Another template has this id."),
    "obligation_template_versions_pkey": lambda: DomainError(
        Kind.PRECONDITION, "APPROVED_ALREADY", "This template was approved before."
    ),
    "obligation_template_versions_second_person_check": lambda: DomainError(
        Kind.DENIED, "SECOND_PERSON_NEEDED", "Who drafted it cannot approve it."
    ),
    "obligation_acknowledgements_served_fkey": lambda: DomainError(
        Kind.PRECONDITION, "NOT_SERVED", "It has not been served yet."
    ),
    "obligation_acknowledgements_pkey": lambda: DomainError(
        Kind.PRECONDITION, "ACKNOWLEDGED_ALREADY", "This was acknowledged before."
    ),
    "obligation_services_ordinal_check": lambda: DomainError(
        Kind.PRECONDITION, "SERVED_TOO_OFTEN", "This was served twenty times already."
    ),
}

_TEMPLATE: Final = """
    SELECT t.template_id, t.kind, t.area, t.category, t.title, t.body, t.requirements, t.issuing_body, t.drafted_by,
           t.drafted_at, coalesce(v.version, 0) AS version, coalesce(v.approved_by, '') AS approved_by, v.approved_at
    FROM obligation_templates t LEFT JOIN obligation_template_versions v USING (template_id)
"""

# Every open venue of the scope ($1 area, $2 category, $3 kind, $4 drill) with the template in force for it, of each kind.
_DUE: Final = """
    WITH latest AS (
        SELECT DISTINCT ON (kind, area, category) template_id, kind, area, category FROM obligation_template_versions
        WHERE $3::smallint IS NULL OR kind = $3
        ORDER BY kind, area, category, version DESC
    ), due AS (
        SELECT v.venue_id, v.name, v.address, v.area, v.category, v.drill_id, k.kind, t.template_id
        FROM venues v
        CROSS JOIN (SELECT DISTINCT kind FROM latest) k
        CROSS JOIN LATERAL (
            SELECT l.template_id FROM latest l
            WHERE l.kind = k.kind AND starts_with(v.area, l.area) AND l.category IN (0, v.category)
            ORDER BY length(l.area) DESC, l.category DESC LIMIT 1
        ) t
        WHERE v.area >= $1 AND v.area < $1 || ':' AND ($2::smallint IS NULL OR v.category = $2) AND v.drill_id = $4
          AND v.closed_at IS NULL
    )
"""


async def insert_template(conn: Connection, template: Template) -> None:
    await conn.execute(
        """
        INSERT INTO obligation_templates (template_id, kind, area, category, title, body, requirements, issuing_body,
                                          drafted_by, drafted_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        """,
        template.template_id,
        int(template.kind),
        template.area,
        template.category,
        template.title,
        template.body,
        list(template.requirements),
        template.issuing_body,
        template.drafted_by,
        template.drafted_at,
    )


async def lock(conn: Connection, what: str) -> None:
    """Others who want the same wait to the end of the transaction."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, what)


async def approve(conn: Connection, template: Template, approver: str, at: datetime) -> None:
    """Gives the next version of its line; the caller holds the lock. Breaks a named constraint, see `ERRORS`."""
    await conn.execute(
        """
        INSERT INTO obligation_template_versions (template_id, kind, area, category, version, drafted_by, approved_by,
                                                  approved_at)
        SELECT $1, $2, $3, $4, coalesce(max(version), 0) + 1, $5, $6, $7
        FROM obligation_template_versions WHERE (kind, area, category) = ($2, $3, $4)
        """,
        template.template_id,
        int(template.kind),
        template.area,
        template.category,
        template.drafted_by,
        approver,
        at,
    )


async def template(conn: Connection, template_id: UUID) -> Template | None:
    row = await conn.fetchrow(f"{_TEMPLATE} WHERE t.template_id = $1", template_id)
    return None if row is None else _template(row)


async def templates(conn: Connection, area: str, *, drafts_only: bool) -> list[Template]:
    """Of the area and what lies below it, the newest first, at most 500."""
    rows = await conn.fetch(
        f"""
        {_TEMPLATE} WHERE t.area >= $1 AND t.area < $1 || ':' AND (NOT $2 OR v.version IS NULL)
        ORDER BY t.drafted_at DESC, t.template_id LIMIT 500
        """,
        area,
        drafts_only,
    )
    return [_template(row) for row in rows]


async def due(
    conn: Connection, area: str, category: int | None, kind: int | None, drill_id: str, limit: int
) -> tuple[list[Due], int]:
    """The next venues that lack what is in force for them, and how many papers are lacking in all."""
    lacking = "FROM due d LEFT JOIN obligations o USING (venue_id, template_id) WHERE o.obligation_id IS NULL"
    rows = await conn.fetch(
        f"{_DUE} SELECT d.*, count(*) OVER () AS total {lacking} ORDER BY d.area, d.venue_id, d.kind LIMIT $5",
        area,
        category,
        kind,
        drill_id,
        limit,
    )
    return [_due(row) for row in rows], rows[0]["total"] if rows else 0


async def insert(conn: Connection, obligations: Sequence[tuple[UUID, UUID, UUID]]) -> None:
    """As (obligation, venue, template)."""
    await conn.executemany(
        "INSERT INTO obligations (obligation_id, venue_id, template_id) VALUES ($1, $2, $3)", obligations
    )


async def serve(conn: Connection, obligation_id: UUID, proof: Proof) -> None:
    """One more service; the caller holds the lock of the venue."""
    await conn.execute(
        """
        INSERT INTO obligation_services (obligation_id, ordinal, method, served_by, witness, served_at, recorded_at,
                                         photo_sha256, tracking_number)
        SELECT $1, coalesce(max(ordinal), 0) + 1, $2, $3, $4, $5, $6, $7, $8
        FROM obligation_services WHERE obligation_id = $1
        """,
        obligation_id,
        int(proof.method),
        proof.served_by,
        proof.witness,
        proof.served_at,
        proof.recorded_at,
        proof.photo_sha256 or None,
        proof.tracking_number,
    )


async def acknowledge(conn: Connection, obligation_id: UUID, by: str, at: datetime) -> None:
    await conn.execute(
        "INSERT INTO obligation_acknowledgements (obligation_id, acknowledged_by, acknowledged_at) VALUES ($1, $2, $3)",
        obligation_id,
        by,
        at,
    )


async def venue_of(conn: Connection, obligation_id: UUID) -> UUID | None:
    found: UUID | None = await conn.fetchval("SELECT venue_id FROM obligations WHERE obligation_id = $1", obligation_id)
    return found


async def of_venue(conn: Connection, venue_id: UUID) -> list[Obligation]:
    """The newest first, at most 100."""
    rows = await conn.fetch(
        """
        SELECT o.obligation_id, o.venue_id, v.kind, o.template_id, v.version, d.series, d.year, d.number, d.issued_at,
               EXISTS (SELECT FROM obligation_template_versions n
                       WHERE (n.kind, n.area, n.category) = (v.kind, v.area, v.category) AND n.version > v.version) AS replaced,
               s.method, s.served_by, s.witness, s.served_at, s.recorded_at, s.photo_sha256, s.tracking_number,
               coalesce(a.acknowledged_by, '') AS acknowledged_by, a.acknowledged_at
        FROM obligations o
        JOIN documents d ON d.document_id = o.obligation_id
        JOIN obligation_template_versions v USING (template_id)
        LEFT JOIN obligation_services s ON s.obligation_id = o.obligation_id AND s.ordinal = 1
        LEFT JOIN obligation_acknowledgements a ON a.obligation_id = o.obligation_id
        WHERE o.venue_id = $1 ORDER BY d.issued_at DESC, v.kind LIMIT 100
        """,
        venue_id,
    )
    return [_obligation(row) for row in rows]


async def coverage(conn: Connection, area: str, category: int | None, drill_id: str, digits: int) -> list[Coverage]:
    """One row per area of that many digits, category and kind."""
    rows = await conn.fetch(
        f"""
        {_DUE}
        SELECT left(d.area, $5) AS area, d.category, d.kind, count(*) AS venues, count(o.obligation_id) AS issued,
               count(s.obligation_id) AS served, count(a.obligation_id) AS acknowledged
        FROM due d LEFT JOIN obligations o USING (venue_id, template_id)
        LEFT JOIN obligation_services s ON s.obligation_id = o.obligation_id AND s.ordinal = 1
        LEFT JOIN obligation_acknowledgements a ON a.obligation_id = o.obligation_id
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        """,
        area,
        category,
        None,
        drill_id,
        digits,
    )
    return [
        Coverage(
            row["area"],
            row["category"],
            ObligationKind(row["kind"]),
            row["venues"],
            row["issued"],
            row["served"],
            row["acknowledged"],
        )
        for row in rows
    ]


_LACKS: Final = {
    Stage.ISSUED: "o.obligation_id IS NULL",
    Stage.SERVED: "s.obligation_id IS NULL",
    Stage.ACKNOWLEDGED: "a.obligation_id IS NULL",
}


async def missing(
    conn: Connection,
    area: str,
    category: int | None,
    kind: int | None,
    drill_id: str,
    stage: Stage,
    after: MissingCursor | None,
    size: int,
) -> tuple[list[Due], MissingCursor | None]:
    """Who has not reached that stage of what is in force for them, in the order of areas."""
    rows = await conn.fetch(
        f"""
        {_DUE}
        SELECT d.*, o.obligation_id FROM due d LEFT JOIN obligations o USING (venue_id, template_id)
        LEFT JOIN obligation_services s ON s.obligation_id = o.obligation_id AND s.ordinal = 1
        LEFT JOIN obligation_acknowledgements a ON a.obligation_id = o.obligation_id
        WHERE {_LACKS[stage]} AND ($5::text IS NULL OR (d.area, d.venue_id, d.kind) > ($5, $6::uuid, $7::smallint))
        ORDER BY d.area, d.venue_id, d.kind LIMIT $8
        """,
        area,
        category,
        kind,
        drill_id,
        after.area if after else None,
        after.venue_id if after else None,
        after.kind if after else None,
        size + 1,
    )
    found = [_due(row, row["obligation_id"]) for row in rows[:size]]
    more = MissingCursor(found[-1].area, found[-1].venue_id, int(found[-1].kind)) if len(rows) > size else None
    return found, more


def _template(row: Any) -> Template:
    return Template(**{**row, "kind": ObligationKind(row["kind"]), "requirements": tuple(row["requirements"])})


def _due(row: Any, obligation_id: UUID | None = None) -> Due:
    names = ("venue_id", "name", "address", "area", "category", "drill_id", "template_id")
    return Due(**{name: row[name] for name in names}, kind=ObligationKind(row["kind"]), obligation_id=obligation_id)


def _obligation(row: Any) -> Obligation:
    proof = None
    if row["method"] is not None:
        proof = Proof(
            Method(row["method"]),
            row["served_by"],
            row["witness"],
            row["served_at"],
            row["recorded_at"],
            row["photo_sha256"] or b"",
            row["tracking_number"],
        )
    return Obligation(
        obligation_id=row["obligation_id"],
        venue_id=row["venue_id"],
        kind=ObligationKind(row["kind"]),
        template_id=row["template_id"],
        template_version=row["version"],
        number=printed(row["series"], row["year"], row["number"]),
        issued_at=row["issued_at"],
        replaced=row["replaced"],
        proof=proof,
        acknowledged_by=row["acknowledged_by"],
        acknowledged_at=row["acknowledged_at"],
    )

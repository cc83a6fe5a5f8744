"""All SQL of the register of documents."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from chassis.pages import TimeCursor
from chassis.pool import Connection

from venue.documents.model import Document, DocumentKind, NewDocument

_COLUMNS: Final = """
    d.document_id, d.kind, d.venue_id, d.drill_id, d.source_id, d.issuing_body, d.number, d.template_version, d.content,
    d.issued_at, d.verification_id, d.zone, d.code_version
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """Documents of one page, where it goes on, and how many there are on all pages."""

    documents: list[Document]
    next: TimeCursor | None
    total: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Which documents: of venues below `area` or of one of them, of one kind if given, real ones or a drill's."""

    area: str
    kind: int | None = None
    venue_id: UUID | None = None
    drill_id: str = ""


async def next_number(conn: Connection, counter: tuple[str, str, int], count: int = 1) -> int:
    """The first of the next `count` numbers of a body, series and year; others wait until the caller's transaction ends."""
    last: int = await conn.fetchval(
        """
        INSERT INTO document_counters (issuing_body, series, year, last_number) VALUES ($1, $2, $3, $4)
        ON CONFLICT (issuing_body, series, year)
        DO UPDATE SET last_number = document_counters.last_number + EXCLUDED.last_number
        RETURNING last_number
        """,
        *counter,
        count,
    )
    return last - count + 1


async def insert(conn: Connection, documents: Sequence[Document]) -> None:
    await conn.executemany(
        """
        INSERT INTO documents (document_id, kind, venue_id, drill_id, source_id, issuing_body, series, year, number,
                               template_version, content, issued_at, verification_id, zone, code_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
        """,
        [
            (
                each.document_id,
                int(each.new.kind),
                each.new.venue_id,
                each.new.drill_id,
                each.new.source_id,
                *each.new.counter,
                each.number,
                each.new.template_version,
                json.dumps(each.new.content, ensure_ascii=False),
                each.new.issued_at,
                each.verification_id,
                each.new.zone,
                each.new.code_version,
            )
            for each in documents
        ],
    )


async def get(conn: Connection, document_id: UUID) -> Document | None:
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM documents d WHERE d.document_id = $1", document_id)
    return None if row is None else _document(row)


async def verified(conn: Connection, verification_id: str) -> Document | None:
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM documents d WHERE d.verification_id = $1", verification_id)
    return None if row is None else _document(row)


async def poster_of(conn: Connection, zone: int, code_version: int) -> Document | None:
    row = await conn.fetchrow(
        f"SELECT {_COLUMNS} FROM documents d WHERE d.zone = $1 AND d.code_version = $2", zone, code_version
    )
    return None if row is None else _document(row)


async def page(conn: Connection, scope: Scope, after: TimeCursor | None, size: int) -> Listed:
    """The newest first."""
    source = """
        FROM documents d JOIN venues v USING (venue_id)
        WHERE v.area >= $1 AND v.area < $1 || ':' AND ($2::smallint IS NULL OR d.kind = $2)
          AND ($3::uuid IS NULL OR d.venue_id = $3) AND d.drill_id = $4
    """
    given = (scope.area, scope.kind, scope.venue_id, scope.drill_id)
    total = await conn.fetchval(f"SELECT count(*) {source}", *given)
    rows = await conn.fetch(
        f"""
        SELECT {_COLUMNS} {source} AND ($5::timestamptz IS NULL OR (d.issued_at, d.document_id) < ($5, $6::uuid))
        ORDER BY d.issued_at DESC, d.document_id DESC LIMIT $7
        """,
        *given,
        after.at if after else None,
        after.id if after else None,
        size + 1,
    )
    found = [_document(row) for row in rows[:size]]
    more = TimeCursor(found[-1].new.issued_at, found[-1].document_id) if len(rows) > size else None
    return Listed(found, more, total)


async def codes_now(conn: Connection, zones: Sequence[int]) -> dict[int, tuple[int, bool]]:
    """The present version of each zone's code, and whether it is valid."""
    rows = await conn.fetch(
        "SELECT zone, code_version, code IS NOT NULL AS valid FROM zones WHERE zone = ANY($1)", zones
    )
    return {row["zone"]: (row["code_version"], row["valid"]) for row in rows}


async def replaced(conn: Connection, templates: Sequence[UUID]) -> set[UUID]:
    """Those templates of obligations that a later version of the same line has followed."""
    rows = await conn.fetch(
        """
        SELECT old.template_id FROM obligation_template_versions old
        WHERE old.template_id = ANY($1) AND EXISTS (
            SELECT FROM obligation_template_versions new
            WHERE (new.kind, new.area, new.category) = (old.kind, old.area, old.category) AND new.version > old.version)
        """,
        templates,
    )
    return {row["template_id"] for row in rows}


async def lock_poster(conn: Connection, zone: int) -> None:
    """Two who ask for the same poster follow each other, to the end of the transaction."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended('poster', $1))", zone)


def _document(row: Any) -> Document:
    new = NewDocument(
        kind=DocumentKind(row["kind"]),
        venue_id=row["venue_id"],
        issuing_body=row["issuing_body"],
        content=json.loads(row["content"]),
        issued_at=row["issued_at"],
        source_id=row["source_id"],
        drill_id=row["drill_id"],
        template_version=row["template_version"],
        zone=row["zone"],
        code_version=row["code_version"],
    )
    return Document(row["document_id"], new, row["number"], row["verification_id"])

"""All SQL of the register of documents."""

import json

from chassis.pool import Connection

from venue.documents.model import Document, NewDocument


async def next_number(conn: Connection, new: NewDocument) -> int:
    """The next of its body, series and year; others who want one wait until the caller's transaction ends."""
    number: int = await conn.fetchval(
        """
        INSERT INTO document_counters (issuing_body, series, year, last_number) VALUES ($1, $2, $3, 1)
        ON CONFLICT (issuing_body, series, year) DO UPDATE SET last_number = document_counters.last_number + 1
        RETURNING last_number
        """,
        new.issuing_body,
        new.series,
        new.year,
    )
    return number


async def insert(conn: Connection, document: Document) -> None:
    new = document.new
    await conn.execute(
        """
        INSERT INTO documents (document_id, kind, venue_id, drill_id, source_id, issuing_body, series, year, number,
                               template_version, content, issued_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        document.document_id,
        int(new.kind),
        new.venue_id,
        new.drill_id,
        new.source_id,
        new.issuing_body,
        new.series,
        new.year,
        document.number,
        new.template_version,
        json.dumps(new.content, ensure_ascii=False),
        new.issued_at,
    )

"""All SQL of checklists, inspections and photos."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.pages import TimeCursor
from chassis.pool import Connection

from venue.enforcement.inspections.model import (
    Checklist,
    Finding,
    Inspection,
    Item,
    Outcome,
    Position,
    Subject,
)

_INSPECTION: Final = """
    SELECT i.inspection_id, i.subject, coalesce(i.venue_id, i.post_id) AS subject_id, i.subject_name, i.area, i.category,
           i.checklist_version, i.outcomes, i.first_inspector, i.second_inspector, i.recorded_by, i.inspected_at, i.recorded_at,
           i.latitude_e7, i.longitude_e7, i.accuracy_metres, i.reinspects, i.drill_id, i.digest
    FROM inspections i
"""


async def checklist(
    conn: Connection, subject: Subject, category: int, version: int | None, at: datetime
) -> Checklist | None:
    """The version asked for, or the one in force; None when there was none by then."""
    rows = await conn.fetch(
        """
        SELECT c.version, c.effective_from, i.item, t.text_zh, t.text_en
        FROM (SELECT subject, category, version, effective_from FROM checklists
              WHERE subject = $1 AND category = $2 AND ($3::integer IS NULL OR version = $3) AND effective_from <= $4
              ORDER BY version DESC LIMIT 1) c
        JOIN checklist_items i USING (subject, category, version) JOIN checklist_texts t USING (item)
        ORDER BY i.position
        """,
        int(subject),
        category,
        version,
        at,
    )
    if not rows:
        return None
    items = tuple(Item(row["item"], row["text_zh"], row["text_en"]) for row in rows)
    return Checklist(subject, category, rows[0]["version"], rows[0]["effective_from"], items)


async def lock(conn: Connection, inspection_id: UUID) -> None:
    """Of two uploads of one inspection the second waits, until the transaction of the first ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 13))", str(inspection_id))


async def insert(conn: Connection, inspection: Inspection) -> None:
    position = inspection.position
    venue = inspection.subject is Subject.VENUE
    await conn.execute(
        """
        INSERT INTO inspections (inspection_id, subject, venue_id, post_id, subject_name, area, category, checklist_version,
                                 outcomes, passed, first_inspector, second_inspector, recorded_by, inspected_at, recorded_at,
                                 latitude_e7, longitude_e7, accuracy_metres, reinspects, drill_id, digest)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9::smallint[], $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
        """,
        inspection.inspection_id,
        int(inspection.subject),
        inspection.subject_id if venue else None,
        None if venue else inspection.subject_id,
        inspection.subject_name,
        inspection.area,
        inspection.category,
        inspection.checklist_version,
        [int(finding.outcome) for finding in inspection.findings],
        inspection.passed,
        inspection.inspectors[0],
        inspection.inspectors[1],
        inspection.recorded_by,
        inspection.inspected_at,
        inspection.recorded_at,
        position.latitude_e7 if position else None,
        position.longitude_e7 if position else None,
        position.accuracy_metres if position else None,
        inspection.reinspects,
        inspection.drill_id,
        inspection.digest,
    )
    told = [finding for finding in inspection.findings if finding.told]
    if told:
        await _insert_findings(conn, inspection.inspection_id, told)


async def _insert_findings(conn: Connection, inspection_id: UUID, told: Sequence[Finding]) -> None:
    await conn.executemany(
        "INSERT INTO inspection_findings (inspection_id, item, outcome, remark) VALUES ($1, $2, $3, $4)",
        [(inspection_id, finding.item, int(finding.outcome), finding.remark) for finding in told],
    )
    photos = [(inspection_id, finding.item, photo) for finding in told for photo in finding.photos]
    if photos:
        await conn.executemany(
            "INSERT INTO inspection_photos (inspection_id, item, sha256) VALUES ($1, $2, $3)", photos
        )


async def get(conn: Connection, inspection_id: UUID) -> Inspection | None:
    """With its findings."""
    row = await conn.fetchrow(_INSPECTION + " WHERE i.inspection_id = $1", inspection_id)
    return None if row is None else (await _with_findings(conn, row))


async def page(
    conn: Connection,
    area: str,
    drill_id: str,
    subject: Subject | None,
    subject_id: UUID | None,
    after: TimeCursor | None,
    size: int,
    *,
    failed_only: bool,
) -> tuple[list[Inspection], TimeCursor | None]:
    """Real ones or a drill's, of one subject all; the newest first, without remarks and photos. The last page has no cursor."""
    rows = await conn.fetch(
        _INSPECTION
        + """
        WHERE i.area >= $1 AND i.area < $1 || ':' AND ($2::smallint IS NULL OR i.subject = $2)
          AND CASE WHEN $3::uuid IS NULL THEN i.drill_id = $8 ELSE i.venue_id = $3 OR i.post_id = $3 END
          AND (NOT $4 OR NOT i.passed)
          AND ($5::timestamptz IS NULL OR (i.recorded_at, i.inspection_id) < ($5, $6::uuid))
        ORDER BY i.recorded_at DESC, i.inspection_id DESC LIMIT $7
        """,
        area,
        None if subject is None else int(subject),
        subject_id,
        failed_only,
        after.at if after else None,
        after.id if after else None,
        size + 1,
        drill_id,
    )
    items: dict[tuple[int, int, int], list[str]] = {}
    for row in rows:
        key = (row["subject"], row["category"], row["checklist_version"])
        if key not in items:
            items[key] = await _items(conn, *key)
    found = [
        _inspection(row, items[row["subject"], row["category"], row["checklist_version"]], ()) for row in rows[:size]
    ]
    return found, TimeCursor(found[-1].recorded_at, found[-1].inspection_id) if len(rows) > size else None


async def _items(conn: Connection, subject: int, category: int, version: int) -> list[str]:
    rows = await conn.fetch(
        "SELECT item FROM checklist_items WHERE subject = $1 AND category = $2 AND version = $3 ORDER BY position",
        subject,
        category,
        version,
    )
    return [row["item"] for row in rows]


async def _with_findings(conn: Connection, row: Record) -> Inspection:
    told = await conn.fetch(
        """
        SELECT f.item, f.remark,
               ARRAY(SELECT p.sha256 FROM inspection_photos p WHERE p.inspection_id = f.inspection_id AND p.item = f.item
                     ORDER BY p.sha256) AS photos
        FROM inspection_findings f WHERE f.inspection_id = $1
        """,
        row["inspection_id"],
    )
    items = await _items(conn, row["subject"], row["category"], row["checklist_version"])
    return _inspection(row, items, told)


def _inspection(row: Record, items: Sequence[str], told: Iterable[Record]) -> Inspection:
    more = {each["item"]: (each["remark"], tuple(each["photos"])) for each in told}
    findings = tuple(
        Finding(item, Outcome(outcome), *more.get(item, ("", ())))
        for item, outcome in zip(items, row["outcomes"], strict=True)
    )
    position = (
        None
        if row["latitude_e7"] is None
        else Position(row["latitude_e7"], row["longitude_e7"], row["accuracy_metres"])
    )
    return Inspection(
        inspection_id=row["inspection_id"],
        subject=Subject(row["subject"]),
        subject_id=row["subject_id"],
        subject_name=row["subject_name"],
        area=row["area"],
        category=row["category"],
        checklist_version=row["checklist_version"],
        findings=findings,
        inspectors=(row["first_inspector"], row["second_inspector"]),
        recorded_by=row["recorded_by"],
        inspected_at=row["inspected_at"],
        recorded_at=row["recorded_at"],
        position=position,
        reinspects=row["reinspects"],
        drill_id=row["drill_id"],
        digest=row["digest"],
    )


async def missing_photos(conn: Connection, inspection_id: UUID) -> list[bytes]:
    """Those that the inspection names and that are not stored, each once."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT p.sha256 FROM inspection_photos p
        WHERE p.inspection_id = $1 AND NOT EXISTS (SELECT FROM stored_photos s WHERE s.sha256 = p.sha256) ORDER BY 1
        """,
        inspection_id,
    )
    return [row["sha256"] for row in rows]


async def note_photo(conn: Connection, sha256: bytes, media_type: str, size: int, now: datetime) -> None:
    """The photo lies in the object store; noting it again changes nothing."""
    await conn.execute(
        """
        INSERT INTO stored_photos (sha256, media_type, bytes, stored_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
        """,
        sha256,
        media_type,
        size,
        now,
    )


async def photo_type(conn: Connection, inspection_id: UUID, sha256: bytes) -> str | None:
    """The media type of a stored photo that the inspection names."""
    found: str | None = await conn.fetchval(
        """
        SELECT s.media_type FROM inspection_photos p JOIN stored_photos s USING (sha256)
        WHERE p.inspection_id = $1 AND p.sha256 = $2 LIMIT 1
        """,
        inspection_id,
        sha256,
    )
    return found

"""All SQL of contacts, their evidence and interview tasks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID, uuid4

from asyncpg import Record
from ledger.store import Db

from quarantine.cases.model import EVIDENCE_OF, Case, Found


@dataclass(frozen=True, slots=True)
class Sealed:
    """A find with its evidence sealed, ready to be stored. `restrict_until` follows from the case's policy."""

    found: Found
    sealed: bytes
    restrict_until: datetime


async def insert_evidence(conn: Db, case: Case, items: Sequence[Sealed]) -> list[UUID]:
    """Store the evidence of every find; the new ids, in order."""
    ids = [uuid4() for _ in items]
    await conn.execute(
        """
        INSERT INTO evidence (evidence_id, resident_id, drill_id, case_id, type, sealed)
        SELECT e.id, e.resident, $1, $2, e.type, e.sealed
        FROM unnest($3::uuid[], $4::uuid[], $5::smallint[], $6::bytea[]) AS e (id, resident, type, sealed)
        """,
        case.drill_id,
        case.case_id,
        ids,
        [item.found.resident_id for item in items],
        [EVIDENCE_OF[item.found.kind] for item in items],
        [item.sealed for item in items],
    )
    return ids


# Close and household contacts weigh the same; among equals the later exposure counts, because the end follows from it.
_RANK: Final = "(CASE {0}.kind WHEN 0 THEN 0 WHEN 3 THEN 2 WHEN 4 THEN 3 ELSE 1 END)"


async def merge(conn: Db, case: Case, items: Sequence[tuple[Sealed, UUID]]) -> None:
    """Add contacts, or raise those that are there to the stronger find; one item per person, ordered by person.

    Somebody who is restricted already stays as they are.
    """
    old, new = _RANK.format("contacts"), _RANK.format("excluded")
    await conn.execute(
        f"""
        INSERT INTO contacts (contact_id, case_id, resident_id, drill_id, kind, interview_reason, evidence_id, last_exposure_at,
                              minutes, restrict_until)
        SELECT c.id, $1, c.resident, $2, c.kind, c.ask, c.evidence, c.last, c.minutes, c.until
        FROM unnest($3::uuid[], $4::uuid[], $5::smallint[], $6::smallint[], $7::uuid[], $8::timestamptz[], $9::integer[],
                    $10::timestamptz[]) AS c (id, resident, kind, ask, evidence, last, minutes, until)
        ON CONFLICT (case_id, resident_id) DO UPDATE
        SET kind = excluded.kind, interview_reason = excluded.interview_reason, evidence_id = excluded.evidence_id,
            last_exposure_at = excluded.last_exposure_at, minutes = excluded.minutes, restrict_until = excluded.restrict_until
        WHERE contacts.restriction_id IS NULL
          AND ({new} < {old} OR ({new} = {old} AND excluded.last_exposure_at > contacts.last_exposure_at))
        """,
        case.case_id,
        case.drill_id,
        [uuid4() for _ in items],
        [item.found.resident_id for item, _ in items],
        [item.found.kind for item, _ in items],
        [item.found.ask for item, _ in items],
        [evidence_id for _, evidence_id in items],
        [item.found.last_exposure_at for item, _ in items],
        [item.found.minutes for item, _ in items],
        [item.restrict_until for item, _ in items],
    )


async def page(conn: Db, case_id: UUID, after: UUID | None, limit: int) -> list[Record]:
    """Contacts of a case by id; the index person is not a contact."""
    return await conn.fetch(
        """
        SELECT contact_id, resident_id, kind, last_exposure_at, minutes, restriction_id FROM contacts
        WHERE case_id = $1 AND kind > 0 AND ($2::uuid IS NULL OR contact_id > $2) ORDER BY contact_id LIMIT $3
        """,
        case_id,
        after,
        limit,
    )


async def create_tasks(conn: Db, case: Case, due_at: datetime, limit: int) -> int:
    """Interview tasks for contacts who have none and are to be asked; how many were made."""
    answer: str = await conn.execute(
        """
        INSERT INTO interview_tasks (task_id, contact_id, case_id, resident_id, drill_id, area, reason, due_at)
        SELECT gen_random_uuid(), c.contact_id, c.case_id, c.resident_id, c.drill_id, r.area, c.interview_reason, $2
        FROM contacts c JOIN residents r USING (resident_id)
        WHERE c.case_id = $1 AND c.kind >= 3 AND NOT EXISTS (SELECT FROM interview_tasks t WHERE t.contact_id = c.contact_id)
        LIMIT $3
        ON CONFLICT (contact_id) DO NOTHING
        """,
        case.case_id,
        due_at,
        limit,
    )
    return int(answer.rpartition(" ")[2])


async def supersede_tasks(conn: Db, contact_ids: Sequence[UUID]) -> None:
    """These contacts are restricted by the case's own decision; nothing is left to ask them."""
    await conn.execute(
        "UPDATE interview_tasks SET superseded = true WHERE contact_id = ANY ($1) AND outcome IS NULL",
        list(contact_ids),
    )


_TASK: Final = """
    SELECT t.task_id, t.contact_id, t.case_id, t.resident_id, t.drill_id, t.area, t.reason, t.due_at, t.outcome, t.evidence_id,
           t.superseded, c.last_exposure_at, t.lot_id, l.product, l.trace_code, l.origin_country
    FROM interview_tasks t LEFT JOIN contacts c USING (contact_id)
    LEFT JOIN recalled_lots l ON l.lot_id = t.lot_id AND l.drill_id = t.drill_id
"""


async def task_page(
    conn: Db, area: str, case_id: UUID | None, lot_id: UUID | None, *, open_only: bool, after: UUID | None, limit: int
) -> list[Record]:
    """Tasks of an area (prefix), of one case or lot if given, by id; superseded ones are left out. "Not reached" (3) is open."""
    return await conn.fetch(
        _TASK
        + """
        WHERE t.area LIKE $1 || '%' AND ($2::uuid IS NULL OR t.case_id = $2) AND NOT t.superseded
          AND (NOT $3 OR coalesce(t.outcome, 3) = 3) AND ($4::uuid IS NULL OR t.task_id > $4)
          AND ($6::uuid IS NULL OR t.lot_id = $6)
        ORDER BY t.task_id LIMIT $5
        """,
        area,
        case_id,
        open_only,
        after,
        limit,
        lot_id,
    )


async def get_task(conn: Db, task_id: UUID) -> Record | None:
    return await conn.fetchrow(_TASK + " WHERE t.task_id = $1", task_id)


async def lock_task(conn: Db, task_id: UUID) -> Record | None:
    """The task, its row locked until the transaction ends."""
    return await conn.fetchrow(_TASK + " WHERE t.task_id = $1 FOR UPDATE OF t", task_id)


async def insert_interview(conn: Db, task: Record, sealed: bytes) -> UUID:
    """Evidence of an interview."""
    evidence_id = uuid4()
    await conn.execute(
        "INSERT INTO evidence (evidence_id, resident_id, drill_id, case_id, type, sealed) VALUES ($1, $2, $3, $4, 4, $5)",
        evidence_id,
        task["resident_id"],
        task["drill_id"],
        task["case_id"],
        sealed,
    )
    return evidence_id


async def complete_task(
    conn: Db, task: Record, outcome: int, evidence_id: UUID | None, statement: bytes, by: tuple[str, datetime]
) -> None:
    """Store the answer; `by` is who gave it and when. A person who was not reached can be asked again."""
    await conn.execute(
        """
        UPDATE interview_tasks SET outcome = $2, evidence_id = $3, statement = $4, completed_by = $5, completed_at = $6
        WHERE task_id = $1
        """,
        task["task_id"],
        outcome,
        evidence_id,
        statement,
        *by,
    )


async def record_reads(
    conn: Db, resident_ids: Sequence[UUID], caller: str, purpose: str, purpose_ref: str, now: datetime
) -> None:
    """Product X4: who read whose data, and what for; in the transaction of the read."""
    await conn.execute(
        """
        INSERT INTO personal_reads (resident_id, caller, purpose, purpose_ref, at)
        SELECT r, $2, $3, $4, $5 FROM unnest($1::uuid[]) AS r
        """,
        list(resident_ids),
        caller,
        purpose,
        purpose_ref,
        now,
    )

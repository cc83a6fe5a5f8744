"""All SQL of cases, laboratory results, approvals and searches."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind
from ledger.store import Db

from quarantine.cases.model import Case, CaseState, Impact, LabResult
from quarantine.restrictions.sealing import Person

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "lab_results_pkey": lambda: DomainError(
        Kind.EXISTS, "LAB_RESULT_EXISTS", "A laboratory result with this id exists."
    ),
    "lab_results_specimen_check": lambda: DomainError(
        Kind.INVALID,
        "SPECIMEN_TIME",
        "A specimen is not from the future and not older than 14 days.",
        fields={"specimen_at": "not in the future, at most 14 days old"},
    ),
    "cases_pkey": lambda: DomainError(Kind.EXISTS, "CASE_EXISTS", "A case with this id exists."),
    "cases_one_open_idx": lambda: DomainError(Kind.EXISTS, "CASE_OPEN", "This person has an open case already."),
    "case_approvals_approver_key": lambda: DomainError(
        Kind.DENIED, "SAME_APPROVER", "You have approved this already; the other approval must come from somebody else."
    ),
    "case_approvals_laboratory_check": lambda: DomainError(
        Kind.DENIED, "LABORATORY_CANNOT_APPROVE", "Who entered the laboratory result cannot approve the case."
    ),
    "case_confirmations_approvers_check": lambda: DomainError(
        Kind.DENIED, "SAME_APPROVER", "The approvals must come from two people."
    ),
}

_CASE: Final = """
    SELECT c.case_id, c.resident_id, c.drill_id, c.area, c.state, c.policy_version, c.lab_result_id, c.specimen_at,
           c.infectious_from, c.confirmed_at,
           ARRAY(SELECT a.approver FROM case_approvals a WHERE a.case_id = c.case_id ORDER BY a.ordinal) AS approvers
    FROM cases c
"""


async def person(conn: Db, resident_id: UUID) -> tuple[Person, str] | None:
    """A resident's key and area, and the drill they belong to ('' for real people)."""
    row = await conn.fetchrow("SELECT data_key, area, drill_id FROM residents WHERE resident_id = $1", resident_id)
    return None if row is None else (Person(resident_id, row["data_key"], row["area"]), row["drill_id"])


async def people(conn: Db, resident_ids: Sequence[UUID], drill_id: str) -> dict[UUID, Person]:
    """Those of these residents who exist and belong to the drill; ids that came from tags may belong to nobody."""
    rows = await conn.fetch(
        "SELECT resident_id, data_key, area FROM residents WHERE resident_id = ANY ($1) AND drill_id = $2",
        list(resident_ids),
        drill_id,
    )
    return {row["resident_id"]: Person(row["resident_id"], row["data_key"], row["area"]) for row in rows}


async def household(conn: Db, resident_id: UUID, drill_id: str) -> list[Person]:
    """The other members of a resident's household."""
    rows = await conn.fetch(
        """
        SELECT other.resident_id, other.data_key, other.area FROM residents one JOIN residents other USING (household_id)
        WHERE one.resident_id = $1 AND other.resident_id <> $1 AND other.drill_id = $2 ORDER BY other.resident_id
        """,
        resident_id,
        drill_id,
    )
    return [Person(row["resident_id"], row["data_key"], row["area"]) for row in rows]


async def insert_lab_result(conn: Db, result: LabResult, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO lab_results (lab_result_id, resident_id, drill_id, specimen_at, outcome, laboratory, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        result.lab_result_id,
        result.resident_id,
        result.drill_id,
        result.specimen_at,
        1 if result.positive else 2,
        result.laboratory,
        now,
    )


async def lab_result(conn: Db, lab_result_id: UUID) -> LabResult | None:
    row = await conn.fetchrow(
        """
        SELECT lab_result_id, resident_id, drill_id, specimen_at, outcome = 1 AS positive, laboratory
        FROM lab_results WHERE lab_result_id = $1
        """,
        lab_result_id,
    )
    return None if row is None else LabResult(**dict(row))


async def insert_case(conn: Db, case: Case, opened_by: str, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO cases (case_id, resident_id, drill_id, area, state, opened_by, opened_at) VALUES ($1, $2, $3, $4, 1, $5, $6)
        """,
        case.case_id,
        case.resident_id,
        case.drill_id,
        case.area,
        opened_by,
        now,
    )


async def get(conn: Db, case_id: UUID) -> Case | None:
    row = await conn.fetchrow(_CASE + " WHERE c.case_id = $1", case_id)
    return None if row is None else _case(row)


async def lock(conn: Db, case_id: UUID) -> Case | None:
    """The case, its row locked: decisions about a case, and restricting because of it, happen one after the other.

    Rows that only refer to the case can be added meanwhile.
    """
    found = await conn.fetchval("SELECT case_id FROM cases WHERE case_id = $1 FOR NO KEY UPDATE", case_id)
    return None if found is None else await get(conn, case_id)


async def page(conn: Db, area: str, after: UUID | None, limit: int) -> list[Case]:
    """Cases in an area (prefix), by id, after the one given."""
    rows = await conn.fetch(
        _CASE + " WHERE c.area LIKE $1 || '%' AND ($2::uuid IS NULL OR c.case_id > $2) ORDER BY c.case_id LIMIT $3",
        area,
        after,
        limit,
    )
    return [_case(row) for row in rows]


async def insert_approval(conn: Db, case: Case, result: LabResult, approver: str, now: datetime) -> None:
    """The next approval; breaks a named constraint (see `ERRORS`) when this account must not give it."""
    await conn.execute(
        """
        INSERT INTO case_approvals (case_id, resident_id, ordinal, approver, lab_result_id, outcome, laboratory, approved_at)
        VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
        """,
        case.case_id,
        case.resident_id,
        len(case.approvers) + 1,
        approver,
        result.lab_result_id,
        result.laboratory,
        now,
    )


async def begin_search(
    conn: Db, case_id: UUID, result: LabResult, policy_version: int, infectious_from: datetime
) -> None:
    """First approval: what the case is judged by is fixed from here on."""
    await conn.execute(
        """
        UPDATE cases SET state = 2, policy_version = $2, lab_result_id = $3, specimen_at = $4, infectious_from = $5
        WHERE case_id = $1
        """,
        case_id,
        policy_version,
        result.lab_result_id,
        result.specimen_at,
        infectious_from,
    )


async def await_third(conn: Db, case_id: UUID) -> None:
    await conn.execute("UPDATE cases SET state = 3 WHERE case_id = $1", case_id)


async def confirm(conn: Db, case: Case, result: LabResult, approvers: Sequence[str], now: datetime) -> None:
    """The decision that restrictions will refer to: the first two approvals and what they rest on."""
    await conn.execute(
        """
        INSERT INTO case_confirmations (case_id, policy_version, lab_result_id, laboratory, first_approver, second_approver,
                                        confirmed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        case.case_id,
        case.policy_version,
        result.lab_result_id,
        result.laboratory,
        approvers[0],
        approvers[1],
        now,
    )
    await conn.execute("UPDATE cases SET state = 4, confirmed_at = $2 WHERE case_id = $1", case.case_id, now)


async def close(conn: Db, case_id: UUID, closed_by: str, now: datetime) -> None:
    await conn.execute(
        "UPDATE cases SET state = 5, closed_at = $2, closed_by = $3 WHERE case_id = $1", case_id, now, closed_by
    )


async def insert_searches(conn: Db, case: Case, searches: Sequence[tuple[bytes, date]]) -> None:
    await conn.execute(
        """
        INSERT INTO searches (search_id, case_id, drill_id, day)
        SELECT s.id, $2, $3, s.day FROM unnest($1::bytea[], $4::date[]) AS s (id, day)
        """,
        [search_id for search_id, _ in searches],
        case.case_id,
        case.drill_id,
        [day for _, day in searches],
    )


async def case_of_search(conn: Db, search_id: bytes) -> Case | None:
    row = await conn.fetchrow(_CASE + " JOIN searches s ON s.case_id = c.case_id WHERE s.search_id = $1", search_id)
    return None if row is None else _case(row)


async def insert_answer(conn: Db, search_id: bytes, source: int, part: int, parts: int) -> None:
    """Part `part` of `parts` of an answer came in; source 1 venue, 2 checkpoint."""
    await conn.execute(
        """
        INSERT INTO search_answers (search_id, source, part, parts) VALUES ($1, $2, $3, $4)
        ON CONFLICT (search_id, source, part) DO NOTHING
        """,
        search_id,
        source,
        part,
        parts,
    )


async def impact(conn: Db, case_id: UUID, now: datetime) -> Impact:
    """Whom a confirmation would touch now, or has touched: people to restrict (or restricted) and people to ask."""
    row = await conn.fetchrow(
        """
        SELECT (SELECT count(*) FROM searches WHERE case_id = $1) AS searches,
               (SELECT count(*) FROM searches s WHERE s.case_id = $1 AND (
                    SELECT count(*) FROM (SELECT FROM search_answers a WHERE a.search_id = s.search_id
                                          GROUP BY a.source HAVING count(*) = max(a.parts)) AS whole) = 2) AS answered,
               count(*) FILTER (WHERE kind <= 2 AND (restriction_id IS NOT NULL OR restrict_until > $2)) AS to_restrict,
               count(*) FILTER (WHERE kind >= 3) AS to_ask
        FROM contacts WHERE case_id = $1
        """,
        case_id,
        now,
    )
    areas = await conn.fetch(
        """
        SELECT left(r.area, 12) AS area, count(*) AS people FROM contacts c JOIN residents r USING (resident_id)
        WHERE c.case_id = $1 AND c.kind <= 2 AND (c.restriction_id IS NOT NULL OR c.restrict_until > $2)
        GROUP BY 1 ORDER BY 2 DESC, 1
        """,
        case_id,
        now,
    )
    if row is None:
        raise RuntimeError("an aggregate has one row")
    return Impact(
        row["searches"],
        row["answered"],
        row["to_restrict"],
        row["to_ask"],
        tuple((a["area"], a["people"]) for a in areas),
    )


def _case(row: Record) -> Case:
    values = dict(row)
    return Case(**values | {"state": CaseState(values["state"]), "approvers": tuple(values["approvers"])})

"""All SQL of policies."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind
from ledger.store import Db

from quarantine.policy.model import Draft, Policy, PolicyRules

# Class of the transaction-level advisory lock that puts the giving of version numbers in order.
_VERSION_LOCK: Final = 0x71A1

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "policies_pkey": lambda: DomainError(Kind.EXISTS, "POLICY_EXISTS", "A policy with this id exists already."),
    "policy_approvals_approver_key": lambda: DomainError(
        Kind.DENIED, "SAME_APPROVER", "You have approved this already; the other approval must come from somebody else."
    ),
    "policy_approvals_drafter_check": lambda: DomainError(
        Kind.DENIED, "DRAFTER_CANNOT_APPROVE", "Who drafted a policy cannot approve it."
    ),
}

_POLICY: Final = """
    SELECT p.policy_id, p.title, p.infectious_days_before, p.close_contact_minutes, p.close_contact_days, p.case_days,
           p.largest_zone, p.impact_cap, p.passage_minutes, p.effective_from, p.drafted_by, coalesce(v.version, 0) AS version,
           ARRAY(SELECT a.approver FROM policy_approvals a WHERE a.policy_id = p.policy_id ORDER BY a.ordinal) AS approvers
    FROM policies p LEFT JOIN policy_versions v ON v.policy_id = p.policy_id
"""


async def insert_draft(conn: Db, draft: Draft, now: datetime) -> None:
    rules = draft.rules
    await conn.execute(
        """
        INSERT INTO policies (policy_id, title, infectious_days_before, close_contact_minutes, close_contact_days, case_days,
                              largest_zone, impact_cap, passage_minutes, effective_from, drafted_by, drafted_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        draft.policy_id,
        draft.title,
        rules.infectious_days_before,
        rules.close_contact_minutes,
        rules.close_contact_days,
        rules.case_days,
        rules.largest_zone,
        rules.impact_cap,
        rules.passage_minutes,
        draft.effective_from,
        draft.drafted_by,
        now,
    )


async def lock_versions(conn: Db) -> None:
    """One approval at a time, over all policies: numbers are given without gaps. Held to the end of the transaction."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", _VERSION_LOCK)


async def insert_approval(conn: Db, policy: Policy, approver: str, now: datetime) -> None:
    """The next approval. Breaks a named constraint (see `ERRORS`) when the approver drafted or approved it before."""
    await conn.execute(
        """
        INSERT INTO policy_approvals (policy_id, ordinal, approver, drafted_by, approved_at) VALUES ($1, $2, $3, $4, $5)
        """,
        policy.draft.policy_id,
        len(policy.approvers) + 1,
        approver,
        policy.draft.drafted_by,
        now,
    )


async def insert_version(conn: Db, policy_id: UUID, first: str, second: str, now: datetime) -> int:
    """Give the next version number; under `lock_versions`."""
    version: int = await conn.fetchval(
        """
        INSERT INTO policy_versions (version, policy_id, first_approver, second_approver, approved_at)
        SELECT coalesce(max(version), 0) + 1, $1, $2, $3, $4 FROM policy_versions RETURNING version
        """,
        policy_id,
        first,
        second,
        now,
    )
    return version


async def get(conn: Db, policy_id: UUID) -> Policy | None:
    row = await conn.fetchrow(_POLICY + " WHERE p.policy_id = $1", policy_id)
    return None if row is None else _policy(row)


async def get_version(conn: Db, version: int) -> Policy | None:
    row = await conn.fetchrow(_POLICY + " WHERE v.version = $1", version)
    return None if row is None else _policy(row)


async def active(conn: Db, now: datetime) -> Policy | None:
    """The approved policy in force: the one that came into effect last, of two on one instant the higher version."""
    row = await conn.fetchrow(
        _POLICY
        + " WHERE v.version IS NOT NULL AND p.effective_from <= $1 ORDER BY p.effective_from DESC, v.version DESC LIMIT 1",
        now,
    )
    return None if row is None else _policy(row)


def _policy(row: Record) -> Policy:
    rules = PolicyRules(
        infectious_days_before=row["infectious_days_before"],
        close_contact_minutes=row["close_contact_minutes"],
        close_contact_days=row["close_contact_days"],
        case_days=row["case_days"],
        largest_zone=row["largest_zone"],
        impact_cap=row["impact_cap"],
        passage_minutes=row["passage_minutes"],
    )
    draft = Draft(row["policy_id"], row["title"], rules, row["effective_from"], row["drafted_by"])
    return Policy(draft, row["version"], tuple(row["approvers"]))

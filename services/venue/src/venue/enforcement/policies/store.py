"""All SQL of ladder policies."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind
from chassis.pool import Connection

from venue.enforcement.policies.model import Paper, Policy, Rules, Step

# Class of the transaction-level advisory lock that puts the giving of version numbers in order.
_VERSION_LOCK: Final = 0x1ADD

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "ladder_policies_pkey": lambda: DomainError(Kind.EXISTS, "POLICY_EXISTS", "A policy with this id exists already."),
    "ladder_policy_approvals_approver_key": lambda: DomainError(
        Kind.DENIED, "SAME_APPROVER", "You have approved this already; the other approval must come from somebody else."
    ),
    "ladder_policy_approvals_drafter_check": lambda: DomainError(
        Kind.DENIED, "DRAFTER_CANNOT_APPROVE", "Who drafted a policy cannot approve it."
    ),
}

_POLICY: Final = """
    SELECT p.policy_id, p.area, p.title, p.window_days, p.reinspect_hours, p.climb_hours, p.issuing_body, p.effective_from,
           p.drafted_by, coalesce(v.version, 0) AS version, v.approved_at,
           ARRAY(SELECT approver FROM ladder_policy_approvals a WHERE a.policy_id = p.policy_id ORDER BY ordinal) AS approvers,
           s.step, s.papers, s.suspension_days, s.rectify_hours
    FROM ladder_policies p JOIN ladder_steps s ON s.policy_id = p.policy_id
         LEFT JOIN ladder_policy_versions v ON v.policy_id = p.policy_id
"""


async def insert_draft(conn: Connection, policy: Policy, now: datetime) -> None:
    rules = policy.rules
    await conn.execute(
        """
        INSERT INTO ladder_policies (policy_id, area, title, window_days, step_count, reinspect_hours, climb_hours, issuing_body,
                                     effective_from, drafted_by, drafted_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        policy.policy_id,
        policy.area,
        policy.title,
        rules.window_days,
        len(rules.steps),
        rules.reinspect_hours,
        rules.climb_hours,
        rules.issuing_body,
        policy.effective_from,
        policy.drafted_by,
        now,
    )
    await conn.executemany(
        """
        INSERT INTO ladder_steps (policy_id, step_count, step, papers, suspension_days, rectify_hours)
        VALUES ($1, $2, $3, $4::smallint[], $5, $6)
        """,
        [
            (policy.policy_id, len(rules.steps), number, list(step.papers), step.suspension_days, step.rectify_hours)
            for number, step in enumerate(rules.steps, start=1)
        ],
    )


async def lock_versions(conn: Connection) -> None:
    """One approval at a time, over all policies: numbers are given without gaps. Held to the end of the transaction."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, 0)", _VERSION_LOCK)


async def insert_approval(conn: Connection, policy: Policy, approver: str, now: datetime) -> None:
    """The next approval. Breaks a named constraint (see `ERRORS`) when the approver drafted or approved it before."""
    await conn.execute(
        """
        INSERT INTO ladder_policy_approvals (policy_id, ordinal, approver, drafted_by, approved_at) VALUES ($1, $2, $3, $4, $5)
        """,
        policy.policy_id,
        len(policy.approvers) + 1,
        approver,
        policy.drafted_by,
        now,
    )


async def insert_version(conn: Connection, policy: Policy, first: str, second: str, now: datetime) -> int:
    """Give the next version number of the policy's area; under `lock_versions`."""
    version: int = await conn.fetchval(
        """
        INSERT INTO ladder_policy_versions (version, policy_id, area, step_count, first_approver, second_approver, approved_at)
        SELECT coalesce(max(version), 0) + 1, $1, $2, $3, $4, $5, $6 FROM ladder_policy_versions WHERE area = $2
        RETURNING version
        """,
        policy.policy_id,
        policy.area,
        len(policy.rules.steps),
        first,
        second,
        now,
    )
    return version


async def get(conn: Connection, policy_id: UUID) -> Policy | None:
    rows = await conn.fetch(_POLICY + " WHERE p.policy_id = $1 ORDER BY s.step", policy_id)
    return _policy(rows) if rows else None


async def approved(conn: Connection, *areas: str) -> list[Policy]:
    """All approved policies whose area contains one of `areas`, whenever they came into force."""
    rows = await conn.fetch(
        _POLICY
        + """
        WHERE v.policy_id IS NOT NULL AND EXISTS (SELECT FROM unnest($1::text[]) AS a (area) WHERE starts_with(a.area, p.area))
        ORDER BY p.policy_id, s.step
        """,
        areas,
    )
    grouped: dict[UUID, list[Record]] = {}
    for row in rows:
        grouped.setdefault(row["policy_id"], []).append(row)
    return [_policy(each) for each in grouped.values()]


def _policy(rows: list[Record]) -> Policy:
    first = rows[0]
    steps = tuple(
        Step(tuple(Paper(paper) for paper in row["papers"]), row["suspension_days"], row["rectify_hours"])
        for row in rows
    )
    rules = Rules(first["window_days"], steps, first["reinspect_hours"], first["climb_hours"], first["issuing_body"])
    return Policy(
        policy_id=first["policy_id"],
        area=first["area"],
        title=first["title"],
        rules=rules,
        effective_from=first["effective_from"],
        drafted_by=first["drafted_by"],
        version=first["version"],
        approvers=tuple(first["approvers"]),
        approved_at=first["approved_at"],
    )

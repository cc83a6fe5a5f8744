"""All SQL of restrictions, proposals and lifts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind
from ledger.commitment import Leaf
from ledger.store import Db

from quarantine.restrictions.model import Decision, Reason, Restriction

_SAME: Final = DomainError(
    Kind.DENIED, "SAME_APPROVER", "You have approved this already; the other approval must come from somebody else."
)
ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "restriction_proposals_pkey": lambda: DomainError(
        Kind.EXISTS, "RESTRICTION_EXISTS", "A restriction with this id is proposed already."
    ),
    # An id names one restriction, whether it was proposed or followed from a case.
    "restrictions_pkey": lambda: DomainError(Kind.EXISTS, "RESTRICTION_EXISTS", "This id is another restriction's."),
    "restriction_proposals_evidence_id_key": lambda: DomainError(
        Kind.EXISTS, "ALREADY_PROPOSED", "A restriction is proposed on this evidence already."
    ),
    "restriction_approvals_approver_key": lambda: _SAME,
    "restriction_approvals_proposer_check": lambda: DomainError(
        Kind.DENIED, "PROPOSER_CANNOT_APPROVE", "Who proposed a restriction cannot approve it."
    ),
    "restrictions_end_check": lambda: DomainError(
        Kind.PRECONDITION, "EXPOSURE_TOO_OLD", "By the policy, a restriction on this evidence would have ended already."
    ),
    "lift_proposals_pkey": lambda: DomainError(
        Kind.EXISTS, "LIFT_ALREADY_PROPOSED", "Lifting this restriction is proposed already."
    ),
    "lifts_approver_check": lambda: DomainError(
        Kind.DENIED, "PROPOSER_CANNOT_APPROVE", "Who proposed to lift a restriction cannot approve it."
    ),
    "lifts_pkey": lambda: DomainError(Kind.PRECONDITION, "ALREADY_LIFTED", "This restriction is lifted already."),
}

_RESTRICTION: Final = """
    SELECT r.restriction_id, r.resident_id, p.area, r.drill_id, r.reason, r.policy_version, r.case_id, r.evidence_id, r.starts_at,
           r.ends_at, r.leaf_index,
           EXISTS (SELECT FROM lift_proposals l WHERE l.restriction_id = r.restriction_id) AS lift_proposed,
           EXISTS (SELECT FROM lifts l WHERE l.restriction_id = r.restriction_id) AS lifted
    FROM restrictions r JOIN residents p USING (resident_id)
"""


@dataclass(frozen=True, slots=True)
class Imposed:
    """A decision with its log entry: the row to be."""

    decision: Decision
    leaf: Leaf
    leaf_index: int
    sealed_leaf: bytes


async def insert(conn: Db, imposed: Sequence[Imposed]) -> None:
    """Impose. The table's constraints, not this code, see to it that nothing is missing."""
    decisions = [item.decision for item in imposed]
    await conn.execute(
        """
        INSERT INTO restrictions (restriction_id, resident_id, drill_id, reason, policy_version, case_id, evidence_id,
                                  evidence_type, confirmed_case_id, proposal_id, first_approver, second_approver,
                                  starts_at, ends_at, leaf_index, leaf_hash, sealed_leaf)
        SELECT d.id, d.resident, d.drill, d.reason, d.policy, d.case_id, d.evidence, d.reason,
               CASE WHEN d.proposed THEN NULL ELSE d.case_id END, CASE WHEN d.proposed THEN d.id END, d.first, d.second,
               d.starts, d.ends, d.leaf_index, d.leaf_hash, d.sealed
        FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::smallint[], $5::integer[], $6::uuid[], $7::uuid[], $8::boolean[],
                    $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::bigint[], $14::bytea[], $15::bytea[])
            AS d (id, resident, drill, reason, policy, case_id, evidence, proposed, first, second, starts, ends, leaf_index,
                  leaf_hash, sealed)
        """,
        [one.restriction_id for one in decisions],
        [one.resident_id for one in decisions],
        [one.drill_id for one in decisions],
        [one.reason for one in decisions],
        [one.policy_version for one in decisions],
        [one.case_id for one in decisions],
        [one.evidence_id for one in decisions],
        [one.proposed for one in decisions],
        [one.first_approver for one in decisions],
        [one.second_approver for one in decisions],
        [one.starts_at for one in decisions],
        [one.ends_at for one in decisions],
        [item.leaf_index for item in imposed],
        [item.leaf.hash for item in imposed],
        [item.sealed_leaf for item in imposed],
    )


async def get(conn: Db, restriction_id: UUID) -> Restriction | None:
    row = await conn.fetchrow(_RESTRICTION + " WHERE r.restriction_id = $1", restriction_id)
    return None if row is None else _restriction(row)


async def of_person(conn: Db, resident_id: UUID, now: datetime) -> list[Restriction]:
    """Restrictions of a person whose end is still to come, lifted ones included."""
    rows = await conn.fetch(
        _RESTRICTION + " WHERE r.resident_id = $1 AND r.ends_at > $2 ORDER BY r.ends_at DESC, r.restriction_id",
        resident_id,
        now,
    )
    return [_restriction(row) for row in rows]


async def due_cases(conn: Db, now: datetime, limit: int) -> list[UUID]:
    """Confirmed cases with people still to restrict or to ask."""
    rows = await conn.fetch(
        """
        SELECT c.case_id FROM cases c WHERE c.state = 4 AND (
            EXISTS (SELECT FROM contacts k WHERE k.case_id = c.case_id AND k.kind <= 2 AND k.restriction_id IS NULL
                      AND k.restrict_until > $1)
            OR EXISTS (SELECT FROM contacts k WHERE k.case_id = c.case_id AND k.kind >= 3
                         AND NOT EXISTS (SELECT FROM interview_tasks t WHERE t.contact_id = k.contact_id)))
        ORDER BY c.confirmed_at LIMIT $2
        """,
        now,
        limit,
    )
    return [row["case_id"] for row in rows]


async def take_case(conn: Db, case_id: UUID) -> Record | None:
    """The confirmation of a case, its row locked; None if it is not confirmed (any more) or another replica is at it."""
    return await conn.fetchrow(
        """
        SELECT c.case_id, c.resident_id, c.drill_id, c.policy_version, f.first_approver, f.second_approver,
               (SELECT count(*) FROM case_approvals a WHERE a.case_id = c.case_id) AS approvals,
               (SELECT count(*) FROM contacts k WHERE k.case_id = c.case_id AND k.restriction_id IS NOT NULL) AS restricted
        FROM cases c JOIN case_confirmations f USING (case_id)
        WHERE c.case_id = $1 AND c.state = 4 FOR NO KEY UPDATE OF c SKIP LOCKED
        """,
        case_id,
    )


async def take_contacts(conn: Db, case_id: UUID, now: datetime, limit: int) -> list[Record]:
    """The next people to restrict because of a case, the index person first; those who are being changed come later."""
    return await conn.fetch(
        """
        SELECT k.contact_id, k.resident_id, k.kind, k.evidence_id, k.restrict_until, e.sealed, r.data_key
        FROM contacts k JOIN evidence e USING (evidence_id) JOIN residents r ON r.resident_id = k.resident_id
        WHERE k.case_id = $1 AND k.kind <= 2 AND k.restriction_id IS NULL AND k.restrict_until > $2 AND r.data_key IS NOT NULL
        ORDER BY k.kind, k.contact_id LIMIT $3 FOR UPDATE OF k SKIP LOCKED
        """,
        case_id,
        now,
        limit,
    )


async def mark_restricted(conn: Db, pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Note which restriction each contact has now: pairs of contact and restriction."""
    await conn.execute(
        """
        UPDATE contacts SET restriction_id = done.restriction_id
        FROM unnest($1::uuid[], $2::uuid[]) AS done (contact_id, restriction_id) WHERE contacts.contact_id = done.contact_id
        """,
        [contact for contact, _ in pairs],
        [restriction for _, restriction in pairs],
    )


async def interview_evidence(conn: Db, evidence_id: UUID, *, lock: bool = False) -> Record | None:
    """Evidence of an interview with what a proposal needs of its case and contact; with `lock`, the contact is held."""
    return await conn.fetchrow(
        """
        SELECT e.evidence_id, e.resident_id, e.drill_id, e.case_id, e.sealed, r.area, r.data_key, c.policy_version, c.state,
               k.contact_id, k.last_exposure_at, k.restriction_id
        FROM evidence e JOIN cases c USING (case_id) JOIN residents r ON r.resident_id = e.resident_id
        JOIN contacts k ON k.case_id = e.case_id AND k.resident_id = e.resident_id
        WHERE e.evidence_id = $1 AND e.type = 4
        """
        + (" FOR UPDATE OF k" if lock else ""),
        evidence_id,
    )


async def insert_proposal(conn: Db, restriction_id: UUID, evidence: Record, proposed_by: str, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO restriction_proposals (restriction_id, resident_id, drill_id, case_id, evidence_id, evidence_type,
                                           policy_version, proposed_by, proposed_at)
        VALUES ($1, $2, $3, $4, $5, 4, $6, $7, $8)
        """,
        restriction_id,
        evidence["resident_id"],
        evidence["drill_id"],
        evidence["case_id"],
        evidence["evidence_id"],
        evidence["policy_version"],
        proposed_by,
        now,
    )


async def proposal(conn: Db, restriction_id: UUID, *, lock: bool = False) -> Record | None:
    """A proposal with its approvers in order; with `lock`, held until the transaction ends."""
    if lock:
        # An advisory lock, since the role may not update the row, and a row lock would ask for that right.
        await conn.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('restriction ' || $1::uuid, 0))", restriction_id
        )
    return await conn.fetchrow(
        """
        SELECT p.restriction_id, p.resident_id, p.drill_id, p.case_id, p.evidence_id, p.policy_version, p.proposed_by, r.area,
               ARRAY(SELECT a.approver FROM restriction_approvals a WHERE a.restriction_id = p.restriction_id ORDER BY a.ordinal)
                   AS approvers
        FROM restriction_proposals p JOIN residents r USING (resident_id) WHERE p.restriction_id = $1
        """,
        restriction_id,
    )


async def insert_approval(conn: Db, found: Record, approver: str, now: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO restriction_approvals (restriction_id, ordinal, approver, proposed_by, approved_at)
        VALUES ($1, $2, $3, $4, $5)
        """,
        found["restriction_id"],
        len(found["approvers"]) + 1,
        approver,
        found["proposed_by"],
        now,
    )


async def insert_decision(conn: Db, found: Record, first: str, second: str) -> None:
    await conn.execute(
        """
        INSERT INTO restriction_decisions (restriction_id, evidence_id, policy_version, first_approver, second_approver)
        VALUES ($1, $2, $3, $4, $5)
        """,
        found["restriction_id"],
        found["evidence_id"],
        found["policy_version"],
        first,
        second,
    )


async def insert_lift_proposal(conn: Db, restriction_id: UUID, proposed_by: str, grounds: bytes, now: datetime) -> None:
    await conn.execute(
        "INSERT INTO lift_proposals (restriction_id, proposed_by, grounds, proposed_at) VALUES ($1, $2, $3, $4)",
        restriction_id,
        proposed_by,
        grounds,
        now,
    )


async def lift(conn: Db, restriction: Restriction, approved_by: str, now: datetime) -> bool:
    """Lift by decision; False when nobody has proposed it."""
    answer: str = await conn.execute(
        """
        INSERT INTO lifts (restriction_id, drill_id, kind, proposed_by, approved_by, lifted_at)
        SELECT restriction_id, $2, 1, proposed_by, $3, $4 FROM lift_proposals WHERE restriction_id = $1
        """,
        restriction.restriction_id,
        restriction.drill_id,
        approved_by,
        now,
    )
    return answer.endswith(" 1")


async def lift_drill(conn: Db, drill_id: str, approved_by: str, now: datetime) -> list[UUID]:
    """Lift everything of a drill that is in force; the people concerned."""
    rows = await conn.fetch(
        """
        WITH lifted AS (
            INSERT INTO lifts (restriction_id, drill_id, kind, approved_by, lifted_at)
            SELECT r.restriction_id, r.drill_id, 2, $2, $3 FROM restrictions r
            WHERE r.drill_id = $1 AND r.ends_at > $3
              AND NOT EXISTS (SELECT FROM lifts l WHERE l.restriction_id = r.restriction_id)
            RETURNING restriction_id)
        SELECT r.resident_id FROM restrictions r JOIN lifted USING (restriction_id)
        """,
        drill_id,
        approved_by,
        now,
    )
    return [row["resident_id"] for row in rows]


async def explanation(conn: Db, restriction_id: UUID) -> Record | None:
    """What an explanation is made of: the evidence and the log entry (both sealed), the policy's title, the person's key."""
    return await conn.fetchrow(
        """
        SELECT r.resident_id, p.data_key, e.type, e.sealed, r.sealed_leaf, r.leaf_index, r.policy_version, o.title,
               (SELECT count(*) FROM case_approvals a WHERE a.case_id = r.confirmed_case_id) AS approvals
        FROM restrictions r JOIN residents p USING (resident_id) JOIN evidence e USING (evidence_id)
        JOIN policy_versions v ON v.version = r.policy_version JOIN policies o ON o.policy_id = v.policy_id
        WHERE r.restriction_id = $1
        """,
        restriction_id,
    )


async def purge_evidence(conn: Db, now: datetime, limit: int) -> int:
    """Forget evidence and statements of up to `limit` contacts whose time is over; of how many. The function is the owner's."""
    purged: int = await conn.fetchval("SELECT purge_evidence($1, $2)", now, limit)
    return purged


def _restriction(row: Record) -> Restriction:
    values = dict(row)
    return Restriction(**values | {"reason": Reason(values["reason"])})

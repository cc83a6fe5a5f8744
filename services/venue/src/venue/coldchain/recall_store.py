"""SQL of recalls: proposals, voices, decisions. Functions take the connection first and never commit."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.pool import Connection
from ledger.commitment import Leaf

from venue.coldchain.model import Decision, Kind, Proposal, Retest, Voice

_PROPOSAL: Final = """
    SELECT p.proposal_id, p.fact_id, p.lot_id, p.kind, p.ordinal, p.proposed_by, p.reason, p.proposed_at,
           d.decision, d.decision_id, d.decided_at
    FROM recall_proposals p LEFT JOIN recall_decisions d USING (proposal_id)
"""


async def insert_proposal(conn: Connection, proposal: Proposal) -> None:
    await conn.execute(
        """
        INSERT INTO recall_proposals (proposal_id, fact_id, lot_id, kind, ordinal, proposed_by, reason, proposed_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        proposal.proposal_id,
        proposal.sample_id or proposal.proposal_id,
        proposal.lot_id,
        int(_kind(proposal)),
        proposal.ordinal,
        proposal.proposed_by,
        proposal.reason,
        proposal.proposed_at,
    )


async def insert_voice(conn: Connection, proposal: Proposal, voice: Voice) -> None:
    await conn.execute(
        """
        INSERT INTO recall_voices (proposal_id, lot_id, kind, proposed_by, person, decision, reason, given_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
        """,
        proposal.proposal_id,
        proposal.lot_id,
        int(_kind(proposal)),
        proposal.proposed_by,
        voice.person,
        int(voice.decision),
        voice.reason,
        voice.given_at,
    )


async def insert_decision(
    conn: Connection,
    proposal: Proposal,
    ordinal: int,
    retest: Retest | None,
    leaf: tuple[int, Leaf] | None,
) -> None:
    """The proposal as decided by the first two who agree. `leaf`: its index in the log and itself, of a recall."""
    if proposal.decision is None:
        raise ValueError("a decision says which one it is")
    first, second = proposal.agreeing(proposal.decision)[:2]
    await conn.execute(
        """
        INSERT INTO recall_decisions (proposal_id, decision_id, lot_id, ordinal, proposal_kind, proposal_ordinal, decision,
                                      first_person, second_person, retest_id, retest_sample_ordinal, retest_ordinal,
                                      decided_at, leaf_index, leaf_hash, salt, leaf_content)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        """,
        proposal.proposal_id,
        proposal.decision_id,
        proposal.lot_id,
        ordinal,
        int(_kind(proposal)),
        proposal.ordinal,
        int(proposal.decision),
        first,
        second,
        *((retest.sample_id, retest.sample_ordinal, retest.ordinal) if retest else (None, None, None)),
        proposal.decided_at,
        *((leaf[0], leaf[1].hash, leaf[1].salt, leaf[1].content) if leaf else (None, None, None, None)),
    )


async def proposal(conn: Connection, proposal_id: UUID) -> Proposal | None:
    row = await conn.fetchrow(f"{_PROPOSAL} WHERE p.proposal_id = $1", proposal_id)
    return None if row is None else _proposal(row, await _voices(conn, row["lot_id"]))


async def proposals(conn: Connection, lot_id: UUID) -> list[Proposal]:
    """Of a lot, in their order."""
    rows = await conn.fetch(f"{_PROPOSAL} WHERE p.lot_id = $1 ORDER BY p.ordinal", lot_id)
    voices = await _voices(conn, lot_id)
    return [_proposal(row, voices) for row in rows]


async def lot_of(conn: Connection, proposal_id: UUID) -> UUID | None:
    found: UUID | None = await conn.fetchval("SELECT lot_id FROM recall_proposals WHERE proposal_id = $1", proposal_id)
    return found


async def leaf_of(conn: Connection, decision_id: UUID) -> tuple[UUID, int, Leaf] | None:
    """(lot, the leaf's index, the leaf) of a recall."""
    row = await conn.fetchrow(
        """
        SELECT lot_id, leaf_index, salt, leaf_content FROM recall_decisions
        WHERE decision_id = $1 AND fact = 9
        """,
        decision_id,
    )
    return None if row is None else (row["lot_id"], row["leaf_index"], Leaf(row["leaf_content"], row["salt"]))


async def _voices(conn: Connection, lot_id: UUID) -> dict[UUID, list[Voice]]:
    """By proposal, in the order in which they were given."""
    rows = await conn.fetch(
        """
        SELECT v.proposal_id, v.person, v.decision, v.reason, v.given_at
        FROM recall_proposals p JOIN recall_voices v USING (proposal_id)
        WHERE p.lot_id = $1 ORDER BY v.given_at, v.person
        """,
        lot_id,
    )
    found: dict[UUID, list[Voice]] = {}
    for row in rows:
        voice = Voice(row["person"], Decision(row["decision"]), row["reason"], row["given_at"])
        found.setdefault(row["proposal_id"], []).append(voice)
    return found


def _kind(proposal: Proposal) -> Kind:
    return Kind.RECALL_PROPOSED if proposal.sample_id is None else Kind.POSITIVE


def _proposal(row: Any, voices: dict[UUID, list[Voice]]) -> Proposal:
    decided: datetime | None = row["decided_at"]
    return Proposal(
        proposal_id=row["proposal_id"],
        lot_id=row["lot_id"],
        sample_id=row["fact_id"] if row["kind"] == Kind.POSITIVE else None,
        ordinal=row["ordinal"],
        proposed_by=row["proposed_by"],
        reason=row["reason"],
        proposed_at=row["proposed_at"],
        voices=tuple(voices.get(row["proposal_id"], ())),
        decision=None if row["decision"] is None else Decision(row["decision"]),
        decision_id=row["decision_id"],
        decided_at=decided,
    )

"""All SQL of a venue's facts, measures, suspensions and clocks."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError, Kind
from chassis.pool import Connection
from ledger.commitment import Leaf

from venue.enforcement.ladder.facts import (
    AppealDecided,
    Appealed,
    ExtensionProposed,
    Fact,
    Inspected,
    Issued,
    Lifted,
    LiftProposed,
    Rectified,
    Suspended,
    Terms,
)
from venue.enforcement.ladder.standing import Measure, State
from venue.enforcement.policies.model import Paper, Step

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "ladder_facts_pkey": lambda: DomainError(Kind.EXISTS, "ID_USED", "Something else has this id."),
    "ladder_facts_answer_key": lambda: DomainError(Kind.PRECONDITION, "ANSWERED_ALREADY", "This was decided before."),
    "ladder_facts_second_person_check": lambda: DomainError(
        Kind.DENIED, "SECOND_PERSON_NEEDED", "Who proposed or inspected cannot approve it."
    ),
    "suspensions_approver_check": lambda: DomainError(
        Kind.DENIED, "SECOND_PERSON_NEEDED", "Who proposed or inspected cannot approve it."
    ),
}

_KINDS: Final[Mapping[type[Fact], int]] = {
    Inspected: 1,
    Rectified: 2,
    Suspended: 3,
    ExtensionProposed: 4,
    LiftProposed: 5,
    Lifted: 6,
    Appealed: 7,
    AppealDecided: 8,
}


@dataclass(frozen=True, slots=True)
class NewFact:
    """A fact with what the replay does not need. `answers`: id of the proposal or appeal, and whose it was."""

    fact: Fact
    note: str = ""
    evidence: tuple[bytes, ...] = ()
    answers: tuple[UUID, str] | None = None


async def lock_head(conn: Connection, venue_id: UUID, area: str, drill_id: str) -> None:
    """Wait for other facts about the venue and shut further ones out."""
    await conn.execute(
        """
        INSERT INTO ladder_heads (venue_id, area, drill_id) VALUES ($1, $2, $3) ON CONFLICT (venue_id) DO NOTHING
        """,
        venue_id,
        area,
        drill_id,
    )
    await conn.execute("SELECT FROM ladder_heads WHERE venue_id = $1 FOR UPDATE", venue_id)


async def save_head(conn: Connection, venue_id: UUID, current: Measure | None, *, pending: bool) -> None:
    """Repeat for lists what the facts say now."""
    state = 0 if current is None or current.state not in _WAITING else int(current.state)
    await conn.execute(
        """
        UPDATE ladder_heads SET measure_id = $2, step = $3, state = $4, due_at = $5, climb_hours = $6, suspension_pending = $7
        WHERE venue_id = $1
        """,
        venue_id,
        current.measure_id if current and state else None,
        current.terms.step if current else 0,
        state,
        current.due_at if current else None,
        current.terms.climb_hours if current else 24,
        pending,
    )


_WAITING: Final = (State.AWAITING_RECTIFICATION, State.AWAITING_REINSPECTION, State.AWAITING_LIFT)


async def insert_fact(conn: Connection, venue_id: UUID, new: NewFact) -> None:
    fact = new.fact
    measure_id = getattr(fact, "measure_id", None)
    if isinstance(fact, Inspected):
        measure_id = fact.fact_id if fact.terms else fact.reinspects
    await conn.execute(
        """
        INSERT INTO ladder_facts (fact_id, venue_id, ordinal, kind, measure_id, refers_to, proposed_by, actor, happened_at,
                                  recorded_at, passed, upheld, days, note, evidence)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15::bytea[])
        """,
        fact.fact_id,
        venue_id,
        fact.ordinal,
        _KINDS[type(fact)],
        measure_id,
        new.answers[0] if new.answers else None,
        new.answers[1] if new.answers else None,
        fact.actor,
        fact.happened_at,
        fact.recorded_at,
        fact.passed if isinstance(fact, Inspected) else None,
        fact.upheld if isinstance(fact, AppealDecided) else None,
        fact.days if isinstance(fact, ExtensionProposed) else None,
        new.note,
        list(new.evidence),
    )


async def insert_measure(conn: Connection, venue_id: UUID, fact: Inspected, terms: Terms) -> None:
    await conn.execute(
        """
        INSERT INTO measures (measure_id, venue_id, passed, first_inspector, second_inspector, policy_id, step,
                              suspension_days, rectify_by)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        fact.fact_id,
        venue_id,
        fact.passed,
        fact.inspectors[0],
        fact.inspectors[1],
        terms.policy_id,
        terms.step,
        terms.rules.suspension_days,
        terms.rectify_by,
    )


async def insert_suspension(
    conn: Connection, venue_id: UUID, measure: Measure, decision: Suspended, proposer: str, leaf: Leaf
) -> None:
    await conn.execute(
        """
        INSERT INTO suspensions (suspension_id, kind, venue_id, measure_id, policy_id, step, suspension_days, first_inspector,
                                 second_inspector, proposer, approver, starts_at, ends_at, seal_number, leaf_index, leaf_hash,
                                 salt, leaf_content)
        VALUES ($1, 3, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        """,
        decision.fact_id,
        venue_id,
        measure.measure_id,
        measure.terms.policy_id,
        measure.terms.step,
        measure.terms.rules.suspension_days,
        measure.inspectors[0],
        measure.inspectors[1],
        proposer,
        decision.actor,
        decision.starts_at,
        decision.ends_at,
        decision.seal_number,
        decision.leaf_index,
        leaf.hash,
        leaf.salt,
        leaf.content,
    )


async def insert_papers(
    conn: Connection, measure_id: UUID, papers: Sequence[Issued], suspension_id: UUID | None = None
) -> None:
    await conn.executemany(
        "INSERT INTO measure_papers (measure_id, paper, document_id, number, suspension_id) VALUES ($1, $2, $3, $4, $5)",
        [(measure_id, int(each.paper), each.document_id, each.number, suspension_id) for each in papers],
    )


async def venue_of(conn: Connection, fact_id: UUID, kind: type[Fact]) -> tuple[UUID, UUID] | None:
    """(venue, measure) of a fact of that kind; None when there is none. A measure is a failed inspection under a policy."""
    row = await conn.fetchrow(
        """
        SELECT f.venue_id, f.measure_id FROM ladder_facts f
        WHERE f.fact_id = $1 AND f.kind = $2 AND (f.kind <> 1 OR EXISTS (SELECT FROM measures m WHERE m.measure_id = $1))
        """,
        fact_id,
        _KINDS[kind],
    )
    return None if row is None else (row["venue_id"], row["measure_id"])


async def facts(conn: Connection, venue_id: UUID) -> list[Fact]:
    """Everything that is known of the venue, in order."""
    return (await facts_of(conn, [venue_id])).get(venue_id, [])


async def facts_of(conn: Connection, venue_ids: Collection[UUID]) -> dict[UUID, list[Fact]]:
    """Everything that is known of these venues, of each in order; two statements however many they are."""
    rows = await conn.fetch(
        """
        SELECT f.venue_id, f.fact_id, f.ordinal, f.kind, f.measure_id, f.refers_to, f.actor, f.happened_at, f.recorded_at,
               f.passed, f.upheld, f.days, i.first_inspector, i.second_inspector, i.reinspects, m.policy_id, m.step,
               m.suspension_days, m.rectify_by, l.papers, l.rectify_hours, v.version, p.reinspect_hours, p.climb_hours,
               p.issuing_body, s.starts_at, s.ends_at, s.seal_number, s.leaf_index
        FROM ladder_facts f
        LEFT JOIN inspections i ON f.kind = 1 AND i.inspection_id = f.fact_id
        LEFT JOIN measures m ON f.kind = 1 AND m.measure_id = f.fact_id
        LEFT JOIN ladder_policies p ON p.policy_id = m.policy_id
        LEFT JOIN ladder_policy_versions v ON v.policy_id = m.policy_id
        LEFT JOIN ladder_steps l ON l.policy_id = m.policy_id AND l.step = m.step
        LEFT JOIN suspensions s ON f.kind = 3 AND s.suspension_id = f.fact_id
        WHERE f.venue_id = ANY($1) ORDER BY f.venue_id, f.ordinal
        """,
        venue_ids,
    )
    papers = await _papers(conn, venue_ids) if any(row["policy_id"] for row in rows) else {}
    found: dict[UUID, list[Fact]] = {}
    for row in rows:
        found.setdefault(row["venue_id"], []).append(_fact(row, papers))
    return found


async def _papers(conn: Connection, venue_ids: Collection[UUID]) -> dict[UUID, tuple[Issued, ...]]:
    """Papers by the measure, or by the suspension, that they came with."""
    found: dict[UUID, tuple[Issued, ...]] = {}
    for row in await conn.fetch(
        """
        SELECT coalesce(p.suspension_id, p.measure_id) AS source, p.paper, p.document_id, p.number
        FROM measure_papers p JOIN measures m USING (measure_id) WHERE m.venue_id = ANY($1) ORDER BY p.paper, p.number
        """,
        venue_ids,
    ):
        issued = Issued(Paper(row["paper"]), row["document_id"], row["number"])
        found[row["source"]] = (*found.get(row["source"], ()), issued)
    return found


def _fact(row: Record, papers: Mapping[UUID, tuple[Issued, ...]]) -> Fact:  # noqa: PLR0911 - one for each kind
    common: dict[str, Any] = {name: row[name] for name in ("ordinal", "fact_id", "actor", "happened_at", "recorded_at")}
    own = papers.get(row["fact_id"], ())
    match row["kind"]:
        case 1:
            return Inspected(
                **common,
                passed=row["passed"],
                inspectors=(row["first_inspector"], row["second_inspector"]),
                reinspects=row["reinspects"],
                terms=None if row["policy_id"] is None else _terms(row),
                papers=own,
            )
        case 2:
            return Rectified(**common, measure_id=row["measure_id"])
        case 3:
            return Suspended(
                **common,
                measure_id=row["measure_id"],
                starts_at=row["starts_at"],
                ends_at=row["ends_at"],
                extension_id=None if row["refers_to"] == row["measure_id"] else row["refers_to"],
                seal_number=row["seal_number"],
                leaf_index=row["leaf_index"],
                papers=own,
            )
        case 4:
            return ExtensionProposed(**common, measure_id=row["measure_id"], days=row["days"])
        case 5:
            return LiftProposed(**common, measure_id=row["measure_id"])
        case 6:
            return Lifted(**common, measure_id=row["measure_id"], lift_id=row["refers_to"])
        case 7:
            return Appealed(**common, measure_id=row["measure_id"])
        case _:
            return AppealDecided(
                **common, measure_id=row["measure_id"], appeal_id=row["refers_to"], upheld=row["upheld"]
            )


def _terms(row: Record) -> Terms:
    return Terms(
        policy_id=row["policy_id"],
        policy_version=row["version"],
        step=row["step"],
        rules=Step(tuple(Paper(paper) for paper in row["papers"]), row["suspension_days"], row["rectify_hours"]),
        rectify_by=row["rectify_by"],
        reinspect_hours=row["reinspect_hours"],
        climb_hours=row["climb_hours"],
        issuing_body=row["issuing_body"],
    )


async def touch_zones(conn: Connection, venue_id: UUID, changed: int) -> None:
    """The venue's zones are to be read again: what check-ins rest on has changed."""
    await conn.execute("UPDATE zones SET changed = $2 WHERE venue_id = $1", venue_id, changed)


async def leaf_of(conn: Connection, suspension_id: UUID) -> tuple[UUID, int, Leaf] | None:
    """(venue, position in the log, entry) of a suspension."""
    row = await conn.fetchrow(
        "SELECT venue_id, leaf_index, salt, leaf_content FROM suspensions WHERE suspension_id = $1", suspension_id
    )
    return None if row is None else (row["venue_id"], row["leaf_index"], Leaf(row["leaf_content"], row["salt"]))

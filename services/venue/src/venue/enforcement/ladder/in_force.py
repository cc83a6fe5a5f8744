"""Whether a paper of the ladder holds: for the register of documents, which verifies it for anybody who scans it."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from chassis.pool import Connection

from venue.enforcement.ladder.book import read_standing
from venue.enforcement.ladder.standing import Measure, State
from venue.enforcement.policies.model import Paper
from venue.register import store as register_store


class Holds(Enum):
    """NOT_YET: an extension that has not begun. SUPERSEDED: a later failed inspection asks for the same now. ANNULLED: an appeal
    was upheld. ENDED: lifted, lapsed, done or over.
    """

    IN_FORCE = "in_force"
    NOT_YET = "not_yet"
    SUPERSEDED = "superseded"
    ANNULLED = "annulled"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class _Where:
    venue_id: UUID
    measure_id: UUID
    paper: Paper
    suspension_id: UUID | None


async def holds(conn: Connection, document_id: UUID, at: datetime) -> Holds | None:
    """As it was known at that moment; None when the document is no paper of a measure."""
    row = await conn.fetchrow(
        """
        SELECT m.venue_id, p.measure_id, p.paper, p.suspension_id
        FROM measure_papers p JOIN measures m USING (measure_id) WHERE p.document_id = $1
        """,
        document_id,
    )
    if row is None:
        return None
    where = _Where(row["venue_id"], row["measure_id"], Paper(row["paper"]), row["suspension_id"])
    venue = (await register_store.venues(conn, [where.venue_id]))[where.venue_id]
    measure = (await read_standing(conn, venue, at)).find(where.measure_id)
    return None if measure is None else _judge(measure, where, at)


def _judge(measure: Measure, where: _Where, at: datetime) -> Holds:
    if measure.state is State.ANNULLED:
        return Holds.ANNULLED
    if where.paper is Paper.SUSPENSION_DECISION:
        decision = next((one for one in measure.suspensions if one.decision.fact_id == where.suspension_id), None)
        if decision is None or decision.effective_until <= max(at, decision.decision.starts_at):
            return Holds.ENDED
        return Holds.IN_FORCE if decision.in_force else Holds.NOT_YET
    if where.paper not in measure.papers_in_force:
        return Holds.ENDED
    # A notice asks for something; once a later one does, that one counts.
    if where.paper is Paper.RECTIFICATION_NOTICE and measure.state is State.SUPERSEDED:
        return Holds.SUPERSEDED
    return Holds.IN_FORCE

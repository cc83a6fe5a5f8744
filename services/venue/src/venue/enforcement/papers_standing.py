"""Whether the ladder's papers still hold, derived from the facts of their venue."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.pool import Connection

from venue.documents.model import Document, DocumentKind, DocumentStanding
from venue.enforcement.ladder.book import read_standings
from venue.enforcement.ladder.standing import Measure, State
from venue.enforcement.policies.model import Paper
from venue.register import store as register_store


async def papers_standing(
    conn: Connection, documents: Sequence[Document], at: datetime
) -> Mapping[UUID, DocumentStanding]:
    """By document; `documents` are papers of the ladder."""
    areas = await register_store.areas(conn, {each.new.venue_id for each in documents})
    standings = await read_standings(conn, areas, at)
    found: dict[UUID, DocumentStanding] = {}
    for each in documents:
        if each.new.source_id is not None:
            measure = standings[each.new.venue_id].find(each.new.source_id)
            found[each.document_id] = DocumentStanding.ENDED if measure is None else paper_standing(measure, each, at)
    return found


def paper_standing(measure: Measure, document: Document, at: datetime) -> DocumentStanding:
    """A decision holds until its own suspension really ends, also while that lies ahead; the others as the measure says."""
    if measure.state is State.ANNULLED:
        return DocumentStanding.ANNULLED
    kind = document.new.kind
    if kind is DocumentKind.SUSPENSION_DECISION:
        holds = any(
            at < each.effective_until
            for each in measure.suspensions
            if any(paper.document_id == document.document_id for paper in each.decision.papers)
        )
    else:
        holds = Paper(int(kind)) in measure.papers_in_force
    if holds:
        return DocumentStanding.IN_FORCE
    lapses = kind in (DocumentKind.SUSPENSION_DECISION, DocumentKind.SEAL)
    if measure.state is State.SUPERSEDED and not lapses:
        return DocumentStanding.SUPERSEDED
    return DocumentStanding.ENDED

"""Papers of the ladder, issued by the register of documents."""

from chassis.pool import Connection

from venue.documents.issue import issue
from venue.documents.model import DocumentKind, NewDocument
from venue.enforcement.ladder.facts import Issued
from venue.enforcement.papers import NewPaper


async def issue_paper(conn: Connection, paper: NewPaper) -> Issued:
    """See `papers.IssuePaper`."""
    document = await issue(
        conn,
        NewDocument(
            kind=DocumentKind(int(paper.paper)),
            venue_id=paper.venue_id,
            issuing_body=paper.issuing_body,
            content=paper.content,
            issued_at=paper.issued_at,
            source_id=paper.measure_id,
            drill_id=paper.drill_id,
        ),
    )
    return Issued(paper.paper, document.document_id, document.text)

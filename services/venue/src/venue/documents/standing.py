"""Whether documents still hold. It is computed when asked: a row that says so could be late."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.pool import Connection

from venue.documents import store
from venue.documents.model import PAPERS, Document, DocumentKind, DocumentStanding

Standings = Mapping[UUID, DocumentStanding]
PapersStanding = Callable[[Connection, Sequence[Document], datetime], Awaitable[Standings]]
"""How the ladder tells whether its papers hold: (connection, papers, moment) → standing by document."""


class StandingOf:
    """`papers`: the ladder's word about its papers."""

    def __init__(self, papers: PapersStanding) -> None:
        self._papers = papers

    async def __call__(self, conn: Connection, documents: Sequence[Document], at: datetime) -> Standings:
        """By document, for every one given."""
        found: dict[UUID, DocumentStanding] = {each.document_id: DocumentStanding.IN_FORCE for each in documents}
        papers = [each for each in documents if each.new.kind in PAPERS]
        if papers:
            found |= await self._papers(conn, papers, at)
        posters = [each for each in documents if each.new.kind is DocumentKind.POSTER]
        codes = await store.codes_now(conn, [each.new.zone for each in posters if each.new.zone]) if posters else {}
        for each in posters:
            version, valid = codes[each.new.zone or 0]
            if version != each.new.code_version:
                found[each.document_id] = DocumentStanding.SUPERSEDED
            elif not valid:
                found[each.document_id] = DocumentStanding.ENDED
        given = {each.document_id: each.new.source_id for each in documents if each.new.kind in _OBLIGATIONS}
        replaced = await store.replaced(conn, [each for each in given.values() if each]) if given else set()
        found |= {key: DocumentStanding.SUPERSEDED for key, template in given.items() if template in replaced}
        return found


_OBLIGATIONS = (DocumentKind.LETTER, DocumentKind.NOTICE)

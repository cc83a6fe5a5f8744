"""Issuing a document in the caller's transaction."""

from uuid import uuid4

from chassis.pool import Connection

from venue.documents import store
from venue.documents.model import Document, NewDocument


async def issue(conn: Connection, new: NewDocument) -> Document:
    """Number and keep it. Several documents of one transaction are issued in the order of their kinds, so that two transactions
    never wait for each other's counters crosswise.
    """
    document = Document(uuid4(), new, await store.next_number(conn, new))
    await store.insert(conn, document)
    return document

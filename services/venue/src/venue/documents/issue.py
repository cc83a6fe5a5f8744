"""Issuing documents in the caller's transaction."""

from collections import Counter
from collections.abc import Sequence
from uuid import uuid4

from chassis.pool import Connection

from venue.documents import store
from venue.documents.model import Document, NewDocument


async def issue(conn: Connection, new: NewDocument) -> Document:
    """Number and keep it. Several documents of one transaction are issued in the order of their kinds, so that two transactions
    never wait for each other's counters crosswise.
    """
    return (await issue_many(conn, [new]))[0]


async def issue_many(conn: Connection, new: Sequence[NewDocument]) -> list[Document]:
    """Number and keep them, in the order given; each series' counter is taken once, in one order for everybody."""
    wanted = Counter(each.counter for each in new)
    numbers = {counter: await store.next_number(conn, counter, wanted[counter]) for counter in sorted(wanted)}
    issued = []
    for each in new:
        issued.append(Document(uuid4(), each, numbers[each.counter]))
        numbers[each.counter] += 1
    await store.insert(conn, issued)
    return issued

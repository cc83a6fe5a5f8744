"""What the register of documents publishes; venues are the aggregates."""

from collections.abc import Callable, Sequence
from typing import Final

from chassis.clock import local_day
from chassis.events import Event, publish
from chassis.pool import Connection
from chassis.rpc.times import stamp
from lilitong.venue.v1 import events_pb2

from venue.documents.model import Document

ISSUED: Final = "lilitong.venue.document.v1.issued"


async def publish_issued(conn: Connection, documents: Sequence[Document], seal: Callable[[], bytes]) -> None:
    """`seal`: the encrypted trace context of an event."""
    await publish(
        conn,
        [
            Event.of(
                events_pb2.DocumentIssued(
                    venue_id=str(each.new.venue_id),
                    document_id=str(each.document_id),
                    kind=int(each.new.kind),  # type: ignore[arg-type]  # numbers are the contract's
                    number=each.text,
                    issued_at=stamp(each.new.issued_at),
                ),
                subject=ISSUED,
                aggregate=str(each.new.venue_id),
                day=local_day(each.new.issued_at),
                drill_id=each.new.drill_id,
            )
            for each in documents
        ],
        seal=seal,
    )

"""What the cold chain publishes. Lots are the aggregates; who handled one is told of each day apart, under a random id."""

from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from uuid import UUID, uuid4

from chassis.clock import local_day
from chassis.events import Event, publish
from chassis.pool import Connection
from chassis.rpc.times import stamp
from lilitong.venue.v1 import cold_chain_pb2 as pb
from passes.days import date_of

from venue.coldchain.encoding import encode_handlers, encode_lot, encode_place
from venue.coldchain.model import Handler, Head, Place

_LOT: Final = "lilitong.venue.lot.v1."
_PLACES: Final = 1000
_HANDLERS: Final = 500


class Teller:
    """Writes events into the outbox, in the caller's transaction. `seal`: the encrypted trace context of an event."""

    def __init__(self, seal: Callable[[], bytes]) -> None:
        self._seal = seal

    async def changed(self, conn: Connection, head: Head, what: str, at: datetime) -> None:
        """`what`: registered, released or held."""
        event = Event.of(
            pb.LotChanged(lot=encode_lot(head)),
            subject=_LOT + what,
            aggregate=str(head.lot.lot_id),
            day=local_day(at),
            drill_id=head.lot.drill_id,
        )
        await publish(conn, [event], seal=self._seal)

    async def recalled(
        self, conn: Connection, head: Head, decision_id: UUID, places: Sequence[Place], at: datetime
    ) -> None:
        pieces = [places[start : start + _PLACES] for start in range(0, len(places), _PLACES)]
        events = [
            Event.of(
                pb.LotRecalled(
                    lot=encode_lot(head),
                    decision_id=str(decision_id),
                    decided_at=stamp(at),
                    part=part,
                    parts=len(pieces),
                    places=[encode_place(each) for each in piece],
                ),
                subject=_LOT + "recalled",
                aggregate=str(head.lot.lot_id),
                day=local_day(at),
                drill_id=head.lot.drill_id,
            )
            for part, piece in enumerate(pieces, start=1)
        ]
        await publish(conn, events, seal=self._seal)

    async def handled(self, conn: Connection, head: Head, handlers: Sequence[Handler]) -> None:
        """Of a recalled lot; `handlers` in the order of days. An event goes when its day's tags go."""
        events = [
            Event.of(
                pb.RecalledLotHandled(
                    lot_id=str(head.lot.lot_id),
                    day=day,
                    handlers=encode_handlers(piece),
                    drill_id=head.lot.drill_id,
                ),
                subject=_LOT + "handled",
                aggregate=str(uuid4()),
                day=date_of(day),
                drill_id=head.lot.drill_id,
            )
            for day, group in groupby(handlers, key=lambda each: each.day_number)
            for piece in _pieces(list(group))
        ]
        await publish(conn, events, seal=self._seal)


def _pieces(handlers: list[Handler]) -> list[list[Handler]]:
    return [handlers[start : start + _HANDLERS] for start in range(0, len(handlers), _HANDLERS)]

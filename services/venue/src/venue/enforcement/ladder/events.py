"""What the ladder publishes; venues are the aggregates, under the lock of their head."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from chassis.clock import local_day
from chassis.events import Event, publish
from chassis.pool import Connection
from chassis.rpc.times import stamp
from google.protobuf.message import Message
from lilitong.venue.v1 import events_pb2

from venue.enforcement.ladder.encoding import encode_appeal, encode_suspension
from venue.enforcement.ladder.standing import Appeal, Suspension
from venue.register.model import Venue

RECORDED: Final = "lilitong.venue.inspection.v1.recorded"
SUBMITTED: Final = "lilitong.venue.rectification.v1.submitted"
DECIDED: Final = "lilitong.venue.suspension.v1.decided"
ENDED: Final = "lilitong.venue.suspension.v1.ended"
LIFTED: Final = "lilitong.venue.measure.v1.lifted"
APPEAL: Final = "lilitong.venue.appeal.v1."


class Teller:
    """Writes events into the outbox, in the caller's transaction. `seal`: the encrypted trace context of an event."""

    def __init__(self, seal: Callable[[], bytes]) -> None:
        self._seal = seal

    async def rectified(self, conn: Connection, venue: Venue, measure_id: UUID, at: datetime) -> None:
        message = events_pb2.RectificationSubmitted(
            venue_id=str(venue.venue_id), measure_id=str(measure_id), submitted_at=stamp(at)
        )
        await self.tell(conn, venue, at, [(SUBMITTED, message)])

    async def suspended(self, conn: Connection, venue: Venue, suspension: Suspension, at: datetime) -> None:
        message = events_pb2.SuspensionDecided(venue_id=str(venue.venue_id), suspension=encode_suspension(suspension))
        await self.tell(conn, venue, at, [(DECIDED, message)])

    async def lifted(
        self, conn: Connection, venue: Venue, measure_id: UUID, ended: Sequence[Suspension], at: datetime
    ) -> None:
        message = events_pb2.MeasuresLifted(
            venue_id=str(venue.venue_id), measure_id=str(measure_id), lifted_at=stamp(at)
        )
        await self.tell(conn, venue, at, [*_ended(venue, ended, at), (LIFTED, message)])

    async def ended(
        self, conn: Connection, venue: Venue, ended: Sequence[Suspension], ended_at: datetime, now: datetime
    ) -> None:
        await self.tell(conn, venue, now, _ended(venue, ended, ended_at))

    async def appeal(
        self, conn: Connection, venue: Venue, appeal: Appeal, what: str, now: datetime, ended: Sequence[Suspension] = ()
    ) -> None:
        """`what`: filed, escalated, decided or lapsed. `ended`: suspensions that end with it."""
        message = events_pb2.AppealChanged(venue_id=str(venue.venue_id), appeal=encode_appeal(appeal))
        over = [one for each in ended for one in _ended(venue, [each], each.effective_until)]
        await self.tell(conn, venue, now, [(APPEAL + what, message), *over])

    async def tell(self, conn: Connection, venue: Venue, at: datetime, messages: Sequence[tuple[str, Message]]) -> None:
        """Events of the venue as (subject, message), in order."""
        await self.tell_about(conn, str(venue.venue_id), venue.drill_id, at, messages)

    async def tell_about(
        self, conn: Connection, aggregate: str, drill_id: str, at: datetime, messages: Sequence[tuple[str, Message]]
    ) -> None:
        """Of what is no venue, too."""
        await publish(
            conn,
            [
                Event.of(
                    message,
                    subject=subject,
                    aggregate=aggregate,
                    day=local_day(at),
                    drill_id=drill_id,
                )
                for subject, message in messages
            ],
            seal=self._seal,
        )


def _ended(venue: Venue, ended: Sequence[Suspension], at: datetime) -> list[tuple[str, Message]]:
    return [
        (
            ENDED,
            events_pb2.SuspensionEnded(
                venue_id=str(venue.venue_id), suspension_id=str(each.decision.fact_id), ended_at=stamp(at)
            ),
        )
        for each in ended
    ]

"""What spot checks publish. Nothing says which venues were drawn before their inspections begin."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from chassis.clock import local_day
from chassis.events import Event, publish
from chassis.pool import Connection
from chassis.rpc.times import stamp
from google.protobuf.message import Message
from lilitong.venue.v1 import events_pb2

from venue.spotcheck.encoding import encode_check
from venue.spotcheck.model import Assignment, SpotCheck

SUBJECT: Final = "lilitong.venue.spot_check.v1."


class Teller:
    """Writes events into the outbox, in the caller's transaction. `seal`: the encrypted trace context of an event."""

    def __init__(self, seal: Callable[[], bytes]) -> None:
        self._seal = seal

    async def changed(self, conn: Connection, check: SpotCheck, what: str, now: datetime) -> None:
        """`what`: committed, drawn or published."""
        message = events_pb2.SpotCheckChanged(spot_check=encode_check(check, now))
        await self._tell(conn, str(check.draw_id), check.drill_id, now, [(what, message)])

    async def visited(self, conn: Connection, assignment: Assignment, what: str, now: datetime) -> None:
        """`what`: begun or inspected."""
        message = events_pb2.SpotCheckVisited(
            draw_id=str(assignment.draw_id),
            venue_id=str(assignment.venue_id),
            team_id=str(assignment.team_id),
            begun_at=stamp(assignment.begun_at),
            inspection_id=str(assignment.inspection_id or ""),
        )
        await self._tell(conn, str(assignment.draw_id), assignment.drill_id, now, [(what, message)])

    async def _tell(
        self, conn: Connection, aggregate: str, drill_id: str, now: datetime, messages: Sequence[tuple[str, Message]]
    ) -> None:
        await publish(
            conn,
            [
                Event.of(message, subject=SUBJECT + what, aggregate=aggregate, day=local_day(now), drill_id=drill_id)
                for what, message in messages
            ],
            seal=self._seal,
        )

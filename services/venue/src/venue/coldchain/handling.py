"""Who handles a lot: read from what is shown at work, kept as tags of the day and nothing else."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.errors import DomainError, Kind
from chassis.pool import Connection
from passes.days import day_number

from venue.coldchain import refusals, store, trail
from venue.coldchain.events import Teller
from venue.coldchain.model import Handler
from venue.visits.credentials import Credentials, NotShownError, Shown, is_card, parse
from venue.visits.texts import TEXTS


@dataclass(frozen=True, slots=True)
class Handling:
    """A handling as it was asked for. `use`: the client's random bytes, by which a repeat is told from a copied code."""

    lot_id: UUID
    venue_id: UUID
    credential: str
    use: bytes
    scanned_at: datetime | None
    late: bool


class Handlers:
    """`credentials` remembers codes on its own: who checks in at work and then takes up a lot may show one code for both."""

    def __init__(self, clock: Clock, credentials: Credentials, tell: Teller) -> None:
        self._clock, self._credentials, self._tell = clock, credentials, tell

    def read(self, what: Handling) -> Shown:
        """What is shown; it may be genuine and yet stale (`failure`). Raises PRECONDITION with the reason of a check-in."""
        now = self._clock.now()
        try:
            if is_card(what.credential):
                return self._credentials.card(what.credential, what.scanned_at, now, late=what.late)
            return self._credentials.phone(parse(what.credential), b"", what.use, now, late=what.late)
        except NotShownError as error:
            raise _not_shown(error.code) from None

    async def record(self, conn: Connection, what: Handling, shown: Shown) -> bool:
        """Whether an event was written. The same people again are recorded once; what comes after a recall is told at once."""
        await store.lock_shared(conn, what.lot_id)
        head = await store.head(conn, what.lot_id)
        if head is None:
            raise refusals.unknown_lot()
        if await trail.there(conn, what.lot_id, what.venue_id) is None:
            raise DomainError(Kind.PRECONDITION, "LOT_NEVER_THERE", "This lot never was at this venue.")
        if shown.drill_id != head.lot.drill_id:
            raise _not_shown("OTHER_DRILL")
        if shown.failure is not None:
            if await trail.handlers_known(conn, what.lot_id, what.venue_id, shown.day, shown.tags):
                return False
            raise _not_shown(shown.failure)
        new = await trail.insert_handlers(conn, head, what.venue_id, shown.day, shown.tags)
        if not new or not head.recalled:
            return False
        number = day_number(shown.day)
        await self._tell.handled(conn, head, [Handler(number, tag, what.venue_id) for tag in sorted(new)])
        return True


def _not_shown(code: str) -> DomainError:
    text = TEXTS.get(code)
    return DomainError(Kind.PRECONDITION, code, "The code shown proves nobody." if text is None else text.en)

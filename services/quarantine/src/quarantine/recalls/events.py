"""What venue tells of recalled lots: those who handled one become questions for a tracer, never grounds for anything."""

from datetime import UTC
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
from chassis.clock import Clock
from chassis.clock import local_day as local_today
from chassis.events import PoisonError, Received, Subscription
from chassis.sweep import lapses
from ledger.store import Db
from lilitong.venue.v1.cold_chain_pb2 import LotRecalled, RecalledLotHandled
from passes.days import date_of
from passes.errors import KeyDestroyedError, KeyMissingError
from passes.tags import TAG_BYTES, people_of
from passes.vault import KeyVault

from quarantine.bus import HANDLED, RECALLED
from quarantine.cases import metrics
from quarantine.cases.model import INTERVIEW_TIME
from quarantine.drills import store as drills
from quarantine.recalls import store

SWEEP_SECONDS: Final = 3600.0
AT_A_TIME: Final = 1_000

_log = structlog.get_logger("quarantine.recalls")


class Recalls:
    """Handlers of venue's events, and the sweep's job that forgets."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, vault: KeyVault) -> None:
        self._pool, self._clock, self._vault = pool, clock, vault

    def subscriptions(self, **options: Any) -> list[Subscription]:
        """Both durable consumers; `options` as for `Subscription`. The facts of the two come in any order."""
        return [
            Subscription("quarantine", RECALLED, self.hear_recalled, **options),
            Subscription("quarantine", HANDLED, self.hear_handled, **options),
        ]

    async def hear_recalled(self, conn: Db, event: Received) -> None:
        await self.recalled(conn, event.parse(LotRecalled))

    async def hear_handled(self, conn: Db, event: Received) -> None:
        await self.handled(conn, event.parse(RecalledLotHandled))

    async def recalled(self, conn: Db, message: LotRecalled) -> None:
        """What lot it is; where it went is venue's business and read there."""
        _id_of(message.lot.lot_id)
        lot = message.lot
        await store.insert_lot(
            conn,
            store.RecalledLot(
                UUID(lot.lot_id),
                lot.drill_id,
                lot.product,
                lot.trace_code,
                lot.origin_country,
                message.decided_at.ToDatetime(UTC),
            ),
        )

    async def handled(self, conn: Db, message: RecalledLotHandled) -> None:
        """Those of one day. A day whose key is destroyed says nothing any more (product X5), and that is the end of it."""
        lot_id = _id_of(message.lot_id)
        tags = [handler.tag for handler in message.handlers]
        if any(len(tag) != TAG_BYTES for tag in tags):
            raise PoisonError("body: a tag has 16 bytes")
        if await drills.has_ended(conn, message.drill_id):
            metrics.DROPPED.labels("drill_ended").inc(len(tags))
            return
        try:
            day = date_of(message.day)
            people = people_of(self._vault.day_key(day), tags)
        except (KeyDestroyedError, KeyMissingError, ValueError, OverflowError):
            metrics.DROPPED.labels("no_day_key").inc(len(tags))
            return
        due_at = self._clock.now() + INTERVIEW_TIME
        fresh = await store.ask(conn, lot_id, message.drill_id, [UUID(bytes=one) for one in people], day, due_at)
        metrics.CONTACTS.labels("handler").inc(fresh)

    async def forget(self) -> int:
        """For the sweep: forget what is due; of how many tasks."""
        today = local_today(self._clock.now())
        total = await lapses(self._pool, lambda conn, most: store.purge(conn, today, most), limit=AT_A_TIME)
        if total:
            _log.info("lot_interviews_purged", tasks=total)
        return total


def _id_of(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise PoisonError("body: the lot has no id") from None

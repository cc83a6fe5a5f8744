"""The supervised consumer: a durable pull consumer read in the stream's order per aggregate, whatever restarts.

JetStream alone does not keep order over a redelivery: what was delivered to a process that died comes back after the
time-out, later than its successors. So one process at a time reads a durable (a lease in Postgres), each session
begins by resetting the durable to its acknowledged floor, and whenever deliveries may have been lost (reconnect,
silence, a gap in the consumer's sequence) the session ends and the next one begins there. The inbox drops what was
done already. Needs nats-server ≥ 2.14.
"""

import asyncio
import contextlib
import time
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog
from nats.js import JetStreamContext
from nats.js.api import ConsumerInfo

from chassis.cancelling import checkpoint
from chassis.clock import Clock
from chassis.events import durables, inbox, metrics
from chassis.events.bus import Bus
from chassis.events.failures import reason, transient
from chassis.events.handling import Handling, Subscription
from chassis.events.session import Session, SessionOverError

LEASE: Final = timedelta(seconds=3)
PAUSE_S: Final = 0.2
LAG_FRESH_S: Final = 5.0

_log = structlog.get_logger("chassis.events.consumer")


class Consumer:
    """Runs one `Subscription`. Replicas each run one; the lease decides who handles, the others stand by.

    `caught_up` is true while the durable is known (≤ 5 s ago) to have nothing unread or unacknowledged;
    `has_caught_up` stays true once it was, for readiness. `progressed_at` is when something was last settled or
    nothing was left, None before.
    """

    def __init__(self, pool: asyncpg.Pool, bus: Bus, subscription: Subscription, clock: Clock) -> None:
        self._pool = pool
        self._bus = bus
        self._subscription = subscription
        self._clock = clock
        self._handling = Handling(pool, bus, subscription, clock)
        self._lag: int | None = None
        self._lag_seen = 0.0
        self._moved = time.monotonic()
        self.has_caught_up = False
        self.progressed_at: datetime | None = None

    @property
    def caught_up(self) -> bool:
        return self._lag == 0 and time.monotonic() - self._lag_seen < LAG_FRESH_S

    async def ensure(self) -> ConsumerInfo:
        """Make the durable or bring it up to date, see `durables.ensure`; raises `BusUnavailableError` too."""
        return await durables.ensure(self._bus.jetstream, self._subscription.reads)

    async def lag(self) -> int:
        """Events in the stream for this durable that are not acknowledged. Raises the client's errors, see `ensure`."""
        info = await self._bus.jetstream.consumer_info(self._subscription.reads.stream, self._subscription.durable)
        lag = (info.num_pending or 0) + (info.num_ack_pending or 0)
        self._saw_lag(lag)
        return lag

    def _saw_lag(self, lag: int) -> None:
        if lag == 0 or (self._lag is not None and lag < self._lag):
            self.progressed_at = self._clock.now()
            self._moved = time.monotonic()
        elif self._lag == 0:
            self._moved = time.monotonic()  # what waits now came in a moment ago
        self._lag, self._lag_seen = lag, time.monotonic()
        self.has_caught_up = self.has_caught_up or lag == 0
        metrics.PENDING.labels(self._subscription.durable).set(lag)
        metrics.STALLED.labels(self._subscription.durable).set(self._lag_seen - self._moved if lag else 0.0)

    async def run(self) -> None:
        """Consume until cancelled. What is being handled at that moment is finished first."""
        try:
            while True:
                checkpoint()
                try:
                    await self._turn()
                except SessionOverError as over:
                    metrics.REBUILDS.labels(self._subscription.durable).inc()
                    _log.warning("consumer_rebuilds", durable=self._subscription.durable, cause=str(over))
                except Exception as error:  # noqa: BLE001  # whatever it is, events must flow again by themselves
                    _log.warning("consumer_waits", durable=self._subscription.durable, reason=reason(error))
                    await asyncio.sleep(PAUSE_S)
        finally:
            with contextlib.suppress(Exception):  # else it lapses by itself
                async with asyncio.timeout(2):
                    await inbox.release_lease(self._pool, self._subscription.durable, self._handling.holder)

    async def _turn(self) -> None:
        await self._bus.ready()
        if not await self._hold_lease():
            await self.lag()
            await asyncio.sleep(PAUSE_S)
            return
        await self.ensure()
        await self._reset(self._bus.jetstream)
        session = Session(self._bus, self._handling)
        try:
            await session.start()
            await self._supervise(session)
        finally:
            await session.close()

    async def _hold_lease(self) -> bool:
        return await inbox.hold_lease(self._pool, self._subscription.durable, self._handling.holder, LEASE)

    async def _reset(self, jetstream: JetStreamContext) -> None:
        await jetstream.reset_consumer(self._subscription.reads.stream, self._subscription.durable)

    async def _supervise(self, session: Session) -> None:
        renewed = looked = 0.0
        while True:
            checkpoint()
            await session.step()
            now = time.monotonic()
            if now - renewed > LEASE.total_seconds() / 3:
                await self._renew(session)
                renewed = now
            if now - looked > (1.0 if self.has_caught_up else 0.2):
                await self.lag()
                looked = now

    async def _renew(self, session: Session) -> None:
        try:
            held = await self._hold_lease()
            await session.take_letters()
        except Exception as error:
            if not transient(error):
                raise
            return  # with Postgres away nobody else can take the lease either, and the lanes wait by themselves
        if not held:
            raise SessionOverError("another process holds the lease")

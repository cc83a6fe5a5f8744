"""What happens to one delivery: inbox, effect and commit in one transaction; else back-off, else a dead letter."""

import inspect
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import asyncpg
import nats.errors
import structlog
from nats.aio.msg import Msg

from chassis.clock import Clock, local_day
from chassis.events import inbox, metrics
from chassis.events.bus import Bus, BusUnavailableError
from chassis.events.durables import Durable
from chassis.events.failures import reason, transient
from chassis.events.held import Held
from chassis.events.inbox import Claim, NoPartitionError
from chassis.events.lanes import Retry
from chassis.events.model import PoisonError, Received
from chassis.pool import Connection

AfterCommit = Callable[[], Awaitable[object] | object]
Handler = Callable[[Connection, Received], Awaitable[AfterCommit | None]]

HOLD_S: Final = 0.2

_log = structlog.get_logger("chassis.events.consumer")


def _untraced(_: Received) -> AbstractContextManager[object]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service reads, and what it does with it.

    `handler(connection, event)` makes the effect on the connection it is given and does not commit; it may return a
    function, plain or async, that runs once the effect is committed (`relay.wake`, a bump of memory): that function
    may be lost in a crash, so nothing may depend on it alone. A handler refuses by raising: `PoisonError` for never,
    any other exception for a failed attempt; failures of Postgres or the bus and `DomainError`s of the kinds
    unavailable, aborted and exhausted are not counted.

    `reads` is the consumer on the bus, whose name the tables know it by. `backoff` are seconds after the first, second … failed
    attempt, the last one repeated; after `max_attempts` failed attempts the event becomes a dead letter.
    `concurrency` bounds the aggregates handled at a time, and so the pool's connections in use. `keep_days` is how
    many full days before today's local day are kept: events about older days are dropped, since their data is gone.
    """

    service: str
    reads: Durable
    handler: Handler = field(repr=False)
    max_attempts: int = 8
    backoff: Sequence[float] = (0.2, 1.0, 5.0, 15.0)
    concurrency: int = 4
    window: int = 256
    keep_days: int = 14
    around: Callable[[Received], AbstractContextManager[object]] = field(default=_untraced, repr=False)

    @property
    def durable(self) -> str:
        """The consumer's name."""
        return self.reads.name

    @property
    def dead_subject(self) -> str:
        """Where a copy of each dead letter is published, best effort; the record is the table."""
        return f"lilitong.dead.{self.service}.{self.durable}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`retry` if the event has to be tried again; else it is settled. `lost` means that the lease is gone."""

    retry: Retry | None = None
    lost: bool = False


@dataclass(slots=True)
class Handling:
    """Handles single events for one `Subscription`; `holder` identifies this process in the lease."""

    pool: asyncpg.Pool
    bus: Bus
    subscription: Subscription
    clock: Clock
    holder: UUID = field(default_factory=uuid4)
    held: Held = field(init=False)

    def __post_init__(self) -> None:
        self.held = Held(self.subscription.durable)

    async def event(self, event: Received, accepted: datetime) -> Outcome:
        """A delivery from the stream, which accepted it at that time by the machine's clock."""
        return await self._attempt(event, inbox.claim, accepted)

    async def letter(self, event: Received) -> Outcome:
        """A dead letter that was put back; if it fails again it rests again, without back-off."""
        return await self._attempt(event, inbox.take_letter)

    async def refuse(self, event: Received, poison: PoisonError) -> Outcome:
        """A delivery that cannot even be read."""
        return await self._failed(event, poison, again=False)

    def unreadable(self, subject: str, meta: Msg.Metadata, payload: bytes) -> Received:
        """What to file a delivery without an envelope under: today, and an id made from its place in the stream."""
        return Received(
            event_id=uuid5(NAMESPACE_OID, f"{meta.stream}:{meta.timestamp.isoformat()}:{meta.sequence.stream}"),
            type="",
            subject=subject,
            aggregate="unreadable",
            day=local_day(self.clock.now()),
            payload=payload,
        )

    async def _attempt(
        self, event: Received, claim: Callable[..., Awaitable[Claim]], accepted: datetime | None = None
    ) -> Outcome:
        durable = self.subscription.durable
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                found = await claim(connection, event, durable, self.holder)
                if found is Claim.LOST:
                    return Outcome(lost=True)
                if found is Claim.SEEN:
                    metrics.REPEATED.labels(durable).inc()
                    return Outcome()
                with self.subscription.around(event):
                    after = await self.subscription.handler(connection, event)
        except NoPartitionError:
            return self._without_partition(event)
        except Exception as error:  # noqa: BLE001  # whatever a handler raises is an outcome of its event
            if transient(error):
                return self._hold(error)
            return await self._failed(event, error, again=claim is inbox.take_letter)
        metrics.HANDLED.labels(durable).inc()
        if accepted is not None:
            # The machine's clock, as the bus's; the injected one may stand elsewhere.
            metrics.DELAY.labels(durable).observe(max(0.0, (datetime.now(UTC) - accepted).total_seconds()))
        await self._after(after)
        return Outcome()

    async def _after(self, after: AfterCommit | None) -> None:
        if after is None:
            return
        try:
            result = after()
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001  # the effect is committed; nothing can be taken back
            _log.error("after_commit_failed", durable=self.subscription.durable, reason=reason(error))

    def _hold(self, error: BaseException) -> Outcome:
        metrics.HELD.labels(self.subscription.durable).inc()
        self.held.tell(error, time.monotonic())
        return Outcome(Retry(HOLD_S, own_fault=False))

    def _without_partition(self, event: Received) -> Outcome:
        oldest = local_day(self.clock.now()) - timedelta(days=self.subscription.keep_days)
        if event.day >= oldest:  # partitions are late, which is not the event's fault
            return self._hold(NoPartitionError())
        metrics.EXPIRED.labels(self.subscription.durable).inc()
        _log.info("event_expired", durable=self.subscription.durable, type=event.type)
        return Outcome()

    async def _failed(self, event: Received, error: Exception, *, again: bool) -> Outcome:
        subscription = self.subscription
        metrics.FAILED.labels(subscription.durable).inc()
        text = reason(error)
        try:
            async with self.pool.acquire() as connection, connection.transaction():
                attempts = await inbox.count_attempt(connection, event, subscription.durable)
                final = again or isinstance(error, PoisonError) or attempts >= subscription.max_attempts
                if final:
                    await inbox.bury(connection, event, subscription.durable, text, attempts)
        except Exception as trouble:  # noqa: BLE001  # not even the failure could be noted: the database is away
            return (
                self._without_partition(event)
                if isinstance(trouble, asyncpg.CheckViolationError)
                else self._hold(trouble)
            )
        _log.warning("event_failed", durable=subscription.durable, type=event.type, reason=text, attempts=attempts)
        if not final:
            delays = subscription.backoff
            return Outcome(Retry(delays[min(attempts, len(delays)) - 1], own_fault=True))
        metrics.DEAD_LETTERS.labels(subscription.durable).inc()
        _log.error("event_dead", durable=subscription.durable, type=event.type, reason=text, attempts=attempts)
        await self._tell(event, text)
        return Outcome()

    async def _tell(self, event: Received, text: str) -> None:
        headers = {**event.headers(), "lilitong-reason": text, "lilitong-subject": event.subject}
        try:
            await self.bus.client.publish(self.subscription.dead_subject, event.payload, headers=headers)
        except (BusUnavailableError, nats.errors.Error, OSError):
            return  # the table has it, and the metric raises the alarm

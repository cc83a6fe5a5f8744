"""The relay carries committed outbox rows to JetStream: none skipped, in order within each aggregate.

It polls, and `wake` shortens the wait after a commit in the same process. There is no LISTEN: behind PgBouncer in
transaction mode a listener silently hears nothing, and the poll alone is already right.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

import asyncpg
import structlog

from chassis.cancelling import checkpoint
from chassis.events import inbox, outbox, streams
from chassis.events.bus import Bus, BusUnavailableError
from chassis.events.failures import reason, transient
from chassis.events.metrics import (
    DATABASE_UP,
    OUTBOX_OLDEST,
    OUTBOX_UNPUBLISHED,
    PUBLISHED,
    RELAYED,
    RESTING,
    STREAM_REBUILDS,
    UNDELIVERABLE,
)
from chassis.events.outbox import Due
from chassis.events.publisher import Acknowledged, Outgoing, Publisher, UndeliverableError
from chassis.events.streams import StreamSpec

POLL_S: Final = 0.1
BATCH: Final = 500
STREAM_CHECK_S: Final = 1.0
BACKLOG_S: Final = 5.0
ACK_TIMEOUT_S: Final = 4.0
# No new wave after this; with one time-out more, a cycle stays below the server's limit on idle transactions.
CYCLE_S: Final = 5.0
PAUSE_S: Final = 0.2

_log = structlog.get_logger("chassis.events.relay")


class Relay:
    """Publishes the outbox of one schema. Several may run: each row is published by whoever holds its shard.

    `specs` are the streams that this service publishes to; they are made where missing. A stream that was lost or cut
    short is filled again from the rows written within `retention`; the consumers' inboxes make the repeats one
    effect. `degraded` is true while rows cannot be published.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        bus: Bus,
        specs: Sequence[StreamSpec],
        *,
        retention: timedelta = timedelta(hours=72),
        poll_s: float = POLL_S,
        batch: int = BATCH,
    ) -> None:
        self._pool = pool
        self._bus = bus
        self._specs = tuple(specs)
        self._retention = retention
        self._poll_s = poll_s
        self._batch = batch
        self._publisher = Publisher(bus)
        self._wanted = asyncio.Event()
        self._woken: float | None = None  # since when something committed here waits
        self._next_check = 0.0
        self._next_backlog = 0.0
        self._resting: set[str] = set()  # who was seen to have dead letters
        self.degraded = True

    def wake(self) -> None:
        """Something was committed: do not wait for the poll. Callable from the loop's thread only."""
        if self._woken is None:
            self._woken = time.monotonic()
        self._wanted.set()

    async def run(self) -> None:
        """Publish until cancelled. Trouble with Postgres or NATS is logged, shown as `degraded` and tried again."""
        while True:
            checkpoint()
            self._wanted.clear()
            since, self._woken = self._woken, None
            try:
                handled = await self._turn()
                self.degraded = False
            except Exception as error:  # noqa: BLE001  # whatever it is, events must flow again by themselves
                self._woken = since if since is not None else self._woken
                if not self.degraded or not transient(error):
                    _log.warning("relay_degraded", reason=reason(error))
                self.degraded = True
                await asyncio.sleep(PAUSE_S)
                continue
            if handled and since is not None:
                RELAYED.observe(time.monotonic() - since)
            if not handled:
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._poll_s):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _look(self) -> bool:
        """Whether anything waits; that this is answered tells, with or without the bus, that the store is there."""
        try:
            waiting = await outbox.waiting(self._pool)
        except Exception:
            DATABASE_UP.set(0)
            raise
        DATABASE_UP.set(1)
        return waiting

    async def _turn(self) -> int:
        waiting = await self._look()
        now = time.monotonic()
        if now >= self._next_backlog:
            await self._measure()
            self._next_backlog = now + BACKLOG_S
        if now >= self._next_check or self.degraded:
            for spec in self._specs:
                await self._keep_stream(spec)
            self._next_check = now + STREAM_CHECK_S
        if not waiting:
            return 0
        _ = self._bus.client  # nothing is locked while there is nobody to publish to
        return await self._cycle()

    async def _cycle(self) -> int:
        async with self._pool.acquire() as connection, connection.transaction():
            shards = await outbox.claim(connection)
            rows = await outbox.due(connection, shards, self._batch) if shards else []
            if not rows:
                return 0
            published, dead, last = await self._publish(rows)
            for row, reason in dead:
                await outbox.bury(connection, row.event, reason)
            await outbox.mark_published(connection, [*published, *(row for row, _ in dead)])
            for stream, sequence in last.items():
                await outbox.advance_stream(connection, stream, sequence)
        PUBLISHED.inc(len(published))
        UNDELIVERABLE.inc(len(dead))
        if not published and not dead:
            self._next_check = 0.0  # most likely the stream is gone: look before the next cycle
            raise BusUnavailableError
        return len(published) + len(dead)

    async def _publish(self, rows: Sequence[Due]) -> tuple[list[Due], list[tuple[Due, str]], dict[str, int]]:
        """Publish in waves of one event per aggregate, so that no event overtakes an earlier one that failed."""
        lanes: dict[str, deque[Due]] = {}
        for row in rows:
            lanes.setdefault(row.event.aggregate, deque()).append(row)
        published: list[Due] = []
        dead: list[tuple[Due, str]] = []
        last: dict[str, int] = {}
        until = time.monotonic() + CYCLE_S
        while lanes and time.monotonic() < until:
            wave = [lane[0] for lane in lanes.values()]
            for row, result in zip(wave, await self._send(wave), strict=True):
                lane = lanes[row.event.aggregate]
                if isinstance(result, Acknowledged):
                    published.append(row)
                    last[result.stream] = max(result.sequence, last.get(result.stream, 0))
                elif isinstance(result, UndeliverableError):
                    dead.append((row, str(result)))
                    _log.error("event_undeliverable", type=row.event.type, reason=str(result))
                else:
                    lane.clear()  # the rest of the aggregate waits for the next cycle
                    continue
                lane.popleft()
            lanes = {aggregate: lane for aggregate, lane in lanes.items() if lane}
        return published, dead, last

    async def _send(self, wave: Sequence[Due]) -> list[Acknowledged | Exception]:
        covered = [any(spec.covers(row.event.subject) for spec in self._specs) for row in wave]
        messages = [
            Outgoing(row.event.subject, row.event.payload, row.event.headers())
            for row, known in zip(wave, covered, strict=True)
            if known
        ]
        try:
            results = iter(await self._publisher.send(messages, ACK_TIMEOUT_S))
        except BusUnavailableError as error:
            results = iter([error] * len(messages))
        return [
            next(results) if known else UndeliverableError("no stream is meant for the subject") for known in covered
        ]

    async def _keep_stream(self, spec: StreamSpec) -> None:
        found = await streams.look(self._bus.jetstream, spec)
        known = await outbox.known_stream(self._pool, spec.name)
        if (
            found
            and known
            and found.identity == known.identity
            and found.last_seq >= known.last_seq
            and not self.degraded
        ):
            return
        # Something differs, or this is the start. With every shard locked no cycle is under way: look again.
        async with self._pool.acquire() as connection, connection.transaction():
            await outbox.stop_relays(connection)
            found = await streams.make(self._bus.jetstream, spec)
            known = await outbox.known_stream(connection, spec.name)
            if known == found:
                return
            lost = known is not None and (known.identity != found.identity or known.last_seq > found.last_seq)
            await outbox.remember_stream(connection, spec.name, found)
            if lost:
                rows = await outbox.republish(connection, spec, self._retention)
                STREAM_REBUILDS.labels(spec.name).inc()
                _log.warning("stream_rebuilt", stream=spec.name, rows=rows)

    async def _measure(self) -> None:
        found = await outbox.backlog(self._pool)
        OUTBOX_UNPUBLISHED.set(found.rows)
        OUTBOX_OLDEST.set(found.oldest_s)
        letters = await inbox.resting(self._pool)
        for consumer in self._resting - letters.keys():
            RESTING.labels(consumer).set(0)
        for consumer, count in letters.items():
            RESTING.labels(consumer).set(count)
        self._resting |= letters.keys()

"""One uninterrupted reading of a durable, from its floor until something may have been lost."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from nats.aio.msg import Msg

from chassis.events import inbox
from chassis.events.bus import Bus
from chassis.events.handling import Handling
from chassis.events.lanes import Lanes, Retry
from chassis.events.model import PoisonError, Received
from chassis.events.pull import Pull

STEP_S: Final = 0.25
LETTERS: Final = 100


class SessionOverError(Exception):
    """Deliveries may have been lost, or another process reads now: begin anew from the floor."""


@dataclass(frozen=True, slots=True)
class _Work:
    """A delivery (`message` set) or a requeued dead letter; `poison` if the delivery has no readable envelope."""

    event: Received
    message: Msg | None = None
    poison: PoisonError | None = None
    since: float = field(default_factory=time.monotonic)


class Session:
    """Pulls, sorts into lanes and acknowledges. `step` returns within 0.25 s, or when more can be asked for."""

    def __init__(self, bus: Bus, handling: Handling) -> None:
        self._bus = bus
        self._handling = handling
        self._subscription = handling.subscription
        self._generation = bus.generation
        self._lanes = Lanes(self._process, self._subscription.concurrency, self._settled)
        self._pull = Pull(bus.client, self._subscription.reads.stream, self._subscription.durable, self._delivered)
        self._kick = asyncio.Event()
        self._expected = 1  # the reset began the durable's count anew
        self._over: str | None = None
        self._held: set[int] = set()
        self._letters: set[UUID] = set()
        self._extended = time.monotonic()

    async def start(self) -> None:
        await self._pull.start()
        await self._ask()

    async def step(self) -> None:
        """Keep the stream flowing. Raises `SessionOverError` when this reading cannot go on."""
        try:
            async with asyncio.timeout(STEP_S):
                await self._kick.wait()
        except TimeoutError:
            pass
        self._kick.clear()
        if self._lanes.failure is not None:
            raise self._lanes.failure
        cause = self._over or self._pull.broken
        if self._bus.generation != self._generation:
            cause = "reconnected"
        elif self._pull.silent():
            cause = "silence"
        if cause is not None:
            raise SessionOverError(cause)
        await self._extend()
        await self._ask()

    async def take_letters(self) -> None:
        """Put requeued dead letters into the lanes of their aggregates."""
        found = await inbox.letters(self._handling.pool, self._subscription.durable, requeued=True, limit=LETTERS)
        for letter in found:
            if letter.event.event_id not in self._letters:
                self._letters.add(letter.event.event_id)
                self._lanes.add(letter.event.aggregate, _Work(letter.event))

    async def close(self) -> None:
        """Stop pulling and wait for the handlers at work; what was not begun is read again by the next session."""
        await self._pull.stop()
        await self._lanes.close()

    async def _ask(self) -> None:
        free = self._subscription.window - self._lanes.active() - self._pull.outstanding
        if free * 2 >= self._subscription.window:
            await self._pull.ask(free)

    async def _extend(self) -> None:
        """Tell the server that held messages are being worked on, long before it would deliver them again."""
        now = time.monotonic()
        if now - self._extended < self._subscription.reads.ack_wait_s / 3:
            return
        self._extended = now
        for work in self._lanes.held():
            if work.message is not None and now - work.since > self._subscription.reads.ack_wait_s / 6:
                await work.message.in_progress()

    def _delivered(self, message: Msg) -> None:
        meta = message.metadata
        if meta.sequence.consumer != self._expected:
            self._over = "gap in the deliveries"
            self._kick.set()
            return
        self._expected += 1
        if meta.sequence.stream in self._held:
            return  # delivered again although it is being worked on; its first delivery will settle it
        try:
            work = _Work(Received.read(message.subject, message.headers, message.data), message)
        except PoisonError as poison:
            work = _Work(self._handling.unreadable(message.subject, meta, message.data), message, poison)
        self._held.add(meta.sequence.stream)
        self._lanes.add(work.event.aggregate, work)

    async def _process(self, work: _Work) -> Retry | None:
        if self._over is not None:
            return Retry(STEP_S, own_fault=False)
        if work.poison is not None:
            outcome = await self._handling.refuse(work.event, work.poison)
        elif work.message is None:
            outcome = await self._handling.letter(work.event)
        else:
            outcome = await self._handling.event(work.event, work.message.metadata.timestamp)
        if outcome.lost:
            self._over = "another process holds the lease"
            self._kick.set()
            return Retry(STEP_S, own_fault=False)
        if outcome.retry is None and work.message is not None:
            await self._acknowledge(work.message)
        return outcome.retry

    async def _acknowledge(self, message: Msg) -> None:
        if self._bus.generation == self._generation and self._bus.connected:
            await message.ack()  # lost acknowledgements are made good by the inbox

    def _settled(self, work: _Work) -> None:
        if work.message is None:
            self._letters.discard(work.event.event_id)
        else:
            self._held.discard(work.message.metadata.sequence.stream)
        if (self._pull.outstanding + self._lanes.active()) * 2 <= self._subscription.window:
            self._kick.set()

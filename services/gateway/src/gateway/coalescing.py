"""Concurrent check-ins of one caller, joined into batch calls: a call costs far more CPU than an item in it.

While fewer than `in_flight` calls of a caller are on the way a check-in leaves at once, so a lone one waits for nobody;
all that arrive meanwhile go together. Callers are never mixed: each batch carries one caller's own token.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chassis.errors import DomainError, Kind
from opentelemetry.trace import SpanContext

# Whatever a batch call answers when it is refused as a whole because of something in it.
_POISON = frozenset({Kind.INVALID, Kind.INTERNAL})


@dataclass(slots=True)
class Item:
    """One check-in under way. `span`: of the request it came with, None when that is not traced."""

    request: Any
    answer: asyncio.Future[Any]
    expires: float
    span: SpanContext | None = None


# Sends the items of one caller: results in the items' order; raises DomainError when the call fails as a whole.
Send = Callable[[str, Sequence[Item]], Awaitable[Sequence[Any]]]


@dataclass(slots=True)
class _Lane:
    """What one caller has waiting and on the way."""

    waiting: deque[Item] = field(default_factory=deque)
    in_flight: int = 0
    called: bool = False


class Coalescer:
    """`submit` from many tasks, `send` from few.

    `largest` items per call, `in_flight` calls per caller, `patience` seconds until an item that is still waiting is
    given up, `capacity` items waiting per caller before more are refused.
    """

    def __init__(
        self,
        send: Send,
        *,
        in_flight: int = 2,
        largest: int = 500,
        patience: float = 5.0,
        capacity: int = 10_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send, self._in_flight, self._largest = send, in_flight, largest
        self._patience, self._capacity, self._monotonic = patience, capacity, monotonic
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def submit(self, authorization: str, request: Any, span: SpanContext | None = None) -> Any:
        """The item's result; raises its `DomainError`. A caller that stops waiting takes nothing from the others.

        `span`: that of the request, if it is traced.
        """
        lane = self._lanes.get(authorization)
        if lane is None:
            lane = self._lanes[authorization] = _Lane()
        if len(lane.waiting) >= self._capacity:
            raise DomainError(Kind.UNAVAILABLE, "OVERLOADED", "Too many check-ins are waiting; try again in a moment.")
        loop = asyncio.get_running_loop()
        item = Item(request, loop.create_future(), self._monotonic() + self._patience, span)
        lane.waiting.append(item)
        if not lane.called and lane.in_flight < self._in_flight:
            # In the loop's next turn, so that what arrives in this one goes along.
            lane.called = True
            loop.call_soon(self._start, authorization, lane)
        return await item.answer

    def _start(self, authorization: str, lane: _Lane) -> None:
        lane.called = False
        while lane.waiting and lane.in_flight < self._in_flight:
            items = self._next(lane)
            if items:
                lane.in_flight += 1
                task = asyncio.create_task(self._carry(authorization, lane, items))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        if not lane.waiting and not lane.in_flight:
            self._lanes.pop(authorization, None)

    def _next(self, lane: _Lane) -> list[Item]:
        now = self._monotonic()
        items: list[Item] = []
        while lane.waiting and len(items) < self._largest:
            item = lane.waiting.popleft()
            if item.answer.done():
                continue  # its client went away while it waited: nothing was promised
            if item.expires <= now:
                item.answer.set_exception(
                    DomainError(Kind.UNAVAILABLE, "DEADLINE_EXCEEDED", "The answer took too long.")
                )
                continue
            items.append(item)
        return items

    async def _carry(self, authorization: str, lane: _Lane, items: list[Item]) -> None:
        try:
            await self._deliver(authorization, items)
        finally:
            lane.in_flight -= 1
            self._start(authorization, lane)

    async def _deliver(self, authorization: str, items: Sequence[Item]) -> None:
        # Halving finds one poison item among n in 2 log2 n calls; the bound keeps an outage that looks like poison
        # from being multiplied.
        budget = 2 * len(items).bit_length() + 2
        parts = deque([items])
        while parts:
            part = parts.popleft()
            budget -= 1
            try:
                results = await self._send(authorization, part)
                if len(results) != len(part):
                    raise DomainError(Kind.INTERNAL, "PEER_FAILED", "Something failed inside the service.")  # noqa: TRY301
            except asyncio.CancelledError:
                _fail(part, DomainError(Kind.UNAVAILABLE, "SERVER_STOPPING", "This server is stopping; try again."))
                raise
            except Exception as error:  # noqa: BLE001 - every waiting request has to hear of it
                poisoned = isinstance(error, DomainError) and error.kind in _POISON
                if poisoned and len(part) > 1 and budget >= len(parts) + 2:
                    middle = len(part) // 2
                    parts += (part[:middle], part[middle:])
                else:
                    _fail(part, error)
                continue
            for item, result in zip(part, results, strict=True):
                if not item.answer.done():
                    item.answer.set_result(result)

    async def close(self) -> None:
        """Wait for the calls on the way; a server drains its requests first, so few are left."""
        if self._tasks:
            await asyncio.wait(self._tasks)


def _fail(items: Sequence[Item], error: Exception) -> None:
    for item in items:
        if not item.answer.done():
            item.answer.set_exception(error)

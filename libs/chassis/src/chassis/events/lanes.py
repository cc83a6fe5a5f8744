"""One lane per aggregate: a lane's work is done in order, lanes are independent, and few are busy at a time."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Work = TypeVar("Work")


@dataclass(frozen=True, slots=True)
class Retry:
    """Try the same work again after `after_s` seconds; the rest of its lane waits with it.

    `own_fault` tells a refusal of this very event from a dependency that is away. Only the former lets other lanes
    draw more work meanwhile; otherwise an outage would fill the memory.
    """

    after_s: float
    own_fault: bool


@dataclass(slots=True)
class _Lane(Generic[Work]):
    work: deque[Work] = field(default_factory=deque)
    blocked: bool = False


class Lanes(Generic[Work]):
    """Runs `process` on each piece of work, one after the other within a key, at most `concurrency` at a time.

    `process` returns None when the work is done, or a `Retry`; it must not raise, and what it raises all the same
    ends in `failure`. `done` is called after each finished piece.
    """

    def __init__(
        self, process: Callable[[Work], Awaitable[Retry | None]], concurrency: int, done: Callable[[Work], None]
    ) -> None:
        self._process = process
        self._done = done
        self._slots = asyncio.Semaphore(concurrency)
        self._lanes: dict[str, _Lane[Work]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()
        self.failure: BaseException | None = None

    def add(self, key: str, work: Work) -> None:
        """Put work at the end of its lane."""
        lane = self._lanes.get(key)
        if lane is not None:
            lane.work.append(work)
            return
        lane = self._lanes[key] = _Lane(deque([work]))
        task = asyncio.create_task(self._run(key, lane))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def held(self) -> list[Work]:
        """All work that is not done yet."""
        return [work for lane in self._lanes.values() for work in lane.work]

    def active(self) -> int:
        """Pieces of work not done yet, without those that wait behind a refused event."""
        return sum(len(lane.work) for lane in self._lanes.values() if not lane.blocked)

    async def close(self) -> None:
        """Finish what is being processed, drop the rest, and return when nothing runs any more.

        Cancelled while waiting, it cancels what still runs: open transactions roll back.
        """
        self._closing.set()
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            raise

    async def _run(self, key: str, lane: _Lane[Work]) -> None:
        while lane.work and not self._closing.is_set():
            async with self._slots:
                if self._closing.is_set():
                    return
                retry = await self._process(lane.work[0])
            if retry is None:
                self._done(lane.work.popleft())
                continue
            lane.blocked = retry.own_fault
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(retry.after_s):
                    await self._closing.wait()
            lane.blocked = False
        del self._lanes[key]

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.failure = task.exception()

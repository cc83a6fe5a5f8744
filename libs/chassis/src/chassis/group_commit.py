"""Group commit: writes that arrive while a transaction is in flight are committed together by the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import asyncpg

from chassis.pool import Connection

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# What the data of one item can cause; such a batch is split until the culprit stands alone. DataError covers values that the
# driver itself refuses to send; two items on one row are a cardinality violation.
DATA_ERRORS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.CardinalityViolationError,
)


class Linger:
    """When a batch should wait for more: only while so much comes in that the wait pays.

    A transaction costs the same for one item as for twenty. Under load that is what a process runs out of, and since
    its callers queue anyway, a short wait costs them nothing; a lone caller would wait for nobody, and so never does.

    Args:
        seconds: the longest wait.
        crowd: a batch waits if, at the rate of the last moments, at least that many items come within `seconds`.
        enough: a batch of this size waits no longer.

    """

    def __init__(self, *, seconds: float = 0.02, crowd: int = 8, enough: int = 64) -> None:
        self.seconds, self.crowd, self.enough = seconds, crowd, enough
        self._began = self._count = 0.0
        self._last = 0.0

    def arrived(self, now: float) -> None:
        """One more item, at that time of the loop."""
        self._turn(now)
        self._count += 1

    def crowded(self, now: float) -> bool:
        """Whether a wait that begins now pays."""
        self._turn(now)
        return max(self._last, self._count) >= self.crowd

    def _turn(self, now: float) -> None:
        # Counted in windows as long as the wait: what the last one brought, or this one already has, the next one may.
        passed = now - self._began
        if passed >= self.seconds:
            self._last = self._count if passed < 2 * self.seconds else 0.0
            self._began, self._count = now, 0.0


class GroupCommit(Generic[Item, Answer]):
    """Joins concurrent writes into few transactions and gives each caller its own answer after the commit.

    Items must be valid before they are submitted: a batch is not the place to find that out.

        commit = GroupCommit(pool, write, connections=2, max_batch=500)
        answer = await commit.submit(item)

    Args:
        pool: where transactions run.
        write: writes a batch on a connection inside a transaction; one answer per item, in order.
        connections: transactions in flight at once.
        max_batch: items per transaction.
        acquire_seconds: how long a batch waits for a connection before its callers are told.
        linger: whether and how long a batch waits for more; never, unless given.

    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        write: Callable[[Connection, Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        connections: int = 2,
        max_batch: int = 500,
        acquire_seconds: float = 5.0,
        linger: Linger | None = None,
    ) -> None:
        self._pool = pool
        self._write = write
        self._connections = connections
        self._max_batch = max_batch
        self._acquire_seconds = acquire_seconds
        self._linger = linger
        # Set while a flusher waits for its batch to grow: meanwhile nobody else begins one.
        self._growing: asyncio.Future[None] | None = None
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._flushers: set[asyncio.Task[None]] = set()
        # Counted by the flushers themselves: the event loop forgets a finished task a turn later, and a write submitted within
        # that turn, as by every caller that has just got its answer, would wait for a flusher that is already gone.
        self._running = 0

    def submit(self, item: Item) -> asyncio.Future[Answer]:
        """Queues one write. The future's result comes after the commit that holds it.

        It fails with what `write` raised for this item, or with the connection's error, after which the write may or may not have
        happened: send it again with the same id. A cancelled caller leaves the others alone.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, future))
        if self._linger is not None:
            self._linger.arrived(loop.time())
            if self._growing is not None:
                if len(self._waiting) >= self._linger.enough and not self._growing.done():
                    self._growing.set_result(None)
                return future
        if self._running < self._connections:
            self._start()
        return future

    def submit_all(self, items: Sequence[Item]) -> list[asyncio.Future[Answer]]:
        """Queues several writes, which need not share a transaction."""
        return [self.submit(item) for item in items]

    def _start(self) -> None:
        self._running += 1
        task = asyncio.create_task(self._flush())
        self._flushers.add(task)
        task.add_done_callback(self._flushers.discard)

    async def _flush(self) -> None:
        try:
            # One turn of the loop lets everybody who is ready to submit join the first batch.
            await asyncio.sleep(0)
            # Whoever lets a batch grow takes what comes meanwhile; a second flusher would only halve it.
            while self._waiting and self._growing is None:
                if self._linger is not None and len(self._waiting) < self._linger.enough:
                    await self._grow(self._linger)
                if batch := self._take():
                    await self._commit(batch)
        finally:
            self._running -= 1

    async def _grow(self, linger: "Linger") -> None:
        loop = asyncio.get_running_loop()
        if not linger.crowded(loop.time()):
            return
        self._growing = growing = loop.create_future()
        timer = loop.call_later(linger.seconds, _wake, growing)
        try:
            await growing
        finally:
            timer.cancel()
            self._growing = None

    def _take(self) -> list[tuple[Item, "asyncio.Future[Answer]"]]:
        batch: list[tuple[Item, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < self._max_batch:
            entry = self._waiting.popleft()
            if not entry[1].done():
                batch.append(entry)
        return batch

    async def _commit(self, batch: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        try:
            async with self._pool.acquire(timeout=self._acquire_seconds) as connection, connection.transaction():
                answers = await self._write(connection, [item for item, _ in batch])
                _check_count(batch, answers)
        except DATA_ERRORS as error:
            if len(batch) == 1:
                _fail(batch, error)
                return
            half = len(batch) // 2
            await self._commit(batch[:half])
            await self._commit(batch[half:])
        except asyncio.CancelledError:
            for _, future in batch:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 (whatever it is, the callers must hear of it, not the loop)
            _fail(batch, error)
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)

    @property
    def waiting(self) -> int:
        """Writes not yet in a transaction."""
        return len(self._waiting)

    async def drain(self) -> None:
        """Returns when everything submitted has been answered."""
        while self._flushers:
            await asyncio.gather(*self._flushers, return_exceptions=True)


def _wake(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)


def _check_count(batch: Sequence[object], answers: Sequence[object]) -> None:
    # Asked before the commit: afterwards nobody could tell whose write was kept.
    if len(answers) != len(batch):
        raise RuntimeError(f"{len(answers)} answers to {len(batch)} writes")


def _fail(batch: Sequence[tuple[Any, "asyncio.Future[Any]"]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # a caller that was cancelled meanwhile leaves no unread error behind

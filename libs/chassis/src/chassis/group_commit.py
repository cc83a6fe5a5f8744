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

    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        write: Callable[[Connection, Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        connections: int = 2,
        max_batch: int = 500,
        acquire_seconds: float = 5.0,
    ) -> None:
        self._pool = pool
        self._write = write
        self._connections = connections
        self._max_batch = max_batch
        self._acquire_seconds = acquire_seconds
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
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
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
            while self._waiting:
                if batch := self._take():
                    await self._commit(batch)
        finally:
            self._running -= 1

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


def _check_count(batch: Sequence[object], answers: Sequence[object]) -> None:
    # Asked before the commit: afterwards nobody could tell whose write was kept.
    if len(answers) != len(batch):
        raise RuntimeError(f"{len(answers)} answers to {len(batch)} writes")


def _fail(batch: Sequence[tuple[Any, "asyncio.Future[Any]"]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            future.exception()  # a caller that was cancelled meanwhile leaves no unread error behind

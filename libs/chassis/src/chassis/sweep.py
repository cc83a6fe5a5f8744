"""The one loop for what time brings about: lapses, partitions, key ages.

Truth is computed from time when read; the sweep only makes known what has lapsed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import asyncpg
import structlog
from prometheus_client import Counter, Gauge

from chassis.pool import Connection

RETRY_SECONDS = 10.0
INTERVAL = Gauge("lilitong_sweep_interval_seconds", "How often this task of the sweep is to run.", ["task"])
DONE = Gauge(
    "lilitong_sweep_done_timestamp_seconds", "When this task of the sweep last ended well, Unix time.", ["task"]
)
FAILURES = Counter(
    "lilitong_sweep_failures_total", "Turns of this task of the sweep that failed or took too long.", ["task"]
)
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Job:
    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]
    due: float = 0.0


class Sweep:
    """Runs registered jobs one after another, each at its interval.

    A job that fails or takes longer than `job_seconds` is logged and tried again after its interval or ten seconds, whichever is
    shorter. Several replicas run the same jobs, so a job takes its rows with
    `FOR UPDATE SKIP LOCKED` and does nothing the second time.
    """

    def __init__(self, tick_seconds: float = 0.5, job_seconds: float = 120.0) -> None:
        self._tick = tick_seconds
        self._job_seconds = job_seconds
        self._jobs: list[_Job] = []

    def register(self, name: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Adds a job that runs at once and then every `seconds`."""
        self._jobs.append(_Job(name, seconds, work))
        INTERVAL.labels(name).set(seconds)
        DONE.labels(name).set_to_current_time()  # from here on it may be late
        FAILURES.labels(name)

    async def run_due(self) -> None:
        """Runs every job whose time has come."""
        loop = asyncio.get_running_loop()
        for job in self._jobs:
            if loop.time() >= job.due:
                pause = job.seconds
                try:
                    async with asyncio.timeout(self._job_seconds):  # one that hangs must not stop the others either
                        await job.work()
                    DONE.labels(job.name).set_to_current_time()
                except Exception as error:  # noqa: BLE001 (one job must not stop the others)
                    pause = min(pause, RETRY_SECONDS)
                    FAILURES.labels(job.name).inc()
                    log.warning("sweep job failed", job=job.name, error=type(error).__name__)
                job.due = loop.time() + pause

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self.run_due()
            await asyncio.sleep(self._tick)


async def lapses(
    pool: asyncpg.Pool, take: Callable[[Connection, int], Awaitable[int]], *, limit: int = 200, rounds: int = 50
) -> int:
    """Works off what is due, in transactions of at most `limit` rows each; returns how many rows.

    `take(connection, limit)` takes due rows, acts on them and makes them due no more, all in the transaction it is given, and
    returns how many it took. Rows that another replica is at are passed over, so that each lapse is told once:

        SELECT … WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED

    It ends when fewer than `limit` were taken, or after `rounds`; the next turn of the sweep goes on.
    """
    total = 0
    for _ in range(rounds):
        async with pool.acquire() as connection, connection.transaction():
            taken = await take(connection, limit)
        total += taken
        if taken < limit:
            break
    return total


async def only_one(connection: Connection, name: str) -> bool:
    """Whether this transaction is the only one of all replicas that runs the job `name`; for jobs that have no rows to take."""
    statement = "SELECT pg_try_advisory_xact_lock(hashtextextended(current_schema() || '.sweep.' || $1, 11))"
    return bool(await connection.fetchval(statement, name))

"""The one loop for what time brings about: lapses, partitions, key ages.

Truth is computed from time when read; the sweep only makes known what has lapsed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Job:
    name: str
    seconds: float
    work: Callable[[], Awaitable[object]]
    due: float = 0.0


class Sweep:
    """Runs registered jobs one after another, each at its interval.

    A job that fails is logged and tried again at its next turn. Several replicas run the same jobs, so a job takes its rows with
    `FOR UPDATE SKIP LOCKED` and does nothing the second time.
    """

    def __init__(self, tick_seconds: float = 0.5) -> None:
        self._tick = tick_seconds
        self._jobs: list[_Job] = []

    def register(self, name: str, seconds: float, work: Callable[[], Awaitable[object]]) -> None:
        """Adds a job that runs at once and then every `seconds`."""
        self._jobs.append(_Job(name, seconds, work))

    async def run_due(self) -> None:
        """Runs every job whose time has come."""
        loop = asyncio.get_running_loop()
        for job in self._jobs:
            if loop.time() >= job.due:
                try:
                    await job.work()
                except Exception as error:  # noqa: BLE001 (one job must not stop the others)
                    log.warning("sweep job failed", job=job.name, error=type(error).__name__)
                job.due = loop.time() + job.seconds

    async def run(self) -> None:
        """Runs until cancelled."""
        while True:
            await self.run_due()
            await asyncio.sleep(self._tick)

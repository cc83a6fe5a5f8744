"""Watches the processes of a system and brings back those that ended, more slowly the more often they do."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from devstack import processes
from devstack.processes import DevstackError
from devstack.stack import Stack

LOOK_SECONDS: Final = 0.3
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 30.0
STEADY_SECONDS: Final = 60.0
"""A process that ran this long starts with the first pause again."""


class Supervisor:
    """`await run()` in a task of its own; cancel it before the system is stopped."""

    def __init__(self, stack: Stack, report: Callable[[str], None]) -> None:
        self._stack = stack
        self._report = report
        self._pauses: dict[str, float] = {}
        self._started: dict[str, float] = {}
        self.restarts = 0

    async def run(self) -> None:
        """Until cancelled. Each process is mended on its own, so that one that cannot start holds up no other."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._stack.names():
                tasks.create_task(self._watch(name))

    async def _watch(self, name: str) -> None:
        self._started[name] = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            pid = self._stack.pid(name)
            if pid and processes.started_at(pid) is not None:
                continue
            await self._mend(name)

    async def _mend(self, name: str) -> None:
        steady = time.monotonic() - self._started[name] > STEADY_SECONDS
        pause = FIRST_PAUSE if steady else self._pauses.get(name, FIRST_PAUSE)
        self._pauses[name] = min(pause * 2, LONGEST_PAUSE)
        self._report(f"{name} ended by itself (its log: {self._stack.log(name)}); starting it again in {pause:g} s")
        await asyncio.sleep(pause)
        self._started[name] = time.monotonic()
        try:
            await self._stack.restart(name)
            if name in self._stack.children:
                await self._stack.ready(name)
        except DevstackError as error:
            self._report(f"{name} did not come back: {error}")
        else:
            self.restarts += 1
            self._report(f"{name} is back")

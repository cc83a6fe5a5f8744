"""Counting what is being served, so that a drain can wait for it."""

import asyncio
from typing import Any

from chassis.metrics import RPC_IN_FLIGHT


class InFlight:
    """Calls being served: grpc.aio's `stop` may return before handlers have finished (grpc issue 37239)."""

    def __init__(self) -> None:
        self.count = 0
        self.draining = False
        self._streams: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    def enter(self, *, stream: bool) -> None:
        self.count += 1
        self._idle.clear()
        RPC_IN_FLIGHT.inc()
        task = asyncio.current_task() if stream else None
        if task is not None:
            self._streams.add(task)

    def leave(self, *, stream: bool) -> None:
        self.count -= 1
        RPC_IN_FLIGHT.dec()
        task = asyncio.current_task() if stream else None
        if task is not None:
            self._streams.discard(task)
        if self.count == 0:
            self._idle.set()

    def end_streams(self) -> None:
        """Interrupt streaming handlers: their clients are told UNAVAILABLE and resume elsewhere."""
        self.draining = True
        for task in tuple(self._streams):
            task.cancel()

    async def idle(self) -> None:
        """Wait until no call is being served."""
        await self._idle.wait()

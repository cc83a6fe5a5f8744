"""Counting what is being served, so that a drain can wait for it."""

import asyncio
from typing import Any

from chassis.rpc.stats import RPC


class InFlight:
    """Calls being served: grpc.aio's `stop` may return before handlers have finished (grpc issue 37239)."""

    def __init__(self) -> None:
        self.draining = False
        self._unary = 0
        self._streaming = 0
        self._streams: set[asyncio.Task[Any]] = set()
        self._quiet = asyncio.Event()
        self._idle = asyncio.Event()
        self._quiet.set()
        self._idle.set()

    @property
    def count(self) -> int:
        """How many calls are being served."""
        return self._unary + self._streaming

    def enter(self, *, stream: bool) -> None:
        RPC.in_flight += 1
        self._idle.clear()
        if not stream:
            self._unary += 1
            self._quiet.clear()
            return
        self._streaming += 1
        task = asyncio.current_task()
        if task is not None:
            self._streams.add(task)

    def leave(self, *, stream: bool) -> None:
        RPC.in_flight -= 1
        if not stream:
            self._unary -= 1
        else:
            self._streaming -= 1
            task = asyncio.current_task()
            if task is not None:
                self._streams.discard(task)
        if self._unary == 0:
            self._quiet.set()
            if self._streaming == 0:
                self._idle.set()

    def end_streams(self) -> None:
        """Interrupt streaming handlers: their clients are told UNAVAILABLE and resume elsewhere."""
        self.draining = True
        for task in tuple(self._streams):
            task.cancel()

    async def quiet(self) -> None:
        """Wait until no unary call is being served; streams do not count."""
        await self._quiet.wait()

    async def idle(self) -> None:
        """Wait until nothing is being served."""
        await self._idle.wait()

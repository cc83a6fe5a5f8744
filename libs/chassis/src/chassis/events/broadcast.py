"""A bell over core NATS: every replica hears it at once, or not at all. For hints whose truth is polled anyway."""

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable

import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from chassis.cancelling import checkpoint
from chassis.events.bus import Bus, BusUnavailableError

_log = structlog.get_logger("chassis.events.broadcast")


class Broadcast:
    """One subject of core NATS. Nothing is stored: who is not connected misses it, so listeners poll as well."""

    def __init__(self, bus: Bus, subject: str) -> None:
        self._bus = bus
        self._subject = subject
        self._tasks: set[asyncio.Task[None]] = set()

    async def ring(self, payload: bytes = b"") -> None:
        """Tell all listeners, this process's included. Does nothing while the bus is away; never raises for it."""
        with contextlib.suppress(BusUnavailableError, nats.errors.Error, OSError):
            await self._bus.client.publish(self._subject, payload)

    def listen(self, callback: Callable[[bytes], Awaitable[object] | object]) -> None:
        """Call `callback(payload)`, plain or async, for each ring heard, until `close`.

        It is also called with `b""` after each new connection, for the rings that may have been missed. What it
        raises is logged.
        """
        task = asyncio.create_task(self._keep(callback), name=f"broadcast:{self._subject}")
        self._tasks.add(task)

    async def close(self) -> None:
        """Stop all listeners of this object."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _keep(self, callback: Callable[[bytes], Awaitable[object] | object]) -> None:
        async def heard(message: Msg) -> None:
            await self._call(callback, message.data)

        owner: Client | None = None
        generation = 0
        while True:
            checkpoint()
            client = await self._bus.ready()
            try:
                if client is not owner:  # the library itself subscribes again after a reconnect of the same client
                    await client.subscribe(self._subject, cb=heard)
                    owner = client
                if generation != self._bus.generation:
                    generation = self._bus.generation
                    await self._call(callback, b"")
            except (nats.errors.Error, OSError) as error:
                _log.warning("broadcast_waits", error=type(error).__name__)
            await asyncio.sleep(0.25)

    async def _call(self, callback: Callable[[bytes], Awaitable[object] | object], payload: bytes) -> None:
        try:
            result = callback(payload)
            if inspect.isawaitable(result):
                await result
        except Exception as error:  # noqa: BLE001  # a listener's fault must not silence the bell for good
            _log.error("broadcast_listener_failed", error=type(error).__name__)

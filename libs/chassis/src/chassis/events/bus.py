"""The one way to NATS. A service starts without it, says that it is degraded, and goes on when it comes."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import nats.errors
import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from chassis.cancelling import checkpoint
from chassis.events.encrypted import EncryptedClient, Trust
from chassis.events.metrics import BUS_CONNECTED

CONNECT_TIMEOUT: Final = 2
RECONNECT_WAIT: Final = 0.25
# A server that is frozen keeps its sockets open: only unanswered pings tell. Two missed ones are 6 s.
PING_INTERVAL: Final = 3
REQUEST_TIMEOUT: Final = 2.0

DEFAULT_INBOX: Final = "_INBOX"

_log = structlog.get_logger("chassis.events.bus")


class BusUnavailableError(Exception):
    """NATS cannot be reached at the moment; try again later."""


@dataclass(frozen=True, slots=True)
class Login:
    """An account on the broker. With it answers come to an inbox of the account's own, so that it may read no other."""

    user: str
    password: str = field(repr=False)

    @property
    def inbox(self) -> str:
        """Prefix of all subjects on which this account is answered."""
        return f"{DEFAULT_INBOX}.{self.user}"


class Bus:
    """A NATS connection that is made in the background and never given up. Use `connect` to make one.

    `connected` tells the state of this instant, `degraded` its opposite. `generation` grows with each connection
    that was made: whoever remembers it sees that a gap lay between, in which deliveries may have been lost.
    """

    def __init__(self, url: str, name: str, login: Login | None = None, authority: Path | None = None) -> None:
        self._url = url
        self._name = name
        self._login = login
        self._trust = Trust(authority) if authority is not None or "tls://" in url else None
        self._client: Client | None = None
        self._up = asyncio.Event()
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._on_gap: list[Callable[[], None]] = []
        self.generation = 0
        self.trouble = ""
        """What the last attempt to connect, or the broker's last refusal, said; "" before."""

    @property
    def connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    @property
    def degraded(self) -> bool:
        return not self.connected

    @property
    def client(self) -> Client:
        """The connected client. Raises `BusUnavailableError` while there is none."""
        if self._client is None or not self._client.is_connected:
            raise BusUnavailableError
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream's management calls on `client`, with a time-out of 2 s. Raises `BusUnavailableError`."""
        return self.client.jetstream(timeout=REQUEST_TIMEOUT)

    async def ready(self) -> Client:
        """Wait until connected. The client may be gone again a moment later."""
        while not self.connected:
            await self._up.wait()
            if not self.connected:  # the disconnect callback has not run yet
                await asyncio.sleep(0.01)
        return self.client

    def on_gap(self, callback: Callable[[], None]) -> None:
        """Call `callback` each time that the connection is lost; it must not block nor raise."""
        self._on_gap.append(callback)

    def start(self) -> None:
        """Begin to connect; what has begun already goes on alone, since a second loop would be a second connection."""
        if self._task is not None:
            return
        self._task = asyncio.create_task(self._keep(), name=f"bus:{self._name}")

    async def close(self) -> None:
        """Close the connection; what was handed to it and not acknowledged is sent again by its owner later."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._client is not None:
            with contextlib.suppress(TimeoutError, nats.errors.Error, OSError):
                await asyncio.wait_for(self._client.close(), 2)
            await asyncio.sleep(0)  # the transport ends in the loop's next turn
        self._up.clear()
        BUS_CONNECTED.set(0)

    async def _keep(self) -> None:
        # The library reconnects by itself, but neither the first connection nor one closed for good
        # (authorisation revoked and granted again): hence this loop around it.
        while True:
            self._closed.clear()
            # Kept before it is connected, so that `close` finds what a cancelled attempt left open.
            self._client = client = Client() if self._trust is None else EncryptedClient(self._trust)
            try:
                await client.connect(
                    self._url.split(","),
                    name=self._name,
                    user=self._login.user if self._login else None,
                    password=self._login.password if self._login else None,
                    inbox_prefix=self._login.inbox if self._login else DEFAULT_INBOX,
                    allow_reconnect=True,
                    max_reconnect_attempts=-1,
                    connect_timeout=CONNECT_TIMEOUT,
                    reconnect_time_wait=RECONNECT_WAIT,  # type: ignore[arg-type]  # annotated int, slept as it is
                    ping_interval=PING_INTERVAL,
                    max_outstanding_pings=2,
                    error_cb=self._failed,
                    disconnected_cb=self._went,
                    reconnected_cb=self._came,
                    closed_cb=self._ended,
                )
            except (OSError, TimeoutError, nats.errors.Error) as error:
                self.trouble = self.trouble or type(error).__name__
                _log.warning("bus_unreachable", error=type(error).__name__)
                await asyncio.sleep(RECONNECT_WAIT * 2)
                continue
            checkpoint()
            await self._came()
            await self._closed.wait()

    async def _came(self) -> None:
        self.generation += 1
        self._up.set()
        BUS_CONNECTED.set(1)
        _log.info("bus_connected", generation=self.generation)

    async def _went(self) -> None:
        self._up.clear()
        BUS_CONNECTED.set(0)
        _log.warning("bus_disconnected")
        for callback in self._on_gap:
            callback()

    async def _ended(self) -> None:
        self._up.clear()
        self._closed.set()

    async def _failed(self, error: Exception) -> None:
        # What the broker refuses names the subject; subjects hold nothing personal.
        self.trouble = str(error) or type(error).__name__
        refused = {"refused": str(error)} if "permissions violation" in str(error).lower() else {}
        _log.warning("bus_error", error=type(error).__name__, **refused)


def connect(url: str, name: str, *, login: Login | None = None, authority: Path | None = None) -> Bus:
    """Begin to connect to `url` (several servers separated by commas) and return at once.

    `name` is shown in the server's list of connections. `authority`: PEM file, read at each connection; with it, or with
    `tls://…` and the system's authorities, the connection is encrypted or not made, and the server's certificate must be the
    authority's. Must be called inside a running loop; end it with `close`.
    """
    bus = Bus(url, name, login, authority)
    bus.start()
    return bus

"""Granian inside this process's loop, as something that `chassis.run` can start and drain."""

import asyncio
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from chassis.rpc.server import ListenError
from granian import net
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server
from starlette.types import ASGIApp

from gateway.lines import Lines

_log = structlog.get_logger("gateway.server")
_BACKLOG = 1024
MAX_CONNECTIONS = 16_384
"""The library takes no further connection while so many are open, idle ones included (about 10 kB each)."""
_STOPPING = 5.0
_QUIET = 0.1


class _BoundServer(Server):
    """The library's server on a socket of ours.

    It would open one with SO_REUSEPORT, with which a second process started by mistake silently takes half of the
    connections, and which cannot tell the port it got when asked for any.
    """

    def __init__(self, bound: socket.socket, app: ASGIApp, certificate: Path | None, key: Path | None) -> None:
        super().__init__(
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto,
            websockets=False,
            backlog=_BACKLOG,
            backpressure=MAX_CONNECTIONS,
            log_enabled=False,
            ssl_cert=certificate,
            ssl_key=key,
        )
        self._bound = bound

    def finish(self) -> None:
        """Close the connections and end `serve`."""
        self.interrupt_signal = True
        self.main_loop_interrupt.set()

    def _init_shared_socket(self) -> None:
        self._ssp = None
        holder: Any = vars(net)["SocketHolder"]  # its stub does not know the constructor
        self._shd = holder(self._bound.fileno(), False, _BACKLOG)


class RestServer:
    """Serves `app` on `listen` (`host:port`, port 0 for any free one); `chassis.run.Serving`."""

    def __init__(
        self, listen: str, app: ASGIApp, lines: Lines, *, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        self._listen, self._app, self._lines = listen, app, lines
        self._certificate, self._key = certificate, key
        self._socket: socket.socket | None = None
        self._server: _BoundServer | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen; returns the port. Raises `ListenError` if the address is not to be had."""
        host, _, port = self._listen.rpartition(":")
        host = host.strip("[]")
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            bound = socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
        except OSError:
            raise ListenError(f"cannot listen on {self._listen}: is another process using that port?") from None
        bound.setblocking(False)
        self._socket = bound
        self._server = _BoundServer(bound, self._app, self._certificate, self._key)
        self._task = asyncio.create_task(self._server.serve())
        return int(bound.getsockname()[1])

    async def serving(self, ready: bool) -> None:  # noqa: FBT001 - a state, not an option
        """Nothing to tell: whoever wants to know asks /readyz."""

    async def drain(self, grace: float, *, linger: float = 0.0) -> bool:
        """Stop without losing a request: say so, wait `linger` for balancers, let requests end, then close.

        From the first moment answers close their connections, so that clients come back elsewhere. Returns whether all
        requests had ended within `grace` seconds.
        """
        self._lines.draining = True
        await asyncio.sleep(linger)
        deadline = time.monotonic() + grace
        finished = True
        try:
            async with asyncio.timeout(grace):
                await self._lines.idle()
        except TimeoutError:
            finished = False
            _log.warning("drain_cut_short", requests=self._lines.in_flight)
        if self._server is not None and self._task is not None:
            await asyncio.sleep(min(_QUIET, max(deadline - time.monotonic(), 0.0)))
            self._server.finish()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), _STOPPING)
        if self._socket is not None:
            self._socket.detach()  # the library owned the descriptor and has closed it
        return finished

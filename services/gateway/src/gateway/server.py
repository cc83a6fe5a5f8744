"""Granian inside this process's loop, as something that `chassis.run` can start and drain."""

import asyncio
import math
import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from chassis.files import LOOK_EVERY, Watch, stamp
from chassis.rpc.server import ListenError
from chassis.rpc.tls import TlsError, check
from granian import net
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import AsyncWorker, Server
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.lines import Lines
from gateway.trial import OLDEST_TLS, tried

_log = structlog.get_logger("gateway.server")
_BACKLOG = 1024
MAX_CONNECTIONS = 16_384
"""The library takes no further connection while so many are open, idle ones included (about 10 kB each)."""
_STOPPING = 5.0
_QUIET = 0.1
_HANDOVER = 1.0  # for the new worker to be there
_TRY_AGAIN = 60.0  # with files that the library does not take and nobody has changed since
_LAST_REQUESTS = 2.5  # of connections that are kept, each of which is answered with the wish to close it


class _Door:
    """The application as one worker has it: once it is to leave, answers close their connections."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._leaving = False

    def leave(self) -> None:
        self._leaving = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._leaving or scope.get("http_version") not in (
            "1",
            "1.0",
            "1.1",
        ):  # in HTTP/2 the library says so itself
            await self._app(scope, receive, send)
            return

        async def last(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        await self._app(scope, receive, last)


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
            ssl_protocol_min=OLDEST_TLS,
        )
        self._bound = bound
        self._descriptor = -1
        self._door = _Door(app)
        self._spawned: tuple[int, Any, Any] = (0, None, app)
        self._leaving: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()

    def renew(self, certificate: Path, key: Path) -> None:
        """Go on with what the files hold now: new connections get it; those that there are end after their requests.

        Not by the library's own reload, which waits for the former worker's last client: one that stalls would put off every
        later renewal, for as long as it likes.
        """
        self.build_ssl_context(certificate, key, None, OLDEST_TLS, None, [], False)
        descriptor, door = self._descriptor, self._door
        self._share()  # before anything is changed: it fails when there is no descriptor left
        former = self.wrks.pop()
        worker = self._spawn_worker(*self._spawned)
        self.wrks.append(worker)
        worker.start()  # type: ignore[no-untyped-call]
        leaving = asyncio.create_task(self._hand_over(former, descriptor, door))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def _hand_over(self, former: AsyncWorker, descriptor: int, door: "_Door") -> None:
        """End a worker in steps: it would drop whoever is just then shaking hands with it or sending the next request."""
        await self._rest(_HANDOVER)
        _deafen(descriptor)
        door.leave()
        await self._rest(_LAST_REQUESTS)
        former.terminate()  # type: ignore[no-untyped-call]

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    def _spawn_worker(self, idx: int, target: Any, callback_loader: Any) -> AsyncWorker:  # type: ignore[override]
        self._spawned = idx, target, callback_loader
        if self.ssl_ctx[0]:  # else there is nothing to be renewed
            callback_loader = self._door = _Door(callback_loader)
        return super()._spawn_worker(idx, target, callback_loader)

    def finish(self) -> None:
        """Close the connections and end `serve`."""
        self._ending.set()
        self.interrupt_signal = True
        self.main_loop_interrupt.set()

    def _init_shared_socket(self) -> None:
        self._ssp = None
        self._share()

    def _share(self) -> None:
        """A descriptor of the socket for the next worker, who closes it at its end."""
        holder: Any = vars(net)["SocketHolder"]  # its stub does not know the constructor
        self._descriptor = os.dup(self._bound.fileno())
        self._shd = holder(self._descriptor, False, _BACKLOG)


def _deafen(descriptor: int) -> None:
    """Put a socket that nobody can reach in the place of a worker's listening one: it goes on and takes nobody more."""
    with socket.socket(socket.AF_UNIX) as nowhere:
        nowhere.bind("")  # a name that the kernel chooses
        nowhere.listen(1)
        nowhere.setblocking(False)
        os.dup2(nowhere.fileno(), descriptor)


class RestServer:
    """Serves `app` on `listen` (`host:port`, port 0 for any free one); `chassis.run.Serving`."""

    def __init__(
        self, listen: str, app: ASGIApp, lines: Lines, *, certificate: Path | None = None, key: Path | None = None
    ) -> None:
        self._listen, self._app, self._lines = listen, app, lines
        self._certificate, self._key = certificate, key
        if certificate is not None and key is not None:
            check(certificate=certificate, key=key)
        self._socket: socket.socket | None = None
        self._server: _BoundServer | None = None
        self._task: asyncio.Task[None] | None = None
        self._renewal: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen; returns the port. Raises `ListenError` if the address is not to be had."""
        host, _, port = self._listen.rpartition(":")
        host = host.strip("[]")
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            bound = socket.create_server((host, int(port)), family=family, backlog=_BACKLOG)
        except OSError:
            raise ListenError(self._listen) from None
        bound.setblocking(False)
        self._socket = bound
        self._server = _BoundServer(bound, self._app, self._certificate, self._key)
        self._task = asyncio.create_task(self._server.serve())
        if self._certificate is not None and self._key is not None:
            self._renewal = asyncio.create_task(self._renew(self._server, self._certificate, self._key))
        return int(bound.getsockname()[1])

    @staticmethod
    async def _renew(server: _BoundServer, certificate: Path, key: Path) -> None:
        """Follow the files of the certificate."""
        watch, again_at = Watch((certificate, key)), math.inf
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if not watch.changed() and time.monotonic() < again_at:
                continue
            again_at = math.inf
            try:
                before = stamp(certificate), stamp(key)
                check(certificate=certificate, key=key)
                again_at = time.monotonic() + _TRY_AGAIN  # a trial costs half a second of CPU
                await tried(certificate, key)
                again_at = math.inf
                if (stamp(certificate), stamp(key)) != before:  # they are being written
                    watch.again()
                    continue
                check(certificate=certificate, key=key)
                server.renew(certificate, key)
            except (TlsError, OSError) as error:
                if again_at == math.inf:
                    watch.again()
                _log.warning("tls_files_unusable", reason=str(error))
            else:
                _log.info("tls_files_renewed", certificate=str(certificate))

    async def serving(self, ready: bool) -> None:  # noqa: FBT001 - a state, not an option
        """Nothing to tell: whoever wants to know asks /readyz."""

    async def drain(self, grace: float, *, linger: float = 0.0) -> bool:
        """Stop without losing a request: say so, wait `linger` for balancers, let requests end, then close.

        From the first moment answers close their connections, so that clients come back elsewhere. Returns whether all
        requests had ended within `grace` seconds.
        """
        self._lines.draining = True
        if self._renewal is not None:
            self._renewal.cancel()
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
            if self._socket is not None:
                self._socket.close()  # the worker's descriptor is left, and goes with it
            self._server.finish()
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._task), _STOPPING)
        return finished

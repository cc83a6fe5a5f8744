"""From start to a clean end: one process, one loop, one `Service` on which `app.py` registers what it has.

    async def wire(service: Service) -> None:
        pool = await chassis.pool.create(…)
        service.closer("pool", lambda: chassis.pool.close(pool))
        service.task("relay", relay.run)
        service.check("keys", lambda: keys.loaded)
        service.server(server)

    run("venue", wire)

Order of the start: `wire`, background tasks, servers (NOT_SERVING), readiness. Order of the end: NOT_SERVING, drain of
the servers, background tasks cancelled, closers in reverse order of registration; each with a time limit.
"""

import asyncio
import faulthandler
import gc
import inspect
import os
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
import uvloop

from chassis.metrics import READY, READY_CHECK
from chassis.rpc.server import ListenError
from chassis.settings import EXIT_CODE, SettingsError
from chassis.tasks import supervise
from chassis.waiting import NotInTimeError

_log = structlog.get_logger("chassis.run")
_OPEN_FILES = 65_536
_LOOK_EVERY = 0.5
_LOOK_AT_FIRST = 0.05  # a start should not end with a wait for the next look
_CHECK_LIMIT = 2.0
_CANCEL_AGAIN = 1.0
_CANCELS = 5
# Calls and batches make thousands of objects that no cycle holds; the default, 700, walks them again and again for nothing.
_COLLECT_AFTER = (20_000, 20, 20)


class Serving(Protocol):
    """What `Service` can start and drain; `chassis.rpc.server.Server` is one."""

    async def start(self) -> int: ...
    async def serving(self, ready: bool) -> None: ...  # noqa: FBT001 - a state, not an option
    async def drain(self, grace: float, *, linger: float = 0.0) -> bool: ...


Check = Callable[[], bool | Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class _Closer:
    name: str
    close: Callable[[], Awaitable[object]]
    limit: float


class Service:
    """One process's servers, background tasks, readiness checks and closers.

    `drain_seconds` bounds how long calls under way may take at the end, `linger_seconds` is waited before that so that
    balancers see NOT_SERVING first.
    """

    def __init__(self, name: str, *, drain_seconds: float = 20.0, linger_seconds: float = 0.0) -> None:
        self.name = name
        self.drain_seconds = drain_seconds
        self.linger_seconds = linger_seconds
        self.ports: list[int] = []
        self.ready = False
        self._servers: list[Serving] = []
        self._closers: list[_Closer] = []
        self._tasks: list[tuple[str, Callable[[], Coroutine[Any, Any, object]], bool]] = []
        self._running: list[asyncio.Task[None]] = []
        self._checks: dict[str, Check] = {}
        self._stop = asyncio.Event()
        self._failed = False
        self._wrong = False

    def server(self, server: Serving) -> None:
        """Serve `server` once everything is wired."""
        self._servers.append(server)

    def task(self, name: str, work: Callable[[], Coroutine[Any, Any, object]], *, essential: bool = False) -> None:
        """Run `work()` for the service's life.

        A crash is logged and counted, and `work()` is called again after a growing pause (0.1…2 s): a relay that
        trips over a lost connection must not take the service down. With `essential` a crash ends the process with
        exit code 1 after a drain, for state that cannot be rebuilt in place. Returning is a normal end.
        """
        self._tasks.append((name, work, essential))

    def closer(self, name: str, close: Callable[[], Awaitable[object]], *, limit: float = 5.0) -> None:
        """Call `close` at the end, after what was registered later; given up after `limit` seconds."""
        self._closers.append(_Closer(name, close, limit))

    def check(self, name: str, check: Check) -> None:
        """A condition of readiness; the service takes traffic while all hold. Raising or taking over 2 s is "no".

        What the service can do without, if degraded, is no condition.
        """
        self._checks[name] = check

    def stop(self) -> None:
        """Begin the end, as SIGTERM does."""
        self._stop.set()

    async def serve(self, wire: Callable[["Service"], Awaitable[None]]) -> int:
        """The whole life; returns the exit code: 0 after a clean end, 1 after a failure, 2 for settings that are wrong."""
        started = time.perf_counter()
        try:
            if not await self._wired(wire):
                return 0
            for name, work, essential in self._tasks:
                self._running.append(asyncio.create_task(supervise(name, work, self._crashed if essential else None)))
            for server in self._servers:
                self.ports.append(await server.start())
            self._running.append(asyncio.create_task(supervise("readiness", self._watch_readiness, None)))
            # What exists now lives as long as the process; the collector need not walk it again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_COLLECT_AFTER)
            _log.info("started", ports=self.ports, seconds=round(time.perf_counter() - started, 3))
            await self._stop.wait()
        except ListenError as error:
            _log.error("cannot_listen", reason=str(error))
            self._failed = True
        except NotInTimeError as error:
            _log.error("not_in_time", reason=str(error))
            self._failed = True
        except SettingsError as error:
            sys.stderr.write(f"Cannot start: {error}\n")  # for a person, as settings that cannot be read at all
            self._wrong = self._failed = True
        except Exception as error:  # noqa: BLE001 - whatever it was, what is open has to be closed
            _log.error("start_failed", exc_info=error)
            self._failed = True
        finally:
            await self._end()
        return EXIT_CODE if self._wrong else 1 if self._failed else 0

    async def _wired(self, wire: Callable[["Service"], Awaitable[None]]) -> bool:
        """Put everything together; False when the end was asked for meanwhile: `wire` may be waiting for a database."""
        starting = asyncio.current_task()

        async def cut_short() -> None:
            await self._stop.wait()
            if starting is not None:
                starting.cancel()

        # Awaited in this very task, because context variables that `wire` sets must hold for all that follows.
        watch = asyncio.create_task(cut_short())
        try:
            await wire(self)
        except asyncio.CancelledError:
            if starting is None or not self._stop.is_set():
                raise
            starting.uncancel()
            _log.info("stopped_while_starting")
            return False
        finally:
            watch.cancel()
        return True

    def _crashed(self) -> None:
        self._failed = True
        self._stop.set()

    async def _watch_readiness(self) -> None:
        pause = _LOOK_AT_FIRST
        while True:
            pause = _LOOK_EVERY if await self.look() else min(pause * 1.1, _LOOK_EVERY)
            await asyncio.sleep(pause)

    async def look(self) -> bool:
        """Evaluate the readiness checks now and tell the servers."""
        ready = True
        for name, check in self._checks.items():
            holds = await _holds(check)
            READY_CHECK.labels(name).set(holds)
            if not holds and self.ready:
                _log.warning("not_ready", check=name)
            ready = ready and holds
        if self._stop.is_set():  # maybe while a check was asked: nobody is told again what the drain has told them
            return False
        if ready != self.ready:
            self.ready = ready
            READY.set(ready)
            for server in self._servers:
                await server.serving(ready)
            if ready:
                _log.info("ready")
        return ready

    async def _end(self) -> None:
        self._stop.set()
        READY.set(0)
        for server in self._servers:
            # The server bounds itself by the grace; what is on top is for a loop that is slow to get there.
            await self._bounded(
                "server",
                lambda server=server: server.drain(self.drain_seconds, linger=self.linger_seconds),  # type: ignore[misc]
                self.drain_seconds + self.linger_seconds + 5.0,
            )
        if stuck := await cancelled(self._running):
            _log.warning("tasks_stuck", count=len(stuck))
        for closer in reversed(self._closers):
            await self._bounded(closer.name, closer.close, closer.limit)
        _log.info("stopped")

    async def _bounded(self, what: str, close: Callable[[], Awaitable[object]], limit: float) -> None:
        try:
            async with asyncio.timeout(limit):
                await close()
        except Exception as error:  # noqa: BLE001 - the rest has to be closed all the same
            _log.warning("close_failed", part=what, exc_info=error)


async def _holds(check: Check) -> bool:
    try:
        async with asyncio.timeout(_CHECK_LIMIT):
            answer = check()
            return bool(await answer) if inspect.isawaitable(answer) else bool(answer)
    except Exception:  # noqa: BLE001 - a check that cannot tell does not hold
        return False


async def cancelled(tasks: Collection["asyncio.Task[object]"]) -> "set[asyncio.Task[object]]":
    """Cancel tasks until they end, for at most `_CANCELS` × `_CANCEL_AGAIN` seconds; returns those that would not.

    Once is not enough: `asyncio.wait_for` loses a cancellation that meets the very moment in which what it waits for is
    done (https://github.com/python/cpython/issues/86296), and drivers are full of it.
    """
    left = {task for task in tasks if not task.done()}
    for _ in range(_CANCELS):
        if not left:
            break
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_CANCEL_AGAIN)
    return left


def _open_files() -> None:
    """Raise the soft limit of open files as far as is allowed: at the usual 1,024 a crowd of idle clients shuts others out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(
    name: str,
    wire: Callable[[Service], Awaitable[None]],
    *,
    drain_seconds: float = 20.0,
    linger_seconds: float = 0.0,
) -> int:
    """Run a service until SIGTERM or SIGINT; returns the exit code for `sys.exit`.

    A second signal ends the process at once. SIGUSR1 prints every thread's stack to standard error.
    """
    _open_files()
    faulthandler.enable()
    with suppress(AttributeError, ValueError):  # no SIGUSR1 on this platform, or standard error is not a file
        faulthandler.register(signal.SIGUSR1, all_threads=True)

    async def live() -> int:
        service = Service(name, drain_seconds=drain_seconds, linger_seconds=linger_seconds)
        loop = asyncio.get_running_loop()

        def asked() -> None:
            if service._stop.is_set():  # noqa: SLF001 - the same module
                sys.stderr.write("Second signal: ending at once.\n")
                signal.raise_signal(signal.SIGKILL)
            service.stop()

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked)
        code = await service.serve(wire)
        # What libraries left running; the loop's own end would wait for it for ever.
        if stuck := await cancelled(asyncio.all_tasks() - {asyncio.current_task()}):
            _log.warning("ended_with_tasks", count=len(stuck))
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        return code

    return uvloop.run(live())

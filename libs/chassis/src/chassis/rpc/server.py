"""A gRPC server with everything that every service needs around its handlers."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_reflection.v1alpha.reflection import aio as reflection

from chassis.access import AccessError, AreaFrom, Rule, rule_of
from chassis.auth import Authenticator
from chassis.rpc.admission import Policy
from chassis.rpc.guard import MethodGuard
from chassis.rpc.in_flight import InFlight
from chassis.rpc.probes import Probes
from chassis.rpc.tls import ServerTls

__all__ = ["ListenError", "Server", "ServerTls"]

_log = structlog.get_logger("chassis.rpc")
_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
MESSAGE_LIMIT = 4 * 1024 * 1024
MAX_CONNECTIONS = 16_384  # about 17 kB each
MAX_STREAMS = 4_096
"""Calls at a time on one connection. Who is honest and comes near is refused some of them, to be tried again."""
_HANDSHAKE = 15.0  # seconds until a connection must have spoken HTTP/2
KEEPALIVE = 20.0
"""Seconds of silence after which either end asks whether the other is there."""
LEAST_PING_INTERVAL = 5.0
"""Seconds: pings that come faster are counted. A quarter of `KEEPALIVE`, so that a late one never meets its successor."""
_PING_STRIKES = 10  # as many may come at once, as after a freeze, before a connection is taken for a flood of them
_WORD_GETS_OUT = 0.05  # for health watchers and last callers to be written to
_QUIET_LIMIT = 2.0
_CANCELLING = 5.0  # for handlers to notice that they were cancelled


class ListenError(Exception):
    """The address cannot be listened on; the message names it and the usual causes."""

    def __init__(self, listen: str) -> None:
        super().__init__(
            f"cannot listen on {listen}: is another process using that port, or is it no address of this machine?"
        )


class _Recorder:
    """Stands in for a server while generated code registers a servicer, to learn its methods."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}

    def add_generic_rpc_handlers(self, _handlers: Sequence[Any]) -> None:
        """Ignored: the same methods arrive by name below, where they can be wrapped."""

    def add_registered_method_handlers(self, service_name: str, method_handlers: Mapping[str, Any]) -> None:
        self.services[service_name] = dict(method_handlers)


class Server:
    """Collects servicers, then serves them on `listen` (`host:port`, port 0 for any free one).

    `authenticators` are tried in order; the first that knows the credentials names the caller. `hot` lists full
    method names (`/package.Service/Method`) that are traced only when asked or with the chance `hot_ratio`. Messages
    are bounded by `message_limit` bytes both ways, connections by MAX_CONNECTIONS, calls on each by MAX_STREAMS.
    Connections end after `connection_age`, so that clients
    spread over new replicas; calls under way get 30 s more. `health_listen`: see `chassis.rpc.probes`.
    """

    def __init__(
        self,
        listen: str,
        *,
        authenticators: Sequence[Authenticator] = (),
        tls: ServerTls | None = None,
        hot: Collection[str] = (),
        hot_ratio: float = 0.01,
        message_limit: int = MESSAGE_LIMIT,
        connection_age: timedelta = timedelta(minutes=10),
        reuse_port: bool = False,
        health_listen: str = "",
    ) -> None:
        self._listen = listen
        self._probes = Probes(health_listen) if health_listen else None
        self._tls = tls
        self._policy = Policy(tuple(authenticators), frozenset(hot), hot_ratio)
        self._in_flight = InFlight()
        self._services: dict[str, dict[str, Any]] = {}
        self._rules: dict[str, Rule] = {}
        self._health = health.HealthServicer()
        self._server: grpc.aio.Server | None = None
        self._options = [
            ("grpc.max_receive_message_length", message_limit),
            ("grpc.max_send_message_length", message_limit),
            ("grpc.max_connection_age_ms", int(connection_age.total_seconds() * 1000)),
            ("grpc.max_connection_age_grace_ms", 30_000),
            # Strangers must not take all the memory: a silent connection goes, and there are not too many of them.
            ("grpc.server_handshake_timeout_ms", int(_HANDSHAKE * 1000)),
            ("grpc.max_allowed_incoming_connections", MAX_CONNECTIONS),
            ("grpc.max_concurrent_streams", MAX_STREAMS),
            # The channel of this package pings as well; both ends have to agree to it, or GOAWAY follows.
            ("grpc.keepalive_time_ms", int(KEEPALIVE * 1000)),
            ("grpc.keepalive_timeout_ms", 10_000),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_recv_ping_interval_without_data_ms", int(LEAST_PING_INTERVAL * 1000)),
            ("grpc.http2.max_ping_strikes", _PING_STRIKES),
            # Off, or a second process started by mistake would silently share the port.
            ("grpc.so_reuseport", int(reuse_port)),
        ]

    @property
    def methods(self) -> Mapping[str, Rule]:
        """Full method name → rule, for the access matrix."""
        return MappingProxyType(self._rules)

    @property
    def service_names(self) -> tuple[str, ...]:
        """The services added, in order."""
        return tuple(self._services)

    def add(self, servicer: object, add_fn: Callable[[Any, Any], None], service_name: str | None = None) -> None:
        """Register a servicer with its generated `add_…Servicer_to_server`.

        Raises `AccessError` if a method has no rule or one that cannot work, or if `service_name` is not what
        the generated code registers.
        """
        recorded = self._record(servicer, add_fn)
        if service_name is not None and set(recorded) != {service_name}:
            raise AccessError(f"{sorted(recorded)} is registered, not {service_name}")
        for service, handlers in recorded.items():
            self._services[service] = {
                name: self._guarded(f"/{service}/{name}", getattr(servicer, name, None), handler)
                for name, handler in handlers.items()
            }

    async def start(self) -> int:
        """Listen, health NOT_SERVING; returns the port. Raises `ListenError` if the address is not to be had."""
        server = grpc.aio.server(options=self._options)
        names = [*self._services, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name]
        names.append(reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"].full_name)
        open_to_all = self._record(self._health, health_pb2_grpc.add_HealthServicer_to_server) | self._record(
            reflection.ReflectionServicer(names), reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        )
        # Ours first: the library asks the handlers in turn for every call.
        for service, handlers in self._services.items():
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        for service, handlers in open_to_all.items():
            wrapped = {
                name: MethodGuard(f"/{service}/{name}", None, self._policy, self._in_flight).wrap(handler)
                for name, handler in handlers.items()
            }
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, wrapped),))
        try:
            if self._tls is None:
                port = server.add_insecure_port(self._listen)
            else:
                port = server.add_secure_port(self._listen, self._tls.credentials())
        except RuntimeError:
            raise ListenError(self._listen) from None
        if self._probes is not None and not await self._probes.start():
            raise ListenError(self._probes.listen)
        await self.serving(False)
        await server.start()
        self._server = server
        return port

    async def serving(self, ready: bool) -> None:  # noqa: FBT001 - a state, not an option
        """Tell health watchers, for the server as a whole ("") and for each service by name."""
        for service in ("", *self._services):
            await self._health.set(service, _SERVING if ready else _NOT_SERVING)
        if self._probes is not None:
            await self._probes.serving(ready)

    async def drain(self, grace: float, *, linger: float = 0.0) -> bool:
        """Stop without losing a call: NOT_SERVING, a moment of quiet, close the port, end streams, wait for the handlers.

        `linger` seconds pass between NOT_SERVING and the refusal, so that balancers can look away first. After `grace`
        seconds what still runs is cancelled. Returns whether all handlers had finished by themselves.

        A call that had arrived but not reached its handler is answered CANCELLED by the library (grpc issue 41785); it
        had no effect, and channels of this package send it again if it is among their `retry` methods.
        """
        await self._health.enter_graceful_shutdown()
        if self._probes is not None:
            await self._probes.serving(False)
        if self._server is None:
            return True
        try:
            return await self._drain(grace, linger)
        finally:
            if self._probes is not None:
                await self._probes.stop()

    async def _drain(self, grace: float, linger: float) -> bool:
        if self._server is None:
            return True
        await asyncio.sleep(max(linger, _WORD_GETS_OUT))
        # The library closes a connection with its last answer, and what the client sends at that moment resets it and
        # loses the answer. So the ports are closed in a moment of quiet if there is one; clients of this package
        # watch our health and are gone by now.
        began = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(grace / 2, _QUIET_LIMIT)):
                await self._in_flight.quiet()
        await asyncio.sleep(_WORD_GETS_OUT)
        grace = max(grace - (time.monotonic() - began), 0.1)
        self._in_flight.end_streams()
        idle = asyncio.create_task(self._in_flight.idle())
        stopping = asyncio.create_task(self._server.stop(grace))
        _, unfinished = await asyncio.wait({idle, stopping}, timeout=grace)
        idle.cancel()
        if unfinished:
            _log.warning("drain_cut_short", calls=self._in_flight.count)
            await asyncio.wait({stopping}, timeout=_CANCELLING)
        return not unfinished

    def _guarded(self, method: str, function: Callable[..., Any] | None, handler: Any) -> Any:
        rule = None if function is None else rule_of(function)
        if rule is None:
            raise AccessError(f"{method} has no access rule: put @allow(…) on it")
        if handler.request_streaming and not isinstance(rule.area, AreaFrom):
            raise AccessError(f"{method} takes a stream: its area must be RESOURCE or NOWHERE")
        self._rules[method] = rule
        return MethodGuard(method, rule, self._policy, self._in_flight).wrap(handler)

    @staticmethod
    def _record(servicer: object, add_fn: Callable[[Any, Any], None]) -> dict[str, dict[str, Any]]:
        recorder = _Recorder()
        add_fn(servicer, recorder)
        if not recorder.services:
            raise AccessError("the registration function names no methods; generate it with grpcio-tools ≥ 1.64")
        return recorder.services

"""Channels to other services: deadlines, credentials, traces and domain errors on every call.

A thin layer over `grpc.aio.Channel` instead of client interceptors, because those start one more task per call.
Unary calls on it return a coroutine (await it; there is no call object) and all failures arrive as `DomainError`.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any, Final, Self

import grpc
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from chassis.errors import DomainError, Kind
from chassis.rpc import outgoing
from chassis.rpc.server import KEEPALIVE, MESSAGE_LIMIT
from chassis.rpc.status import from_rpc_error
from chassis.rpc.tls import ClientTls, Renewing
from chassis.telemetry import current_traceparent, mark_failed, tracer

__all__ = ["Channel", "ClientTls", "Stream", "connect", "service_config"]

Metadata = Sequence[tuple[str, str | bytes]]


def connect(
    target: str,
    *,
    name: str,
    tls: ClientTls | None = None,
    retry: Collection[str] = (),
    timeout: float = 5.0,
    token: Callable[[], str] | None = None,
    forward_caller: bool = False,
    message_limit: int = MESSAGE_LIMIT,
) -> "Channel":
    """A channel to `target` (`host:port` or `dns:///host:port`); it connects when first used and reconnects for ever.

    `name` is ours, for the peer's logs. `retry` lists what is idempotent, as `package.Service` or
    `package.Service/Method`; only that is tried again when the peer is away or stopping, four times in all, within the deadline.
    `timeout` seconds are the default deadline; the time left of the call being served always bounds it. `token` gives
    this workload's token; with `forward_caller` the token, purpose and reference of the person behind the call being
    served go instead.
    """
    options = [
        ("grpc.primary_user_agent", name),
        ("grpc.service_config", service_config(retry)),
        ("grpc.enable_retries", 1),
        ("grpc.max_receive_message_length", message_limit),
        ("grpc.max_send_message_length", message_limit),
        ("grpc.keepalive_time_ms", int(KEEPALIVE * 1000)),
        ("grpc.keepalive_timeout_ms", 10_000),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # A peer that comes back is to be found within 5 s; gRPC's own back-off grows to two minutes.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.dns_min_time_between_resolutions_ms", 2_000),
    ]
    caller = _Caller(timeout, token, forward_caller=forward_caller)
    if tls is None:
        return Channel(grpc.aio.insecure_channel(target, options=options), caller)
    # One pool of connections for each channel: the new one must not take up those that the old certificate made.
    options.append(("grpc.use_local_subchannel_pool", 1))
    return Channel(Renewing(tls, lambda own: grpc.aio.secure_channel(target, own, options=options), _retire), caller)


_RETIRING: set[asyncio.Task[None]] = set()
_RETIRE_SECONDS: Final = 120.0  # longer than any call with a deadline


def _retire(channel: grpc.aio.Channel) -> None:
    ending = asyncio.get_running_loop().create_task(channel.close(_RETIRE_SECONDS))
    _RETIRING.add(ending)
    ending.add_done_callback(_RETIRING.discard)


def service_config(retry: Collection[str]) -> str:
    """The gRPC service config (JSON): round robin over servers that say SERVING, retries for what is idempotent.

    Watching the servers' health is what lets one drain without a failed call: it says NOT_SERVING, new calls go
    elsewhere, those under way end in peace.
    """
    config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": ""}}
    if retry:
        names = []
        for item in sorted(retry):
            service, _, method = item.partition("/")
            names.append({"service": service, "method": method} if method else {"service": service})
        config["methodConfig"] = [
            {
                "name": names,
                "retryPolicy": {
                    "maxAttempts": 4,
                    "initialBackoff": "0.05s",
                    "maxBackoff": "1s",
                    "backoffMultiplier": 3,
                    # CANCELLED by the peer is how a server that is stopping answers what it had not begun
                    # (grpc issue 41785); a call that we cancel ourselves is not tried again.
                    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
                },
            }
        ]
        config["retryThrottling"] = {"maxTokens": 100, "tokenRatio": 0.1}
    return json.dumps(config)


class _Caller:
    """Deadline and metadata of outgoing calls."""

    def __init__(self, timeout: float, token: Callable[[], str] | None, *, forward_caller: bool) -> None:
        self._timeout = timeout
        self._token = token
        self._forward = forward_caller

    def timeout(self, asked: float | None) -> float:
        """Seconds for this call; raises UNAVAILABLE / DEADLINE_EXCEEDED if none are left."""
        seconds = self._timeout if asked is None else asked
        left = outgoing.time_left()
        if left is not None:
            seconds = min(seconds, left)
        if seconds <= 0:
            raise DomainError(Kind.UNAVAILABLE, "DEADLINE_EXCEEDED", "The answer took too long.")
        return seconds

    def metadata(self, given: Metadata | None) -> tuple[tuple[str, str | bytes], ...]:
        """The call's metadata; what is given explicitly wins."""
        pairs = list(given or ())
        names = {pair[0] for pair in pairs}
        added: list[tuple[str, str]] = []
        incoming = outgoing.current()
        if self._forward and incoming.authorization:
            added.append(("authorization", incoming.authorization))
        elif self._token is not None and "authorization" not in names:
            added.append(("authorization", f"Bearer {self._token()}"))
        if self._forward and incoming.purpose:
            added += [("x-purpose", incoming.purpose), ("x-purpose-ref", incoming.purpose_ref)]
        traceparent = current_traceparent()
        if traceparent is not None:
            added.append(("traceparent", traceparent))
        pairs += [pair for pair in added if pair[0] not in names]
        return tuple(pairs)


class Channel(grpc.aio.Channel):
    """See `connect`; generated stubs take it like any channel."""

    def __init__(self, inner: grpc.aio.Channel | Renewing, caller: _Caller) -> None:
        self._source = inner
        self._caller = caller

    @property
    def _inner(self) -> grpc.aio.Channel:
        return self._source.current() if isinstance(self._source, Renewing) else self._source

    def unary_unary(self, method: str, *args: Any, **options: Any) -> Any:
        return self._unary(method, self._made(lambda inner: inner.unary_unary(method, *args, **options)))

    def stream_unary(self, method: str, *args: Any, **options: Any) -> Any:
        return self._unary(method, self._made(lambda inner: inner.stream_unary(method, *args, **options)))

    def unary_stream(self, method: str, *args: Any, **options: Any) -> Any:
        return self._stream(self._made(lambda inner: inner.unary_stream(method, *args, **options)))

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Any:
        return self._stream(self._made(lambda inner: inner.stream_stream(method, *args, **options)))

    def _made(self, make: Callable[[grpc.aio.Channel], Callable[..., Any]]) -> Callable[..., Any]:
        """The call of a method on the channel of this moment."""
        source = self._source
        if not isinstance(source, Renewing):
            return make(source)
        held: tuple[grpc.aio.Channel, Callable[..., Any]] = (source.current(), make(source.current()))

        def call(*args: Any, **options: Any) -> Any:
            nonlocal held
            inner = source.current()
            if held[0] is not inner:
                held = (inner, make(inner))
            return held[1](*args, **options)

        return call

    def _unary(self, method: str, call: Any) -> Callable[..., Coroutine[Any, Any, Any]]:
        caller = self._caller

        async def traced(
            request: Any,
            *,
            timeout: float | None = None,  # noqa: ASYNC109 - gRPC's own
            metadata: Metadata | None = None,
            **options: Any,
        ) -> Any:
            seconds = caller.timeout(timeout)
            if not trace.get_current_span().is_recording():
                try:
                    return await call(request, timeout=seconds, metadata=caller.metadata(metadata), **options)
                except grpc.aio.AioRpcError as error:
                    raise from_rpc_error(error) from None
            with tracer().start_as_current_span(
                method, kind=SpanKind.CLIENT, record_exception=False, set_status_on_exception=False
            ) as span:
                try:
                    return await call(request, timeout=seconds, metadata=caller.metadata(metadata), **options)
                except grpc.aio.AioRpcError as error:
                    mark_failed(span, error.code().name)
                    raise from_rpc_error(error) from None

        return traced

    def _stream(self, call: Any) -> Callable[..., "Stream"]:
        caller = self._caller

        def start(
            request: Any = None, *, timeout: float | None = None, metadata: Metadata | None = None, **options: Any
        ) -> Stream:
            # A stream lives longer than a call: it has a deadline only when one is asked for.
            seconds = None if timeout is None else caller.timeout(timeout)
            return Stream(call(request, timeout=seconds, metadata=caller.metadata(metadata), **options))

        return start

    async def close(self, grace: float | None = None) -> None:
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002 - theirs
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._inner.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Stream:
    """A streaming call: iterate it; `cancel` ends it. Failures arrive as `DomainError`."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            answer = await self._call.read()
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None
        if answer is grpc.aio.EOF:
            raise StopAsyncIteration
        return answer

    async def write(self, request: Any) -> None:
        """Send one message; for calls with a request stream and no iterator."""
        try:
            await self._call.write(request)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from None

    async def done_writing(self) -> None:
        await self._call.done_writing()

    def cancel(self) -> bool:
        return bool(self._call.cancel())

"""What happens around every handler, in one wrapper put on at registration.

grpc.aio interceptors cost an extra coroutine and a handler object per call and layer; a wrapper made once per method
costs neither. It opens the span, admits the call, maps errors and keeps the metrics.
"""

import asyncio
import inspect
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
import structlog
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind

from chassis import access
from chassis.errors import DomainError, Kind, store_error
from chassis.rpc.admission import (
    Policy,
    admit,
    all_readable,
    check_answered,
    check_request,
    metadata_of,
    validated,
)
from chassis.rpc.in_flight import InFlight
from chassis.rpc.stats import RPC
from chassis.rpc.status import to_wire
from chassis.rpc.validation import decoding, readable
from chassis.telemetry import mark_failed, parse_traceparent, tracer

_log = structlog.get_logger("chassis.rpc")
_OUR_FAULT = frozenset({"INTERNAL", "UNKNOWN", "UNAVAILABLE"})
_MAKE: dict[tuple[bool, bool], Any] = {
    (False, False): grpc.unary_unary_rpc_method_handler,
    (False, True): grpc.unary_stream_rpc_method_handler,
    (True, False): grpc.stream_unary_rpc_method_handler,
    (True, True): grpc.stream_stream_rpc_method_handler,
}

# grpc.aio's ServicerContext and RpcMethodHandler; their stubs are generic over messages not known here.
Context = Any
Handler = Any


class MethodGuard:
    """The wrapper of one method. `rule` None is for health and reflection: no checks, no traces, no metrics."""

    def __init__(self, method: str, rule: access.Rule | None, policy: Policy, in_flight: InFlight) -> None:
        self.method = method
        self.rule = rule
        self.policy = policy
        self.in_flight = in_flight
        self.hot = method in policy.hot
        self.stats = RPC.method(method) if rule is not None else None

    def wrap(self, handler: Handler) -> Handler:
        """The handler with everything around it; same shape (unary or streaming) as before."""
        shape = (bool(handler.request_streaming), bool(handler.response_streaming))
        behavior = handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
        build = self._generator if inspect.isasyncgenfunction(behavior) else self._coroutine
        return _MAKE[shape](
            build(behavior, streams=any(shape), request_streams=shape[0]),
            decoding(handler.request_deserializer),
            handler.response_serializer,
        )

    def _coroutine(self, behavior: Callable[..., Any], *, streams: bool, request_streams: bool) -> Callable[..., Any]:
        rule = self.rule

        async def serve(request: Any, context: Context) -> Any:
            self.in_flight.enter(stream=streams)
            call = _Call(self, context)
            try:
                if rule is None:
                    return await behavior(all_readable(request) if request_streams else readable(request), context)
                state = await call.admit(rule, streams=streams)
                if request_streams:
                    request = validated(request)
                else:
                    check_request(rule, state.caller, request)
                answer = await behavior(request, context)
                check_answered(rule, state)
                return answer  # noqa: TRY300 - an else would hide that the checks are inside the try
            except BaseException as error:
                await call.failed(error, streams=streams)
                raise
            finally:
                self.in_flight.leave(stream=streams)
                call.ended()

        return serve

    def _generator(self, behavior: Callable[..., Any], *, streams: bool, request_streams: bool) -> Callable[..., Any]:
        rule = self.rule

        async def serve(request: Any, context: Context) -> AsyncIterator[Any]:
            self.in_flight.enter(stream=streams)
            call = _Call(self, context)
            try:
                state = None
                if rule is not None:
                    state = await call.admit(rule, streams=streams)
                    if request_streams:
                        request = validated(request)
                    else:
                        check_request(rule, state.caller, request)
                else:
                    request = all_readable(request) if request_streams else readable(request)
                async for answer in behavior(request, context):
                    if rule is not None and state is not None:
                        check_answered(rule, state)
                    yield answer
            except BaseException as error:
                await call.failed(error, streams=streams)
                raise
            finally:
                self.in_flight.leave(stream=streams)
                call.ended()

        return serve


class _Call:
    """One call's span, clock and outcome."""

    __slots__ = ("_code", "_context", "_guard", "_span", "_started")

    def __init__(self, guard: MethodGuard, context: Context) -> None:
        self._guard = guard
        self._context = context
        self._started = time.perf_counter()
        self._code = "OK"
        self._span: Span | None = None

    async def admit(self, rule: access.Rule, *, streams: bool) -> access.CallState:
        guard = self._guard
        metadata = metadata_of(self._context)
        self._open_span(metadata)
        return await admit(guard.policy, rule, guard.method, metadata, self._context.time_remaining(), streams=streams)

    def _open_span(self, metadata: Mapping[str, str]) -> None:
        guard = self._guard
        parent = parse_traceparent(metadata.get("traceparent"))
        asked = parent is not None and trace.get_current_span(parent).get_span_context().trace_flags.sampled
        # A span costs more than the rest of this wrapper: a hot call has one if its caller asks for it, or rarely.
        if guard.hot and not asked and random.random() >= guard.policy.hot_ratio:  # noqa: S311 - no secret
            return
        self._span = tracer().start_span(guard.method, context=parent or otel_context.Context(), kind=SpanKind.SERVER)
        # Never detached: the call's task ends with the call, and its context with it.
        otel_context.attach(trace.set_span_in_context(self._span))

    async def failed(self, error: BaseException, *, streams: bool) -> None:
        """Answer with the public face of `error`; returns only for what has to go on as it is."""
        if isinstance(error, grpc.aio.AbortError):
            code = self._context.code()
            self._code = code.name if isinstance(code, grpc.StatusCode) else "UNKNOWN"
            return
        if isinstance(error, grpc.aio.InternalError):
            # What the library raises when it cannot write: the caller is gone, and there is nobody to answer.
            self._code = "CANCELLED"
            return
        if isinstance(error, Exception):
            known = self._public(error)
        elif streams and self._guard.in_flight.draining and isinstance(error, asyncio.CancelledError):
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            known = DomainError(Kind.UNAVAILABLE, "SERVER_DRAINING", "This server is being replaced; connect again.")
        else:
            self._code = "CANCELLED"
            return
        wire = to_wire(known)
        self._code = wire.code.name
        await self._context.abort(wire.code, wire.details, wire.trailing_metadata)

    def _public(self, error: Exception) -> DomainError:
        method = self._guard.method
        if isinstance(error, DomainError) and (error.kind is not Kind.INTERNAL or "error_id" in error.metadata):
            return error
        known = store_error(error)
        if known is not None:
            _log.warning("store_failed", method=method, reason=known.reason, error=type(error).__name__)
            return known
        # The id is all that leaves: the text of an unknown error may quote anything.
        error_id = secrets.token_hex(8)
        _log.error("rpc_failed", method=method, error_id=error_id, exc_info=error)
        return DomainError(Kind.INTERNAL, "INTERNAL", "Something failed on our side.", metadata={"error_id": error_id})

    def ended(self) -> None:
        stats = self._guard.stats
        if stats is None:
            return
        stats.count(time.perf_counter() - self._started, self._code)
        if self._span is not None:
            self._span.set_attribute("rpc.grpc.status", self._code)
            if self._code in _OUR_FAULT:
                mark_failed(self._span, self._code)
            self._span.end()

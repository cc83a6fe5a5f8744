"""What every request passes first: the hot route's short cut, then trace, metrics, access log and common headers."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from chassis import telemetry
from chassis.telemetry import mark_failed
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.lines import Lines
from gateway.routes.check_ins import CHECK_IN

_log = structlog.get_logger("gateway.access")
_VISIT = "gateway.visit"
_OUR_FAULT = 500
UNROUTED = "unrouted"


@dataclass(slots=True)
class Visit:
    """What is learned about a request on its way: the template of its route, its status."""

    route: str = UNROUTED
    status: int = 499  # what the metrics call a client that went away


def visit_of(scope: Scope) -> Visit:
    """The record of a request; routes write their template into it, never an address: addresses hold people's ids."""
    found: Visit = scope.setdefault(_VISIT, Visit())
    return found


class Front:
    """The outermost ASGI application.

    `methods` tells which methods an address takes. HEAD is served as GET without the body, OPTIONS says what is
    possible; both without any code in the routes.
    """

    def __init__(
        self, rest: ASGIApp, hot: ASGIApp, lines: Lines, methods: Callable[[Scope], set[str]], *, access_log: bool
    ) -> None:
        self._rest, self._hot, self._lines, self._methods = rest, hot, lines, methods
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # the server is told to offer nothing else
        if scope["path"] == CHECK_IN.path and scope["method"] == CHECK_IN.verb:
            await self._hot(scope, receive, send)
            return
        started = time.perf_counter()
        visit = visit_of(scope)
        method = scope["method"]
        self._lines.in_flight += 1
        span = self._open_span(scope)
        # Never detached: the request's task ends with the request, and its context with it.
        otel_context.attach(trace.set_span_in_context(span))
        try:
            await self._serve(scope, receive, self._sender(send, visit, without_body=method == "HEAD"))
        finally:
            self._lines.in_flight -= 1
            seconds = time.perf_counter() - started
            # A made-up method must not become a label.
            verb = "GET" if method == "HEAD" else method if visit.route != UNROUTED or method == "OPTIONS" else ""
            name = f"{verb} {visit.route}".strip()
            self._lines.count(name, visit.status, seconds)
            span.update_name(name)
            span.set_attributes({"http.route": visit.route, "http.response.status_code": visit.status})
            if visit.status >= _OUR_FAULT:
                mark_failed(span, str(visit.status))
            span.end()
            if self._access_log:
                _log.info("request", route=name, status=visit.status, ms=round(seconds * 1000, 2))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "OPTIONS" and (allowed := self._methods(scope)):
            headers = [(b"allow", ", ".join(sorted(allowed)).encode())]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}
        await self._rest(scope, receive, send)

    def _sender(self, send: Send, visit: Visit, *, without_body: bool) -> Send:
        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                message["headers"] = self._lines.dressed(list(message.get("headers", ())))
            elif without_body and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        return dressed

    def _open_span(self, scope: Scope) -> trace.Span:
        parent = None
        for name, value in scope["headers"]:
            if name == b"traceparent":
                parent = telemetry.parse_traceparent(value.decode("latin-1"))
        return telemetry.tracer().start_span(
            "request",
            context=parent or otel_context.Context(),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": scope["method"][:16]},
        )

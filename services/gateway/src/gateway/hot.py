"""`POST /v1/check-ins`, the one hot route: plain ASGI, no framework on the way, check-ins joined into batch calls."""

import random
import time
from collections.abc import Sequence
from typing import Any

from chassis import access, telemetry
from chassis.rpc.admission import check_request
from lilitong.venue.v1 import visit_pb2
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from starlette.types import Receive, Scope, Send

from gateway import check_in_codec, problems
from gateway.bodies import parse, read
from gateway.clients import Upstreams
from gateway.coalescing import Coalescer, Item
from gateway.door import Door, Headers, headers_of, idempotency_key
from gateway.limits import Buckets
from gateway.lines import Lines
from gateway.routes.check_ins import CHECK_IN, CHECK_IN_BATCH
from gateway.serving import instance, public
from gateway.visits import refusal, visit_key

_SPAN = f"{CHECK_IN.verb} {CHECK_IN.path}"


class CheckIns:
    """The ASGI application of the hot route. `ratio` of the requests is traced, and those whose caller asks for it."""

    def __init__(
        self,
        door: Door,
        buckets: Buckets,
        upstreams: Upstreams,
        lines: Lines,
        *,
        in_flight: int,
        body_limit: int,
        ratio: float,
    ) -> None:
        self._lines = lines
        self._door, self._buckets, self._body_limit, self._ratio = door, buckets, body_limit, ratio
        self._call = upstreams.call(CHECK_IN_BATCH.rpc)
        self.coalescer = Coalescer(self._send, in_flight=in_flight, patience=CHECK_IN.seconds)

    @access.allow(roles=CHECK_IN.rule.roles, area=CHECK_IN.rule.area)
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers: Headers = {}
        rate: dict[str, str] = {}
        span: trace.Span | None = None
        status = 499  # what the metrics call a client that went away
        self._lines.in_flight += 1
        try:
            headers = headers_of(scope)
            span = self._open_span(headers)
            body = await self._answer(headers, receive, rate, span)
            status = 200
            await self._lines.write_json(send, rate, body)
        except Exception as error:  # noqa: BLE001 - every failure has a public face
            lang = problems.language(headers.get("accept-language", ""))
            status, extra, body = problems.answer(public(error), lang=lang, instance=instance())
            await self._lines.write(send, status, rate | extra, body)
        finally:
            self._lines.in_flight -= 1
            self._lines.count(_SPAN, status, time.perf_counter() - started)
            if span is not None:
                span.set_attribute("http.response.status_code", status)
                span.end()

    async def _answer(self, headers: Headers, receive: Receive, rate: dict[str, str], span: trace.Span | None) -> bytes:
        entry = await self._door.admit(CHECK_IN.rule, headers, self._buckets)
        rate.update(entry.rate_headers)
        key = visit_key(idempotency_key(headers))
        message = check_in_codec.decode(parse(await read(receive, headers, self._body_limit), headers), key)
        # Everything is judged before batching: an item that would be refused must not meet others.
        check_request(CHECK_IN.rule, entry.caller, message)
        traced = span.get_span_context() if span is not None and span.is_recording() else None
        result = await self.coalescer.submit(headers["authorization"], message, traced)
        refused = refusal(result)
        if refused is not None:
            raise refused
        return check_in_codec.encode(result.response)

    async def _send(self, authorization: str, items: Sequence[Item]) -> Sequence[Any]:
        request = visit_pb2.BatchCheckInRequest(requests=[item.request for item in items])
        # One call has one parent: the batch goes on in the trace of the first request that has one.
        traced = next((item.span for item in items if item.span is not None), trace.INVALID_SPAN_CONTEXT)
        with trace.use_span(trace.NonRecordingSpan(traced)):
            reply = await self._call(request, timeout=CHECK_IN.seconds, metadata=(("authorization", authorization),))
        found: Sequence[Any] = reply.results
        return found

    def _open_span(self, headers: Headers) -> trace.Span | None:
        parent = telemetry.parse_traceparent(headers.get("traceparent"))
        asked = parent is not None and trace.get_current_span(parent).get_span_context().trace_flags.sampled
        if not asked and random.random() >= self._ratio:  # noqa: S311 - no secret
            return None
        span = telemetry.tracer().start_span(
            _SPAN,
            context=parent or otel_context.Context(),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": CHECK_IN.verb, "http.route": CHECK_IN.path},
        )
        # Never detached: the request's task ends with the request, and its context with it.
        otel_context.attach(trace.set_span_in_context(span))
        return span

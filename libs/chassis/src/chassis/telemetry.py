"""Traces and metrics: set up once per process, then used through `span` and prometheus_client's default registry.

The tracer is found through a context variable, so that several services can live in one test process without
mixing their spans, and falls back on OpenTelemetry's global provider, which the first set-up installs (an ASGI server
starts requests outside our context).
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from re import compile as compile_pattern
from threading import Lock, Thread

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, Tracer
from opentelemetry.util.types import AttributeValue

from chassis.metrics import MetricsEndpoint
from chassis.seal import open_context, seal_context

__all__ = [
    "Telemetry",
    "current_traceparent",
    "open_context",
    "parse_traceparent",
    "seal_context",
    "setup",
    "span",
    "tracer",
]

_NAME = "lilitong"
_LAST_SPANS_S = 2.0
_fallback = trace.get_tracer(_NAME)  # resolves to the global provider when there is one
_tracer: ContextVar[Tracer] = ContextVar("chassis_tracer", default=_fallback)
_TRACEPARENT = compile_pattern(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(slots=True)
class Telemetry:
    """A process's telemetry; `close` sends what is still buffered and frees the metrics port."""

    provider: TracerProvider
    metrics: MetricsEndpoint | None

    async def start(self) -> None:
        """Open the metrics endpoint, if one was asked for."""
        if self.metrics is not None:
            await self.metrics.start()

    async def close(self) -> None:
        if self.metrics is not None:
            await self.metrics.close()
        await _bounded(self.provider.shutdown)


async def _bounded(shutdown: Callable[[], None]) -> None:
    """Send what is buffered, for a moment: a collector that is away would hold the end up for longer than anybody's grace.

    A daemon's thread, because neither the loop nor the interpreter then waits for it.
    """
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def work() -> None:
        shutdown()
        with suppress(RuntimeError):  # the loop ended first
            loop.call_soon_threadsafe(done.set)

    Thread(target=work, name="telemetry-end", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_LAST_SPANS_S):
            await done.wait()


def setup(service: str, *, exporter: str = "none", ratio: float = 1.0, metrics_listen: str = "") -> Telemetry:
    """Make this context's tracer. Call before servers and tasks are started, so that they inherit it.

    `exporter`: `none`, `file:<path>` (one JSON object per ended span, appended, written at once) or
    `otlp:<host:port>` (gRPC, in clear; inside the cluster the mesh or network policy protects it; encrypted with `https://`
    before it). `ratio` (0…1) of new traces is kept; a parent's decision is always followed. `metrics_listen` is `host:port`,
    "" for none.
    """
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        resource=Resource.create({"service.name": service}),
        shutdown_on_exit=False,
    )
    kind, _, target = exporter.partition(":")
    if kind == "file" and target:
        provider.add_span_processor(SimpleSpanProcessor(FileExporter(Path(target), service)))
    elif kind == "otlp" and target:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=target, insecure=True)))
    elif exporter != "none":
        raise ValueError("the trace exporter is none, file:<path> or otlp:<host:port>")
    _tracer.set(provider.get_tracer(_NAME))
    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(provider)
    return Telemetry(provider, MetricsEndpoint(metrics_listen) if metrics_listen else None)


def tracer() -> Tracer:
    """The tracer of the running context."""
    return _tracer.get()


@contextmanager
def span(
    name: str,
    *,
    context: Context | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, AttributeValue] | None = None,
) -> Iterator[Span]:
    """Run a block in a span, child of the current one or of `context` (see `open_context`).

    An exception marks the span with its type alone: messages and stack traces may hold what must not leave the process.
    Attributes hold no tags, tokens or person ids either.
    """
    with tracer().start_as_current_span(
        name,
        context=context,
        kind=kind,
        attributes=attributes,
        record_exception=False,
        set_status_on_exception=False,
    ) as started:
        try:
            yield started
        except BaseException as error:
            mark_failed(started, type(error).__name__)
            raise


def mark_failed(failed: Span, error_type: str) -> None:
    """Mark a span as failed by an error's type or a status code's name."""
    failed.set_attribute("error.type", error_type)
    failed.set_status(trace.StatusCode.ERROR)


def parse_traceparent(value: str | None) -> Context | None:
    """The W3C trace context of a `traceparent` header; None if absent or malformed."""
    match = None if value is None else _TRACEPARENT.match(value)
    if match is None:
        return None
    parent = trace.SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(match[3], 16) & 1),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(parent), Context()) if parent.is_valid else None


def current_traceparent() -> str | None:
    """The current span as a `traceparent` header; None outside a trace."""
    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return None
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{current.trace_flags:02x}"


class FileExporter(SpanExporter):
    """Appends one JSON object per span: for tests and the development stack, where a file is the simplest collector."""

    def __init__(self, path: Path, service: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # O_APPEND: several services may share one file, and each line is one write.
        self._file = path.open("ab", buffering=0)
        self._service = service
        self._lock = Lock()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        with self._lock:
            if self._file.closed:
                return SpanExportResult.FAILURE  # a span that ended after the process's telemetry did
            for ended in spans:
                self._file.write(json.dumps(self._line(ended), ensure_ascii=False, default=str).encode() + b"\n")
        return SpanExportResult.SUCCESS

    def _line(self, ended: ReadableSpan) -> dict[str, object]:
        own = ended.get_span_context()
        start, end = ended.start_time or 0, ended.end_time or 0
        return {
            "service": self._service,
            "name": ended.name,
            "kind": ended.kind.name.lower(),
            "trace_id": f"{own.trace_id:032x}" if own else "",
            "span_id": f"{own.span_id:016x}" if own else "",
            "parent_id": f"{ended.parent.span_id:016x}" if ended.parent else None,
            "start_ns": start,
            "duration_ms": (end - start) / 1e6,
            "error": ended.status.status_code is trace.StatusCode.ERROR,
            "attributes": dict(ended.attributes or {}),
        }

    def shutdown(self) -> None:
        with self._lock:
            self._file.close()

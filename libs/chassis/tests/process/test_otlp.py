"""Spans reach a real collector's gRPC service, and one that is away harms nothing."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from chassis import telemetry
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)

pytestmark = [pytest.mark.connected, pytest.mark.feature("X11")]


class Collector(TraceServiceServicer):
    """What an OTLP receiver does: takes batches and says so."""

    def __init__(self):
        self.requests = []

    def Export(self, request, context):  # noqa: N802 - the contract's name
        self.requests.append(request)
        return ExportTraceServiceResponse()

    def spans(self):
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector():
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    made = Collector()
    add_TraceServiceServicer_to_server(made, server)
    made.port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made
    server.stop(None).wait()


@pytest.mark.parametrize("form", ["{}", "http://{}"])
async def test_ended_spans_are_exported_with_the_services_name_and_their_parent(collector, form):
    traces = telemetry.setup("venue", exporter="otlp:" + form.format(f"127.0.0.1:{collector.port}"))
    with telemetry.span("outer"), telemetry.span("inner", attributes={"rpc.method": "CheckIn"}):
        pass
    await traces.close()  # sends what is still buffered
    inner, outer = sorted(collector.spans(), key=lambda span: span.name)
    assert (inner.name, outer.name) == ("inner", "outer")
    assert inner.trace_id == outer.trace_id
    assert inner.parent_span_id == outer.span_id
    assert [(one.key, one.value.string_value) for one in inner.attributes] == [("rpc.method", "CheckIn")]
    resource = {one.key: one.value.string_value for one in collector.requests[0].resource_spans[0].resource.attributes}
    assert resource["service.name"] == "venue"


async def test_an_error_leaves_its_type_and_not_its_text(collector):
    traces = telemetry.setup("venue", exporter=f"otlp:127.0.0.1:{collector.port}")
    with pytest.raises(ValueError, match="secret"), telemetry.span("failing"):
        raise ValueError("secret")
    await traces.close()
    (span,) = collector.spans()
    assert {one.key: one.value.string_value for one in span.attributes} == {"error.type": "ValueError"}
    assert b"secret" not in span.SerializeToString()


async def test_what_is_not_sampled_is_not_sent(collector):
    traces = telemetry.setup("venue", exporter=f"otlp:127.0.0.1:{collector.port}", ratio=0.0)
    with telemetry.span("unseen"):
        pass
    await traces.close()
    assert collector.spans() == []


async def test_a_collector_that_is_away_delays_neither_the_work_nor_the_end():
    traces = telemetry.setup("venue", exporter="otlp:127.0.0.1:1")
    began = time.monotonic()
    for _ in range(1_000):
        with telemetry.span("lost"):
            pass
    closing = asyncio.create_task(traces.close())
    turns = 0
    while not closing.done():  # the loop goes on: others are still being drained
        turns += 1
        await asyncio.sleep(0.01)
    assert turns > 20
    assert time.monotonic() - began < 5.0

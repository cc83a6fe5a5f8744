import asyncio
import os

import pytest
from chassis import telemetry
from chassis.metrics import MetricsEndpoint
from chassis.rpc import stats  # noqa: F401 - its collector is part of every service
from chassis.telemetry import open_context, parse_traceparent, seal_context
from opentelemetry import trace

KEY = bytes(range(32))


async def get(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


async def test_the_metrics_endpoint_serves_red_metrics_and_memory():
    endpoint = MetricsEndpoint("127.0.0.1:0")
    await endpoint.start()
    try:
        answer = await get(endpoint.port, "/metrics")
        assert answer.startswith("HTTP/1.1 200 OK")
        for name in ("lilitong_rpc_seconds", "lilitong_rpc_total", "process_resident_memory_bytes"):
            assert f"# TYPE {name} " in answer
        assert (await get(endpoint.port, "/other")).startswith("HTTP/1.1 404")
    finally:
        await endpoint.close()


async def test_a_scraper_that_sends_rubbish_does_no_harm():
    endpoint = MetricsEndpoint("127.0.0.1:0")
    await endpoint.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        writer.write(b"x" * 20_000)
        assert await reader.read() == b""
        writer.close()
        assert (await get(endpoint.port, "/metrics")).startswith("HTTP/1.1 200")
    except ConnectionResetError:
        assert (await get(endpoint.port, "/metrics")).startswith("HTTP/1.1 200")
    finally:
        await endpoint.close()


@pytest.mark.feature("S5")
async def test_a_sealed_context_opens_to_the_same_trace_and_never_looks_the_same(tmp_path):
    own = telemetry.setup("x", exporter=f"file:{tmp_path / 'spans'}")
    with telemetry.span("work") as span:
        first, second = seal_context(KEY), seal_context(KEY)
        inside = span.get_span_context()
    await own.close()
    opened = trace.get_current_span(open_context(KEY, first)).get_span_context()
    assert (opened.trace_id, opened.span_id, opened.is_remote) == (inside.trace_id, inside.span_id, True)
    assert not {first[i : i + 8] for i in range(len(first) - 7)} & {second[i : i + 8] for i in range(len(second) - 7)}
    assert len(seal_context(KEY)) == len(first)


@pytest.mark.parametrize("sealed", [b"", b"x" * 53, b"x" * 54], ids=len)
def test_what_cannot_be_opened_is_an_empty_context(sealed):
    assert not open_context(KEY, sealed)


def test_another_key_opens_nothing():
    with trace.use_span(trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=False))):
        sealed = seal_context(KEY)
    assert open_context(KEY, sealed)
    assert not open_context(os.urandom(32), sealed)


@pytest.mark.parametrize("text", [None, "", "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "00-zz-b-01", "x"])
def test_a_malformed_traceparent_is_ignored(text):
    assert parse_traceparent(text) is None


async def test_a_failed_span_carries_the_errors_type_and_not_its_text(tmp_path):
    path = tmp_path / "spans"
    own = telemetry.setup("x", exporter=f"file:{path}")
    with pytest.raises(KeyError), telemetry.span("work"):
        raise KeyError("the secret")
    await own.close()
    assert '"error.type": "KeyError"' in path.read_text()
    assert "secret" not in path.read_text()


def test_an_unknown_exporter_is_refused():
    with pytest.raises(ValueError, match="none, file"):
        telemetry.setup("x", exporter="smoke")

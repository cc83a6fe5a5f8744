# ruff: noqa: N802 - servicer methods are named by the contract
import asyncio
import json
import time
from itertools import pairwise

import grpc
import pytest
from chassis import telemetry
from chassis.access import NOWHERE, allow
from chassis.errors import DomainError
from chassis.rpc import outgoing
from chassis.rpc.channel import connect, service_config
from chassis.rpc.server import Server


@pytest.fixture
async def spans(tmp_path):
    """Spans ended so far. Asked for before the servers, so that they start in this tracer's context."""
    path = tmp_path / "spans.jsonl"
    own = telemetry.setup("room", exporter=f"file:{path}")
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()]
    await own.close()


@pytest.fixture
async def chain(serve, world):
    """A front room whose Open calls on to a back room, as a service calls another."""
    back = await serve()
    async with connect(f"127.0.0.1:{back.port}", name="front", forward_caller=True, retry=[world.SERVICE]) as channel:
        stub = world.Stub(channel)

        class Front(world.Room):
            @allow(anonymous=True, area=NOWHERE)
            async def Open(self, request, context):
                if request.text == "left":
                    started = time.perf_counter()
                    try:
                        await stub.Open(world.Ask(text="sleep:5"))
                    except DomainError as error:
                        return world.Answer(text=f"{error.reason} {time.perf_counter() - started:.1f}")
                if request.text == "why":
                    return await stub.Why(request)
                return await stub.Say(request)

        front = Server("127.0.0.1:0", authenticators=back.server._policy.authenticators)
        front.add(Front(), world.add_room)
        port = await front.start()
        await front.serving(True)
        async with connect(f"127.0.0.1:{port}", name="client") as client:
            yield world.Stub(client)
        await front.drain(1)


async def test_the_person_behind_the_call_goes_on_to_the_next_service(chain, world, issuer):
    answer = await chain.Open(world.Ask(area="141102"), metadata=issuer.auth())
    assert answer.text == "acct-1"
    purpose = (("x-purpose", "tracing"), ("x-purpose-ref", "case-7"))
    assert (await chain.Open(world.Ask(text="why"), metadata=issuer.auth() + purpose)).text == "tracing case-7"


async def test_a_refusal_by_the_next_service_reaches_the_caller_as_it_is(chain, world, issuer):
    with pytest.raises(DomainError) as caught:
        await chain.Open(world.Ask(area="140101"), metadata=issuer.auth())
    assert caught.value.reason == "OUT_OF_AREA"


async def test_the_remaining_time_bounds_the_next_call(chain, world):
    with pytest.raises(DomainError) as caught:
        await chain.Open(world.Ask(text="left"), timeout=0.3)
    assert caught.value.reason == "DEADLINE_EXCEEDED"
    with outgoing.serving(seconds=0.2):
        started = time.perf_counter()
        with pytest.raises(DomainError):
            await chain.Open(world.Ask(text="left"))
        assert time.perf_counter() - started < 2
    with outgoing.serving(seconds=0), pytest.raises(DomainError) as caught:
        await chain.Open(world.Ask())
    assert caught.value.reason == "DEADLINE_EXCEEDED"


async def test_one_trace_runs_from_the_client_through_both_services(spans, chain, world, issuer):
    with telemetry.span("errand"):
        await chain.Open(world.Ask(area="141102"), metadata=issuer.auth())
    await asyncio.sleep(0.05)
    found = {(span["kind"], span["name"].rpartition("/")[2]): span for span in spans()}
    path = [("internal", "errand"), ("client", "Open"), ("server", "Open"), ("client", "Say"), ("server", "Say")]
    assert set(path) == set(found)
    assert len({span["trace_id"] for span in found.values()}) == 1
    for parent, child in pairwise(path):
        assert found[child]["parent_id"] == found[parent]["span_id"]


async def test_a_failed_calls_span_says_so_and_nothing_more(spans, serve, world):
    running = await serve()
    with pytest.raises(grpc.aio.AioRpcError):
        await running.stub.Open(world.Ask(text="boom"), timeout=5)
    await asyncio.sleep(0.05)
    (server,) = spans()
    assert server["error"]
    assert server["attributes"] == {"rpc.grpc.status": "INTERNAL", "error.type": "INTERNAL"}


async def test_a_hot_method_is_traced_when_its_caller_asks_and_not_otherwise(spans, serve, world):
    running = await serve(hot=[f"/{world.SERVICE}/Open"], hot_ratio=0.0)
    await running.stub.Open(world.Ask(), timeout=5)
    sampled = (("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),)
    await running.stub.Open(world.Ask(), timeout=5, metadata=sampled)
    await asyncio.sleep(0.05)
    assert [span["trace_id"] for span in spans()] == ["a" * 32]


async def test_a_workloads_own_token_is_sent_where_no_person_stands_behind_the_call(serve, world, issuer):
    running = await serve()
    token = issuer.token(sub="workload:venue", workload=True)
    async with connect(f"127.0.0.1:{running.port}", name="venue", token=lambda: token) as channel:
        assert (await world.Stub(channel).Snapshot(world.Ask())).text == "workload:venue"


async def test_streams_give_domain_errors_too(serve, world):
    running = await serve()
    seen = []
    async with connect(f"127.0.0.1:{running.port}", name="client") as channel:
        stub = world.Stub(channel)
        with pytest.raises(DomainError) as caught:  # noqa: PT012 - it fails under way
            async for answer in stub.Watch(world.Ask(text="refuse")):
                seen.append(answer.text)  # noqa: PERF401 - what came before the failure counts

        async def asks():
            yield world.Ask(text="a")
            yield world.Ask(text="b")

        assert (await stub.Collect(asks())).text == "a b"
    assert caught.value.reason == "TOO_OLD"
    assert seen == ["0", "1", "2"]


async def test_a_server_that_is_not_serving_gets_no_calls(serve, world):
    first, second = await serve(), await serve()
    await first.server.serving(False)
    async with connect(f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}", name="client") as channel:
        stub = world.Stub(channel)
        for _ in range(20):
            await stub.Open(world.Ask(text="sleep:0"), wait_for_ready=True)
    assert (first.room.finished, second.room.finished) == (0, 20)


def test_only_listed_methods_are_tried_again():
    config = json.loads(service_config(["a.B/C", "d.E"]))
    assert config["methodConfig"][0]["name"] == [{"service": "a.B", "method": "C"}, {"service": "d.E"}]
    assert "methodConfig" not in json.loads(service_config([]))

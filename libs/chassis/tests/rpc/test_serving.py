import asyncio

import grpc
import pytest
from chassis.errors import DomainError
from chassis.health import is_serving
from chassis.rpc.channel import connect
from chassis.rpc.server import ListenError, Server
from chassis.rpc.status import from_rpc_error
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from prometheus_client import REGISTRY


async def test_a_unary_call_without_a_deadline_is_refused(serve, world):
    running = await serve()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Open(world.Ask())
    assert from_rpc_error(caught.value).reason == "DEADLINE_REQUIRED"


async def test_a_stream_needs_no_deadline(serve, world):
    running = await serve()
    assert [answer.text async for answer in running.stub.Watch(world.Ask())] == ["0", "1", "2"]


async def test_a_refusal_within_a_stream_keeps_its_reason(serve, world):
    running = await serve()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        _ = [answer async for answer in running.stub.Watch(world.Ask(text="refuse"))]
    assert from_rpc_error(caught.value).reason == "TOO_OLD"


async def test_health_is_told_for_the_whole_and_by_service_without_deadline_or_token(serve, world):
    running = await serve()
    assert await is_serving(running.channel)
    assert await is_serving(running.channel, world.SERVICE)
    assert not await is_serving(running.channel, "unknown")
    await running.server.serving(False)
    assert not await is_serving(running.channel)
    assert (
        await health_pb2_grpc.HealthStub(running.channel).Check(health_pb2.HealthCheckRequest())
    ).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_lists_the_services(serve, world):
    running = await serve()
    stub = reflection_pb2_grpc.ServerReflectionStub(running.channel)
    call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    answers = [answer async for answer in call]
    names = {service.name for service in answers[0].list_services_response.service}
    assert {world.SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} == names


async def test_a_message_over_the_bound_is_refused(serve, world):
    running = await serve(message_limit=1000)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Open(world.Ask(area="x" * 2000), timeout=5)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_taken_port_is_named(serve):
    running = await serve()
    with pytest.raises(ListenError, match=str(running.port)):
        await Server(f"127.0.0.1:{running.port}").start()


async def test_a_drain_waits_for_the_calls_under_way_and_refuses_new_ones(serve, world):
    running = await serve()
    under_way = [asyncio.create_task(_ask(running, world, "sleep:0.4")) for _ in range(20)]
    await running.room.entered.wait()
    await asyncio.sleep(0.1)
    assert await running.server.drain(5)
    assert running.room.finished == 20
    assert {answer.text for answer in await asyncio.gather(*under_way)} == {"sleep:0.4"}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _ask(running, world, "late")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_drain_says_when_it_had_to_cut_a_call_short(serve, world):
    running = await serve()
    stuck = asyncio.create_task(_ask(running, world, "sleep:30"))
    await running.room.entered.wait()
    assert not await running.server.drain(0.2)
    with pytest.raises(grpc.aio.AioRpcError):
        await stuck
    assert running.room.finished == 0


async def test_a_drain_ends_streams_at_once_and_tells_clients_to_reconnect(serve, world):
    running = await serve()
    seen = []

    async def watch():
        async for answer in running.stub.Watch(world.Ask(text="stay")):
            seen.append(answer.text)  # noqa: PERF401 - what came before the failure counts

    watching = asyncio.create_task(watch())
    health = health_pb2_grpc.HealthStub(running.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await health.read()).status == health_pb2.HealthCheckResponse.SERVING
    await running.room.entered.wait()
    async with asyncio.timeout(2):
        assert await running.server.drain(10)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await watching
    assert from_rpc_error(caught.value).reason == "SERVER_DRAINING"
    assert seen == ["0", "1", "2"]
    assert running.room.cleaned
    assert (await health.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_under_load_two_servers_replace_each_other_without_a_failed_call(serve, world):
    first, second = await serve(), await serve()
    channel = connect(
        f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}", name="load", retry=[world.SERVICE], timeout=5
    )
    stub, done, stop = world.Stub(channel), 0, asyncio.Event()

    async def load():
        nonlocal done
        while not stop.is_set():
            await stub.Open(world.Ask(text="sleep:0.002"))
            done += 1

    async with channel:
        await stub.Open(world.Ask())
        await asyncio.sleep(0.1)
        loads = [asyncio.create_task(load()) for _ in range(32)]
        await asyncio.sleep(0.3)
        assert await first.server.drain(5)
        await asyncio.sleep(0.3)
        stop.set()
        await asyncio.gather(*loads)
    assert done > 100
    assert first.room.finished > 10
    assert second.room.finished > 10
    assert done == first.room.finished + second.room.finished


async def test_a_client_that_gives_up_stops_the_handler(serve, world):
    running = await serve()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await running.stub.Open(world.Ask(text="sleep:1"), timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert from_rpc_error(caught.value).reason == "DEADLINE_EXCEEDED"
    async with asyncio.timeout(0.5):
        await running.server._in_flight.idle()
    assert running.room.finished == 0


async def test_a_channel_gives_domain_errors_and_says_when_nobody_is_there(world):
    async with connect("127.0.0.1:1", name="test", timeout=1) as channel:
        with pytest.raises(DomainError) as caught:
            await world.Stub(channel).Open(world.Ask())
    assert caught.value.reason == "PEER_UNAVAILABLE"


async def _ask(running, world, text):
    return await running.stub.Open(world.Ask(text=text), timeout=5)


async def test_rate_errors_and_duration_are_counted_by_method(serve, world):
    running = await serve()
    method = f"/{world.SERVICE}/Open"

    def value(name, **labels):
        return REGISTRY.get_sample_value(name, {"method": method, **labels}) or 0

    before = [value("lilitong_rpc_total", code=code) for code in ("OK", "ABORTED")]
    fast, all_of_them = value("lilitong_rpc_seconds_bucket", le="0.05"), value("lilitong_rpc_seconds_count")
    await _ask(running, world, "x")
    await _ask(running, world, "sleep:0.06")
    with pytest.raises(grpc.aio.AioRpcError):
        await _ask(running, world, "refuse:aborted")
    async with asyncio.timeout(1):
        await running.server._in_flight.idle()
    assert [value("lilitong_rpc_total", code=code) for code in ("OK", "ABORTED")] == [before[0] + 2, before[1] + 1]
    assert value("lilitong_rpc_seconds_bucket", le="0.05") == fast + 2
    assert value("lilitong_rpc_seconds_count") == all_of_them + 3

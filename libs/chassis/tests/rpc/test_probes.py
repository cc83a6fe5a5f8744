"""The platform's probes ask on a plain port of their own, where there is nothing but health."""

import asyncio

import grpc
import pytest
from chassis.health import is_serving
from chassis.rpc.probes import LIVENESS
from chassis.rpc.server import ListenError, ServerTls
from devstack.certificates import Authority
from devstack.processes import free_port

pytestmark = [pytest.mark.connected, pytest.mark.feature("X11")]


@pytest.fixture
async def probed(serve, tmp_path):
    """A server with mutual TLS, its probes' channel, and both."""
    authority = Authority(tmp_path, "ours")
    pair, port = authority.issue("server"), free_port()
    running = await serve(
        tls=ServerTls(pair.certificate, pair.key, authority.certificate), health_listen=f"127.0.0.1:{port}"
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield running.server, channel


async def test_readiness_follows_the_service_and_liveness_does_not(probed):
    server, channel = probed
    assert await is_serving(channel)
    assert await is_serving(channel, LIVENESS)
    await server.serving(False)
    assert not await is_serving(channel)
    assert await is_serving(channel, LIVENESS)


async def test_a_service_that_drains_is_alive_and_not_ready_until_it_ends(probed):
    server, channel = probed
    seen = []

    async def look():
        seen.append((await is_serving(channel), await is_serving(channel, LIVENESS)))

    draining = asyncio.create_task(server.drain(2.0, linger=0.5))
    await asyncio.sleep(0.2)
    await look()
    await draining
    await look()
    assert seen == [(False, True), (False, False)]


async def test_no_method_of_the_service_is_there(probed, world):
    _, channel = probed
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.Stub(channel).Open(world.Ask(text="let me in"), timeout=2)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_port_that_is_taken_is_told(serve):
    port = free_port()
    await serve(health_listen=f"127.0.0.1:{port}")
    with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{port}"):
        await serve(health_listen=f"127.0.0.1:{port}")

"""A crowd of idle connections does not shut anybody out. tests/attack/floods does the same with ten thousand at all servers."""

import asyncio
import resource
import socket

import httpx
import pytest
from gateway.lines import Lines
from gateway.server import RestServer

pytestmark = [pytest.mark.connected, pytest.mark.feature("R9")]
IDLE = 4_200
FILES = 3 * IDLE  # both ends of each are here


@pytest.fixture
def open_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.skip(f"this machine allows {hard} open files, {FILES} are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


async def test_somebody_is_answered_beside_more_idle_connections_than_the_library_takes_by_itself(open_files):
    server = RestServer("127.0.0.1:0", answer, Lines())
    port = await server.start()
    idle = []
    try:
        for number in range(IDLE):
            idle.append(socket.create_connection(("127.0.0.1", port), timeout=5))
            if number % 100 == 0:
                await asyncio.sleep(0)
        async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"
    finally:
        for each in idle:
            each.close()
        await server.drain(2)

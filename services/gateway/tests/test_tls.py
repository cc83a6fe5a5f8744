"""The gateway's own TLS."""

import asyncio
import ssl

import httpx
import pytest
from devstack.certificates import Authority
from gateway.lines import Lines
from gateway.server import RestServer

pytestmark = [pytest.mark.connected, pytest.mark.feature("X2")]


async def _heard(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"heard", "more_body": False})


@pytest.fixture
async def serving(tmp_path):
    """(port, authority) of a server with a certificate."""
    authority = Authority(tmp_path, "ours")
    pair = authority.issue("server")
    server = RestServer("127.0.0.1:0", _heard, Lines(), certificate=pair.certificate, key=pair.key)
    port = await server.start()
    await asyncio.sleep(0.1)
    yield port, authority
    await server.drain(1)


async def get(address, authority=None):
    context = ssl.create_default_context(cafile=str(authority.certificate)) if authority else False
    async with httpx.AsyncClient(verify=context, trust_env=False, timeout=3) as client:
        return (await client.get(address)).text


async def test_a_client_that_trusts_the_authority_is_served_and_others_are_not(serving, tmp_path):
    port, authority = serving
    assert await get(f"https://127.0.0.1:{port}/", authority) == "heard"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await get(f"https://127.0.0.1:{port}/", Authority(tmp_path, "strangers"))
    with pytest.raises(httpx.TransportError):
        await get(f"http://127.0.0.1:{port}/")
    assert await get(f"https://127.0.0.1:{port}/", authority) == "heard"

"""The gateway's own TLS."""

import asyncio
import ssl
from contextlib import AsyncExitStack

import httpx
import pytest
from cryptography import x509
from devstack.certificates import Authority
from gateway.lines import Lines
from gateway.server import RestServer

pytestmark = [pytest.mark.connected, pytest.mark.feature("X2")]


async def _heard(scope, receive, send):
    if scope["query_string"]:
        await asyncio.sleep(0.02)
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


async def test_a_certificate_is_renewed_under_load_without_a_failed_request(serving, tmp_path):
    port, authority = serving
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    async with asyncio.TaskGroup() as tasks:
        done, failed, count = asyncio.Event(), [], [0]
        context = ssl.create_default_context(cafile=str(authority.certificate))

        async def load(*, lasting):
            async with httpx.AsyncClient(verify=context, trust_env=False, timeout=5) as kept:
                while not done.is_set():
                    try:
                        async with AsyncExitStack() as stack:
                            fresh = httpx.AsyncClient(verify=context, trust_env=False, timeout=5)
                            client = kept if lasting else await stack.enter_async_context(fresh)
                            assert (await client.get(f"https://127.0.0.1:{port}/?slow")).text == "heard"
                            count[0] += 1
                            if not lasting:
                                await asyncio.sleep(0.02)
                    except httpx.HTTPError as error:
                        failed.append(repr(error))

        for lasting in (True, True, True, False):
            tasks.create_task(load(lasting=lasting))
        serials = []
        for _ in range(2):
            serials.append(await shown(port))
            fresh = authority.issue("fresh")
            fresh.certificate.replace(certificate)  # a moment in which they do not belong together
            await asyncio.sleep(1.2)
            fresh.key.replace(key)
            await asyncio.sleep(6)
        serials.append(await shown(port))
        done.set()
    assert failed == []
    assert count[0] > 100
    assert len(set(serials)) == 3


async def shown(port):
    """Serial number of the certificate that a new connection is shown."""
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


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


async def test_a_proxy_that_speaks_tls_1_2_at_most_is_served(serving):
    port, authority = serving

    async def spoken(newest):
        context = ssl.create_default_context(cafile=str(authority.certificate))
        context.maximum_version = newest
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        version = writer.get_extra_info("ssl_object").version()
        writer.close()
        return version

    assert await spoken(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert await spoken(ssl.TLSVersion.MAXIMUM_SUPPORTED) == "TLSv1.3"

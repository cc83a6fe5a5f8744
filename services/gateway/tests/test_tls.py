"""The gateway's own TLS."""

import asyncio
import ssl
import time
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from errno import EMFILE

import httpx
import pytest
from chassis.certificates import TlsError
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from devstack.certificates import Authority
from gateway.lines import Lines
from gateway.server import RestServer, _BoundServer
from gateway.trial import tried

pytestmark = [pytest.mark.connected, pytest.mark.feature("X2")]


async def _heard(scope, receive, send):
    if scope["query_string"]:
        await asyncio.sleep(60 if scope["query_string"] == b"endless" else 0.02)
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


@asynccontextmanager
async def load(port, authority):
    """Requests all the while, on connections that are kept and on fresh ones; gives the seconds of each, and what failed."""
    done, failed, lasted = asyncio.Event(), [], []
    context = ssl.create_default_context(cafile=str(authority.certificate))

    async def asking(*, lasting):
        async with httpx.AsyncClient(verify=context, trust_env=False, timeout=5) as kept:
            while not done.is_set():
                try:
                    async with AsyncExitStack() as stack:
                        fresh = httpx.AsyncClient(verify=context, trust_env=False, timeout=5)
                        client = kept if lasting else await stack.enter_async_context(fresh)
                        began = time.monotonic()
                        assert (await client.get(f"https://127.0.0.1:{port}/?slow")).text == "heard"
                        lasted.append(time.monotonic() - began)
                        if not lasting:
                            await asyncio.sleep(0.02)
                except httpx.HTTPError as error:
                    failed.append(repr(error))

    async with asyncio.TaskGroup() as tasks:
        for lasting in (True, True, True, False):
            tasks.create_task(asking(lasting=lasting))
        yield lasted, failed
        done.set()


async def test_a_certificate_is_renewed_under_load_without_a_failed_request(serving, tmp_path):
    port, authority = serving
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    async with load(port, authority) as (lasted, failed):
        serials = []
        for _ in range(2):
            serials.append(await shown(port))
            fresh = authority.issue("fresh")
            fresh.certificate.replace(certificate)  # a moment in which they do not belong together
            await asyncio.sleep(1.2)
            fresh.key.replace(key)
            await asyncio.sleep(6)
        serials.append(await shown(port))
    assert failed == []
    assert len(lasted) > 100
    assert len(set(serials)) == 3


def renew(authority, folder):
    """Another certificate in the server's files; its serial number."""
    fresh = authority.issue("fresh")
    serial = x509.load_pem_x509_certificate(fresh.certificate.read_bytes()).serial_number
    fresh.certificate.replace(folder / "server.crt")
    fresh.key.replace(folder / "server.key")
    return serial


async def test_a_certificate_that_is_renewed_again_at_once_is_shown_and_no_connection_waits(serving, tmp_path):
    port, authority = serving
    async with load(port, authority) as (lasted, failed):
        for _ in range(2):
            await asyncio.sleep(1.1)
            newest = renew(authority, tmp_path)
        await asyncio.sleep(4)
        assert await shown(port) == newest
    assert failed == []
    assert len(lasted) > 100
    assert max(lasted) < 1


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: x\r\n", b"GET /?endless HTTP/1.1\r\nHost: x\r\n\r\n"])
async def test_a_client_that_never_ends_its_request_keeps_no_renewed_certificate_from_being_shown(
    serving, tmp_path, sent
):
    port, authority = serving
    context = ssl.create_default_context(cafile=str(authority.certificate))
    async with AsyncExitStack() as stack:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        stack.callback(writer.transport.abort)
        writer.write(sent)
        for _ in range(2):
            newest = renew(authority, tmp_path)
            await asyncio.sleep(5)  # the former worker is told to end, and cannot
            assert await shown(port) == newest
        assert await get(f"https://127.0.0.1:{port}/", authority) == "heard"


def unfit(folder):
    """A certificate in the server's files that OpenSSL takes and the server's library does not."""
    key = ec.generate_private_key(ec.SECP224R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "server")]), datetime.now(UTC)
    draft = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(days=1), now + timedelta(days=1))
    (folder / "server.crt").write_bytes(draft.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    (folder / "server.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "server.crt", folder / "server.key"


async def test_a_certificate_that_the_library_would_die_of_changes_nothing_and_the_next_good_one_does(
    serving, tmp_path, monkeypatch
):
    trials = []

    async def counted(*files):
        trials.append(files)
        await tried(*files)

    monkeypatch.setattr("gateway.server.tried", counted)
    port, authority = serving
    former = await shown(port)
    unfit(tmp_path)
    await asyncio.sleep(4.5)
    assert len(trials) == 1  # not one a second for as long as it stays
    assert await shown(port) == former
    assert await get(f"https://127.0.0.1:{port}/", authority) == "heard"
    newest = renew(authority, tmp_path)
    await asyncio.sleep(4)
    assert await shown(port) == newest


async def test_a_certificate_that_the_library_would_die_of_is_told_before_it_is_served(tmp_path):
    certificate, key = unfit(tmp_path)
    with pytest.raises(TlsError, match=r"X\.509 certificate of version 3"):
        await tried(certificate, key)
    pair = Authority(tmp_path, "ours").issue("good")
    await tried(pair.certificate, pair.key)


async def test_a_renewal_for_which_there_is_no_descriptor_is_tried_again(serving, tmp_path, monkeypatch):
    port, authority = serving
    taken, real = [], _BoundServer._share

    def share(server):
        if not taken:
            taken.append(server)
            raise OSError(EMFILE, "Too many open files")
        real(server)

    monkeypatch.setattr(_BoundServer, "_share", share)
    newest = renew(authority, tmp_path)
    await asyncio.sleep(5)
    assert taken
    assert await shown(port) == newest
    assert len(taken[0].wrks) == 1


async def shown(port):
    """Serial number of the certificate that a new connection is shown."""
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port), timeout=3)
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

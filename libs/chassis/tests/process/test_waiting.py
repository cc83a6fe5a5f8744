"""A start waits for the server that starts beside it, and says in one sentence when it waited in vain."""

import asyncio
import base64
from urllib.parse import urlsplit

import pytest
import structlog
from chassis import pool
from chassis.joining import store_of
from chassis.run import Service
from chassis.settings import ServiceSettings
from devstack.processes import free_port

pytestmark = pytest.mark.feature("X11")


@pytest.fixture
def settings(tmp_path):
    (tmp_path / "jwks.json").write_text('{"keys": []}')

    def told(url):
        return ServiceSettings(
            jwks=str(tmp_path / "jwks.json"),
            issuer="i",
            database_url=url,
            nats_url="nats://127.0.0.1:9",
            event_trace_key=base64.b64encode(bytes(32)).decode(),
        )

    return told


async def pass_on(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@pytest.mark.connected
async def test_a_store_that_comes_later_is_waited_for(settings, postgres_server):
    there, port = urlsplit(postgres_server.admin_url), free_port()
    url = postgres_server.admin_url.replace(f":{there.port}/", f":{port}/")
    opening = asyncio.create_task(store_of(settings(url), wait=20, application_name="late", max_size=1))
    await asyncio.sleep(0.5)
    assert not opening.done()

    async def joined(reader, writer):
        onward, back = await asyncio.open_connection(there.hostname, there.port)
        await asyncio.gather(pass_on(reader, back), pass_on(onward, writer), return_exceptions=True)

    async with await asyncio.start_server(joined, "127.0.0.1", port):
        found = await opening
        assert await found.fetchval("SELECT 1") == 1
        await pool.close(found)


async def test_a_store_that_does_not_come_ends_the_start_with_one_sentence(settings):
    async def wire(service):
        url = f"postgresql://venue:hunter2@127.0.0.1:{free_port()}/x"
        await store_of(settings(url), wait=0.2, application_name="never")

    with structlog.testing.capture_logs() as logs:
        assert await Service("test").serve(wire) == 1
    [said] = [line for line in logs if line["log_level"] == "error"]
    assert said["event"] == "not_in_time"
    assert said["reason"].startswith("Postgres was not ready within 0.2 s: ")
    assert "exc_info" not in said
    assert "hunter2" not in str(logs)

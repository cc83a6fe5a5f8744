"""What only the start can find out is one sentence too: keys, certificates, who Postgres lets in."""

import asyncio
import base64
import os
import socket
import sys

import pytest

pytestmark = [pytest.mark.feature("X11"), pytest.mark.connected]


@pytest.fixture
def start(tmp_path):
    (tmp_path / "jwks.json").write_text('{"keys": []}')

    async def started(service, **settings):
        told = {
            "JWKS": str(tmp_path / "jwks.json"), "ISSUER": "https://issuer.example", "NATS_URL": "nats://127.0.0.1:9",
            "EVENT_TRACE_KEY": base64.b64encode(bytes(32)).decode(), "VAULT": str(tmp_path / "vault"),
            "QUARANTINE_TARGET": "127.0.0.1:9", "VENUE_TARGET": "127.0.0.1:9", "CHECKPOINT_TARGET": "127.0.0.1:9", "LISTEN": "127.0.0.1:0",
        } | settings  # fmt: skip
        env = {f"{service.upper()}_{name}": value for name, value in told.items()}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", service, env={"PATH": os.environ["PATH"]} | env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        logged, said = await asyncio.wait_for(child.communicate(), 40)
        sentences = [line for line in said.decode().splitlines() if line.startswith("Cannot start:")]
        return child.returncode, sentences, (said + logged).decode()

    return started


@pytest.mark.parametrize("service", ["venue", "checkpoint", "quarantine"])
async def test_a_role_that_postgres_does_not_let_in_is_told(start, make_service_database, service):
    database = await make_service_database(service)
    url = database.url(service).rpartition("/")[0] + "/no_such_database?sslmode=disable"
    code, sentences, everything = await start(service, DATABASE_URL=url)
    assert code == 2, everything
    assert sentences == [
        f'Cannot start: {service.upper()}_DATABASE_URL is refused by Postgres: database "no_such_database" does not exist.'
    ]
    assert "Traceback" not in everything


@pytest.mark.parametrize("service", ["venue", "quarantine"])
async def test_a_provided_key_that_is_none_is_told(start, make_service_database, tmp_path, service):
    database = await make_service_database(service)
    provided = tmp_path / "provided"
    provided.mkdir()
    (provided / "venue-code.pem").write_text("hunter2")
    (provided / "paper-card.bin").write_text("hunter2")
    code, sentences, everything = await start(service, DATABASE_URL=database.url(service), VAULT_PROVIDED=str(provided))
    assert code == 2, everything
    assert len(sentences) == 1
    assert f"{service.upper()}_VAULT is wrong: " in sentences[0]
    assert "hunter2" not in everything
    assert "Traceback" not in everything


async def test_a_store_of_photos_that_cannot_be_is_told(start, make_service_database):
    database = await make_service_database("venue")
    code, sentences, everything = await start(
        "venue", DATABASE_URL=database.url("venue"), PHOTO_STORE="smoke://signals"
    )
    assert code == 2, everything
    assert len(sentences) == 1
    assert "VENUE_PHOTO_STORE is wrong" in sentences[0]


@pytest.mark.parametrize("service", ["venue", "checkpoint", "quarantine"])
async def test_an_option_that_postgres_does_not_know_is_told(start, service):
    code, sentences, everything = await start(
        service, DATABASE_URL="postgresql://u:hunter2@127.0.0.1/x?sslmode=nonsense"
    )
    assert code == 2, everything
    assert len(sentences) == 1
    assert f"{service.upper()}_DATABASE_URL is wrong: " in sentences[0]
    assert "hunter2" not in everything
    assert "Traceback" not in everything


async def test_a_file_of_traces_that_cannot_be_written_is_told(start):
    code, sentences, everything = await start("gateway", TRACE_EXPORTER="file:/proc/nowhere/traces")
    assert code == 2, everything
    assert len(sentences) == 1
    assert "GATEWAY_TRACE_EXPORTER is wrong: " in sentences[0]
    assert "Traceback" not in everything


@pytest.mark.parametrize("setting", ["LISTEN", "METRICS_LISTEN"])
@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"], ids=["taken", "no address of this machine"])
async def test_an_address_that_cannot_be_listened_on_is_one_line_in_the_log(start, setting, host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"{host}:{taken.getsockname()[1]}"
        code, _, everything = await start("gateway", **{setting: address})
    assert code == 1, everything
    [said] = [line for line in everything.splitlines() if "cannot_listen" in line]
    assert address in said
    assert "Traceback" not in everything

"""What only the start can find out is one sentence too: keys, certificates, who Postgres lets in."""

import asyncio
import base64
import os
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
            "QUARANTINE_TARGET": "127.0.0.1:9", "LISTEN": "127.0.0.1:0",
        } | settings  # fmt: skip
        env = {f"{service.upper()}_{name}": value for name, value in told.items()}
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", service, env={"PATH": os.environ["PATH"]} | env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        _, said = await asyncio.wait_for(child.communicate(), 40)
        sentences = [line for line in said.decode().splitlines() if line.startswith("Cannot start:")]
        return child.returncode, sentences, said.decode()

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

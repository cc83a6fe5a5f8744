"""`migrate`, `bus` and `chassis.prepare` as programs: their own settings only, any number of times, one sentence on failure."""

import argparse
import asyncio
import os
import sys
import uuid

import asyncpg
import nats
import pytest
from chassis import commands, migrate, urls
from chassis.settings import ProcessSettings
from chassis.urls import with_password
from pydantic_settings import SettingsConfigDict

pytestmark = pytest.mark.feature("X11")
BARE = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


async def program(*arguments, **env):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *arguments, env=BARE | env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(child.communicate(), 60)
    return child.returncode, out.decode(), err.decode()


@pytest.fixture
async def database(postgres_server):
    name = f"prepared_{uuid.uuid4().hex[:8]}"
    yield name
    admin = await asyncpg.connect(postgres_server.admin_url)
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    for role in ("prepared", "prepared_owner"):
        await admin.execute(f"DROP ROLE IF EXISTS {role}")
    await admin.close()


def test_a_raw_password_is_put_into_the_url_safely():
    assert (
        with_password("postgresql://venue@[::1]:5432/x?a=b", "p@ss:/?#")
        == "postgresql://venue:p%40ss%3A%2F%3F%23@[::1]:5432/x?a=b"
    )
    assert with_password("postgresql://venue:old@h/x", "new") == "postgresql://venue:new@h/x"
    assert with_password("postgresql://venue:old@h/x", "") == "postgresql://venue:old@h/x"
    with pytest.raises(ValueError, match="names no user"):
        with_password("postgresql://h/x", "new")


@pytest.mark.connected
async def test_a_database_is_prepared_by_url_and_folder_of_passwords_any_number_of_times(
    postgres_server, database, tmp_path
):
    (tmp_path / "prepared").write_text("lo/gin?\n")
    (tmp_path / "prepared_owner").write_text("owner@")
    told = {
        "PREPARE_ADMIN_URL": postgres_server.admin_url,
        "PREPARE_DATABASE": database,
        "PREPARE_SCHEMAS": "prepared",
        "PREPARE_PASSWORDS": str(tmp_path),
    }
    for _ in range(2):
        code, said, wrong = await program("chassis.prepare", **told)
        assert (code, wrong) == (0, "")
        assert said == f"Prepared: database {database}, schemas prepared.\n"
    inside = urls.with_database(postgres_server.admin_url, database)
    for role, password in (("prepared", "lo/gin?"), ("prepared_owner", "owner@")):
        connection = await asyncpg.connect(urls.with_user(inside, role, password))
        assert await connection.fetchval("SELECT current_schema()") == "prepared"
        await connection.close()


@pytest.mark.connected
async def test_a_role_without_password_is_named(postgres_server):
    code, _, said = await program(
        "chassis.prepare",
        PREPARE_ADMIN_URL=postgres_server.admin_url,
        PREPARE_SCHEMAS="venue",
        PREPARE_PASSWORD_VENUE="x",
    )
    assert code == 2
    assert said == (
        "Cannot prepare: PREPARE_PASSWORD_VENUE_OWNER is missing, and so is a file venue_owner in the folder PREPARE_PASSWORDS.\n"
    )


@pytest.mark.connected
async def test_an_administrator_who_is_no_superuser_can_prepare(postgres_server, database):
    admin = await asyncpg.connect(postgres_server.admin_url)
    await admin.execute(f"CREATE ROLE {database}_admin LOGIN CREATEDB CREATEROLE PASSWORD 'a'")
    try:
        url = urls.with_user(postgres_server.admin_url, f"{database}_admin", "a")
        for _ in range(2):
            await migrate.prepare(url, database, {"prepared": "p"})
    finally:
        await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        await admin.execute(f"DROP OWNED BY {database}_admin")
        await admin.execute("DROP ROLE IF EXISTS prepared, prepared_owner")
        await admin.execute(f"DROP ROLE {database}_admin")
        await admin.close()


@pytest.mark.connected
async def test_a_service_migrates_itself_by_its_owners_url_alone_and_waits_for_its_schema(postgres_server, database):
    place = urls.with_database(postgres_server.admin_url, database).replace("?sslmode=disable", "")
    url = urls.with_user(place, "venue_owner", "x").replace(":x@", "@")
    late = asyncio.create_task(
        program("venue", "migrate", VENUE_OWNER_DATABASE_URL=url, VENUE_OWNER_DATABASE_PASSWORD="test")
    )
    await asyncio.sleep(2)
    await migrate.prepare(postgres_server.admin_url, database, {"venue": "test"})
    again = program("venue", "migrate", VENUE_OWNER_DATABASE_URL=url, VENUE_OWNER_DATABASE_PASSWORD="test")
    for code, said, wrong in await asyncio.gather(late, again):
        assert code == 0, wrong
        assert said == "The schema venue is up to date.\n"
    connection = await asyncpg.connect(urls.with_user(place, "venue", "test"))
    assert await connection.fetchval("SELECT count(*) FROM venues") == 0
    await connection.close()


@pytest.mark.parametrize(
    ("command", "env", "code", "said"),
    [
        ("migrate", {}, 2, "Cannot migrate: VENUE_OWNER_DATABASE_URL is missing.\n"),
        ("migrate", {"VENUE_OWNER_DATABASE_URL": "mysql://hunter2"}, 2, "VENUE_OWNER_DATABASE_URL is wrong"),
        ("migrate", {"VENUE_OWNER_DATABASE_URL": "postgres:///x", "VENUE_OWNER_DATABASE_PASSWORD": "hunter2"}, 2, "names no user"),
        (
            "migrate",
            {"VENUE_OWNER_DATABASE_URL": "postgres://a:hunter2@127.0.0.1:9/x", "VENUE_WAIT_SECONDS": "0.1"},
            1,
            "Cannot migrate: Postgres was not ready within 0.1 s:",
        ),
        ("migrate", {"VENUE_OWNER_DATABASE_URL": "postgres://a:hunter2@h/x?sslmode=odd"}, 2, "VENUE_OWNER_DATABASE_URL is wrong: "),
        ("bus", {}, 2, "Cannot prepare the bus: VENUE_NATS_URL is missing.\n"),
        ("bus", {"VENUE_NATS_URL": "nats://h", "VENUE_NATS_USER": "a"}, 2, "VENUE_NATS_USER and VENUE_NATS_PASSWORD belong together."),
        ("bus", {"VENUE_NATS_URL": "nats://127.0.0.1:9", "VENUE_WAIT_SECONDS": "0.1"}, 1, "NATS was not ready within 0.1 s: it does not answer"),
        ("dance", {}, 2, "python -m venue takes nothing or `migrate` or `bus`, not `dance`.\n"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_one_sentence_without_a_secret(command, env, code, said):
    found, out, wrong = await program("venue", command, **env)
    assert (found, out) == (code, "")
    assert said in wrong
    assert wrong.count("\n") == 1
    assert "hunter2" not in wrong


@pytest.mark.connected
async def test_the_bus_is_made_and_changed_any_number_of_times(fresh_nats):
    url = fresh_nats.url
    reading = asyncio.create_task(program("venue", "bus", VENUE_NATS_URL=url))  # waits for what quarantine publishes to
    client = await nats.connect(url)
    jetstream = client.jetstream()
    await asyncio.sleep(1)
    for service in ("checkpoint", "venue", "quarantine"):
        if service != "venue":
            task = program(service, "bus", **{f"{service.upper()}_NATS_URL": url})
            code, _, wrong = await task if service == "quarantine" else await _after_streams(jetstream, task)
            assert code == 0, wrong
    code, said, wrong = await reading
    assert code == 0, wrong
    assert said.endswith("The stream VENUE and 3 durable consumers are up to date.\n")
    await jetstream.update_stream((await jetstream.stream_info("VENUE")).config.evolve(max_age=600))
    await jetstream.delete_consumer("QUARANTINE", "venue-keys")
    code, _, wrong = await program("venue", "bus", VENUE_NATS_URL=url)
    assert code == 0, wrong
    assert (await jetstream.stream_info("VENUE")).config.max_age == 72 * 3600
    assert (
        await jetstream.consumer_info("QUARANTINE", "venue-keys")
    ).config.filter_subject == "lilitong.quarantine.key.v1.changed"
    await client.close()


async def _after_streams(jetstream, task):
    """What a service reads must be there; here the test makes it, as its publisher would."""
    from chassis.events import streams
    from quarantine.bus import STREAM

    await streams.make(jetstream, STREAM)
    return await task


async def test_an_administrators_url_with_an_option_that_there_is_not_is_one_sentence():
    told = {"PREPARE_ADMIN_URL": "postgres://a:hunter2@h/x?sslmode=odd", "PREPARE_SCHEMAS": "x"}
    code, out, wrong = await program(
        "chassis.prepare", **told, PREPARE_PASSWORD_X="hunter2", PREPARE_PASSWORD_X_OWNER="hunter2"
    )
    assert (code, out) == (2, "")
    assert wrong.startswith("Cannot prepare: PREPARE_ADMIN_URL is wrong: ")
    assert wrong.count("\n") == 1
    assert "hunter2" not in wrong


class OwnSettings(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="OWN_")


def test_an_operators_command_gets_its_words_the_services_settings_and_its_clock(monkeypatch, tmp_path, capsys):
    (tmp_path / "jwks").write_text('{"keys": []}')
    for name, value in (("JWKS", str(tmp_path / "jwks")), ("ISSUER", "own")):
        monkeypatch.setenv(f"OWN_{name}", value)
    monkeypatch.setattr(sys, "argv", ["own.keys", "turn"])
    words = argparse.ArgumentParser()
    words.add_argument("what")

    async def run(settings, given, clock):
        assert (settings.issuer, given.what, clock.now().tzinfo is not None) == ("own", "turn", True)
        return 3

    assert commands.operate(words, OwnSettings, run) == 3
    monkeypatch.delenv("OWN_ISSUER")
    with pytest.raises(SystemExit) as ended:
        commands.operate(words, OwnSettings, run)
    assert ended.value.code == 2
    assert "OWN_ISSUER" in capsys.readouterr().err

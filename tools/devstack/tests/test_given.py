"""Servers given by the environment: used, begun anew for a new system, and missed in one sentence."""

import asyncpg
import nats as nats_client
import pytest
from chassis.urls import with_database
from devstack import cli, given, nats, postgres
from devstack.processes import free_port
from devstack.stack import Stack

pytestmark = pytest.mark.feature("X11")


@pytest.mark.parametrize(
    ("name", "url"),
    [("DATABASE_URL", "postgresql://postgres@127.0.0.1:{}/postgres"), ("NATS_URL", "nats://127.0.0.1:{}")],
)
@pytest.mark.connected
def test_a_given_server_that_does_not_answer_is_named(monkeypatch, capsys, state_dir, name, url):
    for other in ("DATABASE_URL", "NATS_URL"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, url.format(free_port()))
    assert cli.run(["loop", "--state", str(state_dir / f"given-{name}")]) == 1
    said = capsys.readouterr().err
    assert name in said
    assert said.count("\n") == 1


@pytest.mark.slow
async def test_given_servers_are_used_and_begin_anew_with_a_new_system(monkeypatch, state_dir):
    base = state_dir / "given"
    base.mkdir(mode=0o755)
    database, bus = postgres.start(base / "postgres", tied=True), nats.start(base / "nats", tied=True)
    try:
        monkeypatch.setenv("DATABASE_URL", database.admin_url)
        monkeypatch.setenv("NATS_URL", bus.url)
        system = cli.make_room(base)
        for _ in range(2):
            stack = await Stack.start(system)
            assert (stack.database, stack.bus) == (None, None)
            first_day_sets = await _count(database, given.database_name(system))
            await stack.stop()
        assert first_day_sets > 0
        client = await nats_client.connect(bus.url)
        before = (await client.jetstream().stream_info("QUARANTINE")).created
        system = cli.make_room(base)
        stack = await Stack.start(system)
        assert (await client.jetstream().stream_info("QUARANTINE")).created > before
        await stack.stop()
        await client.close()
        admin = await asyncpg.connect(database.admin_url)
        names = [row[0] for row in await admin.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'lilitong%'")]
        await admin.close()
        assert names == [given.database_name(system)]
    finally:
        bus.stop()
        database.stop()


async def _count(database, name):
    connection = await asyncpg.connect(with_database(database.admin_url, name))
    try:
        return await connection.fetchval("SELECT count(*) FROM quarantine.schema_migrations")
    finally:
        await connection.close()

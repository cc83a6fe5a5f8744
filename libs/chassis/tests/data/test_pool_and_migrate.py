import asyncio
import uuid
from urllib.parse import urlsplit

import asyncpg
import pytest
from chassis import migrate, urls
from chassis import pool as pools

FIRST = "CREATE TABLE things (n int CONSTRAINT things_n_check CHECK (n > 0));"


def write(path, statements):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"-- migrate:up\n{statements}\n-- migrate:down\n")


async def fetch(url, statement):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@pytest.fixture
async def bare(postgres_server):
    """The name of a database that does not exist yet, dropped afterwards with the roles of schema `bare`."""
    name = f"bare_{uuid.uuid4().hex[:8]}"
    yield name
    admin = await asyncpg.connect(postgres_server.admin_url)
    await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    for role in ("bare", "bare_owner"):
        await admin.execute(f"DROP ROLE IF EXISTS {role}")
    await admin.close()


def test_credentials_in_a_url_may_hold_any_characters():
    url = urls.with_user("postgresql://old@[::1]:5433/x?sslmode=disable", "a", "p@ss:/?#w")
    assert url == "postgresql://a:p%40ss%3A%2F%3F%23w@[::1]:5433/x?sslmode=disable"
    assert urlsplit(url).hostname == "::1"


async def test_a_schema_name_that_is_no_plain_identifier_is_refused():
    with pytest.raises(ValueError, match="not a plain identifier"):
        migrate._identifier('x"; DROP TABLE y; --')


@pytest.mark.connected
async def test_preparing_may_be_done_by_several_at_once_and_again(postgres_server, bare):
    await asyncio.gather(*(migrate.prepare(postgres_server.admin_url, bare, {"bare": "it's"}) for _ in range(4)))
    await migrate.prepare(postgres_server.admin_url, bare, {"bare": "it's"})
    url = urls.with_user(urls.with_database(postgres_server.admin_url, bare), "bare", "it's")
    assert await fetch(url, "SELECT current_schema()") == "bare"


@pytest.mark.connected
async def test_migrations_of_several_folders_run_once_in_order_of_their_names(postgres_server, bare, tmp_path):
    await migrate.prepare(postgres_server.admin_url, bare, {"bare": "p w"})
    owner = urls.with_user(urls.with_database(postgres_server.admin_url, bare), "bare_owner", "p w")
    write(tmp_path / "a" / "20000_second.sql", "ALTER TABLE things ADD COLUMN m int;")
    write(tmp_path / "b" / "10000_first.sql", FIRST)
    folders = [tmp_path / "a", tmp_path / "b"]
    await asyncio.gather(*(asyncio.to_thread(migrate.migrate, owner, "bare", folders) for _ in range(3)))
    assert await fetch(owner, "SELECT array_agg(version::text ORDER BY version) FROM bare.schema_migrations") == [
        "10000",
        "20000",
    ]
    login = urls.with_user(owner, "bare", "p w")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await fetch(login, "SELECT count(*) FROM things")


@pytest.mark.connected
async def test_a_failing_migration_is_told_and_leaves_nothing_of_its_file(postgres_server, bare, tmp_path):
    await migrate.prepare(postgres_server.admin_url, bare, {"bare": "p"})
    owner = urls.with_user(urls.with_database(postgres_server.admin_url, bare), "bare_owner", "p")
    write(tmp_path / "10000_broken.sql", FIRST + "INSERT INTO things VALUES (-1);")
    with pytest.raises(migrate.MigrationError, match="things_n_check"):
        migrate.migrate(owner, "bare", [tmp_path])
    assert await fetch(owner, "SELECT to_regclass('things')") is None


@pytest.mark.connected
async def test_a_service_cannot_enter_anothers_schema(make_service_database):
    database = await make_service_database("chassis", "other")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await fetch(database.url("chassis"), "SELECT count(*) FROM other.schema_migrations")


@pytest.mark.connected
async def test_a_pool_has_limits_of_its_own_or_behind_pgbouncer_the_roles(database):
    url = database.url("chassis")
    direct = await pools.create(url, application_name="direct", statement_seconds=3, lock_seconds=1)
    joint = "&" if "?" in url else "?"
    pooled = await pools.create(f"{url}{joint}pgbouncer=true", application_name="pooled", statement_seconds=3)
    names = ("statement_timeout", "lock_timeout", "application_name", "search_path")
    assert [await direct.fetchval(f"SHOW {name}") for name in names] == ["3s", "1s", "direct", "chassis"]
    assert [await pooled.fetchval(f"SHOW {name}") for name in names] == ["15s", "5s", "pooled", "chassis"]
    await pools.close(direct)
    await pools.close(pooled)


@pytest.mark.connected
async def test_a_statement_that_takes_too_long_is_ended_by_the_server(database):
    pool = await pools.create(database.url("chassis"), application_name="test", statement_seconds=0.2)
    with pytest.raises(asyncpg.QueryCanceledError):
        await pool.execute("SELECT pg_sleep(5)")
    await pools.close(pool)


@pytest.mark.connected
async def test_a_transaction_left_by_an_error_is_rolled_back_before_the_connection_is_used_again(database):
    pool = await pools.create(database.url("chassis"), application_name="test", max_size=1)

    async def fails():
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL lock_timeout = '9s'")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert await pool.fetchval("SHOW lock_timeout") == "5s"
    await pools.close(pool)


@pytest.mark.connected
async def test_closing_a_pool_does_not_wait_for_a_connection_that_is_stuck(database, monkeypatch):
    monkeypatch.setattr(pools, "CLOSE_SECONDS", 0.2)
    pool = await pools.create(database.url("chassis"), application_name="test")
    stuck = asyncio.create_task(pool.execute("SELECT pg_sleep(60)"))
    await asyncio.sleep(0.1)
    await asyncio.wait_for(pools.close(pool), 3)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await stuck

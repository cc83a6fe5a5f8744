"""What the Cluster's bootstrap does with roles and schemas is what `chassis.migrate.prepare` does with them elsewhere."""

import asyncio
from importlib import import_module

import asyncpg
import pytest
from chassis import migrate, urls
from devstack import postgres

from tools.chart import rendering

pytestmark = [pytest.mark.feature("X11"), pytest.mark.connected]
STORES = ("venue", "checkpoint", "quarantine")
LOOKS = {
    "roles": """SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolconfig FROM pg_roles
                WHERE rolname ~ '^(venue|checkpoint|quarantine)' ORDER BY 1""",
    "schemas": """SELECT nspname, nspowner::regrole::text, array(SELECT unnest(nspacl)::text ORDER BY 1) FROM pg_namespace
                  WHERE nspname IN ('venue', 'checkpoint', 'quarantine') ORDER BY 1""",
    "public": "SELECT array(SELECT unnest(nspacl)::text ORDER BY 1) FROM pg_namespace WHERE nspname = 'public'",
    "rights": """SELECT role, has_database_privilege(role, current_database(), what)
                 FROM unnest(ARRAY['venue', 'venue_owner', 'checkpoint', 'quarantine_owner', 'public']) role,
                      unnest(ARRAY['CONNECT', 'CREATE', 'TEMPORARY']) what ORDER BY role, what""",
}


async def looked_at(url):
    connection = await asyncpg.connect(url)
    try:
        return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in LOOKS.items()}
    finally:
        await connection.close()


async def as_the_operator(server, cluster):
    """A new cluster as CloudNativePG makes it: its database and owner, the bootstrap's SQL, then the managed roles."""
    start = cluster["spec"]["bootstrap"]["initdb"]
    admin = await asyncpg.connect(server.admin_url)
    await admin.execute(f'CREATE ROLE "{start["owner"]}" LOGIN')
    await admin.execute(f'CREATE DATABASE "{start["database"]}" OWNER "{start["owner"]}"')
    await admin.close()
    url = urls.with_database(server.admin_url, start["database"])
    inside = await asyncpg.connect(url)
    for statement in start["postInitApplicationSQL"]:
        await inside.execute(statement)
    for role in cluster["spec"]["managed"]["roles"]:
        await inside.execute(f"ALTER ROLE \"{role['name']}\" LOGIN PASSWORD 'x'")
    await inside.close()
    return url


@pytest.fixture
def servers(state_dir):
    pair = [postgres.start(state_dir / f"cnpg-{name}", tied=True) for name in ("ours", "theirs")]
    yield pair
    for server in pair:
        server.stop()


async def test_roles_schemas_and_rights_are_the_same_either_way_and_migrations_run(of, servers):
    cluster = next(item for item in of("cnpg") if item["kind"] == "Cluster")
    theirs = await as_the_operator(servers[1], cluster)
    await migrate.prepare(servers[0].admin_url, "lilitong", dict.fromkeys(STORES, "x"))
    ours = urls.with_database(servers[0].admin_url, "lilitong")
    assert await looked_at(ours) == await looked_at(theirs)
    for schema in STORES:
        folders = import_module(f"{schema}.schema").migration_dirs(rendering.ROOT)
        await asyncio.to_thread(migrate.migrate, urls.with_user(theirs, f"{schema}_owner", "x"), schema, folders)

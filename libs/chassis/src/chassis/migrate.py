"""Databases, roles and migrations of the services.

Each service has a schema, an owner role that only migrations use, and a login role of the schema's own name with the rights
that migrations grant it. dbmate applies the plain SQL; its lock lets several replicas try at once.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import asyncpg

from chassis.urls import with_database, with_query

LOCK_TIMEOUT = "10s"
STATEMENT_TIMEOUT = "120s"
# Of the login roles; `chassis.pool` asks for its own, which a pooler between may not let through.
LOGIN_LIMITS = {"statement_timeout": "15s", "lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s"}
PREPARE_LOCK = 4_815_162  # any number that nothing else on the maintenance database uses
NAME = re.compile(r"[a-z_][a-z0-9_]*")


class MigrationError(Exception):
    """A migration failed; the text is dbmate's."""


def _identifier(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError(f"not a plain identifier: {name!r}")
    return f'"{name}"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


async def prepare(
    admin_url: str, database: str, passwords: Mapping[str, str], *, owner_passwords: Mapping[str, str] | None = None
) -> None:
    """Makes what migrations need: database, schemas, owner and login roles. May run any number of times, several at once.

    Args:
        admin_url: superuser, or a role that may make databases and roles; any database.
        database: to be made when missing.
        passwords: schema name → password of its login role `<schema>`, and of its role `<schema>_owner` unless
            `owner_passwords` has another.
        owner_passwords: schema name → password of `<schema>_owner`.

    """
    owners = {**passwords, **(owner_passwords or {})}
    admin = await asyncpg.connect(admin_url)
    try:
        # Two at once would fail on the same role's row; the lock goes with the connection.
        await admin.execute("SELECT pg_advisory_lock($1)", PREPARE_LOCK)
        for schema in passwords:
            for role, password in ((schema, passwords[schema]), (f"{schema}_owner", owners[schema])):
                if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
                    await admin.execute(f"CREATE ROLE {_identifier(role)}")
                await admin.execute(f"ALTER ROLE {_identifier(role)} LOGIN PASSWORD {_literal(password)}")
                await admin.execute(f"ALTER ROLE {_identifier(role)} SET search_path = {_identifier(schema)}")
            for name, value in LOGIN_LIMITS.items():
                await admin.execute(f"ALTER ROLE {_identifier(schema)} SET {name} = {_literal(value)}")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
            await admin.execute(f"CREATE DATABASE {_identifier(database)}")
        await admin.execute(f"REVOKE ALL ON DATABASE {_identifier(database)} FROM PUBLIC")
        await _prepare_schemas(with_database(admin_url, database), database, passwords)
    finally:
        await admin.close()


async def _prepare_schemas(url: str, database: str, schemas: Iterable[str]) -> None:
    inside = await asyncpg.connect(url)
    try:
        above_all = await inside.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        await inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for schema in schemas:
            owner, login = _identifier(f"{schema}_owner"), _identifier(schema)
            if not above_all:  # who gives a schema away must belong to those who get it
                await inside.execute(f"GRANT {owner} TO current_user")
            await inside.execute(f"CREATE SCHEMA IF NOT EXISTS {_identifier(schema)} AUTHORIZATION {owner}")
            await inside.execute(f"GRANT CONNECT ON DATABASE {_identifier(database)} TO {owner}, {login}")
            await inside.execute(f"GRANT USAGE ON SCHEMA {_identifier(schema)} TO {login}")
    finally:
        await inside.close()


def migrate(owner_url: str, schema: str, folders: Sequence[Path]) -> None:
    """Applies what is missing, as the schema's owner.

    Args:
        owner_url: of the role `<schema>_owner` on the service's database.
        schema: where everything goes.
        folders: of SQL files, sorted by file name over all of them.

    Raises:
        MigrationError: a file failed; what came before it in that file is rolled back.

    """
    options = f"-c lock_timeout={LOCK_TIMEOUT} -c statement_timeout={STATEMENT_TIMEOUT}"
    url = with_query(owner_url, search_path=schema, options=options)
    directories = [argument for folder in folders for argument in ("--migrations-dir", str(folder))]
    command = [
        str(Path(sys.executable).with_name("dbmate")), *directories, "--no-dump-schema", "--migration-lock",
        "--migrations-table", f"{schema}.schema_migrations", "migrate",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": os.environ.get("PATH", ""), "DATABASE_URL": url},
    )
    if done.returncode:
        raise MigrationError((done.stderr or done.stdout).strip())

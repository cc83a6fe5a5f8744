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
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg

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


def with_query(url: str, **parameters: str) -> str:
    """The URL with query parameters added or replaced."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | parameters
    return urlunsplit(parts._replace(query=urlencode(query)))


def with_database(url: str, database: str) -> str:
    """The URL pointing at another database of the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def with_user(url: str, user: str, password: str) -> str:
    """The URL with other credentials, which may hold any characters."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]  # as written: brackets of an IPv6 address, several hosts
    return urlunsplit(parts._replace(netloc=f"{quote(user, safe='')}:{quote(password, safe='')}@{place}"))


async def prepare(admin_url: str, database: str, passwords: Mapping[str, str]) -> None:
    """Makes what migrations need: database, schemas, owner and login roles. May run any number of times, several at once.

    Args:
        admin_url: superuser, any database.
        database: to be made when missing.
        passwords: schema name → password of its two roles `<schema>` and `<schema>_owner`.

    """
    admin = await asyncpg.connect(admin_url)
    try:
        # Two at once would fail on the same role's row; the lock goes with the connection.
        await admin.execute("SELECT pg_advisory_lock($1)", PREPARE_LOCK)
        for schema, password in passwords.items():
            for role in (schema, f"{schema}_owner"):
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
        await inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for schema in schemas:
            owner, login = _identifier(f"{schema}_owner"), _identifier(schema)
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

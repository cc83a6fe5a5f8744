"""Saving and restoring by Postgres' own programs, each with an inventory of exactly what they saw."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
from quarantine.backup import comparing, folders, inventory
from quarantine.backup.folders import DUMP, BackupError
from quarantine.backup.inventory import SCHEMAS, Inventory


@dataclass(frozen=True, slots=True)
class Database:
    """A database's URL, of a superuser or the owner of all three schemas, and the folder of Postgres' programs."""

    url: str
    programs: Path | None = None

    def run(self, program: str, *arguments: str) -> None:
        """One of Postgres' programs on this database. The password goes by the environment, for command lines are public."""
        parts = urlsplit(self.url)
        place = parts.netloc.rpartition("@")[2]
        shown = parts._replace(netloc=f"{parts.username}@{place}" if parts.username else place).geturl()
        environment = os.environ | ({"PGPASSWORD": unquote(parts.password)} if parts.password else {})
        command = [str(self.programs / program) if self.programs else program, "--dbname", shown, *arguments]
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
        except FileNotFoundError:
            raise BackupError(
                f"{program} is not here: install Postgres' client of the server's version, or give --programs"
            ) from None
        if done.returncode:
            raise BackupError(f"{program} failed: {(done.stderr or done.stdout).strip()}")

    async def connect(self) -> Any:
        return await asyncpg.connect(self.url)


async def save(database: Database, folder: Path) -> Inventory:
    """Dump and manifest of one and the same snapshot, into an empty folder."""
    _empty(folder)
    connection = await database.connect()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            schemas = [f"--schema={schema}" for schema in SCHEMAS]
            options = ("--format=custom", f"--snapshot={snapshot}", f"--file={folder / DUMP}")
            database.run("pg_dump", *options, *schemas)
            found = await inventory.take(connection)
    finally:
        await connection.close()
    folders.write(folder, found)
    return found


async def check(database: Database, folder: Path) -> list[str]:
    """What the database holds other than what was saved; raises `UnsoundError` when its log is not sound."""
    return await comparing.check(database.url, folder)


async def restore(database: Database, folder: Path) -> list[str]:
    """Fill prepared, empty schemas, whole or not at all, and say what differs from what was saved (nothing, if all is well).

    Roles and schemas must be there (`python -m chassis.prepare`): their passwords are no part of a backup.
    """
    folders.sound(folder)
    await comparing.ready(database.url)
    # By schema, so that the schemas themselves, which are there, are left alone.
    schemas = [f"--schema={schema}" for schema in SCHEMAS]
    database.run("pg_restore", "--exit-on-error", "--single-transaction", *schemas, str(folder / DUMP))
    return await check(database, folder)


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty")

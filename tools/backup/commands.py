"""Saving and restoring by Postgres' own programs, each with an inventory of exactly what they saw."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import asyncpg

from tools.backup import inventory
from tools.backup.inventory import SCHEMAS, Inventory

DUMP: Final = "lilitong.dump"
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1


class BackupError(Exception):
    """One sentence for the operator."""


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
    manifest = {"format": FORMAT, "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "inventory": found}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
    return found


async def check(database: Database, folder: Path) -> list[str]:
    """What the database holds other than what was saved; raises `UnsoundError` when its log is not sound."""
    saved: Inventory = _manifest(folder)
    connection = await database.connect()
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return inventory.differences(saved, await inventory.take(connection))
    finally:
        await connection.close()


async def restore(database: Database, folder: Path) -> list[str]:
    """Fill prepared, empty schemas, whole or not at all, and say what differs from what was saved (nothing, if all is well).

    Roles and schemas must be there (`python -m chassis.prepare`): their passwords are no part of a backup.
    """
    _manifest(folder)
    connection = await database.connect()
    try:
        there = {row["nspname"] for row in await connection.fetch("SELECT nspname FROM pg_namespace")}
        if missing := [schema for schema in SCHEMAS if schema not in there]:
            raise BackupError(f"prepare the database first (python -m chassis.prepare): no schema {', '.join(missing)}")
        full = await connection.fetchval(
            "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text = ANY($1)", list(SCHEMAS)
        )
        if full:
            raise BackupError("the schemas are not empty; a backup is restored into an empty database only")
    finally:
        await connection.close()
    # By schema, so that the schemas themselves, which are there, are left alone.
    schemas = [f"--schema={schema}" for schema in SCHEMAS]
    database.run("pg_restore", "--exit-on-error", "--single-transaction", *schemas, str(folder / DUMP))
    return await check(database, folder)


def _empty(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty")


def _manifest(folder: Path) -> Inventory:
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        raise BackupError(f"{folder / MANIFEST} cannot be read: this is no backup") from None
    if manifest.get("format") != FORMAT:
        raise BackupError("this backup was made by another version of this program")
    found: Inventory = manifest["inventory"]
    return found

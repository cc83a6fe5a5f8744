"""A database beside what was saved of it, before it is filled and after."""

from pathlib import Path
from typing import Any

import asyncpg

from quarantine.backup import folders, inventory
from quarantine.backup.folders import BackupError
from quarantine.backup.inventory import SCHEMAS, Db


async def check(url: str, folder: Path) -> list[str]:
    """What the database holds other than what was saved; raises `UnsoundError` when its log is not sound."""
    return inventory.differences(folders.read(folder).inventory, await look(url))


async def look(url: str) -> inventory.Inventory:
    """Counts and hashes of what is there; raises `UnsoundError` when its log is not sound."""
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return await inventory.take(connection)
    finally:
        await connection.close()


async def ready(url: str) -> None:
    """Whether the schemas are there and empty. Raises `BackupError`: a backup goes into nothing else."""
    connection: Any = await asyncpg.connect(url)
    try:
        await _ready(connection)
    finally:
        await connection.close()


async def _ready(db: Db) -> None:
    there = {row["nspname"] for row in await db.fetch("SELECT nspname FROM pg_namespace")}
    if missing := [schema for schema in SCHEMAS if schema not in there]:
        raise BackupError(f"prepare the database first (python -m chassis.prepare): no schema {', '.join(missing)}")
    full = await db.fetchval(
        "SELECT count(*) FROM pg_class WHERE relnamespace::regnamespace::text = ANY($1)", list(SCHEMAS)
    )
    if full:
        raise BackupError("the schemas are not empty; a backup is restored into an empty database only")

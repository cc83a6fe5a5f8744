"""One snapshot for two containers: held and counted here, dumped by Postgres' own pg_dump beside us.

The handshake is files in a folder that both see: `folder` and `snapshot` from us, `dumped` or `failed` from the other, `over`
from us when we gave up.
"""

import asyncio
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg

from quarantine.backup import folders, inventory
from quarantine.backup.folders import UNFINISHED, BackupError
from quarantine.backup.inventory import Inventory

_LOOK_SECONDS: Final = 0.2


async def hold(url: str, volume: Path, handshake: Path, keep_days: int, seconds: float) -> tuple[Path, Inventory]:
    """A complete backup below `volume`, and what is in it; what is older than `keep_days` is deleted then.

    Raises:
        BackupError: the dump failed, or took longer than `seconds`.
        UnsoundError: the log is not sound; nothing is kept of such a state, and nothing older is deleted.

    """
    until = time.monotonic() + seconds
    now = datetime.now(UTC)
    part = volume / f"{folders.name_of(now)}{UNFINISHED}"
    try:
        folders.make_room(volume, timedelta(seconds=seconds), now)
        part.mkdir(parents=True, mode=0o700)
        try:
            found = await _held(url, part, handshake, until)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)  # on a full volume it would be in the way of the next
            raise
    except BaseException:
        (handshake / "over").touch()
        raise
    done = part.with_suffix("")
    part.replace(done)
    folders.prune(volume, keep_days, now)
    return done, found


async def _held(url: str, part: Path, handshake: Path, until: float) -> Inventory:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
            _tell(handshake / "folder", str(part))
            _tell(handshake / "snapshot", snapshot)
            found = await inventory.take(connection)
            await _dumped(handshake, until)
    finally:
        await connection.close()
    folders.write(part, found)
    return found


async def _dumped(handshake: Path, until: float) -> None:
    while not (handshake / "dumped").exists():
        if (handshake / "failed").exists():
            raise BackupError("pg_dump failed; the other container says why")
        if time.monotonic() > until:
            raise BackupError("pg_dump was not done in time")
        await asyncio.sleep(_LOOK_SECONDS)


def _tell(path: Path, text: str) -> None:
    """Whole or not at all: the other side looks for a file that is not empty."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)

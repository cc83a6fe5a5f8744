"""Servers that the environment gives (DATABASE_URL, NATS_URL) instead of those we start ourselves.

A system's keys lie in its own folder, so what an earlier system left on such a server is of no use to a new one, and would
confuse it. A new folder therefore begins with an empty database of its own name and with empty streams. Give it servers
for demonstrations: roles and streams have the same names for every system there.
"""

import contextlib
from hashlib import sha256
from pathlib import Path
from typing import Final

import asyncpg
import nats
from nats.js.errors import NotFoundError

from devstack.processes import DevstackError

STREAMS: Final = ("QUARANTINE", "VENUE", "CHECKPOINT")
CONNECT_SECONDS: Final = 5


def database_name(folder: Path) -> str:
    """Of the database of the system in that folder, the same every time."""
    return f"lilitong_{sha256(str(folder.resolve()).encode()).hexdigest()[:8]}"


async def empty_database(admin_url: str, name: str) -> None:
    """Drops what an earlier system of this folder left. Raises DevstackError when the server cannot be used."""
    try:
        admin = await asyncpg.connect(admin_url, timeout=CONNECT_SECONDS)
    except (OSError, asyncpg.PostgresError) as error:
        raise DevstackError(
            f"no Postgres lets us in at DATABASE_URL ({type(error).__name__}); start it, correct the URL or unset it"
        ) from error
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    except asyncpg.InsufficientPrivilegeError as error:
        raise DevstackError("DATABASE_URL must be a superuser's: databases and roles are made with it") from error
    finally:
        await admin.close()


async def empty_streams(url: str) -> None:
    """Deletes the services' streams. Raises DevstackError when the server cannot be used."""
    try:
        client = await nats.connect(
            url, connect_timeout=CONNECT_SECONDS, max_reconnect_attempts=1, allow_reconnect=False
        )
    except (OSError, nats.errors.Error) as error:
        raise DevstackError(
            f"no NATS answers at NATS_URL ({type(error).__name__}); start it, correct the URL or unset it"
        ) from error
    try:
        jetstream = client.jetstream()
        for stream in STREAMS:
            with contextlib.suppress(NotFoundError):
                await jetstream.delete_stream(stream)
    finally:
        await client.close()

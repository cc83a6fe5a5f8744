"""Makes a Postgres cold: everything written down, the server restarted, and the system's cached pages of its files dropped."""

import asyncio
import os
from pathlib import Path

import asyncpg
from devstack.stack import Stack


async def cool(stack: Stack) -> int:
    """Returns how many bytes of files were dropped from the system's cache. Only for a server of the stack's own."""
    if stack.database is None:
        raise RuntimeError("a server that the environment gives cannot be made cold from here; unset DATABASE_URL")
    admin = await asyncpg.connect(stack.database.admin_url)
    try:
        await admin.execute("CHECKPOINT")  # or the restart would begin with reading the log back
    finally:
        await admin.close()
    await asyncio.to_thread(stack.database.stop)
    dropped = await asyncio.to_thread(drop_cached, stack.database.data)
    await asyncio.to_thread(stack.database.start)
    return dropped


def drop_cached(folder: Path) -> int:
    """Tells the system to forget its cached pages of all files below; their bytes. Written pages go first to the disk."""
    total = 0
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            handle = os.open(path, os.O_RDONLY)
            try:
                os.fsync(handle)
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
                total += os.fstat(handle).st_size
            finally:
                os.close(handle)
    return total

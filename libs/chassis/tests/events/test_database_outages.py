"""The database killed and frozen under load: the outbox table is the oracle of what was really committed."""

import asyncio
from pathlib import Path

import psutil
import pytest
from chassis import migrate
from chassis import pool as pools

pytestmark = [
    pytest.mark.connected,
    pytest.mark.slow,
    pytest.mark.usefixtures("debris"),
    # Clients whose server was killed drop their sockets instead of closing them; that is theirs to mend.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HERE = Path(__file__).parent


@pytest.fixture
async def pool(fresh_postgres):
    await migrate.prepare(fresh_postgres.admin_url, "outage", {"chassis": "test"})
    owner = fresh_postgres.url("chassis_owner", "outage", "test")
    folders = [HERE.parents[1] / "migrations", HERE / "migrations"]
    await asyncio.to_thread(migrate.migrate, owner, "chassis", folders)
    url = fresh_postgres.url("chassis", "outage", "test")
    pool = await pools.create(url, application_name="test", max_size=20)
    yield pool
    await pools.close(pool)


async def test_the_database_is_killed_five_times(load, fresh_postgres, dice):
    for _ in range(5):
        await asyncio.sleep(dice.random() * 0.5)
        await asyncio.to_thread(fresh_postgres.kill)
        await asyncio.sleep(dice.random())
        await asyncio.to_thread(fresh_postgres.start)
        await load.back()
    await load.done()


async def test_the_database_is_frozen(load, fresh_postgres):
    """The postmaster and all its children, as a paused machine would be."""
    postmaster = psutil.Process(fresh_postgres.pid)
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        await asyncio.sleep(20)
    finally:
        for process in processes:
            process.resume()
    await load.back()
    await load.done()

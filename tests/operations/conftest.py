"""What several pages' tests need: one running system, and a database to restore into."""

import sys
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest_asyncio
from chassis import migrate, urls
from devstack.stack import Stack
from quarantine.backup.inventory import SCHEMAS

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # tools/operations is a folder of scripts and not installed
sys.path += [str(Path(__file__).parent), str(ROOT / "tests/chart")]  # the rendered release as processes


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="stack")
async def _stack(state_dir):
    stack = await Stack.start(state_dir / "operations")
    yield stack
    await stack.stop()


@pytest_asyncio.fixture(name="empty")
async def _empty(postgres_server):
    """URL of a prepared database with nothing in its schemas."""
    name = f"test_{uuid4().hex[:12]}"
    await migrate.prepare(postgres_server.admin_url, name, dict.fromkeys(SCHEMAS, "test"))
    yield urls.with_database(postgres_server.admin_url, name)
    admin = await asyncpg.connect(postgres_server.admin_url)
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.close()

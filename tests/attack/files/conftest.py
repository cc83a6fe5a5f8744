"""A system of its own for files, because its memory is measured, and the folder of the corpus."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest_asyncio
from devstack.stack import Stack

HERE = Path(__file__).parent
# `register.hostile` is the corpus that the venue service's own tests take too.
sys.path[:0] = [str(HERE)]
sys.path.append(str(HERE.parents[2] / "services/venue/tests"))

from files_attack.office import Office  # noqa: E402 - from the folder above


@pytest_asyncio.fixture(scope="package", loop_scope="session", name="office")
async def _office(state_dir) -> AsyncIterator[Office]:
    stack = await Stack.start(state_dir / "files")
    store = await asyncpg.connect(stack.database_url(stack.database.admin_url, "venue_owner"))
    office = Office.at(stack, store)
    yield office
    await office.close()
    await store.close()
    for name in stack.children:  # nothing of theirs is needed any more, and a drain takes seconds
        stack.kill(name)
    await stack.stop()

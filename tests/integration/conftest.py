"""One running system for all integration tests: the services as processes, reached over REST and gRPC only."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from devstack.district import District
from devstack.stack import Stack


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.connected)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="stack")
async def _stack(state_dir) -> AsyncIterator[Stack]:
    stack = await Stack.start(state_dir / "stack")
    yield stack
    await stack.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="district")
async def _district(stack) -> AsyncIterator[District]:
    district = District(stack)
    await district.start_policy()
    yield district
    await district.close()

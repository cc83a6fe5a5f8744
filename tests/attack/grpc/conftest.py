"""The stage of all gRPC attacks."""

from collections.abc import AsyncIterator

import access_table
import pytest_asyncio
from attack_tools.stage import Stage, staged

ENDPOINTS = access_table.collect().endpoints


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="stage")
async def _stage(stack) -> AsyncIterator[Stage]:
    async with staged(stack, ENDPOINTS) as stage:
        yield stage

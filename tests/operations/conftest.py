"""One running system whose exports are compared with what rules, dashboards and pages speak of."""

import sys
from pathlib import Path

import pytest_asyncio
from devstack.stack import Stack

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))  # tools/operations is a folder of scripts and not installed
sys.path += [str(Path(__file__).parent), str(ROOT / "tests/chart")]  # the rendered release as processes


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="stack")
async def _stack(state_dir):
    stack = await Stack.start(state_dir / "operations")
    yield stack
    await stack.stop()

"""One running system that all attacks share, and the helpers' folders."""

import inspect
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from devstack.stack import Stack

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
# None of these is installed: the attacks' own helpers, those of the access matrix, and a script.
sys.path[:0] = [str(HERE), str(HERE / "rest"), str(ROOT / "tests/access"), str(ROOT / "tools/access")]


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.connected)
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="stack")
async def _stack(state_dir) -> AsyncIterator[Stack]:
    stack = await Stack.start(state_dir / "attack")
    yield stack
    for name in stack.children:  # nothing of theirs is needed any more, and a drain takes seconds
        stack.kill(name)
    await stack.stop()

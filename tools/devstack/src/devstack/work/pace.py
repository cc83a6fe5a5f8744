"""Many people at work at once, as a district has them: a bounded number of calls on the way, with progress."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from devstack.api import Api, Json
from devstack.district import Progress

AT_ONCE = 16
Item = TypeVar("Item")
Found = TypeVar("Found")


async def everyone(
    what: str,
    items: Sequence[Item],
    act: Callable[[Item], Awaitable[Found]],
    progress: Progress,
    *,
    at_once: int = AT_ONCE,
) -> list[Found]:
    """Does it for all items, `at_once` of them at a time; the results in the items' order. The first failure ends it."""
    gate = asyncio.Semaphore(at_once)
    done = 0

    async def one(item: Item) -> Found:
        nonlocal done
        async with gate:
            found = await act(item)
        done += 1
        progress(what, done, len(items))
        return found

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    return [task.result() for task in tasks]


async def pages(api: Api, path: str, field: str, **parameters: object) -> list[Json]:
    """Every item of a list, page by page."""
    found: list[Json] = []
    token = ""
    while True:
        page = await api.get(path, **parameters, page_token=token)
        found += page[field]
        if not (token := page.get("next_page_token", "")):
            return found

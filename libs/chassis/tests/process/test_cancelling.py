"""A task that was asked to stop stops, even when a driver dropped the request."""

import asyncio
from contextlib import suppress

from chassis.cancelling import checkpoint
from chassis.tasks import rest


async def test_a_dropped_cancellation_ends_the_task_at_its_next_checkpoint():
    rounds = 0

    async def stubborn() -> None:
        nonlocal rounds
        while True:
            checkpoint()
            rounds += 1
            with suppress(
                asyncio.CancelledError
            ):  # what a driver's wait does when its result comes in the same instant
                await asyncio.sleep(60)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()
    assert rounds == 1


async def test_a_time_out_inside_a_task_is_no_request_to_stop():
    with suppress(TimeoutError):
        async with asyncio.timeout(0.001):
            await asyncio.sleep(1)
    checkpoint()


async def test_rest_ends_a_task_whose_cancellation_was_dropped_in_its_turn():
    turns = 0

    async def stubborn() -> None:
        nonlocal turns
        woken = asyncio.Event()
        while True:
            turns += 1
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            await rest(woken, 60)

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()
    assert turns == 1


async def test_rest_ends_when_woken_and_forgets_it_or_after_its_time():
    woken = asyncio.Event()
    woken.set()
    async with asyncio.timeout(1):
        await rest(woken, 60)
        assert not woken.is_set()
        await rest(woken, 0.001)

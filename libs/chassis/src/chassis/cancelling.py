"""Cancellation that is not lost."""

import asyncio


def checkpoint() -> None:
    """Raise `asyncio.CancelledError` if the running task was asked to stop. For the top of every endless loop.

    Python 3.11's `asyncio.wait_for`, which the drivers use, drops a cancellation that comes in the same instant as
    its result; a loop that only awaits would then run on for ever, and whoever waits for its end with it.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError

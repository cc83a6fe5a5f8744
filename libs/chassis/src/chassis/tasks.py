"""Background work that has to go on."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from chassis.cancelling import checkpoint
from chassis.metrics import TASK_CRASHES

_log = structlog.get_logger("chassis.tasks")
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0  # a dependency that returns should find its work taken up within seconds
_CALM = 60.0  # after this long without a crash the next one is a first one again


async def rest(woken: asyncio.Event, seconds: float) -> None:
    """What stands between two turns of an endless loop: until `woken` is set, for at most `seconds`; clears it.

    A task whose cancellation was dropped in its turn ends here.
    """
    checkpoint()
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await woken.wait()
    woken.clear()


async def supervise(
    name: str, work: Callable[[], Coroutine[Any, Any, object]], crashed: Callable[[], None] | None
) -> None:
    """Call `work()` again after each crash, after a pause that doubles from 0.1 s to 2 s with jitter.

    With `crashed`, the first crash calls it instead, and that is the end. Returning ends the supervision normally.
    """
    pause = _FIRST_PAUSE
    while True:
        began = time.monotonic()
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - any crash is handled alike
            TASK_CRASHES.labels(name).inc()
            if time.monotonic() - began > _CALM:
                pause = _FIRST_PAUSE
            _log.error("task_crashed", task=name, again_in=None if crashed else round(pause, 2), exc_info=error)
            if crashed is not None:
                crashed()
                return
            await asyncio.sleep(pause * random.uniform(0.8, 1.2))  # noqa: S311 - spreading, no secret
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            _log.info("task_ended", task=name)
            return

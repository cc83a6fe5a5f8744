"""The end of a process: whatever its tasks do with their cancellation, it ends, and with the right code."""

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest
from chassis import run

pytestmark = pytest.mark.feature("X11")

PROGRAM = """
    import asyncio, os, signal, sys
    from chassis import logs
    from chassis.run import run

    logs.setup("demo")

    async def deaf():
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                pass

    async def wire(service):
        service.library = asyncio.create_task(deaf())
        service.check("end", lambda: os.kill(os.getpid(), signal.SIGTERM) or True)

    sys.exit(run("demo", wire, drain_seconds=1))
"""


async def swallowing(cancellations):
    """Loses that many cancellations, as a time-out does that meets its result."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if not cancellations:
                raise
            cancellations -= 1


async def test_a_cancellation_that_was_lost_is_asked_for_again(monkeypatch):
    monkeypatch.setattr(run, "_CANCEL_AGAIN", 0.02)
    tasks = [asyncio.create_task(swallowing(times)) for times in (0, 1, 3)]
    await asyncio.sleep(0)
    assert await run.cancelled(tasks) == set()
    assert all(task.cancelled() for task in tasks)


async def test_what_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(run, "_CANCEL_AGAIN", 0.02)
    task = asyncio.create_task(swallowing(run._CANCELS))
    await asyncio.sleep(0)
    assert await run.cancelled([task]) == {task}
    task.cancel()


def test_a_process_ends_although_a_library_s_task_never_does():
    paths = os.pathsep.join(path for path in sys.path if path)
    ended = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0
    assert '"ended_with_tasks"' in ended.stderr

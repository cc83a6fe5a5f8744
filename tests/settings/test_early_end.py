"""A service that is process 1 of its container hears SIGTERM from the beginning, as it does later on."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.connected, pytest.mark.feature("X11")]
FIRST = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), "--pid", "--fork", "--kill-child"]


def _may() -> bool:
    return shutil.which("unshare") is not None and subprocess.run([*FIRST, "true"], check=False).returncode == 0


@pytest.mark.skipif(
    not _may(), reason="this machine lets nobody but root make a process namespace (unshare, user namespaces)"
)
@pytest.mark.parametrize("service", ["venue", "checkpoint", "quarantine", "gateway"])
async def test_a_signal_during_the_imports_of_process_1_ends_it(service):
    outside = await asyncio.create_subprocess_exec(
        *FIRST, sys.executable, "-m", service, env={"PATH": os.environ["PATH"]}, stderr=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(20):
        while not (inside := _importing(outside.pid)):  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)
    os.kill(inside, signal.SIGTERM)
    async with asyncio.timeout(10):
        assert await outside.wait() == 128 + signal.SIGTERM


def _importing(outside: int) -> int:
    """The process inside, once it has begun with its longer imports; 0 before."""
    found = Path(f"/proc/{outside}/task/{outside}/children").read_text().split()
    return int(found[0]) if found and "pydantic_core" in Path(f"/proc/{found[0]}/maps").read_text() else 0

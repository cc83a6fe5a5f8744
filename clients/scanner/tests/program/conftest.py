"""The terminal program as a process of its own."""

import asyncio
import json
import os
import select
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Program:
    """The terminal program as a process. `lines`: what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.screen = ""
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        if self.process.stdout is None:
            return
        async for line in self.process.stdout:
            self.lines.append(line.decode().rstrip("\n"))

    def type(self, text: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(text.encode())

    @property
    def verdicts(self) -> list[str]:
        return [line for line in self.lines if " ms · " in line]

    def heard_on(self, terminal: int, word: str) -> bool:
        """Reads what a terminal shows by now, into `screen`; whether the word is on it."""
        while select.select([terminal], [], [], 0)[0]:
            self.screen += os.read(terminal, 65536).decode("utf-8", "replace")
        return word in self.screen

    async def end(self, *, kill: bool = False, number: int = 0) -> int:
        """Waits for its end, which is brought about by closing its input, or a signal."""
        stdin = self.process.stdin
        if self.process.returncode is None:
            if kill:
                self.process.kill()
            elif number:
                self.process.send_signal(number)
            elif stdin:
                stdin.close()
        async with asyncio.timeout(20):
            code = await self.process.wait()
            await self._reading
        if stdin:
            stdin.close()
        return code


@pytest.fixture
async def program(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """`await program("--state", …)` starts `python -m scanner`; ended with the test, whatever happens."""
    started: list[Program] = []

    async def start(
        *arguments: object, stdin: int = PIPE, stdout: int = PIPE, environment: dict[str, str] | None = None
    ) -> Program:
        whole = (
            dict(os.environ)
            | {
                "PYTHONPATH": os.pathsep.join(sys.path),
                "PYTHONIOENCODING": "utf-8",
                "TERM": "xterm-256color",
            }
            | (environment or {})
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "scanner", *map(str, arguments),
            stdin=stdin, stdout=stdout, stderr=STDOUT, env=whole, cwd=tmp_path,
        )  # fmt: skip
        started.append(Program(process))
        return started[-1]

    yield start
    for one in started:
        await one.end(kill=True)


@pytest.fixture
def enrolment(live_checkpoint: Any, tmp_path: Path) -> Path:
    """The file that a checkpoint lead hands out, for the live checkpoint."""
    pem = live_checkpoint.device_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    path = tmp_path / "enrolment-file.json"
    text = {
        "target": live_checkpoint.target,
        "log_keys": [key.encode() for key in live_checkpoint.log.keys],
        "device_id": str(live_checkpoint.device_id),
        "device_key": pem,
    }
    path.write_text(json.dumps(text))
    return path

"""P10: what an idle service keeps in memory, and how long it takes from its start until it says that it is ready.

Memory is what the kernel would charge a pod in which the service runs alone: the anonymous pages of all its processes (those
shared after a fork counted once), and the pages of program files that it touches, which no neighbour pays for. The
proportional set size beside it shares those files with the other services of this machine; the resident set size counts a
forked process's pages twice.
"""

import asyncio
import socket
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import httpx
import psutil
from devstack import processes
from devstack.memory import family
from devstack.stack import Stack
from devstack.system import SERVICES
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.figure import AtMost, Measured
from bench.run import Bench

IDLE_SECONDS: Final = 4.0
LOOK_SECONDS: Final = 0.01
PATIENCE_SECONDS: Final = 60.0
MEGABYTE: Final = 1024.0
"""In the kilobytes of /proc: the mebibyte, as Kubernetes counts."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Mebibytes of one service's processes."""

    charged: float
    proportional: float
    resident: float


@dataclass(frozen=True, slots=True)
class Start:
    """seconds: from the start of the process to ready; cpu: seconds of CPU it had used by then."""

    seconds: float
    cpu: float
    memory: Memory


def kilobytes(rollup: str) -> dict[str, int]:
    """The fields of a `/proc/<pid>/smaps_rollup`."""
    fields = (line.split() for line in rollup.splitlines()[1:])
    return {field[0].rstrip(":"): int(field[1]) for field in fields if len(field) == 3}


def memory(rollups: Sequence[Mapping[str, int]]) -> Memory:
    """Of the processes of one service, each as `kilobytes` gives it."""
    own = sum(each["Pss_Anon"] + each["Pss_Shmem"] for each in rollups)
    # Processes of one service map the same files: what the largest has touched is what all of them have.
    files = max(each["Rss"] - each["Anonymous"] - each["Pss_Shmem"] for each in rollups)
    return Memory(
        charged=(own + files) / MEGABYTE,
        proportional=sum(each["Pss"] for each in rollups) / MEGABYTE,
        resident=sum(each["Rss"] for each in rollups) / MEGABYTE,
    )


def memory_of(pid: int) -> Memory:
    """A running service's, its descendants included."""
    return memory([kilobytes(Path(f"/proc/{each}/smaps_rollup").read_text()) for each in family([pid])])


async def until_ready(name: str, port: int) -> None:
    """Asks every few milliseconds: gRPC health, or the gateway's `/readyz`. TimeoutError when it takes too long."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await asyncio.to_thread(_listens, port):  # noqa: ASYNC110 - another process's port has no event
            await asyncio.sleep(LOOK_SECONDS)
        if name == "gateway":
            await _readyz(port)
        else:
            await _serving(port)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def _serving(port: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]
        while True:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=5.0, wait_for_ready=True)
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                return
            await asyncio.sleep(LOOK_SECONDS)


async def _readyz(port: int) -> None:
    async with httpx.AsyncClient(timeout=5.0, trust_env=False) as client:
        while True:
            answer = await client.get(f"http://127.0.0.1:{port}/readyz")
            if answer.status_code == httpx.codes.OK and answer.json()["status"] == "ready":
                return
            await asyncio.sleep(LOOK_SECONDS)


async def start(stack: Stack, name: str) -> Start:
    """Ends the service and starts it anew; its memory is looked at once it has been idle for a while."""
    await asyncio.to_thread(processes.end, stack.pid(name), seconds=25.0)
    began = time.perf_counter()
    await stack.restart(name)
    await until_ready(name, stack.children[name].listen)
    seconds = time.perf_counter() - began
    times = [psutil.Process(each).cpu_times() for each in family([stack.pid(name)])]
    await asyncio.sleep(IDLE_SECONDS)
    return Start(seconds, sum(each.user + each.system for each in times), memory_of(stack.pid(name)))


def figures(starts: Mapping[str, Sequence[Start]]) -> list[Measured]:
    """The largest service and the slowest start carry the goals; each service has its rows."""
    charged = {name: [each.memory.charged for each in found] for name, found in starts.items()}
    seconds = {name: [each.seconds for each in found] for name, found in starts.items()}
    largest = max(charged, key=lambda name: statistics.median(charged[name]))
    slowest = max(seconds, key=lambda name: statistics.median(seconds[name]))
    rows = [
        Measured("P10", f"idle memory of the largest service ({largest})", "MiB", charged[largest], AtMost(120)),
        Measured("P10", f"cold start to ready, the slowest ({slowest})", "s", seconds[slowest], AtMost(2)),
    ]
    for name, found in starts.items():
        middle = sorted(found, key=lambda each: each.memory.charged)[len(found) // 2].memory
        sizes = f"PSS {middle.proportional:.0f}, RSS {middle.resident:.0f} MiB"
        cpu = f"{statistics.median(each.cpu for each in found):.2f} s of CPU until then"
        rows.append(Measured("P10", f"… {name}: memory", "MiB", charged[name], note=sizes))
        rows.append(Measured("P10", f"… {name}: start", "s", seconds[name], note=cpu))
    return rows


async def measure(bench: Bench) -> list[Measured]:
    """Every service is started `bench.runs` times while the others run idle."""
    folder = bench.folder / "p10"
    stack = await Stack.start(folder)
    try:
        starts = {name: [await start(stack, name) for _ in range(bench.runs)] for name in SERVICES}
    finally:
        await stack.stop()
    bench.setting(
        "P10 memory", "anonymous pages of all processes + touched file pages: what a pod of its own is charged"
    )
    bench.setting("P10 start", "page cache warm, byte code compiled; migrations done; Postgres and NATS running")
    return figures(starts)

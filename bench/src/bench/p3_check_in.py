"""P3: a durable REST check-in against a bare FastAPI route on the same server."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
from devstack import processes
from devstack.district import District
from devstack.readiness import wait_ready
from devstack.stack import Child, Stack

from bench.cpu import Meter, Used
from bench.figure import AtLeast, Measured
from bench.load_http import Load, pack
from bench.p3_people import away_from_midnight, crowd, requests
from bench.run import Bench

CONNECTIONS = 256
A_ROUND = 5000
WARM_UP = 1000
GOAL = 1.0
_MARK = '"outcome":"admitted"'
_START_SECONDS = 20.0
_MOST_VENUES = 6


@dataclass(frozen=True, slots=True)
class Round:
    """One side's answers and what they cost."""

    load: Load
    used: Used

    @property
    def rate(self) -> float:
        """Answers a second."""
        return sum(self.load.statuses.values()) / self.load.seconds

    def cost(self, name: str) -> float:
        """Microseconds of CPU an answer."""
        return self.used.cpu[name] / sum(self.load.statuses.values()) * 1e6


class WrongAnswersError(Exception):
    """Not every request was answered as it must be; such a run is no figure."""


async def measure(bench: Bench) -> list[Measured]:
    folder = bench.folder / "p3"
    offset = away_from_midnight(datetime.now(UTC)).total_seconds()
    stack = await Stack.start(folder, clock_offset=offset, progress=bench.say)
    try:
        await _share(stack, venue_processes())
        async with _bare(folder) as (bare_port, bare_pid):
            return await _measure(bench, stack, bare_port, bare_pid)
    finally:
        await stack.stop()


def venue_processes() -> int:
    """One for every core beyond the gateway's own; two where there are only two, for signatures are most of the work.

    P3_VENUES in the environment asks for another number.
    """
    return int(os.environ.get("P3_VENUES", "0")) or min(max((os.cpu_count() or 1) - 1, 2), _MOST_VENUES)


async def _share(stack: Stack, count: int) -> None:
    """Brings the venue service to `count` processes, between which the gateway's channel takes turns."""
    first = stack.children["venue"]
    addresses = [f"127.0.0.1:{first.listen}"]
    for number in range(2, count + 1):
        name, listen, metrics = f"venue-{number}", processes.free_port(), processes.free_port()
        changes = {"VENUE_LISTEN": f"127.0.0.1:{listen}", "VENUE_METRICS_LISTEN": f"127.0.0.1:{metrics}"}
        child = Child(name, listen, metrics, first.env | changes)
        command = [sys.executable, "-m", "venue"]
        child.pid = processes.spawn(command, log=stack.log("venue"), env=child.env, cwd=stack.folder)
        processes.record(stack.folder / f"{name}.pid", child.pid)
        stack.children[name] = child  # `stop` ends it with the others
        addresses.append(changes["VENUE_LISTEN"])
        await wait_ready("venue", listen, child.pid, stack.log("venue"), _START_SECONDS)
    gateway = stack.children["gateway"]
    gateway.env["GATEWAY_VENUE_TARGET"] = f"ipv4:{','.join(addresses)}"
    await stack.restart("gateway")
    await stack.ready("gateway")


async def _measure(bench: Bench, stack: Stack, bare_port: int, bare_pid: int) -> list[Measured]:
    people = WARM_UP + bench.runs * A_ROUND
    district = District(stack)
    district.travel(away_from_midnight(datetime.now(UTC)))
    try:
        bench.say(f"registering {people:,} people and fetching their passes")
        visitors = await crowd(district, people)
    finally:
        await district.close()
    ours = {name: stack.pid(name) for name in stack.names()}
    token = stack.token("app_backend")
    host, _, port = stack.address("gateway").rpartition(":")

    async def both(count: int, *, turn: int) -> tuple[Round, Round]:
        packed = pack(requests(host, token, visitors.visits(count, district.now())))
        file = stack.folder / "requests"
        await asyncio.to_thread(file.write_bytes, packed)
        sides = [(int(port), ours), (bare_port, {"bare": bare_pid})]
        found = {}
        for side in sides if turn % 2 == 0 else reversed(sides):
            found[side[0]] = await _load(side[0], file, side[1], count)
        return found[int(port)], found[bare_port]

    await both(WARM_UP, turn=0)
    rounds = []
    for turn in range(bench.runs):
        full, bare = await both(A_ROUND, turn=turn)
        bench.say(f"check-in {full.rate:,.0f}/s, bare {bare.rate:,.0f}/s, ratio {full.rate / bare.rate:.2f}")
        rounds.append((full, bare))
    bench.setting("P3 Postgres", await _counted(stack, people))
    return _figures(bench, rounds)


async def _load(port: int, file: Path, pids: dict[str, int], count: int) -> Round:
    command = [sys.executable, "-m", "bench.load_http", "127.0.0.1", str(port), str(CONNECTIONS), str(file), _MARK]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    if process.stdin is None or process.stdout is None or (await process.stdout.readline()).strip() != b"ready":
        raise WrongAnswersError("the load process did not start")
    meter = Meter(pids)
    process.stdin.write(b"go\n")
    line = await process.stdout.readline()
    used = meter.used()
    await process.wait()
    if not line:
        raise WrongAnswersError("the load process ended without a result")
    load = Load(**json.loads(line))
    if load.marked != count or load.statuses != {"200": count}:
        raise WrongAnswersError(f"of {count} requests {load.marked} were admitted; statuses {load.statuses}")
    used.cpu["load"] = load.cpu_seconds
    return Round(load, used)


async def _counted(stack: Stack, people: int) -> str:
    """Postgres' own word on how durable its commits are. Raises WrongAnswersError unless every acknowledged check-in is a row."""
    connection = await asyncpg.connect(stack.children["venue"].env["VENUE_DATABASE_URL"])
    try:
        rows = await connection.fetchval("SELECT count(*) FROM visits")
        settings = [
            f"{name} {await connection.fetchval('SELECT current_setting($1)', name)}"
            for name in ("fsync", "synchronous_commit")
        ]
    finally:
        await connection.close()
    if rows != people:
        raise WrongAnswersError(f"{people} check-ins were acknowledged, {rows} rows are stored")
    return ", ".join(settings)


def _figures(bench: Bench, rounds: Sequence[tuple[Round, Round]]) -> list[Measured]:
    last, bare = rounds[-1]
    gateway = [full.cost("gateway") / base.cost("bare") for full, base in rounds]
    costs = ", ".join(f"{name} {last.cost(name):.0f}" for name in last.used.cpu)
    bench.setting("P3 load", f"{CONNECTIONS} keep-alive connections of one process, {A_ROUND} requests a round")
    venues = sum(name.startswith("venue") for name in last.used.cpu)
    bench.setting("P3 processes", f"one gateway, {venues} of venue, one of each other service; pinning: none")
    bench.setting("P3 CPU a check-in", f"{costs} µs")
    bench.setting("P3 CPU a bare request", ", ".join(f"{name} {bare.cost(name):.0f}" for name in bare.used.cpu) + " µs")
    note = (
        f"saturated: {last.used.saturated}; "
        f"others on this machine took {last.used.others:.0%} of it; CPU a check-in in µs: {costs}"
    )
    return [
        Measured(
            "P3",
            "durable REST check-in ÷ bare FastAPI POST",
            "ratio",
            [full.rate / base.rate for full, base in rounds],
            AtLeast(GOAL),
            note,
        ),
        Measured("P3", "CPU of the gateway a check-in ÷ of the bare server a request", "ratio", gateway),
        Measured("P3", "durable REST check-ins", "1/s", [full.rate for full, _ in rounds]),
        Measured("P3", "bare FastAPI POSTs", "1/s", [base.rate for _, base in rounds]),
    ]


@asynccontextmanager
async def _bare(folder: Path) -> AsyncIterator[tuple[int, int]]:
    """A bare server in a process of its own; its port and pid."""
    port = processes.free_port()
    pid = processes.spawn([sys.executable, "-m", "bench.p3_bare", str(port)], log=folder / "bare.log")
    try:
        await _listens(port)
        yield port, pid
    finally:
        processes.end(pid)


async def _listens(port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return

"""P2: what an upload of a hundred scans costs, beside the bare insert of its rows."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from checkpoint.scanning.recorder import CONNECTIONS
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lilitong.checkpoint.v1 import scan_pb2

from bench.figure import AtLeast, Measured
from bench.gate import SEEN_SECONDS, Gate, LoadProcess, Used, VoidError, made
from bench.make_batches import BATCH
from bench.run import Bench

RECORD = "/lilitong.checkpoint.v1.ScanService/RecordScans"
UPLOADS = 400
WARM = 50
DEVICES = 64
"""That upload at the same time."""


@dataclass(frozen=True, slots=True)
class Bar:
    """The process that only inserts."""

    process: asyncio.subprocess.Process

    @classmethod
    async def start(cls, gate: Gate, file: Path) -> "Bar":
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.insert_rows",
            str(file),
            str(CONNECTIONS),
            str(gate.post),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=dict(os.environ) | {"DATABASE_URL": gate.service_url()},
        )
        os.sched_setaffinity(process.pid, {gate.server_core})
        bar = cls(process)
        if await bar._line() != "ready":
            raise RuntimeError("the inserting process did not start")
        return bar

    async def insert(self, first: int, count: int) -> tuple[float, float]:
        """(seconds, its CPU seconds) for so many uploads' rows."""
        if self.process.stdin is None:
            raise RuntimeError("the inserting process has no input")
        self.process.stdin.write(f"{first} {count}\n".encode())
        seconds, cpu = json.loads(await self._line())
        return float(seconds), float(cpu)

    async def _line(self) -> str:
        if self.process.stdout is None:
            raise RuntimeError("the inserting process has no output")
        return (await asyncio.wait_for(self.process.stdout.readline(), 120)).decode().strip()

    async def stop(self) -> None:
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()


async def measure(bench: Bench) -> list[Measured]:
    """Rounds of bare inserts and uploads in turn, of the same rows, each into an empty table."""
    gate = await Gate.start(bench, "p2")
    try:
        return await _measure(bench, gate)
    finally:
        await gate.stop()


async def _measure(bench: Bench, gate: Gate) -> list[Measured]:
    runs = bench.runs + 2
    key = gate.folder / "device.pem"
    key.write_bytes(gate.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    bench.say(f"P2: {(UPLOADS + WARM) * BATCH} scans are made")
    file = await made(gate, "make_batches", UPLOADS + WARM, str(key))
    await gate.settings(bench)
    await gate.serve([gate.server_core])
    core = min(gate.other_cores)
    load = await LoadProcess.start(gate, file, connections=DEVICES, streams=1, core=core)
    bar = await Bar.start(gate, file)
    gate.pin_postgres(gate.other_cores)
    bare: list[float] = []
    durable: list[float] = []
    cpu: list[float] = []
    note = ""
    try:
        await bar.insert(UPLOADS, WARM)
        await gate.empty()
        await upload(gate, load, UPLOADS, WARM)
        for number in range(runs):
            for kind in ("bare", "durable") if number % 2 else ("durable", "bare"):
                await gate.empty()
                _, postgres = gate.cpu()
                if kind == "bare":
                    seconds, own = await bar.insert(0, UPLOADS)
                    used = Used(own, 0.0, gate.cpu()[1] - postgres)
                    bench.say(f"P2: bare insert {UPLOADS * BATCH / seconds:,.0f} rows/s; {used.saturated(seconds)}")
                    bare.append(UPLOADS * BATCH / seconds)
                else:
                    seconds, used = await upload(gate, load, 0, UPLOADS)
                    durable.append(UPLOADS * BATCH / seconds)
                    cpu.append(used.server / (UPLOADS * BATCH))
                    note = used.saturated(seconds)
                    bench.say(f"P2: uploads {durable[-1]:,.0f} scans/s; {note}")
    finally:
        await load.stop()
        await bar.stop()
    bench.setting(
        "P2", f"one server process on a core of its own, {DEVICES} devices, {CONNECTIONS} connections to Postgres"
    )
    ratios = [one / other for one, other in zip(durable, bare, strict=True)]
    return [
        Measured("P2", "uploaded scans, durable ÷ bare unnest insert", "ratio", ratios, AtLeast(0.80), note),
        Measured("P2", "uploaded scans a second", "1/s", durable),
        Measured("P2", "rows a second, bare unnest insert", "1/s", bare),
        Measured("P2", "server CPU of an uploaded scan", "µs", [each * 1e6 for each in cpu]),
    ]


async def upload(gate: Gate, load: LoadProcess, first: int, count: int) -> tuple[float, Used]:
    """Seconds and CPU of so many uploads, each acknowledged and there."""
    gate.move_clock()
    await asyncio.sleep(SEEN_SECONDS)
    before = await gate.rows()
    server, postgres = gate.cpu()
    seen, answers = await load.drive(RECORD, gate.token(), first, count)
    spent, database = gate.cpu()
    outcomes = [result.outcome for one in answers for result in scan_pb2.RecordScansResponse.FromString(one).results]
    recorded = sum(outcome == scan_pb2.RECORD_OUTCOME_RECORDED for outcome in outcomes)
    stored = await gate.rows() - before
    if not recorded == stored == count * BATCH:
        raise VoidError(f"{count * BATCH} scans uploaded: {recorded} acknowledged, {stored} stored")
    return seen.seconds, Used(spent - server, seen.cpu_seconds, database - postgres)

"""P8: whether a second checkpoint process makes a scan dearer."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from lilitong.checkpoint.v1 import scan_pb2

from bench.figure import AtLeast, AtMost, Measured
from bench.gate import SEEN_SECONDS, Gate, LoadProcess, VoidError, made
from bench.p1_scan import SCAN, SPARE
from bench.run import Bench

CONNECTIONS = 128
"""To each process: it has as many scanners waiting as when it is alone."""
CALLS = 4000
WARM = 800
CORES_FOR_RATES = 6
"""With fewer, processes, Postgres and load share cores, and a rate says nothing about the service."""


@dataclass(frozen=True, slots=True)
class Round:
    """Scans a second and CPU seconds a scan, of the checkpoint processes and of Postgres."""

    rate: float
    cpu: float
    postgres: float


async def measure(bench: Bench) -> list[Measured]:
    """Rounds at one process and at two in turn, over one database."""
    gate = await Gate.start(bench, "p8")
    try:
        return await _measure(bench, gate)
    finally:
        await gate.stop()


async def _measure(bench: Bench, gate: Gate) -> list[Measured]:
    runs = bench.runs
    rounds: dict[int, list[Round]] = {1: [], 2: []}
    await gate.settings(bench)
    for number in range(runs + SPARE):
        file = await made(gate, "make_scans", (CALLS + WARM) * 3, str(gate.vault))
        order, first, found = (1, 2) if number % 2 else (2, 1), 0, dict[int, Round]()
        try:
            for processes in order:
                found[processes] = done = await _round(gate, file, processes, first)
                first += (CALLS + WARM) * processes
                bench.say(f"P8: {processes} of them: {done.rate:,.0f} scans/s, {done.cpu * 1e6:.0f} µs each")
        except VoidError as error:
            if number - len(rounds[1]) == SPARE:
                raise
            bench.say(f"P8: a round is void, another one follows: {error}")
            continue
        for processes, done in found.items():
            rounds[processes].append(done)
        if len(rounds[1]) == runs:
            break
    pairs = list(zip(rounds[2], rounds[1], strict=True))
    bench.setting("P8", f"each process pinned to a core, {CONNECTIONS} connections to each, {CALLS} scans each a round")
    note = f"Postgres {rounds[1][-1].postgres * 1e6:.0f} µs a scan at one, {rounds[2][-1].postgres * 1e6:.0f} at two"
    rows = [
        Measured(
            "P8", "CPU of a scan, two processes ÷ one", "ratio", [a.cpu / b.cpu for a, b in pairs], AtMost(1.15), note
        ),
        Measured("P8", "CPU of a scan at one process", "µs", [each.cpu * 1e6 for each in rounds[1]]),
        Measured("P8", "CPU of a scan at two processes", "µs", [each.cpu * 1e6 for each in rounds[2]]),
    ]
    if (os.cpu_count() or 1) >= CORES_FOR_RATES:
        rates = [a.rate / b.rate for a, b in pairs]
        rows.append(Measured("P8", "scans a second, two processes ÷ one", "ratio", rates, AtLeast(1.7)))
    return rows


async def _round(gate: Gate, file: Path, processes: int, first: int) -> Round:
    await gate.serve([gate.cores[number % len(gate.cores)] for number in range(processes)])
    load = await LoadProcess.start(gate, file, connections=CONNECTIONS, streams=1, core=None)
    try:
        gate.move_clock()
        await asyncio.sleep(SEEN_SECONDS)
        token = gate.token()
        await load.drive(SCAN, token, first, WARM * processes)
        first, count = first + WARM * processes, CALLS * processes
        server, postgres = gate.cpu()
        seen, answers = await load.drive(SCAN, token, first, count)
        spent, database = gate.cpu()
        recorded = sum(scan_pb2.ScanResponse.FromString(answer).recorded for answer in answers)
        if recorded != count:
            raise VoidError(f"{count} scans, {recorded} acknowledged")
    finally:
        await load.stop()
    return Round(count / seen.seconds, (spent - server) / count, (database - postgres) / count)

"""P1: what a scan that is committed costs, beside one that is only verified, beside nothing."""

import asyncio
from dataclasses import dataclass

from lilitong.checkpoint.v1 import scan_pb2

from bench.figure import AtLeast, Measured
from bench.gate import SEEN_SECONDS, Gate, LoadProcess, Used, VoidError, made
from bench.run import Bench
from bench.scan_server import NOTHING, VERIFY

SCAN = "/lilitong.checkpoint.v1.ScanService/Scan"
# As in the district: each scanner has a connection of its own, and its staff wait for the answer.
CONNECTIONS, STREAMS = 128, 1
CALLS = 4000
WARM = 1000
SPARE = 2
"""Rounds that may be void: a machine busy with something else for a third of a second leaves scans unacknowledged."""


@dataclass(frozen=True, slots=True)
class Round:
    """Calls a second and the server's CPU seconds a call."""

    rate: float
    cpu: float


async def measure(bench: Bench) -> list[Measured]:
    """Rounds of no-op, verification and scan in turn, on one server process with a core of its own."""
    gate = await Gate.start(bench, "p1")
    try:
        return await _measure(bench, gate)
    finally:
        await gate.stop()


async def _measure(bench: Bench, gate: Gate) -> list[Measured]:
    runs = bench.runs + bench.runs % 2 + 1  # odd and more than asked for: rounds are short
    messages = (runs + SPARE) * CALLS
    bench.say(f"P1: {messages + WARM} people and their phones are made")
    file = await made(gate, "make_scans", messages + WARM, str(gate.vault))
    await gate.settings(bench)
    await gate.serve([gate.server_core])
    gate.pin_postgres(gate.other_cores)
    load = await LoadProcess.start(gate, file, connections=CONNECTIONS, streams=STREAMS, core=min(gate.other_cores))
    try:
        note = ""
        rounds: dict[str, list[Round]] = {NOTHING: [], VERIFY: [], SCAN: []}
        for path in rounds:
            await one_round(gate, load, path, messages, WARM)
        for number in range(runs + SPARE):
            try:
                found = {path: await one_round(gate, load, path, number * CALLS, CALLS) for path in rounds}
            except VoidError as error:
                if number - len(rounds[SCAN]) == SPARE:
                    raise
                bench.say(f"P1: a round is void, another one follows: {error}")
                continue
            for path, (done, spent, seconds) in found.items():
                rounds[path].append(done)
                note = spent.saturated(seconds)
            if len(rounds[SCAN]) == runs:
                break
    finally:
        await load.stop()
    bench.setting(
        "P1", f"one server process on a core of its own, {CONNECTIONS * STREAMS} calls at a time, {CALLS} a round"
    )
    nothing, verify, scan = rounds[NOTHING], rounds[VERIFY], rounds[SCAN]
    return [
        Measured("P1", "durable Scan ÷ verify-only", "ratio", _rates(scan, verify), AtLeast(0.85), note),
        Measured("P1", "durable Scan ÷ no-op", "ratio", _rates(scan, nothing), AtLeast(0.60), note),
        Measured("P1", "durable scans a second", "1/s", [each.rate for each in scan]),
        Measured("P1", "server CPU of a scan", "µs", [each.cpu * 1e6 for each in scan]),
        Measured("P1", "server CPU of a verification", "µs", [each.cpu * 1e6 for each in verify]),
        Measured("P1", "server CPU of a no-op", "µs", [each.cpu * 1e6 for each in nothing]),
    ]


def _rates(above: list[Round], below: list[Round]) -> list[float]:
    return [one.rate / other.rate for one, other in zip(above, below, strict=True)]


async def one_round(gate: Gate, load: LoadProcess, path: str, first: int, count: int) -> tuple[Round, Used, float]:
    """Sends messages and checks what came of them; the clock is `gate.at` when it begins."""
    gate.move_clock()
    await asyncio.sleep(SEEN_SECONDS)
    before = await gate.rows() if path == SCAN else 0
    server, postgres = gate.cpu()
    seen, answers = await load.drive(path, gate.token(), first, count)
    server, postgres = (now - then for now, then in zip(gate.cpu(), (server, postgres), strict=True))
    if path == SCAN:
        decoded = [scan_pb2.ScanResponse.FromString(answer) for answer in answers]
        recorded = sum(answer.recorded for answer in decoded)
        allowed = sum(answer.verdict == scan_pb2.VERDICT_ALLOW for answer in decoded)
        stored = await gate.rows() - before
        if not recorded == allowed == stored == count:
            raise VoidError(f"{count} scans: {recorded} acknowledged, {allowed} allowed, {stored} stored")
    return Round(count / seen.seconds, server / count), Used(server, seen.cpu_seconds, postgres), seen.seconds

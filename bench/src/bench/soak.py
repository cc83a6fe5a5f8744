"""`make soak` (MINUTES=30): the whole system under a mixed load, each process's memory watched for growth.

Growth is the median of the last fifth of the samples against that of the second fifth: the first fifth fills caches and
pools. Exits with 1 when a service grew by more than `GROWTH_PERCENT`, or anything unexpected happened.
"""

import asyncio
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import psutil
from devstack import memory
from devstack.district import District
from devstack.stack import Stack
from devstack.system import SERVICES, STORES
from rich.console import Console
from rich.table import Table

from bench.__main__ import ROOT, own_folder
from bench.soak_load import Load

GROWTH_PERCENT = 5.0
EVERY_S = 5.0
LEAST_MINUTES = 1.0
SETTLE_S = 20.0


@dataclass(slots=True)
class Samples:
    """Of one process with its children: private memory in MB, open files, threads."""

    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    threads: list[int] = field(default_factory=list)

    def growth(self) -> float:
        """Percent, see above."""
        return (fifth(self.memory, 4) / fifth(self.memory, 1) - 1) * 100


def fifth(values: Sequence[float], number: int) -> float:
    """Median of the `number`-th fifth, counted from 0."""
    size = max(len(values) // 5, 1)
    return statistics.median(values[number * size : (number + 1) * size] or values[-1:])


def sample(stack: Stack, kept: dict[str, Samples]) -> None:
    """One look at every process."""
    for name in stack.names():
        pids = memory.family([stack.pid(name)])
        with suppress(psutil.Error):
            processes = [psutil.Process(pid) for pid in pids]
            found = kept.setdefault(name, Samples())
            found.memory.append(memory.private_kilobytes(pids) / 1024)
            found.files.append(sum(each.num_fds() for each in processes))
            found.threads.append(sum(each.num_threads() for each in processes))


async def backlog(stack: Stack) -> dict[str, int]:
    """Events not yet published and dead letters of each store, after the load has ended."""
    if stack.database is None:
        return {}
    connection = await asyncpg.connect(stack.database_url(stack.database.admin_url, "postgres"))
    found = {}
    for schema in STORES:
        found[f"{schema}, unpublished"] = await connection.fetchval(
            f"SELECT count(*) FROM {schema}.outbox WHERE NOT published"
        )
        found[f"{schema}, dead letters"] = await connection.fetchval(f"SELECT count(*) FROM {schema}.dead_letters")
    await connection.close()
    return found


def print_report(kept: Mapping[str, Samples], load: Load, left: Mapping[str, int], seconds: float) -> list[str]:
    """The tables; what is wrong, in words."""
    console = Console(width=120)
    table = Table("process", "private MB, second fifth", "middle", "last fifth", "growth", "open files", "threads")
    wrong = []
    for name, found in kept.items():
        table.add_row(
            name,
            *(f"{fifth(found.memory, number):.1f}" for number in (1, 2, 4)),
            f"{found.growth():+.1f} %",
            f"{fifth(found.files, 1):.0f} → {fifth(found.files, 4):.0f}",
            f"{fifth(found.threads, 1):.0f} → {fifth(found.threads, 4):.0f}",
        )
        if name in SERVICES and found.growth() > GROWTH_PERCENT:
            wrong.append(f"{name} grew by {found.growth():.1f} %")
    console.print(table)
    work = Table("work", "done", "a second")
    for kind, count in sorted(load.tally.done.items()):
        work.add_row(kind, f"{count:,}", f"{count / seconds:.1f}")
    console.print(work)
    for title, tally in (("refused", load.tally.refused), ("unexpected", load.tally.unexpected)):
        for what, count in tally.items():
            console.print(f"  {title}: {what} × {count}", highlight=False)
    wrong += [f"{what} × {count}" for what, count in load.tally.unexpected.items()]
    wrong += [f"{count} left behind: {where}" for where, count in left.items() if count]
    return wrong


async def soak(minutes: float) -> int:
    """Runs it; the exit code."""
    folder = own_folder()
    kept: dict[str, Samples] = {}
    try:
        stack = await Stack.start(folder / "system")
        district = District(stack, patience=10.0)
        try:
            load = await Load.settle(stack, district)
            running = asyncio.create_task(load.run())
            began = time.monotonic()
            while time.monotonic() - began < minutes * 60 and not running.done():
                await asyncio.sleep(EVERY_S)
                sample(stack, kept)
                _progress(kept, load, time.monotonic() - began)
            seconds = time.monotonic() - began
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.sleep(min(SETTLE_S, minutes * 10))
            left = await backlog(stack)
        finally:
            await district.close()
            await stack.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    wrong = print_report(kept, load, left, seconds)
    _write(kept, load, seconds)
    print(
        "\n".join(f"soak: {each}" for each in wrong)
        or f"soak: {seconds / 60:.0f} minutes, no leak, nothing left behind"
    )
    return 1 if wrong else 0


def _progress(kept: Mapping[str, Samples], load: Load, seconds: float) -> None:
    now = "  ".join(f"{name} {found.memory[-1]:.0f}" for name, found in kept.items())
    print(f"  [{seconds:5.0f} s] {sum(load.tally.done.values()):,} done; MB: {now}", file=sys.stderr, flush=True)


def _write(kept: Mapping[str, Samples], load: Load, seconds: float) -> None:
    path: Path = ROOT / ".lilitong" / "soak.json"
    path.parent.mkdir(exist_ok=True)
    processes = {name: {"memory_mb": found.memory, "files": found.files} for name, found in kept.items()}
    path.write_text(json.dumps({"seconds": seconds, "done": load.tally.done, "processes": processes}))


def main() -> int:
    """MINUTES from the environment."""
    try:
        minutes = float(os.environ.get("MINUTES") or 30)
    except ValueError:
        minutes = 0
    if minutes < LEAST_MINUTES:
        print("soak: MINUTES is a number, 1 or more", file=sys.stderr)
        return 2
    return asyncio.run(soak(minutes))


if __name__ == "__main__":
    sys.exit(main())

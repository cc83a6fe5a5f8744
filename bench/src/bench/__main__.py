"""`python -m bench [ONLY=P1,P4] [SCALE=0.02] [RUNS=3]`: measure, print the table, write bench/results.json.

Only a complete run at full scale writes bench/results.json; any other writes below its own folder and says where.
Exits with 1 when a figure could not be measured at all; a missed goal is a result, not an error.
"""

import asyncio
import os
import platform
import shutil
import sys
import tempfile
import traceback
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module
from pathlib import Path

from bench import report
from bench.figure import Measured
from bench.run import Bench

ROOT = report.ROOT
# In the order in which they run: those that want an idle machine first, those that share the loaded district last.
MODULES = {
    "P10": "bench.p10_idle",
    "P7": "bench.p7_day_set",
    "P1": "bench.p1_scan",
    "P2": "bench.p2_batch",
    "P8": "bench.p8_processes",
    "P3": "bench.p3_check_in",
    "V-SUMMARY": "bench.v_summary",
    "V-IMPORT": "bench.v_import",
    "P9": "bench.p9_storage",
    "P6": "bench.p6_growth",
    "P5": "bench.p5_search",
    "P4": "bench.p4_loop",
}


class UsageError(Exception):
    """Says how the command is used."""


def read_arguments(arguments: Sequence[str]) -> tuple[list[str], float, int]:
    """(ids, scale, runs) from `NAME=value` words, the environment standing in for what is not given."""
    given = dict(word.partition("=")[::2] for word in arguments)
    if unknown := set(given) - {"ONLY", "SCALE", "RUNS"}:
        raise UsageError(f"unknown: {', '.join(sorted(unknown))}; use ONLY=P1,P4 SCALE=0.02 RUNS=3")
    words = {name: given.get(name) or os.environ.get(name, "") for name in ("ONLY", "SCALE", "RUNS")}
    wanted = [word.strip().upper() for word in words["ONLY"].split(",") if word.strip()] or list(MODULES)
    if missing := [word for word in wanted if word not in MODULES]:
        raise UsageError(f"no such figure: {', '.join(missing)}; there are {', '.join(sorted(MODULES))}")
    try:
        scale, runs = float(words["SCALE"] or 1), int(words["RUNS"] or 3)
    except ValueError:
        raise UsageError("SCALE is a number (1 is fifty million visits), RUNS a whole one") from None
    if not 0 < scale <= 1 or runs < 3:
        raise UsageError("SCALE lies above 0 and up to 1, RUNS is 3 or more")
    return [name for name in MODULES if name in wanted], scale, runs


async def measure(names: Sequence[str], bench: Bench) -> tuple[list[Measured], list[str]]:
    """The figures, and the ids of what failed; one failure does not cost the others."""
    rows: list[Measured] = []
    failed: list[str] = []
    for name in names:
        bench.say(f"{name} begins")
        try:
            rows += await import_module(MODULES[name]).measure(bench)
        except Exception:  # noqa: BLE001 - whatever it is, the other figures are still to be had
            traceback.print_exc()
            failed.append(name)
    return rows, failed


def own_folder() -> Path:
    """A folder that the servers' unprivileged user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="lilitong-bench-"))
    folder.chmod(0o755)
    return folder


async def run(names: Sequence[str], scale: float, runs: int) -> int:
    """Measures, prints and writes; the exit code."""
    folder = own_folder()
    try:
        async with AsyncExitStack() as stack:
            bench = Bench(folder, scale, runs, stack)
            bench.setting("machine", f"{os.cpu_count()} cores, Python {platform.python_version()}")
            rows, failed = await measure(names, bench)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    report.print_table(rows, bench.settings)
    whole = set(names) == set(MODULES) and scale == 1 and not failed
    target = report.RESULTS if whole else ROOT / ".lilitong" / "bench.json"
    report.write(target, rows)
    print(f"written: {target.relative_to(ROOT)}" + ("" if whole else " (only a complete run at full scale is kept)"))
    if failed:
        print(f"not measured, see above: {', '.join(failed)}")
    return 1 if failed else 0


def main() -> int:
    try:
        names, scale, runs = read_arguments(sys.argv[1:])
    except UsageError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return asyncio.run(run(names, scale, runs))


if __name__ == "__main__":
    sys.exit(main())

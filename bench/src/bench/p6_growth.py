"""P6: what fifty times as many visits cost: check-ins and exposure searches at a fiftieth of the visits and at all of them.

Two systems alike but for their visits stand side by side and are measured in turns, so that whatever else the machine does
befalls both. Check-ins go through the service's own recorder (group commit, the insert, the look at open searches) without
the RPC before it: two signatures a visit cost ten times what the database does and would hide it.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import asyncpg
from chassis import pool as pools
from chassis.events.outbox import unsealed
from passes.days import DAY_SECONDS
from venue.searches import store
from venue.searches.events import Teller
from venue.searches.model import Search
from venue.searches.search import Searching
from venue.visits.recording import Fate, Recorder

from bench import loaded
from bench.cpu import Meter
from bench.figure import AtLeast, AtMost, Measured
from bench.loaded import TODAY_UNTIL, Loaded
from bench.run import Bench
from bench.searching import ask, contacts, searches
from bench.visits import arrivals_of, hours

CHECK_INS: Final = 20_000
WARM_UP: Final = 2_000
BATCH: Final = 100
AT_ONCE: Final = 8
TURNS: Final = 5
CONTACTS: Final = range(3, 400)
LIKE: Final = 0.05
"""Two searches are alike if what they find differs by less than that."""
CANDIDATES: Final = 2000
PAIRS: Final = 12
REPEATS: Final = 7
CHECK_IN_GOAL, SEARCH_GOAL = 0.95, 1.2


@dataclass(frozen=True, slots=True)
class Speed:
    """Check-ins a second, and microseconds of Postgres' CPU for each."""

    rate: float
    cpu: float


async def measure(bench: Bench) -> list[Measured]:
    """Turns of check-ins, then pairs of like searches."""
    small, full = await loaded.small(bench), await loaded.full(bench)
    rows = await _check_ins(bench, small, full)
    return rows + await _searches(bench, small, full)


async def _check_ins(bench: Bench, small: Loaded, full: Loaded) -> list[Measured]:
    for system in (small, full):
        await _record(system, WARM_UP, "warm")
    measured: list[tuple[Speed, Speed]] = []
    for turn in range(max(bench.runs, TURNS)):
        # In turn the one and the other first.
        order = (small, full) if turn % 2 == 0 else (full, small)
        found = {id(system): await _record(system, CHECK_INS, f"{turn}") for system in order}
        measured.append((found[id(small)], found[id(full)]))
        before, after = measured[-1]
        bench.say(
            f"P6 check-ins/s: {before.rate:,.0f} at {small.visits:,} visits, {after.rate:,.0f} at {full.visits:,}"
        )
    note = (
        f"{small.visits:,} → {full.visits:,} visits; the service's recorder with {BATCH} a call and {AT_ONCE} calls at once, two "
        f"connections, no RPC; {CHECK_INS:,} a turn, both systems in turns; saturated: the recorder's process"
    )
    ratios = [after.rate / before.rate for before, after in measured]
    costs = [after.cpu / before.cpu for before, after in measured]
    return [
        Measured("P6", "check-in throughput, all visits ÷ a fiftieth", "ratio", ratios, AtLeast(CHECK_IN_GOAL), note),
        Measured("P6", "… Postgres' CPU a check-in, all ÷ a fiftieth", "ratio", costs),
        Measured("P6", "… check-ins, all visits loaded", "1/s", [after.rate for _, after in measured]),
    ]


async def _record(system: Loaded, count: int, seed: str) -> Speed:
    """Check-ins of today's next hour, in the order of their times."""
    day, draw = system.days[-1], random.Random(f"P6/{seed}")
    hour = hours(system.zones)[TODAY_UNTIL]
    visits = list(arrivals_of(hour, TODAY_UNTIL, day, count, system.people, draw))
    # As a check-in is stored: with the default dwell.
    items = [(replace(visit, overstay=False),) for visit in visits]
    calls = [items[at : at + BATCH] for at in range(0, count, BATCH)]
    pool = await pools.create(system.url(), application_name="bench", min_size=2, max_size=4)
    recorder = Recorder(pool, Searching(Teller(unsealed)), told=_nothing, pending=_nothing)
    meter = Meter({"postgres": system.stack.pid("postgres")})

    async def work() -> None:
        while calls:
            fates = await recorder.record_all(calls.pop(0))
            if set(fates) != {Fate.STORED}:
                raise RuntimeError(f"not every check-in was stored: {set(map(str, fates))}")

    try:
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        used = meter.used()
    finally:
        await recorder.drain()
        await pools.close(pool)
    return Speed(count / used.seconds, used.cpu["postgres"] / count * 1e6)


def _nothing() -> None:
    """Nobody listens."""


async def _searches(bench: Bench, small: Loaded, full: Loaded) -> list[Measured]:
    connections = [await asyncpg.connect(system.url()) for system in (small, full)]
    try:
        wanted = PAIRS * bench.runs
        lists = [
            await _candidates(connection, system) for connection, system in zip(connections, (small, full), strict=True)
        ]
        pairs = alike(*lists)[:wanted]
        if len(pairs) < bench.runs:
            raise RuntimeError(f"only {len(pairs)} pairs of searches find equally many; use a larger SCALE")
        bench.say(f"P6 compares {len(pairs)} pairs of searches")
        ratios, times = [], []
        for turn in range(bench.runs):
            before, after = await _timed(connections, pairs[turn :: bench.runs])
            ratios.append(sum(after) / sum(before))
            times.append(statistics.median(after) * 1000)
    finally:
        for connection in connections:
            await connection.close()
    sizes = statistics.median(size for (size, _), _ in pairs)
    note = (
        f"{len(pairs)} pairs of searches of one stay each that find equally many ({sizes:.0f} in the middle) "
        f"at {small.visits:,} and {full.visits:,} visits; from the lock to the answer in the outbox, rolled back, warm, in turns"
    )
    return [
        Measured("P6", "exposure search, all visits ÷ a fiftieth", "ratio", ratios, AtMost(SEARCH_GOAL), note),
        Measured("P6", "… one search, all visits loaded", "ms", times),
    ]


Sized = tuple[int, Search]


async def _candidates(connection: Any, system: Loaded) -> list[Sized]:
    """Searches for one stay each, with how many people they find."""
    found = []
    for search in _some(system):
        visits = [
            visit for visit in await store.visits_of(connection, search) if visit.left <= DAY_SECONDS and visit.stay
        ]
        if not visits:
            continue
        one = replace(search, window_start=visits[0].entered, window_end=visits[0].left)
        asked = await ask(connection, one)
        if len(asked.stays) == 1 and (count := await contacts(connection, asked)) in CONTACTS:
            found.append((count, one))
    return found


def _some(system: Loaded) -> list[Search]:
    drawn = searches("P6", system.days[:-1], system.people)
    return [next(drawn) for _ in range(CANDIDATES)]


def alike(small: Sequence[Sized], full: Sequence[Sized]) -> list[tuple[Sized, Sized]]:
    """Pairs whose sizes differ by at most `LIKE`, each search in one pair at most; the largest first."""
    left = sorted(full, key=_size)
    pairs = []
    for one in sorted(small, key=_size, reverse=True):
        near = min(left, key=lambda other: abs(other[0] - one[0]), default=None)
        if near is not None and abs(near[0] - one[0]) <= LIKE * one[0]:
            pairs.append((one, near))
            left.remove(near)
    return pairs


def _size(sized: Sized) -> int:
    return sized[0]


async def _timed(connections: Sequence[Any], pairs: Sequence[tuple[Sized, Sized]]) -> tuple[list[float], list[float]]:
    """Seconds of each pair's searches: the middle of several, in turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for pair in pairs:
        taken: tuple[list[float], list[float]] = ([], [])
        for repeat in range(REPEATS):
            for side in (0, 1) if repeat % 2 == 0 else (1, 0):
                taken[side].append(await _open(connections[side], pair[side][1]))
        for side in (0, 1):
            times[side].append(statistics.median(taken[side]))
    return times


async def _open(connection: Any, search: Search) -> float:
    transaction = connection.transaction()
    await transaction.start()
    try:
        began = time.perf_counter()
        await Searching(Teller(unsealed)).open(connection, search)
        return time.perf_counter() - began
    finally:
        await transaction.rollback()

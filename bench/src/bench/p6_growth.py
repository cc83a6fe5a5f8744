"""P6: what fifty times as many visits cost: check-ins and exposure searches at a fiftieth of the visits and at all of them.

Two systems alike but for their visits stand side by side and are measured in turns, so that whatever else the machine does
befalls both. Check-ins go through the service's own recorder (group commit, the insert, the look at open searches) without
the RPC before it: two signatures a visit cost ten times what the database does and would hide it.
"""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
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
from venue.visits.model import Visit
from venue.visits.recording import Fate, Recorder

from bench import loaded
from bench.cpu import Meter
from bench.figure import AtLeast, AtMost, Measured
from bench.loaded import TODAY_UNTIL, Loaded
from bench.run import Bench
from bench.searching import ask, contacts, searches
from bench.visits import Hour, arrivals_of, hours

CHECK_INS: Final = 20_000
WARM_UP: Final = 60_000
"""So many that nearly every page of the day's index by tag was written to once: the first write to a page after a checkpoint puts
all of it into the log, once in a quarter of an hour, which at the rates measured is next to nothing of a check-in."""
SLICE: Final = 1_000
"""Of a turn, one system after the other: short enough that both see the same machine."""
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
    measured: list[tuple[Speed, Speed]] = []
    async with _desk(small) as before, _desk(full) as after:
        for turn in range(-1, max(bench.runs, TURNS)):
            found = await _turn((before, after), f"{turn}", WARM_UP if turn < 0 else CHECK_INS)
            if turn < 0:  # the first one warms up
                continue
            measured.append(found)
            bench.say(
                f"P6 check-ins/s: {found[0].rate:,.0f} at {small.visits:,} visits, {found[1].rate:,.0f} at {full.visits:,}"
            )
    note = (
        f"{small.visits:,} → {full.visits:,} visits; the service's recorder with {BATCH} a call and {AT_ONCE} calls at once, two "
        f"connections, no RPC; {CHECK_INS:,} a turn, {SLICE:,} here, {SLICE:,} there; saturated: the recorder's process"
    )
    ratios = [after.rate / before.rate for before, after in measured]
    costs = [after.cpu / before.cpu for before, after in measured]
    return [
        Measured("P6", "check-in throughput, all visits ÷ a fiftieth", "ratio", ratios, AtLeast(CHECK_IN_GOAL), note),
        Measured("P6", "… Postgres' CPU a check-in, all ÷ a fiftieth", "ratio", costs),
        Measured("P6", "… check-ins, all visits loaded", "1/s", [after.rate for _, after in measured]),
    ]


@dataclass(slots=True)
class Desk:
    """One system's recorder, the hour in which people come, and what its check-ins have taken so far in this turn."""

    system: Loaded
    recorder: Recorder
    hour: Hour
    seconds: float = 0.0
    cpu: float = 0.0

    async def record(self, visits: Sequence[Visit]) -> None:
        """Check-ins in the order of their times; stored as they are, with the default dwell."""
        items = [(replace(visit, overstay=False),) for visit in visits]
        calls = [items[at : at + BATCH] for at in range(0, len(items), BATCH)]
        meter = Meter({"postgres": self.system.stack.pid("postgres")})

        async def work() -> None:
            while calls:
                fates = await self.recorder.record_all(calls.pop(0))
                if set(fates) != {Fate.STORED}:
                    raise RuntimeError(f"not every check-in was stored: {set(map(str, fates))}")

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        used = meter.used()
        self.seconds += used.seconds
        self.cpu += used.cpu["postgres"]


@asynccontextmanager
async def _desk(system: Loaded) -> AsyncIterator[Desk]:
    pool = await pools.create(system.url(), application_name="bench", min_size=2, max_size=4)
    recorder = Recorder(pool, Searching(Teller(unsealed)), told=_nothing, pending=_nothing)
    try:
        yield Desk(system, recorder, hours(system.zones)[TODAY_UNTIL])
    finally:
        await recorder.drain()
        await pools.close(pool)


async def _turn(desks: tuple[Desk, Desk], seed: str, count: int) -> tuple[Speed, Speed]:
    """So many check-ins of today's next hour at each desk, a slice here, a slice there."""
    slices = []
    for desk in desks:
        desk.seconds = desk.cpu = 0.0
        draw = random.Random(f"P6/{seed}")
        day = desk.system.days[-1]
        visits = list(arrivals_of(desk.hour, TODAY_UNTIL, day, count, desk.system.people, draw))
        slices.append([visits[at : at + SLICE] for at in range(0, count, SLICE)])
    for number in range(len(slices[0])):
        for side in (0, 1) if number % 2 == 0 else (1, 0):  # in turn the one and the other first
            await desks[side].record(slices[side][number])
    first, second = (Speed(count / desk.seconds, desk.cpu / count * 1e6) for desk in desks)
    return first, second


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

"""P5: index rows that an exposure search touches for each contact it finds, over fourteen days."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import asyncpg

from bench import loaded
from bench.cold import cool
from bench.figure import AtMost, Measured
from bench.run import Bench
from bench.searching import Asked, Cost, ask, contacts, explain, searches

PERSONS: Final = 40
"""Index persons of a run: case-days drawn at random among everybody's."""
GOAL: Final = 2.0


@dataclass(frozen=True, slots=True)
class Found:
    """One search: what it cost cold and warm, and how many people it found."""

    cold: Cost
    warm: Cost
    people: int


async def measure(bench: Bench) -> list[Measured]:
    """Each run begins cold, with index persons of its own, and repeats the same searches warm."""
    system = await loaded.full(bench)
    rounds = []
    for turn in range(bench.runs):
        chosen = await _choose(system, f"P5/{turn}")
        dropped = await cool(system.stack)
        connection = await asyncpg.connect(system.url())
        try:
            rounds.append(await _run(connection, chosen))
        finally:
            await connection.close()
        touched, people = _totals(rounds[-1])
        bench.say(f"P5 run {turn + 1}: {touched:,.0f} index rows for {people:,} contacts")
        bench.setting(
            "P5 cold", f"Postgres restarted, {dropped / 1e9:.1f} GB of its files dropped from the system's cache"
        )
    return _figures(system, rounds)


async def _choose(system: loaded.Loaded, seed: str) -> list[Asked]:
    connection = await asyncpg.connect(system.url())
    try:
        candidates = islice(searches(seed, system.days, system.people), 50 * PERSONS)
        chosen = []
        for search in candidates:
            asked = await ask(connection, search)
            if asked.probes:
                chosen.append(asked)
            if len(chosen) == PERSONS:
                break
    finally:
        await connection.close()
    return chosen


async def _run(connection: Any, chosen: Sequence[Asked]) -> list[Found]:
    cold = [await explain(connection, asked) for asked in chosen]
    warm = [await explain(connection, asked) for asked in chosen]
    people = [await contacts(connection, asked) for asked in chosen]
    return [Found(*each) for each in zip(cold, warm, people, strict=True)]


def _totals(found: Sequence[Found]) -> tuple[float, int]:
    return sum(each.cold.rows for each in found), sum(each.people for each in found)


def _ratios(rounds: Sequence[Sequence[Found]], part: str, *, cold: bool) -> list[float]:
    values = []
    for found in rounds:
        total = sum(getattr(each.cold if cold else each.warm, part) for each in found)
        values.append(total / max(_totals(found)[1], 1))
    return values


def _times(rounds: Sequence[Sequence[Found]], *, cold: bool) -> list[float]:
    return [statistics.median((each.cold if cold else each.warm).milliseconds for each in found) for found in rounds]


def _figures(system: loaded.Loaded, rounds: Sequence[Sequence[Found]]) -> list[Measured]:
    people = statistics.median(each.people for found in rounds for each in found)
    note = (
        f"{system.visits:,} visits on {len(system.days)} days, {len(system.zones):,} zones; {PERSONS} case-days a run drawn at "
        f"random, {people:,.0f} contacts each in the middle; rows that a filter or recheck removes count"
    )
    blocks = [sum(each.cold.read for each in found) / max(_totals(found)[1], 1) for found in rounds]
    return [
        Measured(
            "P5", "index rows touched ÷ contact found", "rows", _ratios(rounds, "rows", cold=True), AtMost(GOAL), note
        ),
        Measured("P5", "… table rows fetched ÷ contact", "rows", _ratios(rounds, "heap", cold=True)),
        Measured("P5", "… cold: blocks of 8 KiB read ÷ contact", "blocks", blocks),
        Measured("P5", "… warm: blocks of 8 KiB ÷ contact", "blocks", _ratios(rounds, "hit", cold=False)),
        Measured(
            "P5", "… one search, cold", "ms", _times(rounds, cold=True), note="median of a run; planning left out"
        ),
        Measured("P5", "… the same search, warm", "ms", _times(rounds, cold=False)),
    ]

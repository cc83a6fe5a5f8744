"""P4: from the sending of the second approval until the last of 2,000 contacts is refused at a connected scanner.

The whole system in processes of its own (Postgres, NATS, four services), the real scanner library connected by Sync. Each
loop has new people, who were checked in over REST by the staff of a few venues, and a new case.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from devstack import gates, scene
from devstack.district import District
from devstack.phone import Phone
from devstack.stack import Stack
from scanner.client import Scanner

from bench.cpu import Meter
from bench.figure import AtMost, Measured
from bench.loaded import district as loaded_district
from bench.p4_watch import Watch
from bench.run import Bench

CONTACTS: Final = 2_000
VENUES: Final = 8
"""So that no zone has more visitors than the policy lets count as contacts of each other."""
CAPACITY: Final = 400
LOOPS: Final = 5
PATIENCE_SECONDS: Final = 60.0
SEARCH_SECONDS: Final = 120.0
SAMPLE: Final = 20
POLICY: Final = {"impact_cap": 5 * CONTACTS, "largest_zone": CAPACITY}
"""A cap above which a third person has to approve, chosen so that two may decide; drafted and approved through the API."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Milliseconds from the sending of the second approval.

    cpu: of all the system's processes, the observer's own not counted. others: the share of the machine that went to
    processes which have nothing to do with it, meanwhile.
    """

    answered: float
    first: float
    median: float
    p99: float
    last: float
    cpu: float = 0.0
    others: float = 0.0


def closing(began: float, answered: float, moments: Sequence[float]) -> Closing:
    """What `time.perf_counter()` said at each refusal, as milliseconds since `began`."""
    after = sorted((moment - began) * 1000 for moment in moments)
    rank = -(-99 * len(after) // 100) - 1
    return Closing(
        answered=(answered - began) * 1000,
        first=after[0],
        median=statistics.median(after),
        p99=after[rank],
        last=after[-1],
    )


def shares(phones: Sequence[Phone], venues: int) -> list[list[Phone]]:
    """Everybody at one venue, about as many at each."""
    return [list(phones[start::venues]) for start in range(venues)]


async def met(district: District, index: Phone, contacts: Sequence[Phone], places: Sequence[scene.Place]) -> None:
    """The index person was at every place, each contact at one of them, at overlapping times."""
    for place, group in zip(places, shares(contacts, len(places)), strict=True):
        text = index.show_anew(district.now())
        answers = await district.check_in_many([(text, place.code)], operator=place.operator)
        answers += await scene.visit(district, place, group)
        if any(answer["outcome"] != "admitted" for answer in answers):
            raise RuntimeError(f"a check-in was not admitted: {answers}")


async def one_loop(district: District, scanner: Scanner, contacts: int) -> Closing:
    """New people, new venues, a new case, both approvals."""
    places = [await scene.venue(district, capacity=CAPACITY) for _ in range(VENUES)]
    index, *others = await scene.people(district, contacts + 1)
    await met(district, index, others, places)
    case_id, result_id = await district.suspect(index.resident_id)
    await district.approve(case_id, result_id, "approver-1")
    impact = await district.impact(case_id, seconds=SEARCH_SECONDS)
    if impact["people_to_restrict"] < contacts + 1:
        raise RuntimeError(f"the search found {impact['people_to_restrict']} people of {contacts + 1}")
    watch = Watch(scanner)
    watch.admit(others)
    stack = district.stack
    if not isinstance(stack, Stack):
        raise TypeError("only a system on this machine shows its processes")
    system = {name: stack.pid(name) for name in stack.names()}
    meter = Meter(system | {"observer": os.getpid()})
    began = time.perf_counter()

    async def approve() -> float:
        await district.approve(case_id, result_id, "approver-2")
        return time.perf_counter()

    approval = asyncio.create_task(approve())
    await watch.closed(PATIENCE_SECONDS)
    answered = await approval
    used = meter.used()
    step = max(1, len(watch.order) // SAMPLE)
    await watch.spot_check([watch.order[0], watch.order[-1], *watch.order[1:-1:step]])
    cpu = sum(seconds for name, seconds in used.cpu.items() if name in system)
    return replace(closing(began, answered, watch.moments), cpu=cpu * 1000, others=used.others)


async def loops(bench: Bench, district: District, count: int, contacts: int) -> list[Closing]:
    """`count` loops at one scanner of one post."""
    await district.start_policy(**POLICY)
    closings = []
    folder = Path(tempfile.mkdtemp(prefix="p4-", dir=bench.folder))
    async with gates.connected(district, folder / "scanner") as scanner:
        for number in range(1, count + 1):
            closings.append(await one_loop(district, scanner, contacts))
            last = closings[-1]
            bench.say(
                f"P4 loop {number}: answered {last.answered:.0f}, first {last.first:.0f}, "
                f"median {last.median:.0f}, last {last.last:.0f} ms; "
                f"the system's CPU {last.cpu:.0f} ms, {last.others:.0%} of the machine went to others"
            )
    return closings


def figures(closings: Sequence[Closing], contacts: int, visits: str) -> list[Measured]:
    """The rows of the table."""
    note = f"{len(closings)} loops of {contacts:,} contacts; {visits}"
    crowd = f"{statistics.median(c.others for c in closings):.0%} of the machine went to processes of others meanwhile"
    slowest = f"the slowest of {len(closings)} loops: too few for a percentile below the maximum"
    return [
        Measured(
            "P4",
            "second approval sent → last contact refused, p50",
            "ms",
            [c.last for c in closings],
            AtMost(1000),
            note,
        ),
        Measured("P4", "… p99", "ms", [max(c.last for c in closings)], AtMost(2000), slowest),
        Measured("P4", "… first contact refused", "ms", [c.first for c in closings], AtMost(300), note),
        Measured("P4", "… median contact refused", "ms", [c.median for c in closings]),
        Measured("P4", "… approval answered", "ms", [c.answered for c in closings]),
        Measured("P4", "… CPU of the whole system", "ms", [c.cpu for c in closings], note=crowd),
    ]


async def measure(bench: Bench) -> list[Measured]:
    """At least five loops over the loaded district."""
    district = await loaded_district(bench)
    closings = await loops(bench, district, max(LOOPS, bench.runs), CONTACTS)
    bench.setting(
        "P4 refused", "by the scanner's own list, proof verified; every person scanned in full, a sample on line too"
    )
    return figures(closings, CONTACTS, f"{50_000_000 * bench.scale:,.0f} visits loaded")

"""Exposure searches for the bench: index persons, what they find, and what Postgres did for it."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from passes.days import DAY_SECONDS
from venue.searches import store
from venue.searches.model import Interval, Probe, Search, hit_of, probes
from venue.searches.search import interval_of

from bench.visits import tag_of

Plan = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """A search, the index person's stays, and the probes that it makes of them."""

    search: Search
    stays: Sequence[Interval]
    probes: Sequence[Probe]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the search's statements did. rows: index entries looked at, those thrown away too. hit, read: blocks of 8 KiB from
    Postgres' memory and from the system. milliseconds: of execution, planning left out.
    """

    rows: float
    heap: float
    hit: int
    read: int
    milliseconds: float


def searches(seed: str, days: Sequence[date], people: int) -> Iterator[Search]:
    """Case-days of people drawn at random, without end; the window is the whole day."""
    draw = random.Random(seed)
    while True:
        day = draw.choice(days)
        tag = tag_of(day, draw.randint(1, people))
        yield Search(day, UUID(bytes=draw.randbytes(16), version=4), tag, 0, DAY_SECONDS, "")


async def ask(connection: Any, search: Search) -> Asked:
    """What the service would look for; reads the index person's own visits and the zones' facts."""
    stays = [
        stay for visit in await store.visits_of(connection, search) if (stay := interval_of(search, visit)) is not None
    ]
    places = await store.places(connection, (stay.zone for stay in stays))
    asked = [
        probe for source, stay in enumerate(stays) for probe in probes(source, search.day, stay, places[stay.zone])
    ]
    return Asked(search, stays, asked)


async def contacts(connection: Any, asked: Asked) -> int:
    """How many different people shared time with the index person (by day's tag)."""
    seen = await store.seen(connection, "", asked.probes)
    hits = [hit_of(asked.search, asked.stays[each.source], each) for each in seen]
    return len({(hit.day, hit.tag) for hit in hits if hit is not None})


async def explain(connection: Any, asked: Asked) -> Cost:
    """Runs the service's own statements under EXPLAIN (ANALYZE, BUFFERS)."""
    costs = []
    for overstay in (False, True):
        chosen = [probe for probe in asked.probes if probe.overstay is overstay]
        if chosen:
            statement = store.seen_statement(overstay=overstay, drill=False)
            text = await connection.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}", *store.probe_columns(chosen)
            )
            costs.append(cost(json.loads(text)[0]))
    return Cost(
        sum(each.rows for each in costs),
        sum(each.heap for each in costs),
        sum(each.hit for each in costs),
        sum(each.read for each in costs),
        sum(each.milliseconds for each in costs),
    )


def cost(explained: Plan) -> Cost:
    """The cost that an explained statement tells of.

    Rows of every node that reads an index, once for each loop, those removed by a filter or a recheck included. A scan of a
    whole table that ran would hide from this count, so it is an error.
    """
    rows = heap = 0.0
    for node in nodes(explained["Plan"]):
        loops = node["Actual Loops"]
        if node["Node Type"] == "Seq Scan" and loops:
            raise ValueError(f"a whole table was read: {node['Relation Name']}")
        if "Index" in node["Node Type"]:
            removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            rows += loops * (node["Actual Rows"] + removed)
            heap += node.get("Heap Fetches", 0)
            if node["Node Type"] != "Index Only Scan":
                heap += loops * node["Actual Rows"]
    top = explained["Plan"]
    return Cost(rows, heap, top["Shared Hit Blocks"], top["Shared Read Blocks"], explained["Execution Time"])


def nodes(plan: Plan) -> Iterator[Plan]:
    """The node and all below it."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)

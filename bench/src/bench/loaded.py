"""A running system whose venue service holds millions of visits; started and loaded once, shared by P4, P5 and P6."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg
from devstack.demo.places import townships, venues
from devstack.district import District
from devstack.stack import Stack
from passes.days import local_day

from bench.fill import Filler
from bench.run import Bench
from bench.visits import DAYS, FULL, PEOPLE, Zone

SETTINGS: Final = {
    "shared_buffers": "1GB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "256MB",
}
SMALL: Final = 1_000_000
LEAST: Final = 100_000
"""Fewer visits hold no searches that find enough people to be compared, however small the run."""
VENUES_EACH: Final = 550
"""In each of eleven townships: about six thousand zones."""
GB: Final = 1_000_000_000
GB_FREE: Final = 15
"""For fifty million visits with indexes and write-ahead log."""
SEAM: Final = timedelta(hours=2)
TODAY_UNTIL: Final = 20
"""Today is loaded as it stands at eight in the evening, at whatever hour the bench runs."""
GROWN_PERCENT: Final = 70
"""How full pages of a random B-tree are."""


class LoadError(Exception):
    """The visits cannot be loaded; says why and what to do."""


@dataclass(slots=True)
class Loaded:
    """A system and what lies in its venue schema. `days`: oldest first, today last; `people`: of a day."""

    stack: Stack
    district: District
    zones: list[Zone]
    days: list[date]
    people: int
    visits: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def url(self, role: str = "venue") -> str:
        """The database as the service sees it, or its owner, or `postgres`."""
        if self.stack.database is None:
            return self.stack.database_url(self.stack.children["venue"].env["VENUE_DATABASE_URL"], role)
        return self.stack.database_url(self.stack.database.admin_url, role)


async def district(bench: Bench) -> District:
    """The district with all visits loaded."""
    return (await full(bench)).district


async def full(bench: Bench) -> Loaded:
    """The system with all of the run's visits."""
    return await _shared(bench, "full", round(FULL * bench.scale))


async def small(bench: Bench) -> Loaded:
    """Another one with a fiftieth of them (not less than `LEAST`), for comparison."""
    return await _shared(bench, "small", max(round(SMALL * bench.scale), LEAST))


async def _shared(bench: Bench, name: str, visits: int) -> Loaded:
    found = bench.shared.get(f"loaded/{name}")
    if isinstance(found, Loaded):
        return found
    check_space(shutil.disk_usage(bench.folder).free, visits)
    loaded = await _start(bench, name, visits)
    bench.shared[f"loaded/{name}"] = loaded
    await load(bench, loaded, visits)
    return loaded


def check_space(free: int, visits: int) -> None:
    """Raises LoadError when the disk is too small for so many visits."""
    needed = 2 * GB + GB_FREE * GB * visits // FULL
    if free < needed:
        raise LoadError(
            f"{visits:,} visits need {needed / GB:.0f} GB of disk, {free / GB:.0f} GB are free: make room or set SCALE=0.1"
        )


def offset(now: datetime) -> timedelta:
    """What the services' clocks are moved by, so that no local day ends during the measurement."""
    return -SEAM if local_day(now + SEAM) != local_day(now) else timedelta()


async def _start(bench: Bench, name: str, visits: int) -> Loaded:
    moved = offset(datetime.now(UTC))
    stack = await Stack.start(
        bench.folder / f"loaded-{name}",
        clock_offset=moved.total_seconds(),
        database_settings=SETTINGS,
        progress=bench.say,
    )
    bench.stack.push_async_callback(stack.stop)
    people = District(stack)
    bench.stack.push_async_callback(people.close)
    people.travel(moved)
    await people.register_venues(
        [venue for area in townships() for venue in venues(area.code, VENUES_EACH)],
    )
    today = local_day(people.now())
    days = [today - timedelta(days=back) for back in reversed(range(DAYS))]
    loaded = Loaded(stack, people, [], days, max(PEOPLE * visits // FULL, 50))
    loaded.zones = await _zones(loaded)
    for setting, value in SETTINGS.items():
        bench.setting(f"Postgres {setting} (P4, P5, P6)", value)
    return loaded


async def _zones(loaded: Loaded) -> list[Zone]:
    connection = await asyncpg.connect(loaded.url())
    try:
        rows = await connection.fetch(
            """
            SELECT zone, category, dwell_minutes * 60 AS dwell, stay_limit_minutes * 60 AS stay_limit
            FROM zones JOIN venues USING (venue_id) JOIN venue_categories USING (category) ORDER BY zone
            """
        )
    finally:
        await connection.close()
    return [Zone(**row) for row in rows]


async def load(bench: Bench, loaded: Loaded, until: int, *, at_once: int = 2) -> None:
    """Fills the days evenly until there are so many visits; `at_once` days at a time."""
    async with loaded.lock:
        missing = until - loaded.visits
        if missing <= 0:
            return
        bench.say(f"loading {missing:,} visits at {len(loaded.zones):,} zones on {DAYS} days")
        filler = Filler(loaded.url("venue_owner"), loaded.zones, loaded.people)
        waiting = list(zip(loaded.days, _even(missing, DAYS), strict=True))

        async def work() -> None:
            while waiting:
                day, rows = waiting.pop()
                if day == loaded.days[-1]:
                    await filler.fill(day, rows, until=TODAY_UNTIL, fill_percent=GROWN_PERCENT)
                else:
                    await filler.fill(day, rows)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(work())
        loaded.visits = until
        bench.say(f"{until:,} visits are loaded")
        for name in ("fsync", "synchronous_commit"):
            bench.setting(f"Postgres {name} (P4, P5, P6)", await setting(loaded.url(), name))


async def setting(url: str, name: str) -> str:
    """A server's setting as it is."""
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SELECT current_setting($1)", name))
    finally:
        await connection.close()


def _even(total: int, parts: int) -> Sequence[int]:
    return [total * (part + 1) // parts - total * part // parts for part in range(parts)]

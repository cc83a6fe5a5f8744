"""P9: bytes on disk of a visit, all indexes and forks included, as the service writes them and once the day is closed."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Final

import asyncpg
from chassis import migrate, partitions, urls
from chassis import pool as pools
from chassis.clock import ManualClock
from devstack import postgres
from passes.days import ZONE
from venue.schema import migration_dirs
from venue.visits import store
from venue.visits.model import Visit

from bench.figure import AtMost, Measured
from bench.run import Bench
from bench.visits import Zone, arrivals

ROOT: Final = Path(__file__).resolve().parents[3]
ROWS: Final = 1_000_000
GROWTH: Final = 1.19
"""Between the runs' rows: how full random pages are goes in waves, and three times this is a good part of one."""
VISITS_A_PERSON: Final = 8
ZONES: Final = 6000
BATCH: Final = (50, 200)
FIRST: Final = date(2022, 3, 7)
REINDEX_AFTER: Final = 4
LIVE, CLOSED = 190, 160
LOGIN: Final = "bench"
# (category, share in percent, default dwell, longest stay in minutes) of a district's venues.
CATEGORIES: Final = (
    (1, 2, 60, 1440), (2, 3, 720, 1440), (3, 18, 45, 720), (4, 1, 90, 720), (5, 2, 45, 720), (6, 26, 75, 720), (7, 4, 240, 960),
    (8, 7, 45, 1440), (9, 4, 150, 720), (10, 2, 90, 720), (11, 1, 60, 720), (12, 28, 45, 720), (13, 2, 120, 960),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Size:
    """Bytes of a partition with its indexes and forks, by rows; `parts`: by index, and the rows themselves."""

    rows: int
    total: int
    parts: dict[str, int]

    @property
    def each(self) -> float:
        """Bytes a visit."""
        return self.total / self.rows


async def measure(bench: Bench) -> list[Measured]:
    """A day for each run, of growing size, in a database of its own with the service's real migrations."""
    live, closed = [], []
    async with database(bench) as (pool, owner):
        zones = town(ZONES)
        for turn in range(bench.runs):
            day = FIRST + timedelta(days=turn)
            rows = max(round(ROWS * min(1.0, bench.scale * 10) * GROWTH**turn), 1000)
            await _write(pool, arrivals(zones, day, rows, max(rows // VISITS_A_PERSON, 1), seed="P9"), Random(turn))
            await owner.execute(f"VACUUM (ANALYZE) visits_{day:%Y%m%d}")  # as autovacuum does; it adds the maps
            live.append(await size(owner, day))
            done = await partitions.reindex_closed(pool, ManualClock(noon_after(day)))
            if done != [f"visits_{day:%Y%m%d}"]:
                raise RuntimeError(f"the service reindexed {done}")
            closed.append(await size(owner, day))
            bench.say(f"P9 {rows:,} visits: {live[-1].each:.1f} B, closed {closed[-1].each:.1f} B")
    return _figures(bench, live, closed)


def noon_after(day: date) -> datetime:
    """A time at which the day is closed, and none after it."""
    return datetime.combine(day + timedelta(days=REINDEX_AFTER), time(12), ZONE)


async def _write(pool: asyncpg.Pool, visits: Iterator[Visit], draw: Random) -> None:
    async with pool.acquire() as connection:
        while batch := list(islice(visits, draw.randint(*BATCH))):
            async with connection.transaction():
                await store.insert(connection, batch)


async def size(connection: Any, day: date) -> Size:
    """What the day's partition takes."""
    partition = f"visits_{day:%Y%m%d}"
    rows = await connection.fetchval(f"SELECT count(*) FROM {partition}")
    total = await connection.fetchval("SELECT pg_total_relation_size($1::text::regclass)", partition)
    found = await connection.fetch(
        "SELECT indexrelid::regclass::text AS name, pg_total_relation_size(indexrelid) AS bytes FROM pg_index"
        " WHERE indrelid = $1::text::regclass ORDER BY 1",
        partition,
    )
    parts = {row["name"].removeprefix(f"{partition}_"): int(row["bytes"]) for row in found}
    return Size(rows, total, {"rows": total - sum(parts.values()), **parts})


def town(count: int) -> list[Zone]:
    """So many zones in the categories' shares."""
    kinds = [kind for kind in CATEGORIES for _ in range(kind[1])]
    return [
        Zone(number + 1, *(category, dwell * 60, limit * 60))
        for number in range(count)
        for category, _, dwell, limit in (kinds[number % len(kinds)],)
    ]


@asynccontextmanager
async def database(bench: Bench) -> AsyncIterator[tuple[asyncpg.Pool, asyncpg.Connection]]:
    """The venue service's schema on a server of its own: a pool as the service has it, and a connection of the owner."""
    server = postgres.start(bench.folder / "p9", settings={"max_wal_size": "4GB"})
    try:
        await migrate.prepare(server.admin_url, "venue", {"venue": LOGIN})
        logins = {
            role: urls.with_user(urls.with_database(server.admin_url, "venue"), role, LOGIN)
            for role in ("venue", "venue_owner")
        }
        migrate.migrate(logins["venue_owner"], "venue", migration_dirs(ROOT))
        owner = await asyncpg.connect(logins["venue_owner"])
        pool = await pools.create(logins["venue"], application_name="bench", statement_seconds=110)
        try:
            await partitions.ensure(owner, FIRST, FIRST + timedelta(days=bench.runs))
            yield pool, owner
        finally:
            await pools.close(pool)
            await owner.close()
    finally:
        server.stop()


def _figures(bench: Bench, live: Sequence[Size], closed: Sequence[Size]) -> list[Measured]:
    shares = {name: part / live[-1].rows for name, part in live[-1].parts.items() if part / live[-1].rows >= 0.1}
    closed_shares = {name: closed[-1].parts[name] / closed[-1].rows for name in shares}
    note = (
        f"{live[0].rows:,} to {live[-1].rows:,} visits a day at {ZONES:,} zones, the service's own insert, batches of "
        f"{BATCH[0]} to {BATCH[1]} in the order of time; the last: {_told(shares)}"
    )
    bench.setting("P9 check-outs", "none: each adds a row's and two entries' room until vacuum frees it")
    return [
        Measured("P9", "bytes a visit as written, indexes included", "B", [s.each for s in live], AtMost(LIVE), note),
        Measured(
            "P9",
            "bytes a visit of a closed day",
            "B",
            [s.each for s in closed],
            AtMost(CLOSED),
            f"after the service's own reindexing: {_told(closed_shares)}",
        ),
    ]


def _told(parts: dict[str, float]) -> str:
    return ", ".join(f"{name} {each:.1f}" for name, each in parts.items())

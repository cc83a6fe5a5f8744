"""V-SUMMARY: the figures of a district with 50,000 venues and 500,000 inspections, beside a round trip that asks for nothing.

The rows are made up and written by plain SQL into the service's real tables, whose own triggers count them; they are added up
by the service's own job, and asked for as the RPC does it. What it answers is held against a count of the rows.
"""

import time
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
from chassis import migrate, partitions, urls
from chassis import pool as pools
from chassis.clock import ManualClock
from devstack import postgres
from venue.schema import migration_dirs
from venue.summary import store
from venue.summary.model import Metric, Wanted
from venue.summary.rpc import SummaryServicer

from bench.figure import AtMost, Measured
from bench.run import Bench

ROOT: Final = Path(__file__).resolve().parents[3]
ID: Final = "V-SUMMARY"
VENUES: Final = 50_000
INSPECTIONS: Final = 500_000
DISTRICT: Final = "141102"
LAST: Final = date(2022, 5, 31)
DAYS: Final = 90
NOW: Final = datetime(2022, 5, 31, 4, 0, tzinfo=UTC)
CALLS: Final = 40
GOAL_MS: Final = 50
LOGIN: Final = "bench"

# 20 sub-districts with 6 communities each, 13 categories; one venue in fifty is closed, one in twenty has no code.
_VENUES: Final = """
    WITH made AS (
        INSERT INTO venues (venue_id, name, category, area, address, operators, request_id, digest, closed_at, closed_by,
                            closing_reason)
        SELECT gen_random_uuid(), '店' || n, 1 + n % 13,
               $2::text || lpad((1 + n % 20)::text, 3, '0') || lpad((1 + n / 20 % 6)::text, 3, '0'), '路' || n,
               '{}', gen_random_uuid(), sha256(n::text::bytea),
               CASE WHEN n % 50 = 0 THEN $3::timestamptz END, CASE WHEN n % 50 = 0 THEN 'x' END, CASE WHEN n % 50 = 0 THEN 'y' END
        FROM generate_series(1, $1) AS n RETURNING venue_id, name
    )
    INSERT INTO zones (venue_id, ordinal, name, capacity, code, changed)
    SELECT venue_id, 0, name, 50, CASE WHEN substr(name, 2)::integer % 20 > 0 THEN 'LLV1:' || name END, 0 FROM made
"""
# One in five fails; whoever fails waits for a rectification, half of them for too long.
_INSPECTIONS: Final = """
    INSERT INTO inspections (inspection_id, subject, venue_id, subject_name, area, category, checklist_version, outcomes, passed,
                             first_inspector, second_inspector, recorded_by, inspected_at, recorded_at, drill_id, digest)
    SELECT gen_random_uuid(), 1, v.venue_id, v.name, v.area, v.category, 1,
           CASE WHEN (row_number() OVER () + n) % 5 = 0 THEN '{2}' ELSE '{1}' END::smallint[], (row_number() OVER () + n) % 5 > 0,
           'a', 'b', 'a', at, at + interval '1 hour', '', v.digest
    FROM venues v, generate_series(1, $1) AS n,
         LATERAL (SELECT $2::timestamptz - (abs(hashtext(v.venue_id::text || n)) % ($3 * 1440)) * interval '1 minute' AS at) t
"""
_HEADS: Final = """
    INSERT INTO ladder_heads (venue_id, drill_id, area, measure_id, step, state, due_at)
    SELECT DISTINCT ON (venue_id) venue_id, '', area, inspection_id, 1, 1,
           $1::timestamptz + (abs(hashtext(venue_id::text)) % 96 - 48) * interval '1 hour'
    FROM inspections WHERE NOT passed ORDER BY venue_id, recorded_at DESC
"""
_OCCUPIED: Final = """
    WITH inside AS (
        INSERT INTO zone_occupancy (zone, area, category, drill_id, inside)
        SELECT zone, area, category, '', zone % 40 FROM zones JOIN venues USING (venue_id) RETURNING area, category, inside
    )
    INSERT INTO area_occupancy (area, category, drill_id, inside) SELECT area, category, '', sum(inside) FROM inside GROUP BY 1, 2
"""


async def measure(bench: Bench) -> list[Measured]:
    """Fills a database of its own, and asks."""
    venues = max(1_000, int(VENUES * min(1.0, bench.scale * 10)))
    server = postgres.start(bench.folder / "summary", settings={"max_wal_size": "4GB"})
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
            await _fill(owner, venues, bench)
            await partitions.ensure(owner, LAST, LAST)
            servicer = SummaryServicer(pool, ManualClock(NOW))
            while await owner.fetchval("SELECT count(*) FROM summary_changes"):
                await servicer.fold()
            await owner.execute("VACUUM (ANALYZE)")
            return await _ask(bench, pool, owner, venues)
        finally:
            await pools.close(pool)
            await owner.close()
    finally:
        server.stop()


async def _fill(owner: asyncpg.Connection, venues: int, bench: Bench) -> None:
    bench.say(f"{ID}: writing {venues:,} venues and {venues * INSPECTIONS // VENUES:,} inspections")
    await owner.execute("SET statement_timeout = '170s'")
    await owner.execute(_VENUES, venues, DISTRICT, NOW)
    await owner.execute(_INSPECTIONS, INSPECTIONS // VENUES, NOW - timedelta(hours=1), DAYS)
    await owner.execute(_HEADS, NOW)
    await owner.execute(_OCCUPIED)


async def _ask(bench: Bench, pool: asyncpg.Pool, owner: asyncpg.Connection, venues: int) -> list[Measured]:
    first = LAST - timedelta(days=DAYS)
    whole = Wanted(DISTRICT, 6, 0, "", first, LAST)
    each = Wanted(DISTRICT, 9, 0, "", first, LAST)

    def asking(wanted: Wanted) -> Callable[[], Coroutine[Any, Any, Any]]:
        async def ask() -> dict[str, Any]:
            async with pool.acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
                return await store.summaries(conn, wanted, NOW)

        return ask

    async def nothing() -> None:
        async with pool.acquire() as conn:
            await conn.fetchval("SELECT 1")

    await _agrees(owner, (await asking(whole)())[DISTRICT].counts)
    for warm in (asking(whole), asking(each), nothing):
        await _timed(warm, 10)
    district, rows, ratios = [], [], []
    for _ in range(bench.runs):
        bare = await _timed(nothing, CALLS)
        district.append(await _timed(asking(whole), CALLS))
        rows.append(await _timed(asking(each), CALLS))
        ratios.append(district[-1] / bare)
    inspections = venues * INSPECTIONS // VENUES
    note = f"{venues:,} venues, {inspections:,} inspections, {DAYS} days; median of {CALLS} calls, the store's part"
    return [
        Measured(ID, "figures of the district", "ms", district, AtMost(GOAL_MS), note),
        Measured(ID, "… of each of its 20 sub-districts", "ms", rows, AtMost(GOAL_MS), note),
        Measured(ID, "… ÷ a round trip (SELECT 1)", "ratio", ratios, note="of the district"),
    ]


async def _timed(call: Callable[[], Coroutine[Any, Any, Any]], times: int) -> float:
    """Milliseconds of a call, in the middle."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)[times // 2]


async def _agrees(owner: asyncpg.Connection, counts: dict[Metric, int]) -> None:
    """RuntimeError when the kept counts are not those of the rows."""
    row = await owner.fetchrow(
        """
        SELECT (SELECT count(*) FROM venues WHERE closed_at IS NULL) AS registered,
               (SELECT count(DISTINCT venue_id) FROM venues JOIN zones USING (venue_id)
                WHERE closed_at IS NULL AND code IS NOT NULL) AS on_code,
               count(*) AS inspections, count(*) FILTER (WHERE NOT passed) AS failed
        FROM inspections
        """
    )
    if row is None:
        raise RuntimeError("nothing was counted")
    for metric in (Metric.REGISTERED, Metric.ON_CODE, Metric.INSPECTIONS, Metric.FAILED):
        if counts.get(metric, 0) != row[metric.name.lower()]:
            raise RuntimeError(f"{metric.name}: {counts.get(metric)} where the rows say {row[metric.name.lower()]}")

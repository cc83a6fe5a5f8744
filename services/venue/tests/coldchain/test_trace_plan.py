"""Tracing one of 10,000 lots through five levels of hands is one query of a few index ranges."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from chassis.clock import local_day
from venue.coldchain.trail import TRACE, trace

pytestmark = [pytest.mark.connected, pytest.mark.slow, pytest.mark.feature("V10")]

LOTS, LEVELS, WIDTH, DAYS = 10_000, 5, 20, 14

# Each lot goes from the premises to two of the first level's venues, and from both to the same two of each further level.
MOVES = """
    CREATE TEMP TABLE moves AS
    SELECT i, lot_id, level, origin, target, quantity,
           (5 + row_number() OVER (PARTITION BY i ORDER BY level, origin, target))::integer AS ordinal,
           gen_random_uuid() AS distribution_id
    FROM (
        SELECT i, md5('lot' || i)::uuid AS lot_id, level, 256 >> CASE level WHEN 1 THEN 0 ELSE level END AS quantity,
               CASE level WHEN 1 THEN $1::uuid ELSE md5(format('venue %s %s', level - 1, (i + a) % $4))::uuid END AS origin,
               md5(format('venue %s %s', level, (i + b) % $4))::uuid AS target
        FROM generate_series(1, $2) i, generate_series(1, $3) level, generate_series(0, 1) a, generate_series(0, 1) b
        WHERE level > 1 OR a = 0
    ) sent
"""
FILL = (
    """
    INSERT INTO venues (venue_id, name, category, area, address, operators, request_id, digest)
    SELECT md5(format('venue %s %s', level, n))::uuid, format('店%s-%s', level, n), 5, '141102001001', '滨河路', '{shop-2}',
           gen_random_uuid(), sha256(format('%s %s', level, n)::bytea)
    FROM generate_series(1, (SELECT max(level) FROM moves)) level, generate_series(0, 19) n
    """,
    """
    INSERT INTO lots (lot_id, premises_id, drill_id, declaration_number, origin_country, trace_code, product, quantity, unit,
                      arrived_at, registered_by, registered_at)
    SELECT lot_id, origin, '', 'D' || i, 'EC', 'T' || i, '冻虾', 1000, 2, now(), 'shop-1', now() FROM moves
    WHERE level = 1 GROUP BY i, lot_id, origin
    """,
    """
    INSERT INTO lot_facts (lot_id, ordinal, kind, fact_id, was_released, was_positives, was_recalled)
    SELECT lot_id, n, kind, gen_random_uuid(), false, 0, false
    FROM (SELECT DISTINCT lot_id FROM moves) l, unnest(ARRAY[1, 2, 3, 5, 6]) WITH ORDINALITY AS done (kind, n)
    UNION ALL SELECT lot_id, ordinal, 7, distribution_id, true, 0, false FROM moves
    """,
    """
    INSERT INTO lot_distributions (distribution_id, lot_id, drill_id, ordinal, from_venue, to_venue, recipient, quantity,
                                   distributed_at, recorded_by, recorded_at)
    SELECT distribution_id, lot_id, '', ordinal, origin, target, '', quantity, now(), 'shop-1', now() FROM moves
    """,
    """
    INSERT INTO lot_stock (lot_id, venue_id, ordinal, cause, fact_id, was, change)
    SELECT lot_id, venue_id, row_number() OVER w, cause, fact_id, coalesce(sum(change) OVER former, 0), change
    FROM (
        SELECT lot_id, premises_id AS venue_id, 1 AS at, 1 AS cause, lot_id AS fact_id, quantity AS change FROM lots
        UNION ALL SELECT lot_id, origin, ordinal, 2, distribution_id, -quantity FROM moves
        UNION ALL SELECT lot_id, target, ordinal, 3, distribution_id, quantity FROM moves
    ) booked
    WINDOW w AS (PARTITION BY lot_id, venue_id ORDER BY at),
           former AS (PARTITION BY lot_id, venue_id ORDER BY at ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    """,
    """
    INSERT INTO lot_handlers (lot_id, venue_id, tag, day, drill_id)
    SELECT lot_id, premises_id, md5(lot_id::text || ago)::uuid, $1::date - ago, '' FROM lots, generate_series(0, $2 - 1) ago
    """,
)


async def filled(chain):
    """The premises with 10,000 lots on their ways. Past the triggers of foreign keys, whose checks are held elsewhere."""
    source = await chain.premises()
    today = local_day(chain.now())
    for ago in range(DAYS):
        await chain.open_day(today - timedelta(days=ago))
    admin = chain.house.admin
    async with admin.transaction():
        await admin.execute("SET LOCAL search_path = venue, pg_temp; SET LOCAL session_replication_role = replica")
        await admin.execute(MOVES, UUID(source.venue_id), LOTS, LEVELS, WIDTH)
        for statement in FILL:
            await admin.execute(statement, *((today, DAYS) if "$1" in statement else ()))
    await admin.execute("DROP TABLE moves")
    tables = ("venues", "lots", "lot_facts", "lot_distributions", "lot_stock", "lot_handlers")
    await admin.execute("ANALYZE " + ", ".join(f"venue.{table}" for table in tables))
    return source


async def explained(chain, lot_id):
    """The plan that was run, and the pages that it touched."""
    async with chain.house.pool.acquire() as conn:
        (plan,) = json.loads(await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {TRACE}", lot_id))
    return list(nodes(plan["Plan"])), plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]


def nodes(plan):
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


async def test_a_lot_among_ten_thousand_is_traced_by_index_ranges_alone(chain):
    source = await filled(chain)
    rows = await chain.house.rows("SELECT lot_id FROM lots ORDER BY lot_id LIMIT 1 OFFSET 4321")
    lot_id = rows[0]["lot_id"]
    async with chain.house.pool.acquire() as conn:
        found = await trace(conn, lot_id)
        text = await conn.fetch(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY ON) {TRACE}", lot_id)
        print("\n".join(row[0] for row in text))
    at_level = {level: [each for each in found.places if each.level == level] for level in range(LEVELS + 1)}
    assert [len(at_level[level]) for level in range(LEVELS + 1)] == [1, 2, 2, 2, 2, 2]
    assert (str(at_level[0][0].venue_id), at_level[0][0].there) == (source.venue_id, 1000 - 2 * 256)
    assert [each.there for each in at_level[LEVELS]] == [16, 16]
    assert sum(each.there for each in found.places) == 1000
    assert len(found.handlers) == DAYS
    plan, pages = await explained(chain, lot_id)
    # A day without anybody is read as the empty table that it is.
    whole = [node for node in plan if node["Node Type"] == "Seq Scan" and node["Relation Name"].startswith("lot")]
    assert not [node for node in whole if node["Actual Rows"] or node.get("Rows Removed by Filter")]
    # 18 distributions, 11 places, 14 of the days' tags: some hundreds of pages in memory, whatever other lots there are.
    assert pages < 1000


async def test_goods_that_go_to_and_fro_thousands_of_times_do_not_hide_from_a_trace(chain):
    """Whoever sends a lot to and fro all day must not thereby keep it from being recalled."""
    source = await chain.premises()
    partner = await chain.house.register(category=5)
    lot = await chain.released(source)
    await chain.send(lot, source.venue_id, partner.venue_id, 1)
    admin, times = chain.house.admin, 4000
    async with admin.transaction():
        await admin.execute("SET LOCAL search_path = venue, pg_temp; SET LOCAL session_replication_role = replica")
        await admin.execute(
            """
            INSERT INTO lot_distributions (distribution_id, lot_id, drill_id, ordinal, from_venue, to_venue, recipient, quantity,
                                           distributed_at, recorded_by, recorded_at)
            SELECT gen_random_uuid(), $1, '', 100 + n, CASE n % 2 WHEN 1 THEN $2::uuid ELSE $3 END,
                   CASE n % 2 WHEN 1 THEN $3 ELSE $2 END, '', 1, now(), 'shop-1', now() FROM generate_series(1, $4) n
            """,
            UUID(lot.lot_id), UUID(partner.venue_id), UUID(source.venue_id), times,
        )  # fmt: skip
    places = (await chain.trace(lot)).places
    assert [(each.level, each.venue_id, each.received) for each in places] == [
        (0, source.venue_id, 1000 + times // 2),
        (1, partner.venue_id, 1 + times // 2),
    ]
    plan, _ = await explained(chain, UUID(lot.lot_id))
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in plan) <= 2 * times + 2

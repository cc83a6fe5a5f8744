"""What is in all tables of the services, so that nobody can have changed anything unseen."""

import asyncio

import access_table

# Tables that move without any call: the bus and the sweep write them. The last ones are counts that are added up, and people who
# leave; the facts behind them are watched.
RESTLESS = (
    *("outbox_shards", "outbox_streams", "consumer_leases", "consumer_attempts"),
    *(
        "summary_changes",
        "summary_days",
        "visit_notes",
        "occupancy_state",
        "zone_occupancy",
        "area_occupancy",
        "zone_changes",
        "code_use",
    ),
)


async def contents(connection) -> dict[str, str]:
    """Table → digest of all that is in it."""
    tables = await connection.fetch(
        "SELECT schemaname AS schema, tablename AS name FROM pg_tables WHERE schemaname = ANY($1)",
        list(access_table.SERVICES),
    )
    found = {}
    for table in tables:
        if table["name"] in RESTLESS:
            continue
        name = f'"{table["schema"]}"."{table["name"]}"'
        found[name] = await connection.fetchval(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t")
    return found


# Spot checks that are over, or will be in a moment, and of which nobody has been told yet.
_UNTOLD = """
    SELECT count(*) FROM venue.spot_checks c JOIN venue.spot_check_draws USING (draw_id)
    WHERE c.ends_at < now() + interval '1 minute'
      AND NOT EXISTS (SELECT FROM venue.spot_check_publications p WHERE p.draw_id = c.draw_id)
"""


async def at_rest(connection) -> dict[str, str]:
    """Contents once nothing has moved for a second, and nothing is to be published by the sweep."""
    before = await contents(connection)
    for _ in range(60):
        await asyncio.sleep(1)
        now = await contents(connection)
        if now == before and not await connection.fetchval(_UNTOLD):
            return now
        before = now
    raise AssertionError("the tables never come to rest")

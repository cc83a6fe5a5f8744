"""SQL of where lots are, went and go: stock, distributions, handlers, the trace of one lot, lists."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from uuid import UUID

from chassis.pages import TimeCursor
from chassis.pool import Connection
from passes.days import day_number

from venue.coldchain.model import Distribution, Handler, Head, Place, State, Trace
from venue.coldchain.store import HEAD_COLUMNS, LAST_FACT, head_of

# One query: the places in their order, then the handlers. Each place but the premises has one sender of the first that came
# there, who had it before: so the walk goes down a tree and visits each place once, even where goods went to and fro all day.
TRACE: Final = """
    WITH RECURSIVE moves AS MATERIALIZED (
        SELECT ordinal, from_venue, to_venue, recipient, quantity FROM lot_distributions WHERE lot_id = $1
    ), firsts AS MATERIALIZED (
        SELECT DISTINCT ON (to_venue) to_venue, from_venue FROM moves
        WHERE to_venue <> (SELECT premises_id FROM lots WHERE lot_id = $1) ORDER BY to_venue, ordinal
    ), reached AS (
        SELECT premises_id AS venue_id, 0 AS level FROM lots WHERE lot_id = $1
        UNION ALL
        SELECT f.to_venue, r.level + 1 FROM reached r JOIN firsts f ON f.from_venue = r.venue_id
    ), came AS (
        SELECT to_venue AS venue_id, recipient, from_venue, quantity FROM moves
        UNION ALL
        SELECT premises_id, '', NULL, quantity FROM lots WHERE lot_id = $1
    ), places AS (
        SELECT c.venue_id, c.recipient, min(coalesce(own.level, sender.level + 1)) AS level, sum(c.quantity)::bigint AS received
        FROM came c LEFT JOIN reached own ON own.venue_id = c.venue_id
        LEFT JOIN reached sender ON sender.venue_id = c.from_venue
        GROUP BY c.venue_id, c.recipient
    )
    SELECT p.level, p.venue_id, coalesce(v.name, p.recipient) AS name, coalesce(v.area, '') AS area, p.received,
           coalesce(s.there, 0) AS there, v.closed_at IS NOT NULL AS closed,
           NULL::date AS day, NULL::uuid AS tag
    FROM places p LEFT JOIN venues v USING (venue_id)
    LEFT JOIN LATERAL (
        SELECT there FROM lot_stock WHERE lot_id = $1 AND venue_id = p.venue_id ORDER BY ordinal DESC LIMIT 1
    ) s ON true
    UNION ALL
    SELECT NULL, venue_id, NULL, NULL, NULL, NULL, NULL, day, tag FROM lot_handlers WHERE lot_id = $1
    ORDER BY level NULLS LAST, day, tag, area, name, venue_id
"""

_STATE: Final = """CASE WHEN f.recalled THEN 4 WHEN f.positives > 0 THEN 3 WHEN f.released THEN 2 ELSE 1 END"""


async def trace(conn: Connection, lot_id: UUID) -> Trace:
    """Where the lot went and who handled it. Handlers of a day are in the order of their tags, which says nothing."""
    rows = await conn.fetch(TRACE, lot_id)
    return Trace(
        tuple(
            Place(row["level"], row["venue_id"], row["name"], row["area"], row["received"], row["there"], row["closed"])
            for row in rows
            if row["day"] is None
        ),
        tuple(
            Handler(day_number(row["day"]), row["tag"].bytes, row["venue_id"]) for row in rows if row["day"] is not None
        ),
    )


async def there(conn: Connection, lot_id: UUID, venue_id: UUID) -> tuple[int, int] | None:
    """(ordinal of the stock's last row, what is there), None where the lot never was."""
    row = await conn.fetchrow(
        "SELECT ordinal, there FROM lot_stock WHERE lot_id = $1 AND venue_id = $2 ORDER BY ordinal DESC LIMIT 1",
        lot_id,
        venue_id,
    )
    return None if row is None else (row["ordinal"], row["there"])


async def insert_distribution(conn: Connection, head: Head, moved: Distribution, at: datetime) -> None:
    """With what it changes where it left and where it came to."""
    await conn.execute(
        """
        INSERT INTO lot_distributions (distribution_id, lot_id, drill_id, ordinal, from_venue, to_venue, recipient, quantity,
                                       distributed_at, recorded_by, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        moved.distribution_id,
        moved.lot_id,
        head.lot.drill_id,
        head.ordinal + 1,
        moved.from_venue,
        moved.to_venue,
        moved.recipient,
        moved.quantity,
        moved.distributed_at,
        moved.recorded_by,
        at,
    )
    await _book(conn, moved, moved.from_venue, 2, -moved.quantity)
    if moved.to_venue is not None:
        await _book(conn, moved, moved.to_venue, 3, moved.quantity)


async def _book(conn: Connection, moved: Distribution, venue_id: UUID, cause: int, change: int) -> None:
    await conn.execute(
        """
        INSERT INTO lot_stock (lot_id, venue_id, ordinal, cause, fact_id, was, change)
        SELECT $1, $2, coalesce(last.ordinal, 0) + 1, $3, $4, coalesce(last.there, 0), $5
        FROM (VALUES (1)) AS one LEFT JOIN (
            SELECT ordinal, there FROM lot_stock WHERE lot_id = $1 AND venue_id = $2 ORDER BY ordinal DESC LIMIT 1
        ) last ON true
        """,
        moved.lot_id,
        venue_id,
        cause,
        moved.distribution_id,
        change,
    )


async def insert_handlers(
    conn: Connection, head: Head, venue_id: UUID, day: date, tags: Sequence[bytes]
) -> list[bytes]:
    """Returns those who were not known to have handled the lot there on that day."""
    rows = await conn.fetch(
        """
        INSERT INTO lot_handlers (lot_id, venue_id, tag, day, drill_id)
        SELECT $1, $2, tag, $4, $5 FROM unnest($3::uuid[]) AS tag
        ON CONFLICT (lot_id, day, tag, venue_id) DO NOTHING RETURNING tag
        """,
        head.lot.lot_id,
        venue_id,
        [UUID(bytes=tag) for tag in tags],
        day,
        head.lot.drill_id,
    )
    return [row["tag"].bytes for row in rows]


async def handlers_known(conn: Connection, lot_id: UUID, venue_id: UUID, day: date, tags: Sequence[bytes]) -> bool:
    """Whether all of these were recorded before."""
    found: int = await conn.fetchval(
        """
        SELECT count(*) FROM lot_handlers WHERE lot_id = $1 AND venue_id = $2 AND day = $3 AND tag = ANY($4::uuid[])
        """,
        lot_id,
        venue_id,
        day,
        [UUID(bytes=tag) for tag in tags],
    )
    return found == len(set(tags))


async def page(
    conn: Connection,
    area: str,
    drill_id: str,
    state: State | None,
    after: TimeCursor | None,
    size: int,
    *,
    proposed_only: bool,
) -> tuple[list[Head], TimeCursor | None]:
    """Lots that arrived at premises of the area, the newest first."""
    rows = await conn.fetch(
        f"""
        SELECT * FROM (
            SELECT {HEAD_COLUMNS}, {_STATE} AS state
            FROM venues v JOIN lots l ON l.premises_id = v.venue_id {LAST_FACT}
            WHERE v.area >= $1 AND v.area < $1 || ':' AND l.drill_id = $2
              AND ($5::timestamptz IS NULL OR (l.arrived_at, l.lot_id) < ($5, $6::uuid))
        ) found
        WHERE ($3::smallint IS NULL OR state = $3) AND (proposed OR NOT $4)
        ORDER BY arrived_at DESC, lot_id DESC LIMIT $7
        """,
        area,
        drill_id,
        state,
        proposed_only,
        after.at if after else None,
        after.id if after else None,
        size + 1,
    )
    found = [head_of(row) for row in rows[:size]]
    last = found[-1].lot if len(rows) > size else None
    return found, TimeCursor(last.arrived_at, last.lot_id) if last else None


async def at_venue(conn: Connection, venue_id: UUID) -> list[tuple[Head, int]]:
    """Lots that are or were there, with what is there now; the newest arrivals first, at most 500."""
    rows = await conn.fetch(
        f"""
        SELECT {HEAD_COLUMNS}, k.there FROM (
            SELECT DISTINCT ON (lot_id) lot_id, there FROM lot_stock WHERE venue_id = $1 ORDER BY lot_id, ordinal DESC
        ) k JOIN lots l USING (lot_id) {LAST_FACT}
        ORDER BY l.arrived_at DESC, l.lot_id LIMIT 500
        """,
        venue_id,
    )
    return [(head_of(row), row["there"]) for row in rows]

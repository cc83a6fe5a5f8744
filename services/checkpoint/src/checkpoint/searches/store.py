"""All SQL of searches. Functions take the connection first and do not commit; `scanning.store.lock_days` comes first."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from checkpoint.scanning.model import Passage
from checkpoint.searches.model import Hit, Own, Search, instant, merge, offsets

Db = Any  # asyncpg's Connection, or the proxy that its pool lends

_DAY = timedelta(days=1)
_SEARCH = "s.day, s.search_id, s.tag, s.window_start, s.window_end, s.passage_minutes, s.drill_id"


async def keep_open(conn: Db, search: Search) -> None:
    """From the commit on, later passages are matched against it."""
    await conn.execute(
        """
        INSERT INTO searches (day, search_id, tag, window_start, window_end, passage_minutes, drill_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT ON CONSTRAINT searches_pkey DO NOTHING
        """,
        search.day,
        search.search_id,
        search.tag,
        *offsets(search),
        search.minutes,
        search.drill_id,
    )


async def add_own(conn: Db, search: Search, own: Sequence[Own]) -> None:
    await conn.execute(
        """
        INSERT INTO search_passages (day, search_id, post, passed_at, late)
        SELECT $1, $2, * FROM unnest($3::int[], $4::timestamptz[], $5::boolean[])
        ON CONFLICT ON CONSTRAINT search_passages_pkey DO NOTHING
        """,
        search.day,
        search.search_id,
        [passage.post for passage in own],
        [passage.passed_at for passage in own],
        [passage.late for passage in own],
    )


async def find_own(conn: Db, search: Search) -> list[Own]:
    """The index person's passages within the window."""
    rows = await conn.fetch(
        """
        SELECT post, passed_at, bool_and(late) AS late FROM passages
        WHERE day = $1 AND tag = $2 AND passed_at >= $3 AND passed_at < $4 AND drill_id = $5
        GROUP BY post, passed_at
        """,
        search.day,
        search.tag,
        search.start,
        search.end,
        search.drill_id,
    )
    return [Own(row["post"], row["passed_at"], row["late"]) for row in rows]


async def find_near(conn: Db, search: Search, own: Sequence[Own]) -> list[Hit]:
    """Others' passages near these, in all partitions that can hold one; an index range scan for each of them."""
    rows = await conn.fetch(
        """
        SELECT p.day, p.tag, p.post, p.passed_at, p.late OR own.late AS late
        FROM unnest($1::int[], $2::timestamptz[], $3::boolean[]) AS own (post, passed_at, late)
        CROSS JOIN LATERAL (
            SELECT day, tag, post, passed_at, late FROM passages
            WHERE post = own.post AND passed_at BETWEEN own.passed_at - $4::interval AND own.passed_at + $4::interval
              AND day BETWEEN $5 AND $6 AND drill_id = $7 AND NOT (day = $8 AND tag = $9)
        ) AS p
        """,
        [passage.post for passage in own],
        [passage.passed_at for passage in own],
        [passage.late for passage in own],
        timedelta(minutes=search.minutes),
        search.day - _DAY,
        search.day + _DAY,
        search.drill_id,
        search.day,
        search.tag,
    )
    return merge(Hit(row["day"], row["tag"], row["post"], row["passed_at"], row["late"]) for row in rows)


async def new_leads(conn: Db, found: Mapping[Search, Sequence[Hit]]) -> Mapping[Search, list[Hit]]:
    """Those of the leads that their search has not named before; from the commit on it has."""
    # In one order everywhere, so that two transactions that name the same people wait for each other and not in a circle.
    pairs = sorted(
        ((search, hit) for search, hits in found.items() for hit in hits),
        key=lambda pair: (pair[0].day, pair[0].search_id, pair[1].day, pair[1].tag, pair[1].post),
    )
    rows = await conn.fetch(
        """
        INSERT INTO search_leads (day, search_id, lead_day, tag, post)
        SELECT * FROM unnest($1::date[], $2::bytea[], $3::date[], $4::bytea[], $5::int[])
        ON CONFLICT ON CONSTRAINT search_leads_pkey DO NOTHING
        RETURNING search_id, lead_day, tag, post
        """,
        [search.day for search, _ in pairs],
        [search.search_id for search, _ in pairs],
        [hit.day for _, hit in pairs],
        [hit.tag for _, hit in pairs],
        [hit.post for _, hit in pairs],
    )
    told = {(row["search_id"], row["lead_day"], row["tag"], row["post"]) for row in rows}
    fresh: dict[Search, list[Hit]] = defaultdict(list)
    for search, hit in pairs:
        if (search.search_id, hit.day, hit.tag, hit.post) in told:
            fresh[search].append(hit)
    return fresh


async def any_open(conn: Db, first: date, last: date) -> bool:
    """Whether passages of the days first…last could belong to an open search; what nearly every batch ends with."""
    found: bool = await conn.fetchval("SELECT EXISTS (SELECT FROM searches WHERE day BETWEEN $1 AND $2)", first, last)
    return found


async def match(conn: Db, fresh: Sequence[Passage], first_open: date) -> Mapping[Search, list[Hit]]:
    """What passages that were just written mean for open searches: new leads, by search.

    A passage may be the index person's own, which is remembered and searched around, or somebody's near one of those.
    """
    found: dict[Search, list[Hit]] = defaultdict(list)
    arguments = (
        [passage.day for passage in fresh],
        [passage.tag for passage in fresh],
        [passage.post for passage in fresh],
        [passage.passed_at for passage in fresh],
        [passage.late for passage in fresh],
        [passage.drill_id for passage in fresh],
        max(first_open, min(passage.day for passage in fresh) - _DAY),
        max(passage.day for passage in fresh) + _DAY,
    )
    for search, own in (await _own_among(conn, arguments)).items():
        await add_own(conn, search, own)
        found[search] += await find_near(conn, search, own)
    rows = await conn.fetch(
        f"""
        WITH {_FRESH}
        SELECT {_SEARCH}, f.day AS hit_day, f.tag AS hit_tag, f.post, f.passed_at, f.late OR o.late AS late
        FROM fresh f
        JOIN search_passages o ON o.post = f.post AND o.day BETWEEN $7 AND $8
        JOIN searches s ON s.day = o.day AND s.search_id = o.search_id AND s.drill_id = f.drill_id
        WHERE f.passed_at BETWEEN o.passed_at - make_interval(mins => s.passage_minutes)
                              AND o.passed_at + make_interval(mins => s.passage_minutes)
          AND NOT (s.day = f.day AND s.tag = f.tag)
          AND f.day BETWEEN s.day - 1 AND s.day + 1
        """,
        *arguments,
    )
    for row in rows:
        found[_search(row)].append(Hit(row["hit_day"], row["hit_tag"], row["post"], row["passed_at"], row["late"]))
    return {search: merged for search, hits in found.items() if (merged := merge(hits))}


_FRESH = """fresh AS (
            SELECT * FROM unnest($1::date[], $2::bytea[], $3::int[], $4::timestamptz[], $5::boolean[], $6::text[])
                AS f (day, tag, post, passed_at, late, drill_id)
        )"""


async def _own_among(conn: Db, arguments: Sequence[Any]) -> Mapping[Search, list[Own]]:
    rows = await conn.fetch(
        f"""
        WITH {_FRESH}
        SELECT {_SEARCH}, f.post, f.passed_at, f.late
        FROM fresh f JOIN searches s ON s.day = f.day AND s.tag = f.tag AND s.drill_id = f.drill_id
        WHERE s.day BETWEEN $7 AND $8
        """,
        *arguments,
    )
    own: dict[Search, list[Own]] = defaultdict(list)
    for row in rows:
        search = _search(row)
        if search.start <= row["passed_at"] < search.end:
            own[search].append(Own(row["post"], row["passed_at"], row["late"]))
    return own


def _search(row: Any) -> Search:
    return Search(
        search_id=row["search_id"],
        day=row["day"],
        tag=row["tag"],
        start=instant(row["day"], row["window_start"]),
        end=instant(row["day"], row["window_end"]),
        minutes=row["passage_minutes"],
        drill_id=row["drill_id"],
    )

"""All SQL of commitments, openings and draws."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from asyncpg import Record
from chassis.errors import DomainError
from chassis.pages import TimeCursor
from chassis.pool import Connection
from ledger.commitment import Leaf

from venue.spotcheck import sealing
from venue.spotcheck.drawing import MAX_VENUES, Candidate, Drawn, Frame, Stratum
from venue.spotcheck.model import SpotCheck
from venue.spotcheck.refusals import second_person_needed, spot_check_exists

_CHECK: Final = """
    SELECT c.draw_id, c.area, c.title, c.drill_id, c.committed_by, c.committed_at, c.ends_at, c.frame_hash, c.secret_hash,
           c.eligible, c.drawn, c.leaf_index AS commitment_index, c.leaf_hash AS commitment_hash, c.key_version, o.contributor,
           o.contribution, o.leaf_index AS opening_index, o.beacon, coalesce(o.checkpoint, '') AS checkpoint,
           coalesce(d.pairs, 0) AS pairs, d.drawn_at,
           CASE WHEN d.drawn_at IS NULL THEN 0
                ELSE c.drawn - (SELECT count(*) FROM spot_check_begins b WHERE b.draw_id = c.draw_id) END AS waiting
    FROM spot_checks c LEFT JOIN spot_check_openings o USING (draw_id) LEFT JOIN spot_check_draws d USING (draw_id)
"""

ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {
    "spot_checks_pkey": spot_check_exists,
    "spot_check_openings_second_person_check": second_person_needed,
}


@dataclass(frozen=True, slots=True)
class Proven:
    """What a record is made of, beside the check itself."""

    frozen: bytes
    secret: bytes
    commitment: Leaf
    opening: Leaf
    pairs: list[tuple[int, str, str, str]]
    assignments: dict[str, int]


async def lock(conn: Connection, draw_id: UUID) -> None:
    """Of two who commit, open or draw the same the second waits, until the transaction of the first ends."""
    await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 18))", str(draw_id))


async def candidates(conn: Connection, area: str, drill_id: str, categories: Sequence[int]) -> list[Candidate]:
    """Open venues of the area; one more than a draw takes, if there are more."""
    rows = await conn.fetch(
        """
        SELECT venue_id::text AS venue_id, area, category FROM venues
        WHERE area >= $1 AND area < $1 || ':' AND drill_id = $2 AND closed_at IS NULL AND merged_into IS NULL
          AND (cardinality($3::smallint[]) = 0 OR category = ANY($3))
        LIMIT $4
        """,
        area,
        drill_id,
        categories,
        MAX_VENUES + 1,
    )
    return [Candidate(row["venue_id"], row["area"], row["category"]) for row in rows]


async def insert_commitment(conn: Connection, check: SpotCheck, frame: bytes, leaf: Leaf) -> None:
    await conn.execute(
        """
        INSERT INTO spot_checks (draw_id, area, title, drill_id, committed_by, committed_at, ends_at, frame, frame_hash,
                                 secret_hash, eligible, drawn, leaf_index, leaf_hash, salt, leaf_content, key_version)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        """,
        check.draw_id,
        check.area,
        check.title,
        check.drill_id,
        check.committed_by,
        check.committed_at,
        check.ends_at,
        frame,
        check.frame_hash,
        check.secret_hash,
        check.eligible,
        check.drawn,
        check.commitment_index,
        check.commitment_hash,
        leaf.salt,
        leaf.content,
        check.key_version,
    )


async def waiting_for(conn: Connection, key_version: int, now: datetime) -> int:
    """How many that can still be drawn follow from this version of the vault's key."""
    found: int = await conn.fetchval(
        """
        SELECT count(*) FROM spot_checks c LEFT JOIN spot_check_openings o USING (draw_id)
        WHERE c.key_version = $1 AND (o.draw_id IS NOT NULL OR c.ends_at > $2)
          AND NOT EXISTS (SELECT FROM spot_check_draws d WHERE d.draw_id = c.draw_id)
        """,
        key_version,
        now,
    )
    return found


async def get(conn: Connection, draw_id: UUID) -> SpotCheck | None:
    row = await conn.fetchrow(f"{_CHECK} WHERE c.draw_id = $1", draw_id)
    return None if row is None else _check(row)


async def page(
    conn: Connection, area: str, after: TimeCursor | None, size: int
) -> tuple[list[SpotCheck], TimeCursor | None]:
    """Of the area, of what lies in it and of what covers it, the newest first."""
    rows = await conn.fetch(
        f"""
        {_CHECK}
        WHERE (c.area >= $1 AND c.area < $1 || ':' OR starts_with($1, c.area))
          AND ($2::timestamptz IS NULL OR (c.committed_at, c.draw_id) < ($2, $3::uuid))
        ORDER BY c.committed_at DESC, c.draw_id DESC LIMIT $4
        """,
        area,
        after.at if after else None,
        after.id if after else None,
        size + 1,
    )
    found = [_check(row) for row in rows[:size]]
    return found, TimeCursor(found[-1].committed_at, found[-1].draw_id) if len(rows) > size else None


async def over(
    conn: Connection, area: str, drill_id: str, now: datetime, after: TimeCursor | None, size: int
) -> tuple[list[SpotCheck], TimeCursor | None]:
    """Those that are published by now and those that lapsed, of the area and what lies in it ("": all), the newest first."""
    rows = await conn.fetch(
        f"""
        {_CHECK}
        WHERE c.area >= $1 AND ($1 = '' OR c.area < $1 || ':') AND c.drill_id = $2
          AND CASE WHEN d.draw_id IS NULL THEN o.draw_id IS NULL AND c.ends_at <= $3
                   ELSE c.ends_at <= $3 OR c.drawn = (SELECT count(*) FROM spot_check_begins b WHERE b.draw_id = c.draw_id) END
          AND ($4::timestamptz IS NULL OR (c.committed_at, c.draw_id) < ($4, $5::uuid))
        ORDER BY c.committed_at DESC, c.draw_id DESC LIMIT $6
        """,
        area,
        drill_id,
        now,
        after.at if after else None,
        after.id if after else None,
        size + 1,
    )
    found = [_check(row) for row in rows[:size]]
    return found, TimeCursor(found[-1].committed_at, found[-1].draw_id) if len(rows) > size else None


def _check(row: Record) -> SpotCheck:
    return SpotCheck(**dict(row.items()))


async def frozen(conn: Connection, draw_id: UUID) -> bytes:
    """The frozen frame, canonical JSON. `draw_id` is one that exists."""
    found: bytes = await conn.fetchval("SELECT frame FROM spot_checks WHERE draw_id = $1", draw_id)
    return found


async def strata(conn: Connection, draw_id: UUID) -> list[Stratum]:
    """Those of the frozen frame; the database takes them out, for a frame can be a megabyte."""
    found = await conn.fetchval(
        "SELECT convert_from(frame, 'UTF8')::jsonb -> 'strata' FROM spot_checks WHERE draw_id = $1", draw_id
    )
    return [Stratum(*each) for each in json.loads(found)]


async def insert_opening(conn: Connection, opened: SpotCheck, leaf: Leaf, at: datetime) -> None:
    """`opened` has all that comes with the opening."""
    await conn.execute(
        """
        INSERT INTO spot_check_openings (draw_id, committed_by, commitment_index, commitment_hash, contributor, contribution,
                                         contributed_at, leaf_index, leaf_hash, leaf_content, beacon, checkpoint)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        opened.draw_id,
        opened.committed_by,
        opened.commitment_index,
        opened.commitment_hash,
        opened.contributor,
        opened.contribution,
        at,
        opened.opening_index,
        leaf.hash,
        leaf.content,
        opened.beacon,
        opened.checkpoint,
    )


async def insert_draw(
    conn: Connection,
    check: SpotCheck,
    secret: bytes,
    seed: bytes,
    drawn: Drawn,
    accounts: Mapping[UUID, str],
    at: datetime,
) -> None:
    """The draw with its pairs; assignments follow by `insert_assignments`."""
    await conn.execute(
        """
        INSERT INTO spot_check_draws (draw_id, secret, secret_hash, beacon, seed, pairs, drawn_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        check.draw_id,
        secret,
        check.secret_hash,
        check.beacon,
        seed,
        len(drawn.pairs),
        at,
    )
    await conn.executemany(
        """
        INSERT INTO spot_check_pairs (draw_id, pair, team_id, first_inspector, second_inspector, first_account, second_account,
                                      first_home, second_home)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        [
            (
                check.draw_id,
                each.number,
                UUID(each.team_id),
                UUID(each.first.inspector_id),
                UUID(each.second.inspector_id),
                accounts[UUID(each.first.inspector_id)],
                accounts[UUID(each.second.inspector_id)],
                each.first.home,
                each.second.home,
            )
            for each in drawn.pairs
        ],
    )


async def insert_assignments(conn: Connection, check: SpotCheck, frame: Frame, drawn: Drawn) -> None:
    communities = {each.venue_id: each.community for each in frame.venues}
    await conn.execute(
        """
        INSERT INTO spot_check_assignments (draw_id, venue_id, drill_id, community, pair, first_home, second_home)
        SELECT $1, n.venue_id, $2, n.community, n.pair, p.first_home, p.second_home
        FROM unnest($3::uuid[], $4::text[], $5::integer[]) AS n (venue_id, community, pair)
        JOIN spot_check_pairs p ON p.draw_id = $1 AND p.pair = n.pair
        """,
        check.draw_id,
        check.drill_id,
        list(drawn.assignments),
        [communities[venue_id] for venue_id in drawn.assignments],
        list(drawn.assignments.values()),
    )


async def unfinished(conn: Connection, limit: int) -> list[UUID]:
    """Opened and not drawn: a process ended in between."""
    rows = await conn.fetch(
        """
        SELECT o.draw_id FROM spot_check_openings o
        WHERE NOT EXISTS (SELECT FROM spot_check_draws d WHERE d.draw_id = o.draw_id) LIMIT $1
        """,
        limit,
    )
    return [row["draw_id"] for row in rows]


async def untold(conn: Connection, now: datetime, limit: int) -> list[UUID]:
    """Published by now, and not made known."""
    rows = await conn.fetch(
        """
        SELECT d.draw_id FROM spot_check_draws d JOIN spot_checks c USING (draw_id)
        WHERE NOT EXISTS (SELECT FROM spot_check_publications p WHERE p.draw_id = d.draw_id)
          AND (c.ends_at <= $1 OR c.drawn = (SELECT count(*) FROM spot_check_begins b WHERE b.draw_id = c.draw_id))
        LIMIT $2
        """,
        now,
        limit,
    )
    return [row["draw_id"] for row in rows]


async def note_told(conn: Connection, draw_id: UUID, now: datetime) -> bool:
    """False if it was noted before."""
    found = await conn.fetchval(
        "INSERT INTO spot_check_publications (draw_id, told_at) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING draw_id",
        draw_id,
        now,
    )
    return found is not None


async def proven(conn: Connection, draw_id: UUID) -> Proven:
    """Of a draw that is done."""
    row = await conn.fetchrow(
        """
        SELECT c.frame, c.salt, c.leaf_content AS commitment, o.leaf_content AS opening, d.secret
        FROM spot_checks c JOIN spot_check_openings o USING (draw_id) JOIN spot_check_draws d USING (draw_id) WHERE draw_id = $1
        """,
        draw_id,
    )
    if row is None:
        raise RuntimeError("the draw was there a moment ago")
    pairs = await conn.fetch(
        """
        SELECT pair, team_id::text, first_inspector::text, second_inspector::text
        FROM spot_check_pairs WHERE draw_id = $1 ORDER BY pair
        """,
        draw_id,
    )
    assigned = await conn.fetch(
        "SELECT venue_id::text AS venue_id, pair FROM spot_check_assignments WHERE draw_id = $1", draw_id
    )
    return Proven(
        frozen=row["frame"],
        secret=row["secret"],
        commitment=Leaf(row["commitment"], row["salt"]),
        opening=sealing.opening(row["opening"]),
        pairs=[(each[0], each[1], each[2], each[3]) for each in pairs],
        assignments={each["venue_id"]: each["pair"] for each in assigned},
    )

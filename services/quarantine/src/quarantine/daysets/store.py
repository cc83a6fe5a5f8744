"""All SQL of the day sets."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

from asyncpg import Record
from ledger.store import Db
from passes.days import bounds

from quarantine.daysets.model import Head, Listed, Wanted
from quarantine.restrictions.model import end_minute

_HEAD: Final = "day, drill_id, generation, last_number, base_parts, base_records, change_records"


async def lock_head(conn: Db, day: date, drill_id: str) -> Head:
    """The list's head, locked until the transaction ends. Whoever also appends to the log locks the head first.

    Raises `asyncpg.CheckViolationError` when the day has no partition.
    """
    row = await conn.fetchrow(
        f"SELECT {_HEAD} FROM day_set_heads WHERE day = $1 AND drill_id = $2 FOR UPDATE", day, drill_id
    )
    if row is None:
        await conn.execute(
            "INSERT INTO day_set_heads (day, drill_id) VALUES ($1, $2) ON CONFLICT (day, drill_id) DO NOTHING",
            day,
            drill_id,
        )
        row = await conn.fetchrow(
            f"SELECT {_HEAD} FROM day_set_heads WHERE day = $1 AND drill_id = $2 FOR UPDATE", day, drill_id
        )
    if row is None:
        raise RuntimeError("a head just written is not there")
    return Head(**dict(row))


async def save_head(conn: Db, head: Head) -> None:
    await conn.execute(
        """
        UPDATE day_set_heads SET generation = $3, last_number = $4, base_parts = $5, base_records = $6, change_records = $7
        WHERE day = $1 AND drill_id = $2
        """,
        head.day,
        head.drill_id,
        head.generation,
        head.last_number,
        head.base_parts,
        head.base_records,
        head.change_records,
    )


async def wanted(conn: Db, day: date, drill_id: str, people: Sequence[UUID] | None) -> dict[UUID, Wanted]:
    """What the list should say of these people, or of everybody: per person the unlifted restriction that ends last."""
    start, end = bounds(day)
    rows = await conn.fetch(
        """
        SELECT DISTINCT ON (r.resident_id) r.resident_id, r.restriction_id, r.reason, r.ends_at
        FROM restrictions r
        WHERE r.drill_id = $1 AND r.starts_at < $3 AND r.ends_at >= $2
          AND ($4::uuid[] IS NULL OR r.resident_id = ANY ($4))
          AND NOT EXISTS (SELECT FROM lifts l WHERE l.restriction_id = r.restriction_id)
        ORDER BY r.resident_id, r.ends_at DESC, r.restriction_id
        """,
        drill_id,
        start + timedelta(minutes=1),
        end,
        None if people is None else list(people),
    )

    def read() -> dict[UUID, Wanted]:
        return {
            row["resident_id"]: Wanted(
                row["resident_id"], row["restriction_id"], row["reason"], end_minute(start, row["ends_at"])
            )
            for row in rows
        }

    return await asyncio.to_thread(read)  # as many as there are people on the list


async def listed(conn: Db, day: date, drill_id: str, people: Sequence[UUID] | None) -> dict[UUID, Listed]:
    """What the list says of these people, or of everybody."""
    rows = await conn.fetch(
        """
        SELECT reference, resident_id, restriction_id, reason, end_minute FROM day_set_entries
        WHERE day = $1 AND drill_id = $2 AND active AND ($3::uuid[] IS NULL OR resident_id = ANY ($3))
        """,
        day,
        drill_id,
        None if people is None else list(people),
    )
    return await asyncio.to_thread(lambda: {row["resident_id"]: Listed(**dict(row)) for row in rows})


async def retire(conn: Db, day: date, entries: Iterable[Listed]) -> None:
    """These entries no longer hold; they stay readable, because somebody may have been shown the reference."""
    await conn.execute(
        "UPDATE day_set_entries SET active = false WHERE day = $1 AND reference = ANY ($2::bytea[])",
        day,
        [entry.reference for entry in entries],
    )


async def enlist(conn: Db, day: date, drill_id: str, entries: Sequence[Listed]) -> None:
    await conn.execute(
        """
        INSERT INTO day_set_entries (day, drill_id, reference, resident_id, restriction_id, reason, end_minute)
        SELECT $1, $2, * FROM unnest($3::bytea[], $4::uuid[], $5::uuid[], $6::smallint[], $7::integer[])
        """,
        day,
        drill_id,
        [entry.reference for entry in entries],
        [entry.resident_id for entry in entries],
        [entry.restriction_id for entry in entries],
        [entry.reason for entry in entries],
        [entry.end_minute for entry in entries],
    )


async def save_segments(conn: Db, head: Head, segments: Sequence[tuple[int, bytes]]) -> None:
    """Keep the finished segments (number, bytes) of the head's generation."""
    await conn.execute(
        """
        INSERT INTO day_set_published (day, drill_id, generation, number, segment)
        SELECT $1, $2, $3, * FROM unnest($4::integer[], $5::bytea[])
        """,
        head.day,
        head.drill_id,
        head.generation,
        [number for number, _ in segments],
        [data for _, data in segments],
    )


async def heads(conn: Db, first: date, last: date) -> list[Head]:
    """Heads of the lists of these days that have a base."""
    rows = await conn.fetch(
        f"SELECT {_HEAD} FROM day_set_heads WHERE day BETWEEN $1 AND $2 AND generation > 0 ORDER BY day, drill_id",
        first,
        last,
    )
    return [Head(**dict(row)) for row in rows]


async def published(conn: Db, first: date, last: date) -> AsyncIterator[bytes]:
    """Segments of the newest generation of each list of these days, oldest first; inside a transaction."""
    query = """
        SELECT p.segment FROM day_set_published p
        JOIN day_set_heads h ON h.day = p.day AND h.drill_id = p.drill_id AND h.generation = p.generation
        WHERE p.day BETWEEN $1 AND $2 ORDER BY p.day, p.drill_id, p.number
    """
    async for row in conn.cursor(query, first, last, prefetch=8):
        yield row["segment"]


async def generation(conn: Db, head: Head) -> list[bytes]:
    """The segments of the head's generation so far, in order."""
    rows = await conn.fetch(
        "SELECT segment FROM day_set_published WHERE day = $1 AND drill_id = $2 AND generation = $3 ORDER BY number",
        head.day,
        head.drill_id,
        head.generation,
    )
    return [row["segment"] for row in rows]


async def ever_listed(conn: Db, day: date, drill_id: str) -> list[UUID]:
    """Everybody who was on that list at some time."""
    rows = await conn.fetch(
        "SELECT DISTINCT resident_id FROM day_set_entries WHERE day = $1 AND drill_id = $2", day, drill_id
    )
    return [row["resident_id"] for row in rows]


async def queue(conn: Db, days: Sequence[date], drill_id: str, people: Sequence[UUID], due_at: datetime) -> None:
    """Look at these people's entries of these days again by `due_at`; in the transaction of the decision.

    A row that is there already is updated and not merely left: the update holds it back from a flush that is under way,
    whose snapshot cannot see this decision yet.
    """
    await conn.execute(
        """
        INSERT INTO day_set_pending (day, resident_id, drill_id, due_at)
        SELECT d.day, p.resident_id, $3, $4 FROM unnest($1::date[]) AS d (day), unnest($2::uuid[]) AS p (resident_id)
        ORDER BY d.day, p.resident_id
        ON CONFLICT (day, resident_id) DO UPDATE SET due_at = least(day_set_pending.due_at, excluded.due_at)
        """,
        list(days),
        list(people),
        drill_id,
        due_at,
    )


async def queue_card(conn: Db, days: Sequence[date], drill_id: str, card_id: UUID, due_at: datetime) -> None:
    """As `queue`, for a card that was issued or revoked."""
    await conn.execute(
        """
        INSERT INTO day_set_pending_cards (day, card_id, drill_id, due_at)
        SELECT d.day, $2, $3, $4 FROM unnest($1::date[]) AS d (day) ORDER BY d.day
        ON CONFLICT (day, card_id) DO UPDATE SET due_at = least(day_set_pending_cards.due_at, excluded.due_at)
        """,
        list(days),
        card_id,
        drill_id,
        due_at,
    )


async def due(conn: Db, today: date, now: datetime) -> list[tuple[date, str]]:
    """Lists that have something waiting which must not wait longer."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT day, drill_id FROM (
            SELECT day, drill_id, due_at FROM day_set_pending
            UNION ALL SELECT day, drill_id, due_at FROM day_set_pending_cards
        ) AS waiting WHERE day >= $1 AND (day = $1 OR due_at <= $2) ORDER BY day, drill_id
        """,
        today,
        now,
    )
    return [(row["day"], row["drill_id"]) for row in rows]


async def take_people(conn: Db, day: date, drill_id: str) -> list[UUID]:
    """Everybody waiting for that list; gone from the queue when the transaction commits."""
    rows = await conn.fetch(
        "DELETE FROM day_set_pending WHERE day = $1 AND drill_id = $2 RETURNING resident_id", day, drill_id
    )
    return [row["resident_id"] for row in rows]


async def take_cards(conn: Db, day: date, drill_id: str) -> list[UUID]:
    rows = await conn.fetch(
        "DELETE FROM day_set_pending_cards WHERE day = $1 AND drill_id = $2 RETURNING card_id", day, drill_id
    )
    return [row["card_id"] for row in rows]


async def drop_pending(conn: Db, before: date) -> None:
    await conn.execute("DELETE FROM day_set_pending WHERE day < $1", before)
    await conn.execute("DELETE FROM day_set_pending_cards WHERE day < $1", before)


async def cards(conn: Db, drill_id: str, card_ids: Sequence[UUID] | None) -> list[Record]:
    """(card_id, resident_id, valid) of these cards; without ids, of all that are valid."""
    return await conn.fetch(
        """
        SELECT card_id, resident_id, revoked_at IS NULL AS valid FROM paper_cards
        WHERE drill_id = $1 AND CASE WHEN $2::uuid[] IS NULL THEN revoked_at IS NULL ELSE card_id = ANY ($2) END
        """,
        drill_id,
        None if card_ids is None else list(card_ids),
    )


async def open_drills(conn: Db) -> list[str]:
    """Drills that run now; '' (reality) among them."""
    rows = await conn.fetch("SELECT drill_id FROM drills WHERE ended_at IS NULL ORDER BY drill_id")
    return [row["drill_id"] for row in rows]


async def restriction_of(conn: Db, day: date, reference: bytes) -> UUID | None:
    """The restriction that a reference of that day stood for."""
    found: UUID | None = await conn.fetchval(
        "SELECT restriction_id FROM day_set_entries WHERE day = $1 AND reference = $2", day, reference
    )
    return found

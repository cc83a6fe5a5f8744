"""All SQL of recalled lots and of the questions to those who handled them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from ledger.store import Db


@dataclass(frozen=True, slots=True)
class RecalledLot:
    """What a tracer is told of the goods, and when they were recalled."""

    lot_id: UUID
    drill_id: str
    product: str
    trace_code: str
    origin_country: str
    recalled_at: datetime


async def insert_lot(conn: Db, lot: RecalledLot) -> None:
    """A lot is recalled once; told again it changes nothing."""
    await conn.execute(
        """
        INSERT INTO recalled_lots (lot_id, drill_id, product, trace_code, origin_country, recalled_at)
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (lot_id) DO NOTHING
        """,
        lot.lot_id,
        lot.drill_id,
        lot.product,
        lot.trace_code,
        lot.origin_country,
        lot.recalled_at,
    )


async def ask(conn: Db, lot_id: UUID, drill_id: str, people: Sequence[UUID], handled_on: date, due_at: datetime) -> int:
    """One task for each person and lot, however many days are told of; how many are new.

    `people` exist and belong to the drill. An erased person is not asked. A task that is answered stays answered.
    """
    rows = await conn.fetch(
        """
        INSERT INTO interview_tasks (task_id, resident_id, drill_id, area, reason, due_at, lot_id, handled_on)
        SELECT gen_random_uuid(), r.resident_id, $2, r.area, 6, $5, $1, $4
        FROM residents r WHERE r.resident_id = ANY ($3) AND r.drill_id = $2 AND r.data_key IS NOT NULL
        ORDER BY r.resident_id
        ON CONFLICT (lot_id, resident_id)
        DO UPDATE SET handled_on = greatest(interview_tasks.handled_on, excluded.handled_on)
        RETURNING xmax = 0 AS fresh
        """,
        lot_id,
        drill_id,
        sorted(set(people)),
        handled_on,
        due_at,
    )
    return sum(row["fresh"] for row in rows)


async def purge(conn: Db, today: date, most: int) -> int:
    """Forget the tasks that are due for it, at most so many; returns how many."""
    purged: int = await conn.fetchval("SELECT purge_lot_interviews($1, $2)", today, most)
    return purged

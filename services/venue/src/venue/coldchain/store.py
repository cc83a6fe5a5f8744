"""SQL of lots: what was registered, found and done. Functions take the connection first and never commit."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.pool import Connection

from venue.coldchain.model import (
    Disinfection,
    Head,
    Kind,
    Lot,
    Outcome,
    Premises,
    Release,
    Result,
    Retest,
    Sample,
    SampleKind,
)

# Class of the transaction-level advisory locks of lots ("lot").
_LOCK: Final = 0x6C6F74

LOT_COLUMNS: Final = """l.lot_id, l.premises_id, l.drill_id, l.declaration_number, l.origin_country, l.trace_code, l.product,
    l.quantity, l.unit, l.arrived_at"""
HEAD_COLUMNS: Final = f"""{LOT_COLUMNS}, f.ordinal, f.released, f.positives, f.recalled,
    NOT f.recalled AND EXISTS (
        SELECT FROM recall_proposals p LEFT JOIN recall_decisions d USING (proposal_id)
        WHERE p.lot_id = l.lot_id AND d.proposal_id IS NULL
    ) AS proposed"""
LAST_FACT: Final = """CROSS JOIN LATERAL (
        SELECT f.ordinal, f.released, f.positives, f.recalled FROM lot_facts f
        WHERE f.lot_id = l.lot_id ORDER BY f.ordinal DESC LIMIT 1
    ) f"""


async def lock(conn: Connection, lot_id: UUID) -> None:
    """Whoever adds a fact of the lot is alone with it to the end of the transaction. Read it in the next statement."""
    await conn.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _LOCK, str(lot_id))


async def lock_shared(conn: Connection, lot_id: UUID) -> None:
    """Against those who add facts, not against each other: who records a handler and a recall see one another."""
    await conn.execute("SELECT pg_advisory_xact_lock_shared($1, hashtext($2))", _LOCK, str(lot_id))


async def insert_premises(conn: Connection, premises: Premises, category: int) -> None:
    await conn.execute(
        """
        INSERT INTO importing_premises (venue_id, category, drill_id, licence_number, registered_by, registered_at)
        VALUES ($1, $2, $3, $4, $5, $6)
        """,
        premises.venue_id,
        category,
        premises.drill_id,
        premises.licence_number,
        premises.registered_by,
        premises.registered_at,
    )


async def insert_lot(conn: Connection, lot: Lot, by: str, at: datetime) -> None:
    """With its arrival as the first fact and the first of its stock."""
    await conn.execute(
        """
        INSERT INTO lots (lot_id, premises_id, drill_id, declaration_number, origin_country, trace_code, product, quantity,
                          unit, arrived_at, registered_by, registered_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        """,
        lot.lot_id,
        lot.premises_id,
        lot.drill_id,
        lot.declaration_number,
        lot.origin_country,
        lot.trace_code,
        lot.product,
        lot.quantity,
        lot.unit,
        lot.arrived_at,
        by,
        at,
    )
    await add_fact(conn, Head(lot, 0), Kind.ARRIVED, lot.lot_id)
    await conn.execute(
        """
        INSERT INTO lot_stock (lot_id, venue_id, ordinal, cause, fact_id, was, change) VALUES ($1, $2, 1, 1, $1, 0, $3)
        """,
        lot.lot_id,
        lot.premises_id,
        lot.quantity,
    )


async def head(conn: Connection, lot_id: UUID) -> Head | None:
    """The lot and where it stands."""
    row = await conn.fetchrow(f"SELECT {HEAD_COLUMNS} FROM lots l {LAST_FACT} WHERE l.lot_id = $1", lot_id)
    return None if row is None else head_of(row)


async def add_fact(conn: Connection, before: Head, kind: Kind, fact_id: UUID) -> Head:
    """The lot's next fact; the rows that it stands on come first. Returns where the lot stands now."""
    await conn.execute(
        """
        INSERT INTO lot_facts (lot_id, ordinal, kind, fact_id, was_released, was_positives, was_recalled)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        before.lot.lot_id,
        before.ordinal + 1,
        int(kind),
        fact_id,
        before.released,
        before.positives,
        before.recalled,
    )
    return before.after(kind)


async def insert_sample(conn: Connection, sample: Sample, ordinal: int, at: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO lot_samples (sample_id, lot_id, kind, ordinal, taken_by, taken_at, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        """,
        sample.sample_id,
        sample.lot_id,
        int(sample.kind),
        ordinal,
        sample.taken_by,
        sample.taken_at,
        at,
    )


async def insert_result(conn: Connection, sample: Sample, result: Result) -> None:
    await conn.execute(
        """
        INSERT INTO lot_results (sample_id, lot_id, sample_kind, outcome, ordinal, laboratory, tested_at, entered_at,
                                 proposal_id)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        sample.sample_id,
        sample.lot_id,
        int(sample.kind),
        int(result.outcome),
        result.ordinal,
        result.laboratory,
        result.tested_at,
        result.entered_at,
        result.proposal_id,
    )


async def insert_disinfection(conn: Connection, done: Disinfection, ordinal: int, at: datetime) -> None:
    await conn.execute(
        """
        INSERT INTO lot_disinfections (disinfection_id, lot_id, ordinal, performed_by, agent, performed_at, proof_sha256,
                                       recorded_by, recorded_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        done.disinfection_id,
        done.lot_id,
        ordinal,
        done.performed_by,
        done.agent,
        done.performed_at,
        done.proof_sha256,
        done.recorded_by,
        at,
    )


async def grounds(conn: Connection, lot_id: UUID) -> tuple[tuple[UUID, int] | None, tuple[UUID, int] | None]:
    """What a release can rest on: the newest negative result of the goods, the newest disinfection; each as (id, ordinal)."""
    row = await conn.fetchrow(
        """
        SELECT r.sample_id, r.ordinal AS result_ordinal, d.disinfection_id, d.ordinal
        FROM (VALUES (1)) AS one
        LEFT JOIN LATERAL (
            SELECT r.sample_id, r.ordinal FROM lot_samples s JOIN lot_results r USING (sample_id)
            WHERE s.lot_id = $1 AND r.frees ORDER BY r.ordinal DESC LIMIT 1
        ) r ON true
        LEFT JOIN LATERAL (
            SELECT disinfection_id, ordinal FROM lot_disinfections WHERE lot_id = $1 ORDER BY ordinal DESC LIMIT 1
        ) d ON true
        """,
        lot_id,
    )
    if row is None:
        return None, None
    negative = None if row["sample_id"] is None else (row["sample_id"], row["result_ordinal"])
    return negative, None if row["disinfection_id"] is None else (row["disinfection_id"], row["ordinal"])


async def retest(conn: Connection, lot_id: UUID, after: int) -> Retest | None:
    """The newest negative result of goods sampled after that ordinal. A sample that was taken before says nothing of what was
    found since, however late its result is entered.
    """
    row = await conn.fetchrow(
        """
        SELECT r.sample_id, s.ordinal AS sample_ordinal, r.ordinal FROM lot_samples s JOIN lot_results r USING (sample_id)
        WHERE s.lot_id = $1 AND s.ordinal > $2 AND r.frees ORDER BY r.ordinal DESC LIMIT 1
        """,
        lot_id,
        after,
    )
    return None if row is None else Retest(row["sample_id"], row["sample_ordinal"], row["ordinal"])


async def insert_release(
    conn: Connection, lot_id: UUID, release: Release, ordinal: int, sample_ordinal: int, disinfection_ordinal: int
) -> None:
    await conn.execute(
        """
        INSERT INTO lot_releases (lot_id, release_id, ordinal, sample_id, sample_ordinal, disinfection_id,
                                  disinfection_ordinal, released_by, released_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        """,
        lot_id,
        release.release_id,
        ordinal,
        release.sample_id,
        sample_ordinal,
        release.disinfection_id,
        disinfection_ordinal,
        release.released_by,
        release.released_at,
    )


_SAMPLE: Final = """
    SELECT s.sample_id, s.lot_id, s.kind, s.taken_by, s.taken_at, r.outcome, r.laboratory, r.tested_at, r.entered_at, r.ordinal,
           r.proposal_id
    FROM lot_samples s LEFT JOIN lot_results r USING (sample_id)
"""


async def sample(conn: Connection, sample_id: UUID) -> Sample | None:
    row = await conn.fetchrow(f"{_SAMPLE} WHERE s.sample_id = $1", sample_id)
    return None if row is None else _sample(row)


async def samples(conn: Connection, lot_id: UUID) -> list[Sample]:
    return [_sample(row) for row in await conn.fetch(f"{_SAMPLE} WHERE s.lot_id = $1 ORDER BY s.ordinal", lot_id)]


async def disinfections(conn: Connection, lot_id: UUID) -> list[Disinfection]:
    rows = await conn.fetch(
        """
        SELECT disinfection_id, lot_id, performed_by, agent, performed_at, proof_sha256, recorded_by
        FROM lot_disinfections WHERE lot_id = $1 ORDER BY ordinal
        """,
        lot_id,
    )
    return [Disinfection(**row) for row in rows]


async def release(conn: Connection, lot_id: UUID) -> Release | None:
    row = await conn.fetchrow(
        "SELECT release_id, sample_id, disinfection_id, released_by, released_at FROM lot_releases WHERE lot_id = $1",
        lot_id,
    )
    return None if row is None else Release(**row)


def head_of(row: Any) -> Head:
    """A row of `HEAD_COLUMNS`."""
    names: Sequence[str] = Lot.__slots__
    lot = Lot(**{name: row[name] for name in names})
    return Head(lot, row["ordinal"], row["released"], row["positives"], row["recalled"], row["proposed"])


def _sample(row: Any) -> Sample:
    result = None
    if row["outcome"] is not None:
        names: Sequence[str] = Result.__slots__
        result = Result(**{name: row[name] for name in names} | {"outcome": Outcome(row["outcome"])})
    return Sample(row["sample_id"], row["lot_id"], SampleKind(row["kind"]), row["taken_by"], row["taken_at"], result)

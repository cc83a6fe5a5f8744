"""All SQL of exports but the tables themselves. Functions take the connection first and never commit."""

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from chassis.errors import DomainError, Kind
from chassis.pages import TimeCursor
from chassis.pool import Connection

from venue.exports.model import Cell, Export, Format, Table, Wanted, local
from venue.exports.tables import LAYOUTS

_BATCH: Final = 500


def exists() -> DomainError:
    return DomainError(Kind.EXISTS, "EXPORT_EXISTS", "Another export has this id.")


ERRORS: Final[Mapping[str, Callable[[], DomainError]]] = {"exports_pkey": exists}

_EXPORT: Final = """
    SELECT export_id, table_kind, format, area, category, drill_id, row_count, bytes, sha256, exported_by, exported_at, purpose,
           purpose_ref, file_name
    FROM exports
"""


async def batches(conn: Connection, wanted: Wanted) -> AsyncIterator[list[list[Cell]]]:
    """The rows of a table, some at a time; the caller's transaction is one snapshot."""
    cursor = await conn.cursor(LAYOUTS[wanted.table].sql, wanted.area, wanted.category, wanted.drill_id)
    while rows := await cursor.fetch(_BATCH):
        yield [[_cell(value) for value in row.values()] for row in rows]


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str | int):
        return value
    return local(value) if isinstance(value, datetime) else str(value)


async def insert(conn: Connection, export: Export, parts: AsyncIterable[tuple[int, bytes]]) -> None:
    wanted = export.wanted
    await conn.execute(
        """
        INSERT INTO exports (export_id, table_kind, format, area, category, drill_id, row_count, bytes, sha256, file_name,
                             exported_by, exported_at, purpose, purpose_ref)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
        """,
        wanted.export_id,
        int(wanted.table),
        int(wanted.format),
        wanted.area,
        wanted.category,
        wanted.drill_id,
        export.rows,
        export.size,
        export.sha256,
        export.file_name,
        export.exported_by,
        export.exported_at,
        export.purpose,
        export.purpose_ref,
    )
    async for starts, content in parts:
        await conn.execute(
            "INSERT INTO export_parts (export_id, starts, content, made_at) VALUES ($1, $2, $3, $4)",
            wanted.export_id,
            starts,
            content,
            export.exported_at,
        )


async def export(conn: Connection, export_id: UUID) -> Export | None:
    row = await conn.fetchrow(f"{_EXPORT} WHERE export_id = $1", export_id)
    return None if row is None else _export(row)


async def part(conn: Connection, export_id: UUID, starts: int) -> bytes | None:
    """What begins there; None once the file is gone, or when no part begins there."""
    found: bytes | None = await conn.fetchval(
        "SELECT content FROM export_parts WHERE export_id = $1 AND starts = $2", export_id, starts
    )
    return found


async def page(conn: Connection, area: str, after: TimeCursor | None, size: int) -> list[Export]:
    """The newest first, behind `after` (made, export)."""
    rows = await conn.fetch(
        f"""
        {_EXPORT} WHERE area >= $1 AND area < $1 || ':' AND ($2::timestamptz IS NULL OR
            (exported_at, export_id) < ($2, $3::uuid))
        ORDER BY exported_at DESC, export_id DESC LIMIT $4
        """,
        area,
        after.at if after else None,
        after.id if after else None,
        size,
    )
    return [_export(row) for row in rows]


async def forget(conn: Connection, before: datetime) -> None:
    """The files made before; that they were made is kept."""
    await conn.execute("DELETE FROM export_parts WHERE made_at < $1", before)


def _export(row: Any) -> Export:
    wanted = Wanted(
        row["export_id"],
        Table(row["table_kind"]),
        Format(row["format"]),
        row["area"],
        row["category"],
        row["drill_id"],
    )
    names = ("sha256", "exported_by", "exported_at", "purpose", "purpose_ref", "file_name")
    return Export(wanted, row["row_count"], row["bytes"], **{name: row[name] for name in names})

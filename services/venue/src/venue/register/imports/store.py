"""All SQL of imports. Functions take the connection first and never commit."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.pages import TimeCursor

from venue.register.imports.layout import Layout
from venue.register.imports.model import Import, State, Step
from venue.register.imports.rows import RowFault

_IMPORT = (
    "import_id, area, drill_id, file_name, created_by, created_at, state, bytes_received, bytes_read, next_line, layout, "
    "rows_read, created, unchanged, rejected, failure, failure_line, ended_at"
)


@dataclass(frozen=True, slots=True)
class Part:
    starts: int
    size: int
    digest: bytes
    last: bool


async def insert(conn: Any, import_id: UUID, area: str, drill_id: str, file_name: str, by: str, at: datetime) -> bool:
    """False if there is one of that id."""
    done = await conn.execute(
        """
        INSERT INTO imports (import_id, area, drill_id, file_name, created_by, created_at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (import_id) DO NOTHING
        """,
        import_id,
        area,
        drill_id,
        file_name,
        by,
        at,
    )
    return str(done) == "INSERT 0 1"


async def find(conn: Any, import_id: UUID, *, lock: bool = False) -> Import | None:
    row = await conn.fetchrow(
        f"SELECT {_IMPORT} FROM imports WHERE import_id = $1{' FOR UPDATE' if lock else ''}", import_id
    )
    return None if row is None else _import(row)


async def waiting(conn: Any) -> Import | None:
    """The oldest import with work left that no other replica is at; locked until the transaction ends."""
    row = await conn.fetchrow(
        f"SELECT {_IMPORT} FROM imports WHERE state IN (2, 3) ORDER BY created_at LIMIT 1 FOR UPDATE SKIP LOCKED"
    )
    return None if row is None else _import(row)


async def page(conn: Any, area: str, after: TimeCursor | None, size: int) -> tuple[list[Import], TimeCursor | None]:
    """Below `area`, the newest first."""
    rows = await conn.fetch(
        f"""
        SELECT {_IMPORT} FROM imports
        WHERE area >= $1 AND area < $1 || ':' AND ($2::timestamptz IS NULL OR (created_at, import_id) < ($2, $3::uuid))
        ORDER BY created_at DESC, import_id DESC LIMIT $4
        """,
        area,
        None if after is None else after.at,
        None if after is None else after.id,
        size + 1,
    )
    found = [_import(row) for row in rows[:size]]
    if len(rows) <= size:
        return found, None
    return found, TimeCursor(found[-1].created_at, found[-1].import_id)


async def part(conn: Any, import_id: UUID, starts: int) -> Part | None:
    row = await conn.fetchrow(
        "SELECT starts, size, digest, last FROM import_parts WHERE import_id = $1 AND starts = $2", import_id, starts
    )
    return None if row is None else Part(row["starts"], row["size"], bytes(row["digest"]), row["last"])


async def append(conn: Any, import_id: UUID, new: Part, content: bytes) -> None:
    await conn.execute(
        "INSERT INTO import_parts (import_id, starts, size, digest, last, content) VALUES ($1, $2, $3, $4, $5, $6)",
        import_id,
        new.starts,
        new.size,
        new.digest,
        new.last,
        content,
    )
    await conn.execute(
        "UPDATE imports SET bytes_received = bytes_received + $2, state = $3 WHERE import_id = $1",
        import_id,
        new.size,
        State.QUEUED if new.last else State.RECEIVING,
    )


async def content_from(conn: Any, import_id: UUID, offset: int) -> bytes:
    """What follows `offset`, to the end of the part that it lies in; empty at the end of the file."""
    row = await conn.fetchrow(
        """
        SELECT starts, content FROM import_parts WHERE import_id = $1 AND starts <= $2 AND starts + size > $2
        ORDER BY starts DESC LIMIT 1
        """,
        import_id,
        offset,
    )
    return b"" if row is None else bytes(row["content"])[offset - row["starts"] :]


async def set_layout(conn: Any, import_id: UUID, layout: Layout, bytes_read: int, next_line: int) -> None:
    await conn.execute(
        "UPDATE imports SET state = $2, layout = $3, bytes_read = $4, next_line = $5 WHERE import_id = $1",
        import_id,
        State.RUNNING,
        json.dumps(layout.to_json(), ensure_ascii=False),
        bytes_read,
        next_line,
    )


async def advance(conn: Any, import_id: UUID, step: Step, faults: Sequence[RowFault]) -> None:
    """Counts, the place where to go on, and the faults of the rows between stand together or not at all."""
    await conn.execute(
        """
        UPDATE imports SET bytes_read = $2, next_line = $3, rows_read = rows_read + $4 + $5 + $6, created = created + $4,
            unchanged = unchanged + $5, rejected = rejected + $6
        WHERE import_id = $1
        """,
        import_id,
        step.bytes_read,
        step.next_line,
        step.created,
        step.unchanged,
        step.rejected,
    )
    numbers: list[int] = []
    for index, fault in enumerate(faults):
        follows = index > 0 and faults[index - 1].line == fault.line
        numbers.append(numbers[-1] + 1 if follows else 1)
    if faults:
        await conn.execute(
            """
            INSERT INTO import_faults (import_id, line, fault, column_name, reason, excerpt)
            SELECT $1, n.* FROM unnest($2::integer[], $3::smallint[], $4::text[], $5::text[], $6::text[]) AS n
            """,
            import_id,
            [fault.line for fault in faults],
            numbers,
            [fault.column for fault in faults],
            [fault.reason for fault in faults],
            [fault.excerpt for fault in faults],
        )


async def end(conn: Any, import_id: UUID, at: datetime, failure: str = "", line: int = 0) -> None:
    """Done, or failed where `failure` says why. What is in the file is no longer needed."""
    await conn.execute(
        "UPDATE imports SET state = $2, ended_at = $3, failure = $4, failure_line = $5 WHERE import_id = $1",
        import_id,
        State.FAILED if failure else State.DONE,
        at,
        failure,
        line,
    )
    await conn.execute("UPDATE import_parts SET content = NULL WHERE import_id = $1", import_id)


async def abandoned(conn: Any, before: datetime) -> list[Import]:
    """Files that were begun before that moment and never completed."""
    rows = await conn.fetch(
        f"SELECT {_IMPORT} FROM imports WHERE state = 1 AND created_at < $1 LIMIT 100 FOR UPDATE SKIP LOCKED", before
    )
    return [_import(row) for row in rows]


async def faults_after(conn: Any, import_id: UUID, line: int, fault: int, limit: int) -> list[tuple[int, RowFault]]:
    """Faults in the order of the file, each with its number within its line."""
    rows = await conn.fetch(
        """
        SELECT line, fault, column_name, reason, excerpt FROM import_faults
        WHERE import_id = $1 AND (line, fault) > ($2, $3) ORDER BY line, fault LIMIT $4
        """,
        import_id,
        line,
        fault,
        limit,
    )
    return [(row["fault"], RowFault(row["line"], row["column_name"], row["reason"], row["excerpt"])) for row in rows]


def _import(row: Any) -> Import:
    given = dict(row)
    layout = given.pop("layout")
    return Import(
        **given | {"state": State(given["state"])},
        layout=None if layout is None else Layout.from_json(json.loads(layout)),
    )
